/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Refusals and "unreachable" come as ICMP errors, which the kernel hands on
 * through the socket's error queue (ip(7), IP_RECVERR), with who said it. They
 * are for one request as far as they bring it back.
 */
#include "modules/ping/probe.h"

#include "modules/common/netwait.h"
#include "modules/ping/echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#define NS_PER_S INT64_C(1000000000)
#define RECEIVE_MAX 2048

static const char greeting[] = "mig ping\n";

/* --- what an error means -------------------------------------------------- */

/* by: who said it, or NULL. local: this host did. */
static void
end_by_error(struct probe_result *r, int error, bool local, const char *by)
{
	const char *hint = "";

	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		r->end = PROBE_REFUSED;
		hint = ": nothing listens on this port";
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ENONET:
	case ENOPROTOOPT:
		r->end = PROBE_UNREACHABLE;
		break;
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		r->end = PROBE_UNREACHABLE;
		hint = ": this host has no address of this kind to send from";
		break;
	case EACCES:
	case EPERM:
		r->end = local ? PROBE_FAILED : PROBE_UNREACHABLE;
		hint = local ? ": a firewall of this host forbids it, or it is "
			       "an address of everybody"
			     : ": a firewall on the way forbids it";
		break;
	case ETIMEDOUT:
		r->end = PROBE_NO_ANSWER;
		break;
	default:
		r->end = PROBE_FAILED;
	}
	snprintf(r->why, sizeof(r->why), "%s%s%s%s", strerror(error), hint,
	    by != NULL ? ", says " : "", by != NULL ? by : "");
}

static void
offender_text(struct sock_extended_err *ee, char *out, size_t size)
{
	const struct sockaddr *sa = SO_EE_OFFENDER(ee);
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	out[0] = '\0';
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t)size);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, out, (socklen_t)size);
	}
}

static struct sock_extended_err *
extended_err(struct msghdr *mh)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (((c->cmsg_level == IPPROTO_IP &&
			 c->cmsg_type == IP_RECVERR) ||
			(c->cmsg_level == IPPROTO_IPV6 &&
			    c->cmsg_type == IPV6_RECVERR)) &&
		    c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err) +
				       sizeof(struct sockaddr_in)))
			return (void *)CMSG_DATA(c);
	}
	return NULL;
}

/* One error from the queue. False: there is none more. q: NULL where every
 * error on the socket is about this try. */
static bool
take_error(int fd, const struct echo *q, bool raw, struct probe_result *r,
    bool *ret_ours)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	uint8_t data[RECEIVE_MAX];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct sock_extended_err *ee;
	char by[INET6_ADDRSTRLEN];
	ssize_t n = recvmsg(fd, &mh, MSG_ERRQUEUE);

	*ret_ours = false;
	if (n < 0)
		return false;
	ee = extended_err(&mh);
	if (ee == NULL ||
	    (q != NULL && !echo_is_request(q, raw, data, (size_t)n)))
		return true;
	offender_text(ee, by, sizeof(by));
	end_by_error(r, (int)ee->ee_errno, ee->ee_origin == SO_EE_ORIGIN_LOCAL,
	    *by != '\0' ? by : NULL);
	*ret_ours = true;
	return true;
}

static void
want_errors(int fd, int family)
{
	const int on = 1;

	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

/* --- datagrams ------------------------------------------------------------ */

/* True: the try has ended. */
static bool
take_datagram(int fd, const struct echo *q, bool raw, struct probe_result *r)
{
	uint8_t data[ECHO_RECEIVE_MAX];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 && q != NULL)
		return false; /* the queue says whose error it is */
	if (n < 0) {
		end_by_error(r, errno, false, NULL);
		return true;
	}
	if (q != NULL && !echo_is_reply(q, raw, data, (size_t)n))
		return false;
	r->end = PROBE_ANSWERED;
	return true;
}

static bool
take_all(int fd, short revents, const struct echo *q, bool raw,
    struct probe_result *r)
{
	bool ours;

	if ((revents & POLLERR) != 0) {
		while (take_error(fd, q, raw, r, &ours)) {
			if (ours)
				return true;
		}
	}
	return take_datagram(fd, q, raw, r);
}

/* False: the try has ended. */
static bool
await(const struct probe *p, struct pollfd *pfd, int64_t until,
    struct probe_result *r)
{
	switch (net_wait(pfd, 1, until, p->watch)) {
	case NETWAIT_READY:
		return true;
	case NETWAIT_TIMEOUT:
		r->end = PROBE_NO_ANSWER;
		break;
	case NETWAIT_ENDED:
		r->end = PROBE_ENDED;
		break;
	case NETWAIT_FAILED:
		end_by_error(r, errno, true, NULL);
		break;
	}
	return false;
}

