/* SPDX-License-Identifier: MPL-2.0 */
/* The HTTPS client without a server: addresses, escaping, nobody there. What
 * TLS does is tested against a real server in tests/integration. */
#include "http/http.h"

#include "base/err.h"
#include "crypto/x509.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* Takes a body of this size, most of it slowly. */
static void
take_slowly(SSL *ssl, size_t len)
{
	char piece[16384];
	size_t got = 0;
	int i, n;

	for (i = 0; got < len; i++, got += (size_t)n) {
		if ((n = SSL_read(ssl, piece, sizeof(piece))) <= 0)
			_exit(1);
		if (i < 1000)
			poll(NULL, 0, 1);
	}
}

/* Answers one request, with a body of this size, a byte each 20 ms. */
static void
serve_slowly(int listener, size_t body, const char *cert, const char *key)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Length: 50\r\n\r\n";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *c = BIO_new_mem_buf(cert, -1), *k = BIO_new_mem_buf(key, -1);
	SSL *ssl;
	char request[4096];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	SSL_CTX_use_certificate(ctx, PEM_read_bio_X509(c, NULL, NULL, NULL));
	SSL_CTX_use_PrivateKey(
	    ctx, PEM_read_bio_PrivateKey(k, NULL, NULL, NULL));
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, accept(listener, NULL, NULL));
	if (SSL_accept(ssl) != 1 ||
	    SSL_read(ssl, request, sizeof(request)) <= 0)
		_exit(1);
	take_slowly(ssl, body);
	SSL_write(ssl, head, sizeof(head) - 1);
	for (i = 0; i < 50; i++) {
		SSL_write(ssl, "x", 1);
		poll(NULL, 0, 20);
	}
	_exit(0);
}

/* What becomes of a request to such a server. */
static int
ask_the_slow(const struct http_request *req, struct err *e)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct http_response res;
	struct http_options o;
	socklen_t len = sizeof(sa);
	struct buf ca, ca_key, cert, key;
	struct http *h;
	char base[64];
	pid_t pid;
	int r;

	buf_init(&ca, 65536);
	buf_init(&ca_key, 65536);
	buf_init(&cert, 65536);
	buf_init(&key, 65536);
	assert_int_equal(x509_start(e), 0);
	assert_int_equal(x509_ca_new("test", 1, &ca, &ca_key, e), 0);
	assert_int_equal(x509_key_new(&key, e), 0);
	assert_int_equal(x509_issue_server(buf_str(&ca), buf_str(&ca_key),
			     "127.0.0.1", buf_str(&key), 1, &cert, e),
	    0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s, 1), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&sa, &len), 0);
	snprintf(
	    base, sizeof(base), "https://127.0.0.1:%d", ntohs(sa.sin_port));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		serve_slowly(s, req->body_len, buf_str(&cert), buf_str(&key));
	o = (struct http_options){ .base = base, .ca_pem = buf_str(&ca) };
	assert_int_equal(http_new(&o, &h, e), 0);
	r = http_do(h, req, &res, e);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	http_response_release(&res);
	http_free(h);
	buf_release(&ca);
	buf_release(&ca_key);
	buf_release(&cert);
	buf_release(&key);
	close(s);
	return r;
}

/* Who sends a byte now and then keeps nobody waiting without end. */
static void
test_byte_after_byte(void **state)
{
	struct http_request req = {
		.method = "GET", .path = "/", .idle_ms = 300
	};
	struct err e = { 0 };

	assert_int_equal(ask_the_slow(&req, &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "is too slow: "));
}

static int
read_on_later(const void *data, size_t len, void *arg)
{
	size_t *got = arg;

	if (*got == 0)
		poll(NULL, 0, 700);
	*got += len;
	return 0;
}

/* How long it takes to do something with the answer is not counted. */
static void
test_reader_who_waits(void **state)
{
	size_t got = 0;
	struct http_request req = { .method = "GET",
		.path = "/",
		.on_data = read_on_later,
		.arg = &got,
		.idle_ms = 700 };
	struct err e = { 0 };

	assert_int_equal(ask_the_slow(&req, &e), 0);
	assert_int_equal(got, 50);
}

/* A long request is no silence while its bytes move. */
static void
test_upload_that_takes_long(void **state)
{
	size_t len = (size_t)20 * 1024 * 1024, got = 0;
	char *body = malloc(len);
	struct http_request req = { .method = "POST",
		.path = "/",
		.body = body,
		.body_len = len,
		.on_data = read_on_later,
		.arg = &got,
		.idle_ms = 700 };
	struct err e = { 0 };

	assert_non_null(body);
	memset(body, ' ', len);
	assert_int_equal(ask_the_slow(&req, &e), 0);
	assert_int_equal(got, 50);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_stopped_late),
		cmocka_unit_test(test_byte_after_byte),
		cmocka_unit_test(test_reader_who_waits),
		cmocka_unit_test(test_upload_that_takes_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
