/* SPDX-License-Identifier: MPL-2.0 */
/* The tunnel to the relay; see tunnel.h. What a proxy says is a status line
 * and headers of at most REPLY_MAX bytes, of which only the number counts. */
#include "mqtt/tunnel.h"

#include "base/err.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX 8192
#define STEP_SECONDS 10        /* for a connection, and for a proxy's answer */
#define AHEAD_MAX (256 * 1024) /* bytes that one end is behind the other */
#define WHY_MAX 512

struct tunnel {
	struct event_base *base;
	struct event *accept;
	int listen_fd;
	struct tunnel_peer relay, proxies[TUNNEL_PROXIES_MAX];
	unsigned int nproxies;
	unsigned int at;            /* proxy being tried; nproxies: directly */
	struct addrinfo *list, *ai; /* addresses of that peer; being tried */
	bool connected;
	struct bufferevent *near, *far; /* client, proxy or relay */
	char why[WHY_MAX];
};

static void try_on(struct tunnel *t);

static void
close_far(struct tunnel *t)
{
	if (t->far != NULL)
		bufferevent_free(t->far);
	t->far = NULL;
}

static void
forget_addresses(struct tunnel *t)
{
	if (t->list != NULL)
		freeaddrinfo(t->list);
	t->list = t->ai = NULL;
}

static void
close_both(struct tunnel *t)
{
	forget_addresses(t);
	if (t->near != NULL)
		bufferevent_free(t->near);
	t->near = NULL;
	close_far(t);
}

static const struct tunnel_peer *
peer(const struct tunnel *t)
{
	return t->at < t->nproxies ? &t->proxies[t->at] : &t->relay;
}

/* Every way's reason is kept. */
static void
note(struct tunnel *t, const char *why)
{
	size_t len = strlen(t->why);

	snprintf(t->why + len, sizeof(t->why) - len, "%s%s%s port %u: %s",
	    len > 0 ? "; " : "", t->at < t->nproxies ? "proxy " : "",
	    peer(t)->host, (unsigned int)peer(t)->port, why);
}

/* This address, or when it answered this way, does not work. */
static void
failed(struct tunnel *t, const char *why)
{
	close_far(t);
	if (t->connected || t->ai->ai_next == NULL) {
		note(t, why);
		t->ai = NULL;
	} else {
		t->ai = t->ai->ai_next;
	}
	try_on(t);
}

/* --- both ways ------------------------------------------------------------ */

static struct bufferevent *
other(const struct tunnel *t, const struct bufferevent *bev)
{
	return bev == t->near ? t->far : t->near;
}

static void
on_data(struct bufferevent *bev, void *arg)
{
	struct tunnel *t = arg;
	struct evbuffer *out = bufferevent_get_output(other(t, bev));

	evbuffer_add_buffer(out, bufferevent_get_input(bev));
	if (evbuffer_get_length(out) > AHEAD_MAX)
		bufferevent_disable(bev, EV_READ);
}

static void
on_drained(struct bufferevent *bev, void *arg)
{
	struct tunnel *t = arg;

	bufferevent_enable(other(t, bev), EV_READ);
}

static void
on_last_drained(struct bufferevent *bev, void *arg)
{
	close_both(arg);
}

/* One end is gone: the other gets what is still on its way. */
static void
on_end(struct bufferevent *bev, short what, void *arg)
{
	struct tunnel *t = arg;
	struct bufferevent *rest = other(t, bev);

	if (evbuffer_get_length(bufferevent_get_output(rest)) == 0) {
		close_both(t);
		return;
	}
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	bufferevent_disable(rest, EV_READ);
	bufferevent_setcb(rest, NULL, on_last_drained, on_end, t);
}

static void
open_both_ways(struct tunnel *t)
{
	t->why[0] = '\0';
	bufferevent_set_timeouts(t->far, NULL, NULL);
	bufferevent_setwatermark(t->far, EV_READ, 0, 0);
	bufferevent_setcb(t->far, on_data, on_drained, on_end, t);
	bufferevent_setcb(t->near, on_data, on_drained, on_end, t);
	bufferevent_enable(t->near, EV_READ | EV_WRITE);
	/* a proxy may have sent the relay's first bytes along */
	if (evbuffer_get_length(bufferevent_get_input(t->far)) > 0)
		on_data(t->far, t);
}

/* --- one way -------------------------------------------------------------- */

/* The status of "HTTP/1.x NNN ..."; -1: that is no HTTP. */
static int
reply_status(const char *reply, size_t len)
{
	if (len < 12 || strncmp(reply, "HTTP/1.", 7) != 0 || reply[8] != ' ')
		return -1;
	if (strspn(reply + 9, "0123456789") != 3)
		return -1;
	return (reply[9] - '0') * 100 + (reply[10] - '0') * 10 +
	    (reply[11] - '0');
}

static void
on_reply(struct bufferevent *bev, void *arg)
{
	struct tunnel *t = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[64] = "", why[96];
	int status;

	if (end.pos < 0 && evbuffer_get_length(in) < REPLY_MAX)
		return;
	evbuffer_copyout(in, head, sizeof(head) - 1);
	status = reply_status(head, strlen(head));
	if (end.pos < 0 || status < 0) {
		failed(t, "its answer is not HTTP");
		return;
	}
	if (status < 200 || status > 299) {
		head[strcspn(head, "\r\n")] = '\0';
		snprintf(why, sizeof(why), "it refused: %s", head);
		failed(t, why);
		return;
	}
	evbuffer_drain(in, (size_t)end.pos + 4);
	open_both_ways(t);
}

