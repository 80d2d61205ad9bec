/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A channel in an event loop. Reading stops at frame boundaries, so a pause
 * takes effect at the next message; nothing is read ahead. Writing is tried
 * at once and queued, within max_queue, when the socket is full.
 *
 * Callbacks may do anything to the channel, ipc_chan_free included: while one
 * runs (busy), freeing only marks, and the outermost caller frees.
 */
#include "ipc/ipc.h"

#include "base/err.h"
#include "base/file.h"
#include "ipc/ipc_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

/* Receive calls before other events have their turn. */
#define BURST 64
#define NO_WAIT "no memory to wait for the other end"

struct out_frame {
	TAILQ_ENTRY(out_frame) entry;
	uint8_t header[IPC_HEADER_LEN];
	size_t len;  /* of the body */
	size_t done; /* bytes of header and body already sent */
	int fd;      /* owned until sent, or -1 */
	uint8_t body[];
};

struct ipc_chan {
	int fd; /* owned */
	size_t max_queue;
	ipc_on_msg *on_msg;
	ipc_on_close *on_close;
	void *arg;
	struct event *rev, *wev;

	uint8_t header[IPC_HEADER_LEN];
	size_t header_len; /* bytes of it that are here */
	struct ipc_header h;
	struct buf body;
	int in_fd; /* came with the header; -1 */

	TAILQ_HEAD(, out_frame) out;
	size_t queued;

	unsigned busy;
	bool dead, freed, paused, take_fds;
};

