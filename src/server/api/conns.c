/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Connections that take their time. libmicrohttpd closes one on which nothing
 * moves; a client that sends a byte now and then would keep its place for
 * ever. So each part of a request has its time as well:
 *
 *   HEAD -- head is there --> BODY -- body is there --> REPLY -- sent --> HEAD
 *
 * Streams have none: they end by themselves, or when their reader is slow.
 *
 * Who opens many and says nothing takes the places of others only as long as
 * there are some: beyond three quarters those that wait longest for a head are
 * ended, of the same address first. Beyond one quarter of such they are ended
 * when they have waited for some time, as each costs work whenever anything
 * moves (http.c).
 */
#include "server/api/conns.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How many request_timeouts each may take. */
static const int times[] = {
	[CONN_HEAD] = 1,
	[CONN_BODY] = 5,
	[CONN_REPLY] = 10,
	[CONN_STREAM] = 0,
};

#define PATIENCE_MS 2000

struct conn {
	int fd; /* libmicrohttpd's */
	enum conn_phase phase;
	bool ended;    /* libmicrohttpd has not closed it yet */
	int64_t since; /* mono ms */
	uint8_t address[16];
	TAILQ_ENTRY(conn) next;
};

void
conns_init(struct conns *c, size_t max, size_t max_ip)
{
	TAILQ_INIT(&c->list);
	c->max = max;
	c->max_ip = max_ip;
}

static void
address_of(struct MHD_Connection *connection, uint8_t ret[16])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	if (info == NULL || info->client_addr == NULL)
		return;
	if (info->client_addr->sa_family == AF_INET) {
		memcpy(&four, info->client_addr, sizeof(four));
		memcpy(ret, &four.sin_addr, sizeof(four.sin_addr));
	} else if (info->client_addr->sa_family == AF_INET6) {
		memcpy(&six, info->client_addr, sizeof(six));
		memcpy(ret, &six.sin6_addr, sizeof(six.sin6_addr));
	}
}

static void
end(struct conn *n)
{
	/* libmicrohttpd sees its end and closes it */
	shutdown(n->fd, SHUT_RDWR);
	n->ended = true;
}

static bool
older(const struct conn *n, const struct conn *than)
{
	return (
	    n->phase == CONN_HEAD && (than == NULL || n->since < than->since));
}

/* Three quarters; of fewer than four all, or nobody could keep one. */
static size_t
enough(size_t max)
{
	return (max - max / 4);
}

/* Ends one of those that wait for a head, if there are too many. */
static bool
make_room(struct conns *c, const struct conn *new)
{
	struct conn *n, *any = NULL, *same = NULL;
	size_t all = 0, of_same = 0, waiting = 0;
	bool is_same;

	TAILQ_FOREACH (n, &c->list, next) {
		if (n->ended)
			continue;
		is_same = memcmp(n->address, new->address, 16) == 0;
		all++;
		of_same += is_same;
		waiting += n->phase == CONN_HEAD;
		if (n == new)
			continue;
		if (older(n, any))
			any = n;
		if (is_same && older(n, same))
			same = n;
	}
	if (of_same > enough(c->max_ip) && same != NULL)
		end(same);
	else if (any != NULL &&
	    (all > enough(c->max) ||
		(waiting > c->max / 4 && c->now - any->since > PATIENCE_MS)))
		end(any);
	else
		return (false);
	return (true);
}

void
conns_notify(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct conns *c = cls;
	const union MHD_ConnectionInfo *info;
	struct conn *n = *context;

	c->moves++;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (n != NULL) {
			TAILQ_REMOVE(&c->list, n, next);
			c->replying -= n->phase == CONN_REPLY;
			c->n--;
		}
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
	address_of(connection, n->address);
	TAILQ_INSERT_TAIL(&c->list, n, next);
	c->n++;
	*context = n;
	/* two for one, so that they become fewer */
	if (c->n > c->max / 4 || c->n > c->max_ip / 4)
		(void)(make_room(c, n) && make_room(c, n));
}

void
conns_phase(
    struct conns *c, struct MHD_Connection *connection, enum conn_phase phase)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *n = info == NULL ? NULL : info->socket_context;

	c->moves++;
	if (n == NULL)
		return;
	c->replying += (phase == CONN_REPLY) - (n->phase == CONN_REPLY);
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
		end(n);
		n->since = now;
		closed++;
	}
	return (closed);
}
