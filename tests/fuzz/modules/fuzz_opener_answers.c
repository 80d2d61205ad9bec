/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What an opener that was taken over may answer to the scanner, which is to
 * believe nothing that makes no sense, write nothing past its room and keep no
 * descriptor that it did not ask for. Each answer is a byte of flags, one of
 * length and so many bytes; behind the last one the opener has ended.
 */
#include "modules/opener.h"

#include "base/err.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWERS_MAX 16
#define FDS_MAX 8
#define FD_NUMBERS 64 /* no descriptor has a higher number */
#define LONG 16       /* a byte of length stands for so many bytes */

/* flags: the lowest two are what is asked, the next three how many descriptors
 * come, and: */
#define HAS_LENGTH 0x20 /* the head says the right length of the name */
#define IS_LONG 0x40    /* zeros follow */
#define IS_FINE 0x80    /* with status 0 */

static int spare; /* what is sent as a descriptor */

/* How many descriptors are open. */
static unsigned
open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < FD_NUMBERS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
send_answer(int fd, uint8_t flags, const uint8_t *data, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	static uint8_t text[sizeof(struct opener_reply) + 256 * (1 + LONG)];
	size_t nfds = (flags >> 2) & 7, n = len, i;
	struct opener_reply h = { 0 };
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int fds[FDS_MAX];

	memset(text, 0, sizeof(text));
	memcpy(text, data, len);
	if ((flags & IS_LONG) != 0)
		n += len * LONG;
	memcpy(&h, text, sizeof(h));
	if ((flags & HAS_LENGTH) != 0) {
		n = n > sizeof(h) ? n : sizeof(h);
		h.name_len = (uint32_t)(n - sizeof(h));
	}
	if ((flags & IS_FINE) != 0)
		h.status = 0;
	memcpy(text, &h, sizeof(h));
	iov.iov_base = text;
	iov.iov_len = n;
	if (nfds > 0) {
		for (i = 0; i < nfds; i++)
			fds[i] = spare;
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	BUG_ON(sendmsg(fd, &mh, MSG_NOSIGNAL) != (ssize_t)n);
}

/* One that the scanner has: it is open, and the only one. */
static void
take(int fd)
{
	BUG_ON(fcntl(fd, F_GETFD) != FD_CLOEXEC);
	close(fd);
}

static void
hear_next(int fd, struct err *e)
{
	static struct opener_process p;
	int rc;

	memset(&p, 0x55, sizeof(p));
	rc = opener_next(fd, &p, e);
	BUG_ON(rc > 1);
	if (rc == 1) {
		BUG_ON(p.kind > OPENER_FAILED);
		BUG_ON(memchr(p.name, '\0', sizeof(p.name)) == NULL);
	} else {
		/* untouched */
		BUG_ON(p.pid != 0x55555555 || p.name[0] != 0x55);
	}
	BUG_ON(rc < 0 && e->msg[0] == '\0');
}

static void
hear_one(int rc, int got, const struct err *e)
{
	BUG_ON((rc == 0) != (got >= 0));
	BUG_ON(rc < 0 && e->msg[0] == '\0');
	if (rc == 0)
		take(got);
}

static void
hear_memory(int fd, struct err *e)
{
	struct opener_memory m = { .maps = -1, .mem = -1, .pagemap = -1 };
	int rc = opener_memory(fd, &m, e);

	BUG_ON((rc == 0) != (m.maps >= 0) || (rc == 0) != (m.mem >= 0));
	BUG_ON(rc != 0 && m.pagemap >= 0);
	BUG_ON(rc < 0 && e->msg[0] == '\0');
	if (rc != 0)
		return;
	take(m.maps);
	take(m.mem);
	if (m.pagemap >= 0)
		take(m.pagemap);
}

static void
ask(int fd, enum opener_request what)
{
	struct err e;
	unsigned before = open_fds();
	int got = -1, rc;

	err_clear(&e);
	switch (what) {
	case OPENER_NEXT:
		hear_next(fd, &e);
		break;
	case OPENER_MAPS:
		rc = opener_maps(fd, &got, &e);
		hear_one(rc, got, &e);
		break;
	case OPENER_MOUNTS:
		rc = opener_mounts(fd, &got, &e);
		hear_one(rc, got, &e);
		break;
	case OPENER_MEMORY:
		hear_memory(fd, &e);
		break;
	}
	BUG_ON(open_fds() != before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t asked[ANSWERS_MAX + 1] = { 0 };
	size_t n = 0, i, len;
	int fd[2];

	if (spare == 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0);
	while (n < ANSWERS_MAX && size >= 2) {
		len = data[1] < size - 2 ? data[1] : size - 2;
		asked[n++] = data[0] % 4;
		send_answer(fd[1], data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	shutdown(fd[1], SHUT_WR);
	/* once more behind the last one */
	for (i = 0; i <= n; i++)
		ask(fd[0], (enum opener_request)(OPENER_NEXT + asked[i]));
	close(fd[0]);
	close(fd[1]);
	return 0;
}
