/* SPDX-License-Identifier: MPL-2.0 */
/* Frames over a blocking socket: for roles that do one request at a time. */
#include "ipc/ipc.h"

#include "base/err.h"
#include "ipc/ipc_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int
ipc_pair(int ret_fd[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fd) != 0)
		return err_errno(e, "socketpair");
	return 0;
}

/* After EAGAIN: for a socket that somebody made non-blocking. A blocking one
 * says so when its SO_RCVTIMEO or SO_SNDTIMEO is over. */
static int
wait_for(int fd, short events, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_errno(e, "fcntl");
	if ((flags & O_NONBLOCK) == 0)
		return err_set(e, ERR_TIMEOUT,
		    "the other end did not %s in time",
		    events == POLLIN ? "answer" : "listen");
	if (poll(&p, 1, -1) < 0 && errno != EINTR)
		return err_errno(e, "poll");
	return 0;
}

int
ipc_write(int fd, uint16_t type, uint32_t request, const void *body, size_t len,
    int pass_fd, struct err *e)
{
	struct ipc_header h = { (uint32_t)len, type, request };
	uint8_t header[IPC_HEADER_LEN];
	size_t done = 0;
	ssize_t n;
	int rc;

	if (len > UINT32_MAX - IPC_HEADER_LEN)
		return err_set(e, ERR_TOOBIG, "message of %zu bytes", len);
	ipc_header_write(header, &h);
	while (done < IPC_HEADER_LEN + len) {
		n = ipc_frame_send(fd, header, body, len, done, pass_fd);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			rc = wait_for(fd, POLLOUT, e);
			if (rc != 0)
				return rc;
		} else {
			return err_errno(e, "sending message %u", type);
		}
	}
	return 0;
}

/* Reads exactly len bytes. ERR_CLOSED only before the first one. */
static int
read_exact(int fd, uint8_t *p, size_t len, int *take, struct err *e)
{
	size_t done = 0;
	ssize_t n;
	int rc;

	while (done < len) {
		rc = ipc_recv(fd, p + done, len - done, take, &n);
		if (rc != 0)
			return err_set(
			    e, rc, "a descriptor came that was not expected");
		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno == ECONNRESET) {
			return done == 0
			    ? err_set(e, ERR_CLOSED, "closed by the other end")
			    : err_set(e, ERR_INVALID,
				  "closed in the middle of a message");
		} else if (errno == EAGAIN) {
			rc = wait_for(fd, POLLIN, e);
			if (rc != 0)
				return rc;
		} else {
			return err_errno(e, "receiving a message");
		}
	}
	return 0;
}

static int
read_body(int fd, struct buf *in, uint32_t len, struct err *e)
{
	uint8_t *p;
	int rc;

	if (len == 0)
		return 0;
	p = buf_reserve(in, len);
	if (p == NULL)
		return err_code(e, in->error, "message of %u bytes", len);
	rc = read_exact(fd, p, len, NULL, e);
	if (rc == ERR_CLOSED)
		rc = err_set(
		    e, ERR_INVALID, "closed in the middle of a message");
	if (rc == 0)
		in->len = len;
	return rc;
}

int
ipc_read(
    int fd, struct buf *in, struct ipc_msg *msg, bool take_fd, struct err *e)
{
	uint8_t header[IPC_HEADER_LEN];
	struct ipc_header h;
	int got = -1, rc;

	ipc_body_clear(in);
	rc = read_exact(fd, header, sizeof(header), take_fd ? &got : NULL, e);
	if (rc == 0) {
		rc = ipc_header_read(header, in->max, &h);
		if (rc != 0)
			err_set(e, rc,
			    "impossible message header (at most %zu bytes are "
			    "expected)",
			    in->max);
	}
	if (rc == 0)
		rc = read_body(fd, in, h.len, e);
	if (rc != 0) {
		if (got >= 0)
			close(got);
		return rc;
	}
	msg->type = h.type;
	msg->request = h.request;
	msg->body = in->data;
	msg->len = in->len;
	msg->fd = got;
	return 0;
}
