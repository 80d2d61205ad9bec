/* SPDX-License-Identifier: MPL-2.0 */
/*
 *         ready              order
 *  DOWN ---------> WAITING ----------> ASKED
 *   ^  ^             |  ^                | |
 *   |  `- dismissed -'  `---- done ------' |
 *   `--------------- exited, and EOF ------'
 *
 * A process that was dismissed is killed and forgotten: its end is nobody's
 * concern. One that has an order is watched until it has ended, so that its
 * exit status is seen by the monitor itself; and what it said last is heard
 * before that counts: the exit may be known first.
 */
#include "agent/monitor/standby.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/ipc.h"
#include "proc/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORDERS_MAX 1000
#define CHILD_FD 4 /* where mig-worker finds its orders */

struct standby {
	struct standby_spec spec;
	struct proc_loop *loop;
	struct ipc_chan *chan; /* NULL: none, or it has closed its end */
	pid_t pid;             /* -1: down, or exited while .chan is open */
	int status;            /* of that exit */
	int file;              /* for long answers of this process; -1 */
	unsigned int orders;
	struct { /* of its first order: the process's own */
		int64_t cpu_seconds, memory_bytes, output_max;
	} limits;
	bool begun;             /* with its order */
	bool spent;             /* it said so */
	bool last;              /* signalled: it gets no further order */
	standby_on_end *on_end; /* not NULL: asked */
	void *arg;
};

static int
make_file(struct standby *s, struct err *e)
{
	if (s->file < 0)
		s->file = memfd_create("mig-answer", MFD_CLOEXEC);
	return s->file < 0 ? err_errno(e, "a file for the answer") : 0;
}

static void
drop_file(struct standby *s)
{
	if (s->file >= 0)
		close(s->file);
	s->file = -1;
}

static void
forget(struct standby *s)
{
	ipc_chan_free(s->chan);
	s->chan = NULL;
	s->pid = -1;
	s->orders = 0;
	s->spent = s->last = false;
	/* of an open order it is still to be read */
	if (s->on_end == NULL)
		drop_file(s);
}

/* Reaped when its end is known. */
static void
on_exit_dismissed(pid_t pid, int status, void *arg)
{
}

static void
dismiss(struct standby *s)
{
	pid_t pid = s->pid;

	if (pid <= 0) {
		forget(s);
		return;
	}
	proc_loop_unwatch(s->loop, pid);
	kill(pid, SIGKILL);
	if (proc_loop_watch(s->loop, pid, on_exit_dismissed, NULL) != 0)
		log_warn("worker pid=%d why=memory", (int)pid);
	forget(s);
}

static bool
is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* answer: NULL when it has exited. The file stays for the next order only if
 * nothing was written to it, and with the process that had it. */
static void
end_order(struct standby *s, int status, const struct ipc_msg *answer)
{
	struct standby_end end = {
		.wait_status = status, .begun = s->begun, .file = s->file
	};
	standby_on_end *cb = s->on_end;
	bool keep = false;

	if (answer != NULL && answer->len > 0) {
		end.answer = answer->body;
		end.len = answer->len;
		keep = s->pid > 0 && is_empty(s->file);
	}
	if (!keep)
		s->file = -1;
	if (s->pid > 0)
		(void)make_file(s, NULL); /* or with the next order */
	s->on_end = NULL;
	if (cb != NULL)
		cb(&end, s->arg);
	if (!keep && end.file >= 0)
		close(end.file);
}

static void
on_exit_process(pid_t pid, int status, void *arg)
{
	struct standby *s = arg;

	if (s->on_end == NULL)
		log_warn("worker_ended pid=%d status=%s", (int)pid,
		    log_quote(proc_status_text(status)));
	if (s->on_end != NULL && s->chan != NULL) {
		s->pid = -1;
		s->status = status;
		return;
	}
	forget(s);
	end_order(s, status, NULL);
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *msg, void *arg)
{
	struct standby *s = arg;

	if (s->on_end == NULL || (msg->len != 0 && msg->type != ORDER_DONE))
		return ERR_INVALID;
	if (msg->type == ORDER_TAKEN && !s->begun) {
		s->begun = true;
		return 0;
	}
	if (!s->begun)
		return ERR_INVALID;
	if (msg->type == ORDER_SPENT && !s->spent) {
		s->spent = true;
		return 0;
	}
	if (msg->type != ORDER_DONE || s->spent || msg->len > ORDER_SHORT_MAX)
		return ERR_INVALID;
	if (++s->orders >= ORDERS_MAX || s->last || s->pid <= 0)
		dismiss(s);
	end_order(s, 0, msg);
	return 0;
}

/* With an order it is ending, and how is what its exit status says; or it said
 * what none says, and then it is ended. */
static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct standby *s = arg;

	if (s->on_end == NULL) {
		dismiss(s);
		return;
	}
	if (s->pid <= 0) {
		forget(s);
		end_order(s, s->status, NULL);
		return;
	}
	ipc_chan_free(s->chan);
	s->chan = NULL;
	kill(s->pid, SIGKILL);
}

