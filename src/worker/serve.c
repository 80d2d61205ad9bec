/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/serve.h"

#include "base/err.h"
#include "base/fault.h"
#include "ipc/ipc.h"
#include "os/os.h"
#include "worker/question.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define IDLE_MS 3000

static bool spent;
static struct buf in; /* the order */

/* Memory is given back when no order has come for a while. */
static void
wait_for_order(void)
{
	struct pollfd p = { .fd = SERVE_FD, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, IDLE_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		os_memory_back();
}

/* A frame with its descriptor for a long document, then one for the order. */
static int
receive(struct order *ret, int *ret_doc, int *ret_out, struct err *e)
{
	struct ipc_msg m;
	int rc;

	rc = ipc_read(SERVE_FD, &in, &m, true, e);
	if (rc == 0 && m.type == ORDER_DOCUMENT && m.fd >= 0) {
		*ret_doc = m.fd;
		rc = ipc_read(SERVE_FD, &in, &m, true, e);
	}
	if (rc != 0)
		return rc;
	if (m.type != ORDER_START || m.fd < 0 ||
	    order_parse(m.body, m.len, ret) != 0 ||
	    (ret->document_len == 0) != (*ret_doc >= 0))
		return err_set(e, ERR_INVALID, "expected an order");
	*ret_out = m.fd;
	return 0;
}

/* What the C library or a limit says at the end is said where the answer would
 * be. */
static int
take_descriptors(int doc, int out, struct err *e)
{
	if ((doc >= 0 && dup2(doc, QUESTION_FD) < 0) ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return err_errno(e, "descriptors");
	if (doc > SERVE_FD)
		close(doc);
	if (out > SERVE_FD)
		close(out);
	return 0;
}

static int
say(enum order_message what, struct err *e)
{
	return ipc_write(SERVE_FD, what, 0, NULL, 0, -1, e);
}

static void
forget_order(void)
{
	buf_release(&in);
	buf_init(&in, ORDER_BODY_MAX);
}

int
serve_next(struct order *ret, struct err *e)
{
	int doc = -1, out = -1, rc;

	forget_order();
	wait_for_order();
	rc = receive(ret, &doc, &out, e);
	if (rc != 0)
		return rc;
	fault_point("worker.ordered");
	rc = take_descriptors(doc, out, e);
	return rc == 0 ? say(ORDER_TAKEN, e) : rc;
}

void
serve_spent(void)
{
	struct err e;

	if (spent)
		return;
	spent = true;
	if (say(ORDER_SPENT, &e) != 0)
		_exit(1);
}

bool
serve_is_spent(void)
{
	return spent;
}

int
serve_done(const void *answer, size_t len, struct err *e)
{
	/* neither the document nor the answer is kept */
	forget_order();
	close(QUESTION_FD);
	if (dup2(STDIN_FILENO, STDOUT_FILENO) < 0 ||
	    dup2(STDIN_FILENO, STDERR_FILENO) < 0)
		return err_errno(e, "descriptors");
	return ipc_write(SERVE_FD, ORDER_DONE, 0, answer, len, -1, e);
}
