/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The fork server never reads a byte that came from outside: it takes
 * descriptors and numbers from the monitor and forks. What reads is always a
 * fresh copy, which forgets the monitor's socket first.
 */
#include "worker/forkserver.h"

#include "base/err.h"
#include "base/fault.h"
#include "ipc/ipc.h"
#include "sandbox/sandbox.h"
#include "worker/question.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One order with its two descriptors, which are ours then. */
static int
next_order(struct buf *in, struct order *ret, int *ret_doc, int *ret_out,
    struct err *e)
{
	struct ipc_msg doc, start;
	int rc;

	rc = ipc_read(FORKSERVER_FD, in, &doc, true, e);
	if (rc != 0)
		return rc;
	if (doc.type != ORDER_DOCUMENT || doc.fd < 0)
		return err_set(e, ERR_INVALID, "expected a document");
	rc = ipc_read(FORKSERVER_FD, in, &start, true, e);
	if (rc != 0)
		return rc;
	if (start.type != ORDER_START || start.fd < 0 ||
	    order_parse(start.body, start.len, ret) != 0)
		return err_set(e, ERR_INVALID, "expected an order");
	*ret_doc = doc.fd;
	*ret_out = start.fd;
	return 0;
}

static int
say_started(struct buf *out, pid_t pid, struct err *e)
{
	buf_clear(out);
	buf_add_u32(out, (uint32_t)pid);
	return ipc_write(
	    FORKSERVER_FD, ORDER_STARTED, 0, out->data, out->len, -1, e);
}

static int
say_failed(struct buf *out, const char *why, struct err *e)
{
	buf_clear(out);
	buf_add_field(out, why, strnlen(why, ORDER_TEXT_MAX - 1));
	return ipc_write(
	    FORKSERVER_FD, ORDER_FAILED, 0, out->data, out->len, -1, e);
}

/* The document takes the place of the monitor's socket. What the C library or
 * a limit says at the end is said where the answer would be. */
static int
take_descriptors(int doc, int out, struct err *e)
{
	if (dup2(doc, QUESTION_FD) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		return err_errno(e, "descriptors");
	if (doc > QUESTION_FD)
		close(doc);
	if (out > QUESTION_FD)
		close(out);
	return 0;
}

/* One order. Returns 0 in its worker, its pid in the fork server. */
static pid_t
serve(
    struct buf *b, int failed, struct order *ret, int ret_fds[2], struct err *e)
{
	struct err why = *e;
	int rc;
	pid_t pid;

	if (next_order(b, ret, &ret_fds[0], &ret_fds[1], e) != 0)
		exit(0);
	fault_point("forkserver.ordered");
	pid = failed == 0 ? sandbox_fork() : -1;
	if (pid == 0)
		return 0;
	fault_point("forkserver.forked");
	close(ret_fds[0]);
	close(ret_fds[1]);
	if (failed == 0 && pid < 0)
		err_errno(&why, "fork");
	rc = pid > 0 ? say_started(b, pid, e) : say_failed(b, why.msg, e);
	if (failed != 0 || rc != 0)
		exit(1);
	return pid;
}

int
forkserver_run(int failed, struct order *ret, struct err *e)
{
	struct buf b;
	int fds[2];

	buf_init(&b, ORDER_BODY_MAX);
	while (serve(&b, failed, ret, fds, e) != 0)
		;
	buf_release(&b);
	return take_descriptors(fds[0], fds[1], e);
}
