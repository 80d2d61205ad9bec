/* SPDX-License-Identifier: MPL-2.0 */
/* The HTTPS client without a server: addresses, escaping, nobody there. What
 * TLS does is tested against a real server in tests/integration. */
#include "http/http.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_base(void **state)
{
	static const struct {
		const char *base;
		int want;
	} rows[] = {
		{ "https://localhost:8443", 0 },
		{ "https://127.0.0.1:1", 0 },
		{ "https://[::1]:8443", 0 },
		{ "https://mig.example.org", 0 },
		{ "http://localhost:8443", ERR_INVALID },
		{ "localhost:8443", ERR_INVALID },
		{ "https://", ERR_INVALID },
		{ "https://host/path", ERR_INVALID },
		{ "https://host:8443/", ERR_INVALID },
		{ "https://host:99999", ERR_INVALID },
		{ "https://ho st", ERR_INVALID },
		{ "file:///etc/passwd", ERR_INVALID },
		{ "", ERR_INVALID },
	};
	struct http_options o = { .ca_pem = "x" };
	struct http *h;
	struct err e;
	size_t i;
	int r;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		o.base = rows[i].base;
		h = NULL;
		r = http_new(&o, &h, &e);
		if (r != rows[i].want)
			fail_msg("%s: %d %s", rows[i].base, r, e.msg);
		if (r != 0)
			assert_non_null(strstr(e.msg, "https://HOST:PORT"));
		http_free(h);
	}
}

static void
test_escape(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(http_escape(&b, "aZ09-._~ '%&=/\xc3\xa9"), 0);
	assert_string_equal(buf_str(&b), "aZ09-._~%20%27%25%26%3D%2F%C3%A9");
	assert_int_equal(
	    http_escape(&b, "'''''''''''''''''''''''''''''''''''''"),
	    ERR_TOOBIG);
	buf_release(&b);
}

/* A port where nobody listens: bound, but not listening. */
static void
test_nobody(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct http_request req = { .method = "GET", .path = "/" };
	struct http_options o = { .ca_pem = "x" };
	struct http_response res;
	socklen_t len = sizeof(sa);
	struct err e = { 0 };
	struct http *h;
	struct buf ca;
	char base[64];
	int s = socket(AF_INET, SOCK_STREAM, 0), r;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&sa, &len), 0);
	snprintf(
	    base, sizeof(base), "https://127.0.0.1:%d", ntohs(sa.sin_port));
	o.base = base;
	assert_int_equal(http_new(&o, &h, &e), 0);
	r = http_do(h, &req, &res, &e);
	assert_true(r != 0); /* "x" is no CA, or nobody is there */
	assert_int_equal(res.status, 0);
	assert_true(e.msg[0] != '\0');
	http_response_release(&res);
	http_free(h);
	buf_init(&ca, 10000);
	err_clear(&e);
	assert_int_equal(http_fetch_ca(base, &ca, &e), ERR_CLOSED);
	assert_non_null(strstr(e.msg, "Connection refused"));
	assert_int_equal(ca.len, 0);
	buf_release(&ca);
	close(s);
}

struct other_end {
	int listener, s; /* s: -1 until somebody has connected */
};

/* Ends what has ended already: the connection was made, and closed again. */
static int
stop_the_ended(void *arg)
{
	struct other_end *o = arg;
	char byte;

	if (o->s < 0)
		o->s = accept4(o->listener, NULL, NULL, SOCK_NONBLOCK);
	return o->s >= 0 && recv(o->s, &byte, 1, 0) == 0 ? ERR_BUSY : 0;
}

/* Whoever wants to stop comes too late once there is an answer, or why there is
 * none: here the CA is none, which is seen after connecting. */
static void
test_stopped_late(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct other_end end = { .listener = socket(
				     AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
		.s = -1 };
	struct http_request req = { .method = "POST",
		.path = "/",
		.body = "{}",
		.body_len = 2,
		.on_tick = stop_the_ended,
		.arg = &end };
	struct http_options o = { .ca_pem = "x" };
	struct http_response res;
	socklen_t len = sizeof(sa);
	struct err e = { 0 };
	struct http *h;
	char base[64];

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    bind(end.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(end.listener, 1), 0);
	assert_int_equal(
	    getsockname(end.listener, (struct sockaddr *)&sa, &len), 0);
	snprintf(
	    base, sizeof(base), "https://127.0.0.1:%d", ntohs(sa.sin_port));
	o.base = base;
	assert_int_equal(http_new(&o, &h, &e), 0);
	assert_int_equal(http_do(h, &req, &res, &e), ERR_IO);
	assert_null(strstr(e.msg, "stopped"));
	http_response_release(&res);
	http_free(h);
	close(end.s);
	close(end.listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_stopped_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
