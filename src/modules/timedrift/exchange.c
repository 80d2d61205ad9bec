/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/timedrift/exchange.h"

#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_MAX 1024
#define PACKETS_MAX 16 /* taken at once */

static int64_t
to_ns(const struct timespec *t)
{
	return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static int64_t
local_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return to_ns(&t);
}

static void
end(struct exchange *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
}

static void
set_why(struct exchange *x, const char *what, int error)
{
	snprintf(x->why, sizeof(x->why), "%s%s", what, strerror(error));
}

void
exchange_init(struct exchange *x, const struct clockserver *server)
{
	memset(x, 0, sizeof(*x));
	x->server = server;
	x->fd = -1;
}

/* The socket is connected, so that only the server's packets come, and
 * refusals as well. Arrivals are stamped by the kernel: how long it takes
 * until we run does not count. */
static bool
open_socket(struct exchange *x, const struct netaddr *a)
{
	const int on = 1;

	x->fd = socket(
	    a->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd < 0) {
		set_why(x, "a socket: ", errno);
		return false;
	}
	(void)setsockopt(x->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (connect(x->fd, &a->u.sa, a->len) == 0)
		return true;
	set_why(x, "unreachable: ", errno);
	return false;
}

static bool
send_request(struct exchange *x)
{
	uint8_t packet[NTP_SIZE];

	if (getrandom(x->nonce, sizeof(x->nonce), 0) != sizeof(x->nonce)) {
		set_why(x, "random bytes: ", errno);
		return false;
	}
	ntp_request(x->nonce, packet);
	x->asked = local_now();
	if (send(x->fd, packet, sizeof(packet), MSG_NOSIGNAL) ==
	    sizeof(packet)) {
		x->why[0] = '\0';
		return true;
	}
	set_why(x, "unreachable: ", errno);
	return false;
}

/* From this address on: the first that can be sent to. */
static void
ask_from(struct exchange *x, size_t at)
{
	for (x->at = at; x->at < x->to.n; x->at++) {
		if (open_socket(x, &x->to.list[x->at]) && send_request(x))
			return;
		end(x);
	}
	x->at = x->to.n > 0 ? x->to.n - 1 : 0;
}

void
exchange_ask(struct exchange *x)
{
	const struct host *h = &x->server->host;
	struct err e;

	err_clear(&e);
	if (resolve_host(h, AF_UNSPEC, h->port != 0 ? h->port : NTP_PORT,
		&x->to, &e) != 0) {
		(void)str_copy(x->why, sizeof(x->why), e.msg);
		return;
	}
	ask_from(x, 0);
}

void
exchange_next(struct exchange *x)
{
	struct exchange was = *x;

	if (x->fd < 0 || x->at + 1 >= x->to.n)
		return;
	ask_from(x, x->at + 1);
	if (x->fd >= 0)
		close(was.fd);
	else
		*x = was; /* it may answer yet */
}

/* When it arrived, by the local clock. */
static int64_t
arrival(struct msghdr *mh)
{
	struct cmsghdr *c;
	struct timespec t;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(t))) {
			memcpy(&t, CMSG_DATA(c), sizeof(t));
			return to_ns(&t);
		}
	}
	return local_now();
}

/* True: this was the answer, whatever it says. */
static bool
take_packet(struct exchange *x, const void *data, size_t len, int64_t arrived)
{
	struct err e;
	int rc;

	err_clear(&e);
	rc = ntp_reply_parse(data, len, x->nonce, &x->reply, &e);
	if (rc == 0) {
		rc = ntp_sample(&x->reply, x->asked, arrived, &x->sample, &e);
		x->usable = rc == 0;
	} else if (rc == ERR_INVALID || rc == ERR_AUTH) {
		(void)str_copy(x->why, sizeof(x->why), e.msg);
		return false; /* a stranger's, perhaps */
	}
	(void)str_copy(x->why, sizeof(x->why), x->usable ? "" : e.msg);
	return true;
}

static void
refused(struct exchange *x, int error)
{
	const char *what = error == ECONNREFUSED
	    ? "nothing serves the time there: "
	    : "unreachable: ";

	set_why(x, what, error);
	end(x);
	if (x->at + 1 < x->to.n)
		ask_from(x, x->at + 1);
}

void
exchange_take(struct exchange *x)
{
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	uint8_t data[RECEIVE_MAX];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh;
	ssize_t n;
	int i;

	for (i = 0; i < PACKETS_MAX; i++) {
		memset(&mh, 0, sizeof(mh));
		mh.msg_iov = &iov;
		mh.msg_iovlen = 1;
		mh.msg_control = control.bytes;
		mh.msg_controllen = sizeof(control.bytes);
		n = recvmsg(x->fd, &mh, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			refused(x, errno);
			return;
		}
		if (take_packet(x, data, (size_t)n, arrival(&mh))) {
			end(x);
			return;
		}
	}
}

void
exchange_give_up(struct exchange *x, const char *why)
{
	char last[EXCHANGE_WHY_MAX];

	memcpy(last, x->why, sizeof(last));
	snprintf(x->why, sizeof(x->why), "%s%s%.160s", why,
	    *last != '\0' ? "; the last was " : "", last);
	end(x);
}
