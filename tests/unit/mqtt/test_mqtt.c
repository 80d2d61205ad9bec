/* SPDX-License-Identifier: MPL-2.0 */
/* The client against a broker of a few lines: connections that break. The
 * library closes its socket then. */
#include "mqtt/mqtt.h"

#include "base/err.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#define PIECE 65536
#define PIECES 64 /* more than a socket takes */

struct test {
	struct event_base *base;
	int listening, broker;
	int pieces; /* published, and never read */
	/* written to: another event of the round in which the socket ends */
	int other[2];
	/* made there; somebody gets the number that the socket had */
	int pipe[2];
	struct event *reading;
	bool down, heard;
};

static int warnings;

static void
on_log(int severity, const char *text)
{
	warnings++;
	print_message("libevent: %s\n", text);
}

static void
on_pipe(evutil_socket_t fd, short what, void *arg)
{
	struct test *t = arg;

	t->heard = true;
}

static void
on_other(evutil_socket_t fd, short what, void *arg)
{
	struct test *t = arg;
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
	assert_false(t->down);
	assert_int_equal(pipe(t->pipe), 0);
	t->reading = event_new(t->base, t->pipe[0], EV_READ, on_pipe, t);
	assert_int_equal(event_add(t->reading, NULL), 0);
	assert_int_equal(write(t->pipe[1], "x", 1), 1);
}

static void
connected(struct mqtt *m, void *arg)
{
	static uint8_t piece[PIECE];
	struct test *t = arg;
	struct err e;
	int i;

	for (i = 0; i < t->pieces; i++)
		assert_int_equal(
		    mqtt_publish(m, "t", piece, PIECE, 0, NULL, &e), 0);
	close(t->broker);
	t->broker = -1;
	if (t->pieces == 0)
		assert_int_equal(write(t->other[1], "x", 1), 1);
}

static void
disconnected(struct mqtt *m, const char *why, void *arg)
{
	struct test *t = arg;

	t->down = true;
	event_base_loopbreak(t->base);
}

static void
message(struct mqtt *m, const char *topic, const void *payload, size_t len,
    void *arg)
{
}

/* Any CONNECT is welcome. */
static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	static const uint8_t connack[] = { 0x20, 2, 0, 0 };
	struct test *t = arg;

	t->broker = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(t->broker >= 0);
	assert_int_equal(
	    write(t->broker, connack, sizeof(connack)), sizeof(connack));
}

/* It got the number, and hears what comes. */
static void
check_other(struct test *t)
{
	if (t->pieces > 0)
		return;
	assert_non_null(t->reading);
	event_base_loop(t->base, EVLOOP_NONBLOCK);
	assert_true(t->heard);
	event_free(t->reading);
	close(t->pipe[0]);
	close(t->pipe[1]);
	t->reading = NULL;
	t->heard = false;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return (fd);
}

static int
descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return (n);
}

static void
break_connections(int pieces)
{
	static const struct mqtt_events ev = { connected, disconnected, message,
		NULL };
	char dir[] = "/tmp/mig-test-mqtt-XXXXXX", path[64];
	struct mqtt_options o = {
		.client_id = "x", .host = path, .keepalive = 60
	};
	struct test t = {
		.base = event_base_new(), .broker = -1, .pieces = pieces
	};
	struct event *accepting, *other;
	struct mqtt *m;
	struct err e;
	int before, i;

	event_set_log_callback(on_log);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	t.listening = listen_at(path);
	accepting =
	    event_new(t.base, t.listening, EV_READ | EV_PERSIST, on_accept, &t);
	assert_int_equal(event_add(accepting, NULL), 0);
	assert_int_equal(pipe(t.other), 0);
	other =
	    event_new(t.base, t.other[0], EV_READ | EV_PERSIST, on_other, &t);
	assert_int_equal(event_add(other, NULL), 0);
	m = mqtt_new(t.base, &ev, &t, &e);
	assert_non_null(m);
	before = descriptors();
	for (i = 0; i < 3; i++) {
		t.down = false;
		assert_int_equal(mqtt_connect(m, &o, &e), 0);
		event_base_dispatch(t.base);
		assert_true(t.down);
		check_other(&t);
		assert_int_equal(descriptors(), before);
	}
	assert_int_equal(warnings, 0);
	mqtt_free(m);
	event_free(accepting);
	event_free(other);
	close(t.other[0]);
	close(t.other[1]);
	event_base_free(t.base);
	close(t.listening);
	unlink(path);
	rmdir(dir);
}

static void
test_while_something_waits_to_be_written(void **state)
{
	break_connections(PIECES);
}

static void
test_the_number_is_used_again(void **state)
{
	break_connections(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_while_something_waits_to_be_written),
		cmocka_unit_test(test_the_number_is_used_again),
	};

	signal(SIGPIPE, SIG_IGN);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
