/* SPDX-License-Identifier: MPL-2.0 */
/*
 *        ready                  order
 *  DOWN ------> UP (waiting) ----------> UP (asked)
 *   ^            ^ |                        |
 *   |  renew,    | `-- started, failed -----'
 *   `- ended ----'
 */
#include "agent/forkserver.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/ipc.h"
#include "proc/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDERS_MAX 1000
#define CHILD_FD 3 /* where mig-worker finds its orders */

struct forkserver {
	struct forkserver_spec spec;
	struct proc_loop *loop;
	struct ipc_chan *chan; /* NULL: down */
	pid_t pid;
	unsigned int orders;
	bool tired;                    /* ends as soon as it is not asked */
	forkserver_on_start *on_start; /* not NULL: asked */
	void *arg;
};

static void
answer(struct forkserver *fs, pid_t pid, const char *text)
{
	forkserver_on_start *cb = fs->on_start;

	fs->on_start = NULL;
	if (cb != NULL)
		cb(pid, text, fs->arg);
}

/* It is reaped when its end is known; until then nobody waits for it. */
static void
on_exit_process(pid_t pid, int status, void *arg)
{
	if (status != 0 &&
	    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		log_warn("forkserver_ended pid=%d status=%s", (int)pid,
		    log_quote(proc_status_text(status)));
}

static void
take_down(struct forkserver *fs)
{
	if (fs->chan == NULL)
		return;
	ipc_chan_free(fs->chan);
	fs->chan = NULL;
	kill(fs->pid, SIGKILL);
	fs->orders = 0;
	fs->tired = false;
}

/* It may have forked and not said so any more: then the worker is a child of
 * ours whose number nobody knows, in the group of the fork server, which has
 * no other worker while an order is open. True: there was one. */
static bool
take_down_with_worker(struct forkserver *fs)
{
	pid_t pid = fs->pid, gone;
	bool worker = false;

	if (fs->chan == NULL)
		return false;
	proc_loop_unwatch(fs->loop, pid);
	take_down(fs);
	proc_kill_group(pid, SIGKILL);
	while ((gone = waitpid(-pid, NULL, 0)) > 0 || errno == EINTR)
		worker = worker || (gone > 0 && gone != pid);
	return worker;
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *msg, void *arg)
{
	struct forkserver *fs = arg;
	char text[ORDER_TEXT_MAX] = "";
	uint32_t pid = 0;
	struct rd r;

	if (fs->on_start == NULL)
		return ERR_INVALID;
	rd_init(&r, msg->body, msg->len);
	if (msg->type == ORDER_STARTED)
		pid = rd_u32(&r);
	else if (msg->type == ORDER_FAILED)
		rd_field_str(&r, text, sizeof(text));
	else
		return ERR_INVALID;
	if (!rd_done(&r) || pid > INT_MAX ||
	    (msg->type == ORDER_STARTED && pid <= 1))
		return ERR_INVALID;
	if (++fs->orders >= ORDERS_MAX || fs->tired)
		take_down(fs);
	answer(fs, (pid_t)pid, text);
	return 0;
}

static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct forkserver *fs = arg;
	bool worker = false;

	if (fs->on_start != NULL)
		worker = take_down_with_worker(fs);
	else
		take_down(fs);
	answer(fs, worker ? 0 : -1, why);
}

