/* SPDX-License-Identifier: MPL-2.0 */
/* Channels in a loop: order, limits, pauses, endings, junk. */
#include "ipc/ipc.h"

#include "base/err.h"

#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

struct side {
	struct ipc_chan *c;
	int got, closed, fds;
	uint32_t last;
	size_t bytes;
	const char *why;
	int refuse_type; /* on_msg fails for it */
	bool junk;       /* bodies are not what send_n makes */
	bool free_on_msg, free_on_close, pause_on_msg, echo;
};

static struct event_base *base;
static bool no_events; /* none can be added */

int __real_event_add(struct event *ev, const struct timeval *tv);
int __wrap_event_add(struct event *ev, const struct timeval *tv);

int
__wrap_event_add(struct event *ev, const struct timeval *tv)
{
	return no_events ? -1 : __real_event_add(ev, tv);
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *m, void *arg)
{
	struct side *s = arg;

	assert_ptr_equal(c, s->c);
	s->got++;
	s->bytes += m->len;
	s->last = m->request;
	for (size_t i = 0; i < m->len && !s->junk; i++)
		assert_int_equal(m->body[i], (uint8_t)(m->request + i));
	if (m->fd >= 0) {
		s->fds++;
		close(m->fd);
	}
	if (s->refuse_type != 0 && m->type == s->refuse_type)
		return ERR_INVALID;
	if (s->pause_on_msg)
		ipc_chan_pause(c, true);
	if (s->echo)
		assert_int_equal(
		    ipc_chan_send(c, m->type, m->request, m->body, m->len), 0);
	if (s->free_on_msg) {
		ipc_chan_free(c);
		s->c = NULL;
	}
	return 0;
}

static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct side *s = arg;

	assert_non_null(why);
	s->closed++;
	s->why = why;
	if (s->free_on_close) {
		ipc_chan_free(c);
		s->c = NULL;
	}
}

static void
side_open(struct side *s, int fd, size_t max_body, size_t max_queue)
{
	memset(s, 0, sizeof(*s));
	s->c = ipc_chan_new(base, fd, max_body, max_queue, on_msg, on_close, s);
	assert_non_null(s->c);
}

