/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Frame headers and the two system calls. A descriptor belongs to the frame
 * whose first byte it travels with: a sender gives each frame a call of its
 * own, and a receiver never asks for more than the rest of one header or one
 * body, so that no frame's descriptor is taken for another's.
 */
#include "ipc/ipc_frame.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define KEPT_MAX (64 * 1024)

union fd_space {
	char buf[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	struct cmsghdr align;
};

static void
put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void
ipc_header_write(uint8_t out[IPC_HEADER_LEN], const struct ipc_header *h)
{
	put_be32(out, h->len);
	out[4] = (uint8_t)(h->type >> 8);
	out[5] = (uint8_t)h->type;
	out[6] = out[7] = 0;
	put_be32(out + 8, h->request);
}

int
ipc_header_read(
    const uint8_t in[IPC_HEADER_LEN], size_t max, struct ipc_header *ret)
{
	struct ipc_header h;
	struct rd r;

	rd_init(&r, in, IPC_HEADER_LEN);
	h.len = rd_u32(&r);
	h.type = rd_u16(&r);
	if (rd_u16(&r) != 0)
		return ERR_INVALID;
	h.request = rd_u32(&r);
	if (h.len > max)
		return ERR_TOOBIG;
	*ret = h;
	return 0;
}

void
ipc_body_clear(struct buf *b)
{
	if (b->cap > KEPT_MAX)
		buf_release(b);
	else
		buf_clear(b);
}

ssize_t
ipc_frame_send(int sock, const uint8_t header[IPC_HEADER_LEN], const void *body,
    size_t len, size_t done, int fd)
{
	union fd_space space;
	struct iovec iov[2];
	struct msghdr m;
	struct cmsghdr *c;
	size_t body_done;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.msg_iov = iov;
	if (done < IPC_HEADER_LEN) {
		memcpy(&iov[0].iov_base, &(const uint8_t *){ header + done },
		    sizeof(void *));
		iov[0].iov_len = IPC_HEADER_LEN - done;
		m.msg_iovlen = 1;
	}
	body_done = done > IPC_HEADER_LEN ? done - IPC_HEADER_LEN : 0;
	if (body_done < len) {
		struct iovec *v = &iov[m.msg_iovlen++];
		const uint8_t *p = (const uint8_t *)body + body_done;

		/* sendmsg only reads, its type cannot say so */
		memcpy(&v->iov_base, &p, sizeof(void *));
		v->iov_len = len - body_done;
	}
	if (fd >= 0 && done == 0) {
		memset(&space, 0, sizeof(space));
		m.msg_control = space.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Keeps the one wanted descriptor, closes all others. */
static int
take_fds(struct msghdr *m, int *fd)
{
	int rc = (m->msg_flags & MSG_CTRUNC) != 0 ? ERR_INVALID : 0;
	struct cmsghdr *c;
	size_t i, n;
	int got;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(
			    &got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (rc == 0 && fd != NULL && *fd == -1) {
				*fd = got;
			} else {
				close(got);
				rc = ERR_INVALID;
			}
		}
	}
	return rc;
}

int
ipc_recv(int sock, void *buf, size_t len, int *fd, ssize_t *ret_n)
{
	struct iovec iov = { buf, len };
	union fd_space space;
	struct msghdr m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_control = space.buf;
	m.msg_controllen = sizeof(space.buf);
	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	*ret_n = n;
	if (n < 0 || (m.msg_controllen == 0 && m.msg_flags == 0))
		return 0;
	return take_fds(&m, fd);
}
