/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A worker, its limits as seen from outside, and what it answers: a file in
 * memory that it writes at its end. It has ended when it exited; it cannot
 * have children (sandbox_seal).
 */
#include "agent/worker.h"

#include "action/result.h"
#include "agent/forkserver.h"
#include "agent/guard.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "proc/proc.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_SECONDS 5
/* For the fork server to make it, at the lowest priority of a busy host. After
 * that a new one has the rest of the operation's time. */
#define START_SECONDS 10
#define TEXT_MAX 2048
#define WORDS_MAX 1024

struct worker {
	struct proc_loop *loop;
	struct forkserver *fs; /* borrowed */
	pid_t pid;             /* 0: not there yet; -1: exited */
	int status;
	int out_fd;
	struct event *limit;
	struct guard *guard;
	struct cgroup *groups; /* borrowed; may be NULL */
	unsigned int slot;
	struct order order;
	int doc_fd;       /* borrowed */
	int64_t since_ms; /* when it was first ordered, clock_mono_ms() */
	bool again;       /* ordered a second time */
	bool timed_out, interrupted;
	worker_on_end *on_end;
	void *arg;
};

static void
release(struct worker *w)
{
	if (w->out_fd >= 0)
		close(w->out_fd);
	if (w->limit != NULL)
		event_free(w->limit);
	guard_free(w->guard);
	free(w);
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->pid > 0) {
		proc_loop_unwatch(w->loop, w->pid);
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	release(w);
}

/* --- what its end means --------------------------------------------------- */

/* How mig-worker(8) exits when it has answered in JSON. 1: the answer says what
 * went wrong; 3 and 4: a limit ended it, and what it had is answered. */
#define EXIT_LIMIT 3
#define EXIT_TIME 4

static bool
exited(const struct worker *w)
{
	int code = WEXITSTATUS(w->status);

	return WIFEXITED(w->status) &&
	    (code <= 1 || code == EXIT_LIMIT || code == EXIT_TIME);
}

static bool
crashed(const struct worker *w)
{
	return WIFSIGNALED(w->status) && WTERMSIG(w->status) != SIGKILL &&
	    WTERMSIG(w->status) != SIGXCPU && WTERMSIG(w->status) != SIGTERM;
}

static uint8_t
end_status(const struct worker *w, uint64_t size)
{
	bool answered = exited(w) && size > 0;

	if (w->interrupted)
		return PART_INTERRUPTED;
	if (size > (uint64_t)w->order.output_max)
		return PART_LIMIT;
	if (w->timed_out || (answered && WEXITSTATUS(w->status) == EXIT_TIME))
		return PART_TIMEOUT;
	if (answered)
		return WEXITSTATUS(w->status) == EXIT_LIMIT ? PART_LIMIT
							    : PART_DONE;
	if (WIFSIGNALED(w->status) &&
	    (WTERMSIG(w->status) == SIGXCPU || WTERMSIG(w->status) == SIGXFSZ ||
		WTERMSIG(w->status) == SIGKILL))
		return PART_LIMIT;
	return PART_FAILED;
}

/* What it could still say when it did not come to its answer: a limit that
 * ended it, or the C library's last words. */
static void
last_words(const struct worker *w, struct buf *out)
{
	char text[WORDS_MAX];
	ssize_t n = exited(w) ? 0 : pread(w->out_fd, text, sizeof(text), 0);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0)
		return;
	buf_add_str(out, ": ");
	buf_add(out, text, (size_t)n);
}

static void
end_text(const struct worker *w, uint8_t status, uint64_t size, struct buf *out)
{
	char max[STR_SIZE_MAX];

	if (status == PART_TIMEOUT) {
		buf_add_fmt(
		    out, "limit reached: time %" PRId64 " s", w->order.seconds);
	} else if (size > (uint64_t)w->order.output_max) {
		str_size((uint64_t)w->order.output_max, max);
		buf_add_fmt(out, "limit reached: output %s", max);
	} else if (status == PART_INTERRUPTED) {
		buf_add_str(out, "the agent was stopped");
	} else if (guard_out_of_memory(w->guard)) {
		str_size((uint64_t)w->order.memory_bytes, max);
		buf_add_fmt(out, "limit reached: memory %s", max);
	} else {
		buf_add_fmt(
		    out, "the worker ended: %s", proc_status_text(w->status));
	}
	last_words(w, out);
}

/* Its answer, which nobody can write to any more. */
static int
take_output(const struct worker *w, size_t size, struct buf *out)
{
	size_t done = 0;
	uint8_t *p;
	ssize_t n;

	p = buf_reserve(out, size);
	if (p == NULL)
		return out->error;
	while (done < size) {
		n = pread(w->out_fd, p + done, size - done, (off_t)done);
		if (n <= 0)
			return ERR_IO;
		done += (size_t)n;
	}
	out->len = size;
	return 0;
}

static void
finish(struct worker *w, uint8_t status, struct buf *data)
{
	worker_on_end *on_end = w->on_end;
	void *arg = w->arg;
	uint8_t *bytes;
	size_t len;

	buf_take(data, &bytes, &len);
	release(w);
	on_end(status, bytes, len, arg);
}