static void
drop_frame(struct ipc_chan *c, struct out_frame *f)
{
	TAILQ_REMOVE(&c->out, f, entry);
	c->queued -= IPC_HEADER_LEN + f->len - f->done;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

static void
destroy(struct ipc_chan *c)
{
	struct out_frame *f;

	if (c->rev != NULL)
		event_free(c->rev);
	if (c->wev != NULL)
		event_free(c->wev);
	while ((f = TAILQ_FIRST(&c->out)) != NULL)
		drop_frame(c, f);
	if (c->in_fd >= 0)
		close(c->in_fd);
	if (c->fd >= 0)
		close(c->fd);
	buf_release(&c->body);
	free(c);
}

static void
leave(struct ipc_chan *c)
{
	c->busy--;
	if (c->busy == 0 && c->freed)
		destroy(c);
}

static void
die(struct ipc_chan *c, const char *why)
{
	if (c->dead || c->freed)
		return;
	c->dead = true;
	event_del(c->rev);
	event_del(c->wev);
	c->on_close(c, why, c->arg);
}

/* Hands the complete frame over. */
static void
deliver(struct ipc_chan *c)
{
	struct ipc_msg msg = {
		.type = c->h.type,
		.request = c->h.request,
		.body = c->body.data,
		.len = c->body.len,
		.fd = c->in_fd,
	};

	c->header_len = 0;
	c->in_fd = -1;
	if (c->on_msg(c, &msg, c->arg) < 0)
		die(c, "unexpected or invalid message");
	if (!c->freed && !c->dead)
		ipc_body_clear(&c->body);
}

/* Asks for more of the header or of the body. 1: something came; 0: nothing
 * there now; negative: the channel is dead. */
static int
fill(struct ipc_chan *c)
{
	bool header = c->header_len < IPC_HEADER_LEN;
	size_t want =
	    header ? IPC_HEADER_LEN - c->header_len : c->h.len - c->body.len;
	uint8_t *p = c->header + c->header_len;
	int *take = header && c->take_fds ? &c->in_fd : NULL;
	ssize_t n;

	if (!header) {
		p = buf_reserve(&c->body, want);
		if (p == NULL) {
			die(c, "out of memory for a message");
			return -1;
		}
	}
	if (ipc_recv(c->fd, p, want, take, &n) != 0) {
		die(c, "a descriptor came that was not expected");
		return -1;
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		die(c,
		    c->header_len > 0 ? IPC_CLOSED "in the middle of a message"
				      : IPC_CLOSED "by the other end");
		return -1;
	}
	if (header)
		c->header_len += (size_t)n;
	else
		c->body.len += (size_t)n;
	return 1;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_chan *c = arg;
	int i, more = 1;

	/* there was no memory for that (ipc_chan_pause) */
	if (!c->paused && !event_pending(c->rev, EV_READ, NULL) &&
	    event_add(c->rev, NULL) != 0) {
		c->busy++;
		die(c, NO_WAIT);
		leave(c);
		return;
	}
	/* paused: the first that comes shows it (ipc_chan_pause) */
	if (c->paused) {
		event_del(c->rev);
		return;
	}
	c->busy++;
	for (i = 0; i < BURST && more > 0; i++) {
		if (c->dead || c->freed || c->paused)
			break;
		more = fill(c);
		if (more <= 0 || c->header_len < IPC_HEADER_LEN)
			continue;
		if (c->body.len == 0 &&
		    ipc_header_read(c->header, c->body.max, &c->h) != 0) {
			die(c, "impossible message header");
			break;
		}
		if (c->body.len == c->h.len)
			deliver(c);
	}
	leave(c);
}

/* Writes what the socket takes. ERR_CLOSED when it is broken, ERR_NOMEM when
 * the rest would wait for ever. */
static int
flush(struct ipc_chan *c)
{
	struct out_frame *f;
	ssize_t n;

	while ((f = TAILQ_FIRST(&c->out)) != NULL) {
		n = ipc_frame_send(
		    c->fd, f->header, f->body, f->len, f->done, f->fd);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return ERR_CLOSED;
		if (f->fd >= 0) {
			close(f->fd);
			f->fd = -1;
		}
		f->done += (size_t)n;
		c->queued -= (size_t)n;
		if (f->done == IPC_HEADER_LEN + f->len)
			drop_frame(c, f);
	}
	return f == NULL || event_add(c->wev, NULL) == 0 ? 0 : ERR_NOMEM;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_chan *c = arg;
	int rc;

	c->busy++;
	rc = flush(c);
	/* its last words come before its end */
	if (rc == ERR_CLOSED && !c->paused)
		on_readable(fd, EV_READ, c);
	if (rc != 0)
		die(c,
		    rc == ERR_NOMEM ? NO_WAIT : IPC_CLOSED "by the other end");
	leave(c);
}

struct ipc_chan *
ipc_chan_new(struct event_base *base, int fd, size_t max_body, size_t max_queue,
    ipc_on_msg *on_msg, ipc_on_close *on_close, void *arg)
{
	struct ipc_chan *c = calloc(1, sizeof(*c));

	if (c == NULL || fd_set_nonblock(fd) != 0) {
		free(c);
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->in_fd = -1;
	c->max_queue = max_queue;
	c->on_msg = on_msg;
	c->on_close = on_close;
	c->arg = arg;
	buf_init(&c->body, max_body);
	TAILQ_INIT(&c->out);
	c->rev = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->wev = event_new(base, fd, EV_WRITE, on_writable, c);
	if (c->rev == NULL || c->wev == NULL || event_add(c->rev, NULL) != 0) {
		destroy(c);
		return NULL;
	}
	return c;
}

void
ipc_chan_free(struct ipc_chan *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	event_del(c->rev);
	event_del(c->wev);
	if (c->busy == 0)
		destroy(c);
}

int
ipc_chan_send(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len)
{
	return ipc_chan_send_fd(c, type, request, body, len, -1);
}

int
ipc_chan_send_fd(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len, int fd)
{
	struct ipc_header h = { (uint32_t)len, type, request };
	struct out_frame *f;

	if (c->dead || c->freed)
		return ERR_CLOSED;
	if (len > UINT32_MAX || len > SIZE_MAX - sizeof(*f))
		return ERR_TOOBIG;
	if (IPC_HEADER_LEN + len > c->max_queue ||
	    c->queued > c->max_queue - IPC_HEADER_LEN - len)
		return ERR_BUSY;
	f = malloc(sizeof(*f) + len);
	if (f == NULL)
		return ERR_NOMEM;
	ipc_header_write(f->header, &h);
	f->len = len;
	f->done = 0;
	f->fd = fd;
	if (len > 0)
		memcpy(f->body, body, len);
	TAILQ_INSERT_TAIL(&c->out, f, entry);
	c->queued += IPC_HEADER_LEN + len;
	/* the end is told from the loop, never from inside this call */
	if (TAILQ_FIRST(&c->out) == f && flush(c) != 0)
		event_active(c->wev, EV_WRITE, 0);
	return 0;
}

size_t
ipc_chan_queued(const struct ipc_chan *c)
{
	return c->queued;
}

void
ipc_chan_pause(struct ipc_chan *c, bool pause)
{
	if (c->dead || c->freed || c->paused == pause)
		return;
	c->paused = pause;
	/* most pauses end before anything comes: the event stays until then */
	if (!pause && !event_pending(c->rev, EV_READ, NULL) &&
	    event_add(c->rev, NULL) != 0)
		event_active(c->rev, EV_READ, 0);
}

void
ipc_chan_accept_fds(struct ipc_chan *c, bool accept)
{
	c->take_fds = accept;
}