/* Something was sent at begin. */
static void
await_datagram(const struct probe *p, int fd, const struct echo *q, bool raw,
    int64_t begin, struct probe_result *r)
{
	int64_t until = begin + (int64_t)p->question->timeout * NS_PER_S;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	do {
		if (!await(p, &pfd, until, r))
			return;
		if (take_all(fd, pfd.revents, q, raw, r)) {
			r->ns = net_now() - begin;
			return;
		}
	} while (net_now() < until);
	r->end = PROBE_NO_ANSWER;
}

/* An error that was waiting for an earlier request shows when the next is
 * sent, once. */
static bool
send_datagram(int fd, const void *data, size_t len, struct probe_result *r)
{
	if (send(fd, data, len, MSG_NOSIGNAL) >= 0 ||
	    send(fd, data, len, MSG_NOSIGNAL) >= 0)
		return true;
	end_by_error(r, errno, true, NULL);
	return false;
}

static void
probe_icmp(const struct probe *p, unsigned int number, struct probe_result *r)
{
	struct echo q = { .v6 = p->to->u.sa.sa_family == AF_INET6,
		.id = (uint16_t)getpid(),
		.seq = (uint16_t)(number + 1) };
	uint8_t message[ECHO_SIZE];
	int64_t begin;

	if (getrandom(q.nonce, sizeof(q.nonce), 0) != sizeof(q.nonce)) {
		end_by_error(r, errno, true, NULL);
		return;
	}
	echo_write(&q, message);
	begin = net_now();
	if (send_datagram(p->echo->fd, message, sizeof(message), r))
		await_datagram(p, p->echo->fd, &q, p->echo->raw, begin, r);
}

bool
probe_prepare(const struct probe *p, char why[static PROBE_WHY_MAX])
{
	int family = p->to->u.sa.sa_family;
	struct probe_result r;

	why[0] = '\0';
	if (p->question->protocol != PING_ICMP)
		return true;
	if (p->echo->fd < 0) {
		snprintf(why, PROBE_WHY_MAX,
		    "no socket for echo requests: %s; it takes CAP_NET_RAW, or "
		    "the agent's group in net.ipv4.ping_group_range",
		    strerror(p->echo->error));
		return false;
	}
	want_errors(p->echo->fd, family);
	if (connect(p->echo->fd, &p->to->u.sa, p->to->len) == 0)
		return true;
	end_by_error(&r, errno, true, NULL);
	memcpy(why, r.why, PROBE_WHY_MAX);
	return false;
}

static int
open_socket(const struct probe *p, int type, struct probe_result *r)
{
	int fd = socket(
	    p->to->u.sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		end_by_error(r, errno, true, NULL);
	return fd;
}

static void
probe_udp(const struct probe *p, struct probe_result *r)
{
	int fd = open_socket(p, SOCK_DGRAM, r);
	int64_t begin = net_now();

	if (fd < 0)
		return;
	want_errors(fd, p->to->u.sa.sa_family);
	if (connect(fd, &p->to->u.sa, p->to->len) != 0)
		end_by_error(r, errno, true, NULL);
	else if (send_datagram(fd, greeting, sizeof(greeting) - 1, r))
		await_datagram(p, fd, NULL, false, begin, r);
	close(fd);
}

/* --- connections ---------------------------------------------------------- */

/* On its own host a connection may find itself, if the port it is to reach is
 * just the one that it was given. */
static bool
met_itself(int fd)
{
	struct netaddr a = { .len = sizeof(a.u) }, b = { .len = sizeof(b.u) };

	return getsockname(fd, &a.u.sa, &a.len) == 0 &&
	    getpeername(fd, &b.u.sa, &b.len) == 0 && a.len == b.len &&
	    memcmp(&a.u, &b.u, a.len) == 0;
}

static void
await_connection(
    const struct probe *p, int fd, int64_t begin, struct probe_result *r)
{
	int64_t until = begin + (int64_t)p->question->timeout * NS_PER_S;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (!await(p, &pfd, until, r))
		return;
	r->ns = net_now() - begin;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0 && met_itself(fd))
		error = ECONNREFUSED;
	if (error != 0)
		end_by_error(r, error, false, NULL);
	else
		r->end = PROBE_ANSWERED;
}

static void
probe_tcp(const struct probe *p, struct probe_result *r)
{
	int fd = open_socket(p, SOCK_STREAM, r);
	int64_t begin = net_now();

	if (fd < 0)
		return;
	if (connect(fd, &p->to->u.sa, p->to->len) != 0 && errno != EINPROGRESS)
		end_by_error(r, errno, true, NULL);
	else
		await_connection(p, fd, begin, r);
	close(fd);
}

void
probe_once(const struct probe *p, unsigned int number, struct probe_result *ret)
{
	struct probe_result r = { .end = PROBE_FAILED };

	switch (p->question->protocol) {
	case PING_ICMP:
		probe_icmp(p, number, &r);
		break;
	case PING_TCP:
		probe_tcp(p, &r);
		break;
	default:
		probe_udp(p, &r);
	}
	*ret = r;
}