static void
on_exit_worker(pid_t pid, int status, void *arg)
{
	struct worker *w = arg;
	struct buf data;
	struct stat st;
	uint64_t size;
	uint8_t end;

	w->pid = -1;
	w->status = status;
	if (crashed(w))
		forkserver_renew(w->fs);
	size = fstat(w->out_fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	end = end_status(w, size);
	buf_init(&data, (size_t)w->order.output_max + TEXT_MAX);
	/* a stopped worker may have answered what it had */
	if (!exited(w) || size == 0 || size > (uint64_t)w->order.output_max) {
		end_text(w, end, size, &data);
	} else if (take_output(w, (size_t)size, &data) != 0) {
		buf_clear(&data);
		end = PART_FAILED;
		buf_add_str(&data, "its answer could not be read");
	}
	finish(w, end, &data);
}

/* --- its limits ----------------------------------------------------------- */

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval tv = { .tv_sec = GRACE_SECONDS };

	if (w->pid == 0) {
		/* the fork server hangs */
		log_error("forkserver_hangs pid=%d effect=%s",
		    (int)forkserver_pid(w->fs),
		    log_quote("killed, to be started anew"));
		forkserver_abort(w->fs);
		return;
	}
	if (w->timed_out || w->interrupted) {
		kill(w->pid, SIGKILL);
		return;
	}
	w->timed_out = true;
	kill(w->pid, SIGTERM);
	event_add(w->limit, &tv);
}

void
worker_interrupt(struct worker *w)
{
	struct timeval tv = { .tv_sec = GRACE_SECONDS };

	if (w->interrupted || w->pid < 0)
		return;
	w->interrupted = true;
	if (w->pid > 0)
		kill(w->pid, SIGTERM);
	event_add(w->limit, &tv);
}

/* --- its start ------------------------------------------------------------ */

static void
start_guard(struct worker *w)
{
	struct cgroup_limits l = {
		.memory_bytes = (uint64_t)w->order.memory_bytes,
		.cpu_percent = (uint32_t)w->order.cpu_percent,
		.processes = 1,
	};

	w->guard =
	    guard_new(proc_loop_base(w->loop), w->groups, w->slot, w->pid, &l);
}

static void on_started(pid_t pid, const char *text, void *arg);

/* Its time, or the first while of it, from now. */
static int
arm_limit(struct worker *w, int64_t most)
{
	int64_t used = (clock_mono_ms() - w->since_ms) / 1000;
	struct timeval tv = { .tv_sec = w->order.seconds - used };

	if (tv.tv_sec > most)
		tv.tv_sec = most;
	if (tv.tv_sec < 1)
		tv.tv_sec = 1;
	return event_add(w->limit, &tv);
}

/* Nothing ran: another fork server is given the order, once. */
static int
order_again(struct worker *w)
{
	struct err e;
	int rc;

	if (w->again || w->interrupted)
		return ERR_CLOSED;
	w->again = true;
	err_clear(&e);
	rc = forkserver_order(
	    w->fs, &w->order, w->doc_fd, w->out_fd, on_started, w, &e);
	if (rc == 0)
		(void)arm_limit(w, w->order.seconds);
	return rc;
}

static void
on_started(pid_t pid, const char *text, void *arg)
{
	struct worker *w = arg;
	struct buf data;

	if (pid > 0 && proc_loop_watch(w->loop, pid, on_exit_worker, w) == 0) {
		w->pid = pid;
		start_guard(w);
		if (w->interrupted)
			kill(pid, SIGTERM);
		else
			(void)arm_limit(w, w->order.seconds);
		return;
	}
	if (pid > 0) {
		/* nobody would say that it has gone */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		text = "out of memory";
	}
	if (pid < 0 && order_again(w) == 0)
		return;
	w->pid = -1;
	buf_init(&data, TEXT_MAX);
	buf_add_fmt(&data, "no worker could be started: %s", text);
	finish(w, w->interrupted ? PART_INTERRUPTED : PART_FAILED, &data);
}

void
worker_group(struct worker *w, struct cgroup *groups, unsigned int slot)
{
	w->groups = groups;
	w->slot = slot;
}

int
worker_start(struct proc_loop *loop, struct forkserver *fs,
    const struct order *o, int doc_fd, worker_on_end *on_end, void *arg,
    struct worker **ret, struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	w->loop = loop;
	w->fs = fs;
	w->order = *o;
	w->doc_fd = doc_fd;
	w->since_ms = clock_mono_ms();
	w->on_end = on_end;
	w->arg = arg;
	w->out_fd = memfd_create("mig-answer", MFD_CLOEXEC);
	if (w->out_fd < 0)
		rc = err_errno(e, "a file for the answer");
	w->limit = event_new(proc_loop_base(loop), -1, 0, on_limit, w);
	if (rc == 0 && (w->limit == NULL || arm_limit(w, START_SECONDS) != 0))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = forkserver_order(
		    fs, o, doc_fd, w->out_fd, on_started, w, e);
	if (rc != 0) {
		release(w);
		return rc;
	}
	*ret = w;
	return 0;
}