static int
spawn(struct forkserver *fs, int fd, struct err *e)
{
	static char name[] = "mig-worker", mode[] = "--forkserver";
	static char flag_uid[] = "--uid", flag_cover[] = "--cover";
	static char flag_needs[] = "--needs";
	struct proc_fd fds[] = { { fd, CHILD_FD } };
	char cover[PATH_MAX], uid[16], needs[16], *argv[9];
	struct proc_spawn s;
	size_t n = 0;

	argv[n++] = name;
	argv[n++] = mode;
	if (fs->spec.uid != (uint32_t)-1) {
		snprintf(uid, sizeof(uid), "%u", (unsigned)fs->spec.uid);
		argv[n++] = flag_uid;
		argv[n++] = uid;
	}
	if (fs->spec.cover != NULL) {
		snprintf(cover, sizeof(cover), "%s", fs->spec.cover);
		argv[n++] = flag_cover;
		argv[n++] = cover;
	}
	if (fs->spec.needs != 0) {
		snprintf(needs, sizeof(needs), "%u", (unsigned)fs->spec.needs);
		argv[n++] = flag_needs;
		argv[n++] = needs;
	}
	argv[n] = NULL;
	memset(&s, 0, sizeof(s));
	s.exec_fd = fs->spec.exec_fd;
	s.argv = argv;
	s.fds = fds;
	s.nfds = 1;
	s.own_group = true;
	return proc_spawn(&s, &fs->pid, e);
}

struct forkserver *
forkserver_new(struct proc_loop *loop, const struct forkserver_spec *spec)
{
	struct forkserver *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return NULL;
	fs->spec = *spec;
	fs->loop = loop;
	fs->pid = -1;
	return fs;
}

void
forkserver_needs(struct forkserver *fs, uint32_t needs)
{
	BUG_ON(fs->on_start != NULL);
	if (fs->spec.needs != needs)
		take_down(fs);
	fs->spec.needs = needs;
}

void
forkserver_free(struct forkserver *fs)
{
	if (fs == NULL)
		return;
	take_down(fs);
	free(fs);
}

int
forkserver_ready(struct forkserver *fs, struct err *e)
{
	int fd[2], rc;

	if (fs->chan != NULL)
		return 0;
	rc = ipc_pair(fd, e);
	if (rc != 0)
		return rc;
	rc = spawn(fs, fd[1], e);
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		return rc;
	}
	fs->chan = ipc_chan_new(proc_loop_base(fs->loop), fd[0], ORDER_BODY_MAX,
	    4 * ORDER_BODY_MAX, on_msg, on_close, fs);
	if (fs->chan == NULL ||
	    proc_loop_watch(fs->loop, fs->pid, on_exit_process, NULL) != 0) {
		/* nobody would say that it has gone */
		kill(fs->pid, SIGKILL);
		(void)waitpid(fs->pid, NULL, 0);
		ipc_chan_free(fs->chan);
		fs->chan = NULL;
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

/* The channel takes what it is given: a copy. */
static int
send_fd(struct forkserver *fs, uint16_t type, const struct buf *b, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int rc;

	if (copy < 0)
		return ERR_IO;
	rc = ipc_chan_send_fd(fs->chan, type, 0, b->data, b->len, copy);
	if (rc != 0)
		close(copy);
	return rc;
}

int
forkserver_order(struct forkserver *fs, const struct order *o, int doc_fd,
    int out_fd, forkserver_on_start *on_start, void *arg, struct err *e)
{
	struct buf b;
	int rc;

	BUG_ON(fs->on_start != NULL);
	rc = forkserver_ready(fs, e);
	if (rc != 0)
		return rc;
	buf_init(&b, ORDER_BODY_MAX);
	rc = send_fd(fs, ORDER_DOCUMENT, &b, doc_fd);
	if (rc == 0)
		rc = order_write(o, &b);
	if (rc == 0)
		rc = send_fd(fs, ORDER_START, &b, out_fd);
	buf_release(&b);
	if (rc != 0) {
		take_down(fs);
		return err_set(
		    e, rc, "the fork server takes no order: %s", err_text(rc));
	}
	fs->on_start = on_start;
	fs->arg = arg;
	return 0;
}

pid_t
forkserver_pid(const struct forkserver *fs)
{
	return fs->chan == NULL ? -1 : fs->pid;
}

void
forkserver_renew(struct forkserver *fs)
{
	if (fs->on_start != NULL)
		fs->tired = true;
	else
		take_down(fs);
}

void
forkserver_abort(struct forkserver *fs)
{
	bool worker = take_down_with_worker(fs);

	answer(fs, worker ? 0 : -1, "the fork server did not answer in time");
}