static void
send_connect(struct tunnel *t)
{
	bool v6 = strchr(t->relay.host, ':') != NULL;
	const char *left = v6 ? "[" : "", *right = v6 ? "]" : "";
	unsigned int port = t->relay.port;

	bufferevent_setwatermark(t->far, EV_READ, 0, REPLY_MAX);
	bufferevent_enable(t->far, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(t->far),
	    "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n\r\n", left,
	    t->relay.host, right, port, left, t->relay.host, right, port);
}

static void
on_step(struct bufferevent *bev, short what, void *arg)
{
	struct tunnel *t = arg;
	int no = EVUTIL_SOCKET_ERROR(), one = 1;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		t->connected = true;
		(void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP,
		    TCP_NODELAY, &one, sizeof(one));
		if (t->at < t->nproxies)
			send_connect(t);
		else
			open_both_ways(t);
	} else if ((what & BEV_EVENT_TIMEOUT) != 0) {
		failed(t, "no answer in time");
	} else if ((what & BEV_EVENT_EOF) != 0) {
		failed(t, "it closed the connection");
	} else {
		failed(t, strerror(no));
	}
}

/* A connection to t->ai begins; its outcome comes to on_step. */
static int
connect_address(struct tunnel *t)
{
	const struct timeval limit = { .tv_sec = STEP_SECONDS };
	int fd = socket(
	    t->ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, t->ai->ai_addr, t->ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	t->far = bufferevent_socket_new(t->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (t->far == NULL) {
		close(fd);
		return -1;
	}
	bufferevent_setcb(t->far, on_reply, NULL, on_step, t);
	bufferevent_set_timeouts(t->far, &limit, &limit);
	return bufferevent_socket_connect(t->far, NULL, 0);
}

static void
find_addresses(struct tunnel *t)
{
	struct addrinfo hints;
	char port[8];
	int rc;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", (unsigned int)peer(t)->port);
	t->connected = false;
	rc = getaddrinfo(peer(t)->host, port, &hints, &t->list);
	t->ai = rc == 0 ? t->list : NULL;
	if (rc != 0)
		note(t, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}

/* The next address, or the next way, until one begins to connect. */
static void
try_on(struct tunnel *t)
{
	for (;;) {
		for (; t->ai != NULL; t->ai = t->ai->ai_next) {
			if (connect_address(t) == 0)
				return;
			close_far(t);
			if (t->ai->ai_next == NULL)
				note(t, strerror(errno));
		}
		forget_addresses(t);
		if (t->at++ >= t->nproxies) {
			close_both(t);
			return;
		}
		find_addresses(t);
	}
}

/* The client went away while a way was looked for. */
static void
on_near_gone(struct bufferevent *bev, short what, void *arg)
{
	close_both(arg);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct tunnel *t = arg;
	int near = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (near < 0)
		return;
	close_both(t);
	t->near = bufferevent_socket_new(t->base, near, BEV_OPT_CLOSE_ON_FREE);
	if (t->near == NULL) {
		close(near);
		return;
	}
	bufferevent_setcb(t->near, NULL, NULL, on_near_gone, t);
	/* what it says waits until there is a way */
	bufferevent_disable(t->near, EV_READ);
	t->at = 0;
	t->why[0] = '\0';
	find_addresses(t);
	try_on(t);
}

/* --- the interface -------------------------------------------------------- */

int
tunnel_listen(
    const char *dir, int *ret_listen_fd, int *ret_file_fd, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int file = -1, rc = 0;

	if (dirfd < 0 || fd < 0) {
		rc = err_errno(e, "%s", dir);
		goto out;
	}
	/* the directory's own path may be too long for an address */
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/tunnel.%d",
	    dirfd, (int)getpid());
	(void)unlink(sa.sun_path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(fd, 4) != 0) {
		rc = err_errno(e, "socket for the tunnel in %s", dir);
		goto out;
	}
	file = open(sa.sun_path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	/* nobody but who has the descriptor finds it */
	if (file < 0 || chmod(sa.sun_path, 0666) != 0)
		rc = err_errno(e, "socket for the tunnel in %s", dir);
	(void)unlink(sa.sun_path);
out:
	if (dirfd >= 0)
		close(dirfd);
	if (rc != 0) {
		if (fd >= 0)
			close(fd);
		if (file >= 0)
			close(file);
		return rc;
	}
	*ret_listen_fd = fd;
	*ret_file_fd = file;
	return 0;
}

struct tunnel *
tunnel_new(struct event_base *base, int listen_fd,
    const struct tunnel_peer *relay, const struct tunnel_peer *proxies,
    unsigned int n, struct err *e)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (t != NULL && n <= TUNNEL_PROXIES_MAX) {
		t->base = base;
		t->listen_fd = listen_fd;
		t->relay = *relay;
		memcpy(t->proxies, proxies, n * sizeof(*proxies));
		t->nproxies = n;
		t->accept = event_new(
		    base, listen_fd, EV_READ | EV_PERSIST, on_accept, t);
		if (t->accept != NULL && event_add(t->accept, NULL) == 0)
			return t;
		tunnel_free(t);
	} else {
		free(t);
		close(listen_fd);
	}
	err_set(e, ERR_NOMEM, "the tunnel does not start");
	return NULL;
}

void
tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	close_both(t);
	if (t->accept != NULL)
		event_free(t->accept);
	close(t->listen_fd);
	free(t);
}

const char *
tunnel_why(const struct tunnel *t)
{
	return t->why;
}