static int
spawn(struct standby *s, int fd, struct err *e)
{
	static char name[] = "mig-worker", mode[] = "--serve";
	static char flag_uid[] = "--uid", flag_cover[] = "--cover";
	static char flag_needs[] = "--needs", flag_threads[] = "--threads";
	struct proc_fd fds[] = { { fd, CHILD_FD } };
	char cover[PATH_MAX], uid[16], needs[16], threads[16];
	char *argv[11];
	struct proc_spawn p;
	size_t n = 0;

	argv[n++] = name;
	argv[n++] = mode;
	if (s->spec.uid != (uint32_t)-1) {
		snprintf(uid, sizeof(uid), "%u", (unsigned)s->spec.uid);
		argv[n++] = flag_uid;
		argv[n++] = uid;
	}
	if (s->spec.cover != NULL) {
		snprintf(cover, sizeof(cover), "%s", s->spec.cover);
		argv[n++] = flag_cover;
		argv[n++] = cover;
	}
	if (s->spec.needs != 0) {
		snprintf(needs, sizeof(needs), "%u", (unsigned)s->spec.needs);
		argv[n++] = flag_needs;
		argv[n++] = needs;
	}
	if (s->spec.threads > 1) {
		snprintf(
		    threads, sizeof(threads), "%u", (unsigned)s->spec.threads);
		argv[n++] = flag_threads;
		argv[n++] = threads;
	}
	argv[n] = NULL;
	memset(&p, 0, sizeof(p));
	p.exec_fd = s->spec.exec_fd;
	p.argv = argv;
	p.fds = fds;
	p.nfds = 1;
	p.own_group = true;
	return proc_spawn(&p, &s->pid, e);
}

struct standby *
standby_new(struct proc_loop *loop, const struct standby_spec *spec)
{
	struct standby *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->spec = *spec;
	s->loop = loop;
	s->pid = -1;
	s->file = -1;
	return s;
}

void
standby_needs(struct standby *s, uint32_t needs)
{
	BUG_ON(s->on_end != NULL);
	if (s->spec.needs != needs)
		dismiss(s);
	s->spec.needs = needs;
}

void
standby_free(struct standby *s)
{
	if (s == NULL)
		return;
	dismiss(s);
	drop_file(s);
	free(s);
}

int
standby_ready(struct standby *s, struct err *e)
{
	int fd[2], rc;

	rc = make_file(s, e);
	if (rc != 0 || s->pid > 0)
		return rc;
	rc = ipc_pair(fd, e);
	if (rc != 0)
		return rc;
	rc = spawn(s, fd[1], e);
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		s->pid = -1;
		return rc;
	}
	s->chan = ipc_chan_new(proc_loop_base(s->loop), fd[0], ORDER_BODY_MAX,
	    4 * ORDER_BODY_MAX, on_msg, on_close, s);
	if (s->chan == NULL ||
	    proc_loop_watch(s->loop, s->pid, on_exit_process, s) != 0) {
		dismiss(s);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

/* Limits only go down. */
static bool
fits(const struct standby *s, const struct order *o)
{
	return s->chan != NULL && !s->spent && !s->last &&
	    (s->orders == 0 ||
		(o->cpu_seconds == s->limits.cpu_seconds &&
		    o->memory_bytes == s->limits.memory_bytes &&
		    o->output_max <= s->limits.output_max));
}

/* The channel takes what it is given: a copy. */
static int
send_fd(struct standby *s, uint16_t type, const struct buf *b, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int rc;

	if (copy < 0)
		return ERR_IO;
	rc = ipc_chan_send_fd(s->chan, type, 0, b->data, b->len, copy);
	if (rc != 0)
		close(copy);
	return rc;
}

static int
send_order(struct standby *s, const struct order *o, int doc_fd)
{
	struct buf b;
	int rc = 0;

	buf_init(&b, ORDER_BODY_MAX);
	if (o->document_len == 0)
		rc = send_fd(s, ORDER_DOCUMENT, &b, doc_fd);
	if (rc == 0)
		rc = order_write(o, &b);
	if (rc == 0)
		rc = send_fd(s, ORDER_START, &b, s->file);
	buf_release(&b);
	return rc;
}

int
standby_order(struct standby *s, const struct order *o, int doc_fd,
    standby_on_end *on_end, void *arg, struct err *e)
{
	int rc;

	BUG_ON(s->on_end != NULL);
	if (!fits(s, o))
		dismiss(s);
	rc = standby_ready(s, e);
	if (rc != 0)
		return rc;
	rc = send_order(s, o, doc_fd);
	if (rc != 0) {
		dismiss(s);
		return err_set(
		    e, rc, "the worker takes no order: %s", err_text(rc));
	}
	if (s->orders == 0) {
		s->limits.cpu_seconds = o->cpu_seconds;
		s->limits.memory_bytes = o->memory_bytes;
		s->limits.output_max = o->output_max;
	}
	s->begun = false;
	s->on_end = on_end;
	s->arg = arg;
	return 0;
}

bool
standby_begun(const struct standby *s)
{
	return s->begun;
}

void
standby_rest(struct standby *s)
{
	if (s->on_end == NULL)
		dismiss(s);
}

pid_t
standby_pid(const struct standby *s)
{
	return s->pid;
}

void
standby_signal(struct standby *s, int sig)
{
	if (s->pid <= 0)
		return;
	s->last = true;
	kill(s->pid, sig);
}
