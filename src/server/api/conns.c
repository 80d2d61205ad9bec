/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Connections that take their time. libmicrohttpd closes one on which nothing
 * moves; a client that sends a byte now and then would keep its place for
 * ever. So each part of a request has its time as well:
 *
 *   HEAD -- head is there --> BODY -- body is there --> REPLY -- sent --> HEAD
 *
 * Streams have none: they end by themselves, or when their reader is slow.
 */
#include "server/api/conns.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>

/* How many request_timeouts each may take. */
static const int times[] = {
	[CONN_HEAD] = 1,
	[CONN_BODY] = 5,
	[CONN_REPLY] = 10,
	[CONN_STREAM] = 0,
};

struct conn {
	int fd; /* libmicrohttpd's */
	enum conn_phase phase;
	int64_t since; /* mono ms */
	TAILQ_ENTRY(conn) next;
};

void
conns_init(struct conns *c)
{
	TAILQ_INIT(&c->list);
}

void
conns_notify(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct conns *c = cls;
	const union MHD_ConnectionInfo *info;
	struct conn *n = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (n != NULL)
			TAILQ_REMOVE(&c->list, n, next);
		free(n);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL || (n = calloc(1, sizeof(*n))) == NULL)
		return;
	n->fd = info->connect_fd;
	n->since = c->now;
	TAILQ_INSERT_TAIL(&c->list, n, next);
	*context = n;
}

void
conns_phase(
    struct conns *c, struct MHD_Connection *connection, enum conn_phase phase)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *n = info == NULL ? NULL : info->socket_context;

	if (n == NULL)
		return;
	n->phase = phase;
	n->since = c->now;
}

size_t
conns_tick(struct conns *c, int64_t now, int64_t timeout_ms)
{
	struct conn *n;
	size_t closed = 0;

	c->now = now;
	TAILQ_FOREACH (n, &c->list, next) {
		if (times[n->phase] == 0 ||
		    now - n->since <= times[n->phase] * timeout_ms)
			continue;
		/* libmicrohttpd sees its end and closes it */
		shutdown(n->fd, SHUT_RDWR);
		n->since = now;
		closed++;
	}
	return (closed);
}
