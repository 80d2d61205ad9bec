/* SPDX-License-Identifier: MPL-2.0 */
/* Who has to make room for others, of few and of many connections. */
#include "server/api/conns.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define MANY 8

/* What libmicrohttpd would say of a connection; this one is linked. */
struct MHD_Connection {
	int fd, peer;
	struct sockaddr_in address;
	void *context;
	union MHD_ConnectionInfo info;
};

const union MHD_ConnectionInfo *
MHD_get_connection_info(
    struct MHD_Connection *n, enum MHD_ConnectionInfoType what, ...)
{
	if (what == MHD_CONNECTION_INFO_CONNECTION_FD)
		n->info.connect_fd = n->fd;
	else if (what == MHD_CONNECTION_INFO_CLIENT_ADDRESS)
		n->info.client_addr = (struct sockaddr *)&n->address;
	else
		n->info.socket_context = n->context;
	return (&n->info);
}

static void
start(struct conns *c, struct MHD_Connection *n, uint32_t address)
{
	int fds[2];

	memset(n, 0, sizeof(*n));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	n->fd = fds[0];
	n->peer = fds[1];
	n->address.sin_family = AF_INET;
	n->address.sin_addr.s_addr = htonl(address);
	conns_notify(c, n, &n->context, MHD_CONNECTION_NOTIFY_STARTED);
}

static bool
ended(const struct MHD_Connection *n)
{
	char byte;

	return (recv(n->peer, &byte, 1, MSG_DONTWAIT) == 0);
}

static void
close_all(struct conns *c, struct MHD_Connection *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		conns_notify(c, &list[i], &list[i].context,
		    MHD_CONNECTION_NOTIFY_CLOSED);
		close(list[i].fd);
		close(list[i].peer);
	}
	assert_int_equal(c->n, 0);
}

/* As many of one address as stay. */
static void
test_one_address(void **state)
{
	static const size_t stays[] = { 0, 1, 2, 3, 3, 4, 5, 6, 6 };
	struct MHD_Connection list[MANY];
	struct conns c;
	size_t max, i, n;

	(void)state;
	for (max = 1; max <= MANY; max++) {
		memset(&c, 0, sizeof(c));
		conns_init(&c, 1000, max);
		for (i = 0; i < max; i++) {
			conns_tick(&c, (int64_t)i, 1000);
			start(&c, &list[i], 1);
		}
		for (i = n = 0; i < max; i++) {
			/* the oldest went first */
			assert_int_equal(ended(&list[i]), i < max - stays[max]);
			n += !ended(&list[i]);
		}
		assert_int_equal(n, stays[max]);
		close_all(&c, list, max);
	}
}

static void
test_in_all(void **state)
{
	struct MHD_Connection list[MANY];
	struct conns c = { .n = 0 };
	size_t i;

	(void)state;
	conns_init(&c, MANY, MANY);
	for (i = 0; i < MANY; i++) {
		conns_tick(&c, (int64_t)i, 1000);
		start(&c, &list[i], (uint32_t)i);
		if (i == 0)
			conns_phase(&c, &list[i], CONN_STREAM);
	}
	/* who is asking something stays */
	for (i = 0; i < MANY; i++)
		assert_int_equal(ended(&list[i]), i == 1 || i == 2);
	close_all(&c, list, MANY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_address),
		cmocka_unit_test(test_in_all),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
