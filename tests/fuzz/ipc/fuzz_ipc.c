/* SPDX-License-Identifier: MPL-2.0 */
/* The same bytes into both readers, whole and in pieces: the same messages
 * come out, or both channels end. */
#include "ipc/ipc.h"

#include "base/err.h"

#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 256

struct tally {
	unsigned messages;
	size_t bytes;
	unsigned sum, closed;
};

static void
add(struct tally *t, const struct ipc_msg *m)
{
	t->messages++;
	t->bytes += m->len;
	t->sum += m->type + m->request;
	for (size_t i = 0; i < m->len; i++)
		t->sum = t->sum * 31 + m->body[i];
	BUG_ON(m->len > BODY_MAX || m->fd != -1);
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *m, void *arg)
{
	add(arg, m);
	return 0;
}

static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct tally *t = arg;

	t->closed++;
}

static void
blocking(const uint8_t *data, size_t size, struct tally *t)
{
	struct ipc_msg m;
	struct buf in;
	int p[2];

	buf_init(&in, BODY_MAX);
	BUG_ON(ipc_pair(p, NULL) != 0);
	BUG_ON(write(p[1], data, size) != (ssize_t)size);
	close(p[1]);
	while (ipc_read(p[0], &in, &m, false, NULL) == 0)
		add(t, &m);
	close(p[0]);
	buf_release(&in);
}

static void
in_loop(const uint8_t *data, size_t size, struct tally *t)
{
	struct event_base *base = event_base_new();
	size_t at = 0, n;
	struct ipc_chan *c;
	int p[2];

	BUG_ON(ipc_pair(p, NULL) != 0);
	c = ipc_chan_new(base, p[0], BODY_MAX, 1000, on_msg, on_close, t);
	BUG_ON(c == NULL);
	while (at < size && t->closed == 0) {
		n = 1 + data[at] % 37;
		if (n > size - at)
			n = size - at;
		BUG_ON(write(p[1], data + at, n) != (ssize_t)n);
		at += n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	close(p[1]);
	while (t->closed == 0)
		event_base_loop(base, EVLOOP_ONCE);
	ipc_chan_free(c);
	event_base_free(base);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally a = { 0 }, b = { 0 };

	if (size > 60000)
		return 0;
	blocking(data, size, &a);
	in_loop(data, size, &b);
	BUG_ON(a.messages != b.messages || a.bytes != b.bytes ||
	    a.sum != b.sum || b.closed != 1);
	return 0;
}