/* Until nothing happens any more. */
static void
spin(void)
{
	for (int i = 0; i < 200; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
pair(int p[2])
{
	assert_int_equal(ipc_pair(p, NULL), 0);
}

static int
send_n(struct side *s, uint32_t n, size_t len)
{
	uint8_t *body = malloc(len + 1);
	int rc;

	for (size_t i = 0; i < len; i++)
		body[i] = (uint8_t)(n + i);
	rc = ipc_chan_send(s->c, 1, n, body, len);
	free(body);
	return rc;
}

static void
test_order_and_size(void **state)
{
	struct side a, b;
	size_t total = 0;
	int p[2];

	pair(p);
	side_open(&a, p[0], 1 << 20, 64 << 20);
	side_open(&b, p[1], 1 << 20, 64 << 20);
	b.echo = true;
	for (uint32_t n = 1; n <= 40; n++) {
		size_t len = n % 5 == 0 ? 700000 : n * 13 % 50;

		assert_int_equal(send_n(&a, n, len), 0);
		total += len;
	}
	assert_true(ipc_chan_queued(a.c) > 0);
	for (int i = 0; i < 400 && a.got < 40; i++)
		spin();
	assert_int_equal(b.got, 40);
	assert_int_equal(b.last, 40);
	assert_int_equal(b.bytes, total);
	assert_int_equal(a.got, 40);
	assert_int_equal(a.bytes, total);
	assert_int_equal(ipc_chan_queued(a.c), 0);
	ipc_chan_free(a.c);
	spin();
	assert_int_equal(b.closed, 1);
	assert_int_equal(send_n(&b, 1, 1), ERR_CLOSED);
	ipc_chan_free(b.c);
}

static size_t
in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Who had one large message has its memory no longer than that; small ones
 * are read into the same place. */
static void
test_memory_of_a_large_one(void **state)
{
	struct side a, b;
	size_t before;
	int p[2];

	pair(p);
	side_open(&a, p[0], 1 << 20, 4 << 20);
	side_open(&b, p[1], 1 << 20, 4 << 20);
	assert_int_equal(send_n(&a, 1, 1000), 0);
	spin();
	before = in_use();
	assert_int_equal(send_n(&a, 2, 1 << 20), 0);
	spin();
	assert_int_equal(b.got, 2);
	assert_true(in_use() < before + 1024);
	assert_int_equal(send_n(&a, 3, 1000), 0);
	spin();
	assert_int_equal(b.got, 3);
	ipc_chan_free(a.c);
	ipc_chan_free(b.c);
}

static void
test_queue_limit(void **state)
{
	struct side a, b;
	int p[2], rc;
	uint32_t n = 0;

	pair(p);
	side_open(&a, p[0], 1 << 20, 100000);
	side_open(&b, p[1], 1 << 20, 100000);
	ipc_chan_pause(b.c, true);
	assert_int_equal(send_n(&a, 1, 100000), ERR_BUSY);
	while ((rc = send_n(&a, n + 1, 10000)) == 0)
		n++;
	assert_int_equal(rc, ERR_BUSY);
	assert_true(ipc_chan_queued(a.c) <= 100000);
	spin();
	assert_int_equal(b.got, 0);
	ipc_chan_pause(b.c, false);
	spin();
	assert_int_equal(b.got, n);
	assert_int_equal(b.last, n);
	assert_int_equal(send_n(&a, n + 1, 10000), 0);
	ipc_chan_free(a.c);
	ipc_chan_free(b.c);
}

/* A pause holds from the next message on, even within one burst. */
static void
test_pause(void **state)
{
	struct side a, b;
	int p[2];

	pair(p);
	side_open(&a, p[0], 1000, 100000);
	side_open(&b, p[1], 1000, 100000);
	b.pause_on_msg = true;
	for (uint32_t n = 1; n <= 5; n++)
		send_n(&a, n, 10);
	for (int n = 1; n <= 5; n++) {
		spin();
		assert_int_equal(b.got, n);
		ipc_chan_pause(b.c, false);
	}
	ipc_chan_free(a.c);
	ipc_chan_free(b.c);
}

/* Where the loop cannot wait for a channel, it ends: it would hang. */
static void
test_no_memory_to_wait(void **state)
{
	struct side a, b;
	int p[2];

	pair(p);
	side_open(&a, p[0], 1000, 10000000);
	side_open(&b, p[1], 1000, 10000000);
	ipc_chan_pause(b.c, true);
	no_events = true;
	for (uint32_t n = 1; ipc_chan_queued(a.c) == 0; n++)
		assert_int_equal(send_n(&a, n, 1000), 0);
	spin();
	assert_int_equal(a.closed, 1);
	assert_non_null(strstr(a.why, "no memory"));

	/* its event went with what came in the pause */
	spin();
	ipc_chan_pause(b.c, false);
	assert_int_equal(b.closed, 0);
	spin();
	assert_int_equal(b.closed, 1);
	assert_non_null(strstr(b.why, "no memory"));
	no_events = false;
	ipc_chan_free(a.c);
	ipc_chan_free(b.c);
}

static void
test_descriptors(void **state)
{
	struct side a, b;
	int p[2];

	for (int accept = 0; accept < 2; accept++) {
		pair(p);
		side_open(&a, p[0], 1000, 100000);
		side_open(&b, p[1], 1000, 100000);
		ipc_chan_accept_fds(b.c, accept == 1);
		send_n(&a, 1, 10);
		assert_int_equal(ipc_chan_send_fd(a.c, 2, 2, NULL, 0,
				     open("/dev/null", O_RDONLY)),
		    0);
		send_n(&a, 3, 10);
		spin();
		assert_int_equal(b.fds, accept);
		assert_int_equal(b.got, accept == 1 ? 3 : 1);
		assert_int_equal(b.closed, !accept);
		ipc_chan_free(a.c);
		ipc_chan_free(b.c);
	}
}

static void
test_endings(void **state)
{
	struct side a, b;
	int p[2];

	/* the handler refuses a message */
	pair(p);
	side_open(&a, p[0], 1000, 100000);
	side_open(&b, p[1], 1000, 100000);
	b.refuse_type = 1;
	b.free_on_close = true;
	send_n(&a, 1, 10);
	send_n(&a, 2, 10);
	spin();
	assert_int_equal(b.got, 1);
	assert_int_equal(b.closed, 1);
	assert_int_equal(a.closed, 1);
	ipc_chan_free(a.c);
	/* freed inside its own handler */
	pair(p);
	side_open(&a, p[0], 1000, 100000);
	side_open(&b, p[1], 1000, 100000);
	b.free_on_msg = true;
	send_n(&a, 1, 10);
	send_n(&a, 2, 10);
	spin();
	assert_int_equal(b.got, 1);
	assert_int_equal(b.closed, 0);
	ipc_chan_free(a.c);
	/* the other end is gone while we write: told from the loop only */
	pair(p);
	side_open(&a, p[0], 1000, 100000);
	close(p[1]);
	assert_int_equal(send_n(&a, 1, 10), 0);
	assert_int_equal(a.closed, 0);
	spin();
	assert_int_equal(a.closed, 1);
	ipc_chan_free(a.c);
	/* and while it is paused */
	pair(p);
	side_open(&a, p[0], 1000, 100000);
	ipc_chan_pause(a.c, true);
	close(p[1]);
	send_n(&a, 1, 10);
	spin();
	assert_int_equal(a.closed, 1);
	ipc_chan_free(a.c);
	ipc_chan_free(NULL);
}

static void
test_random(void **state)
{
	uint8_t junk[200];
	struct side a;
	int p[2];

	srandom(5);
	for (int i = 0; i < 2000; i++) {
		size_t len = 1 + (size_t)random() % (sizeof(junk) - 1), at = 0;

		for (size_t j = 0; j < len; j++)
			junk[j] = random() % 4 ? 0 : (uint8_t)random();
		pair(p);
		side_open(&a, p[0], 50, 1000);
		a.junk = true;
		while (at < len) {
			size_t n = 1 + (size_t)random() % (len - at);

			if (write(p[1], junk + at, n) != (ssize_t)n)
				break;
			at += n;
			event_base_loop(base, EVLOOP_NONBLOCK);
		}
		close(p[1]);
		event_base_loop(base, EVLOOP_NONBLOCK);
		event_base_loop(base, EVLOOP_NONBLOCK);
		assert_int_equal(a.closed, 1);
		ipc_chan_free(a.c);
	}
}

static int
setup(void **state)
{
	base = event_base_new();
	return base == NULL;
}

static int
teardown(void **state)
{
	event_base_free(base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_size),
		cmocka_unit_test(test_memory_of_a_large_one),
		cmocka_unit_test(test_queue_limit),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_no_memory_to_wait),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_endings),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
