/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One order of a worker, its limits as seen from outside, and what it answers
 * at its end: in a message, or in a file in memory. It has ended when the
 * worker says so or exited; it cannot have children (sandbox/).
 */
#include "agent/monitor/worker.h"

#include "action/result.h"
#include "agent/monitor/guard.h"
#include "agent/monitor/standby.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "proc/proc.h"
#include "proc/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_SECONDS 5
/* To take its order, at the lowest priority of a busy host. After that a new
 * process has the rest of the operation's time. */
#define START_SECONDS 10
#define TEXT_MAX 2048
#define WORDS_MAX 1024

struct worker {
	struct proc_loop *loop;
	struct standby *process;       /* borrowed */
	const struct standby_end *end; /* while it is told */
	struct event *limit;
	struct guard *guard;
	struct cgroup *groups; /* borrowed; may be NULL */
	unsigned int slot;
	struct order order;
	int doc_fd;       /* borrowed */
	int64_t since_ms; /* when it was first ordered, clock_mono_ms() */
	bool again;       /* ordered a second time */
	bool timed_out, interrupted;
	int64_t grace_ms; /* once it is interrupted */
	worker_on_end *on_end;
	void *arg;
};

static void
release(struct worker *w)
{
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
	int code = WEXITSTATUS(w->end->wait_status);

	return WIFEXITED(w->end->wait_status) &&
	    (code <= 1 || code == EXIT_LIMIT || code == EXIT_TIME);
}

static uint8_t
end_status(const struct worker *w, uint64_t size)
{
	int status = w->end->wait_status;
	bool answered = exited(w) && size > 0;

	if (w->interrupted)
		return PART_INTERRUPTED;
	if (size > (uint64_t)w->order.output_max)
		return PART_LIMIT;
	if (w->timed_out || (answered && WEXITSTATUS(status) == EXIT_TIME))
		return PART_TIMEOUT;
	if (answered)
		return WEXITSTATUS(status) == EXIT_LIMIT ? PART_LIMIT
							 : PART_DONE;
	if (WIFSIGNALED(status) &&
	    (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGXFSZ ||
		WTERMSIG(status) == SIGKILL))
		return PART_LIMIT;
	return PART_FAILED;
}

/* What it could still say when it did not come to its answer: a limit that
 * ended it, or the C library's last words. The beginning of an answer is none
 * of these. */
static void
last_words(const struct worker *w, struct buf *out)
{
	char text[WORDS_MAX];
	ssize_t n = exited(w) ? 0 : pread(w->end->file, text, sizeof(text), 0);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0 || text[0] == '{')
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
	} else if (guard_out_of_memory(w->guard)) {
		str_size((uint64_t)w->order.memory_bytes, max);
		buf_add_fmt(out, "limit reached: memory %s", max);
	} else {
		buf_add_fmt(out, "the worker ended: %s",
		    proc_status_text(w->end->wait_status));
	}
	last_words(w, out);
}

/* A copy: a process that lives on might still write to it. */
static int
take_output(const struct worker *w, size_t size, struct buf *out)
{
	size_t done = 0;
	uint8_t *p;
	ssize_t n;

	if (w->end->answer != NULL)
		return buf_add(out, w->end->answer, size);
	p = buf_reserve(out, size);
	if (p == NULL)
		return out->error;
	while (done < size) {
		n = pread(w->end->file, p + done, size - done, (off_t)done);
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
	worker_on_end *report = w->on_end;
	void *arg = w->arg;
	uint8_t *bytes;
	size_t len;

	buf_take(data, &bytes, &len);
	release(w);
	report(status, bytes, len, arg);
}

static int order_again(struct worker *w);

static void
not_begun(struct worker *w)
{
	struct buf data;

	buf_init(&data, TEXT_MAX);
	buf_add_fmt(&data, "no worker took the order: %s",
	    proc_status_text(w->end->wait_status));
	finish(w, w->interrupted ? PART_INTERRUPTED : PART_FAILED, &data);
}

static uint64_t
answer_size(const struct standby_end *end)
{
	struct stat st;

	if (end->answer != NULL)
		return end->len;
	return fstat(end->file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
on_end(const struct standby_end *told, void *arg)
{
	struct worker *w = arg;
	struct buf data;
	uint64_t size;
	uint8_t end;

	w->end = told;
	if (!told->begun) {
		if (order_again(w) != 0)
			not_begun(w);
		return;
	}
	size = answer_size(told);
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

static int64_t
seconds_left(const struct worker *w)
{
	return w->order.seconds - (clock_mono_ms() - w->since_ms) / 1000;
}

/* Its time, or the first while of it, from now. */
static int
arm_limit(struct worker *w, int64_t most)
{
	struct timeval tv = { .tv_sec = seconds_left(w) };

	if (tv.tv_sec > most)
		tv.tv_sec = most;
	if (tv.tv_sec < 1)
		tv.tv_sec = 1;
	return event_add(w->limit, &tv);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval tv = { .tv_sec = GRACE_SECONDS };

	if (w->timed_out || w->interrupted) {
		standby_signal(w->process, SIGKILL);
		return;
	}
	if (!standby_begun(w->process)) {
		log_error("worker_hangs pid=%d effect=%s",
		    (int)standby_pid(w->process),
		    log_quote("killed, to be started anew"));
		standby_signal(w->process, SIGKILL);
		return;
	}
	if (seconds_left(w) > 0) {
		(void)arm_limit(w, w->order.seconds);
		return;
	}
	w->timed_out = true;
	standby_signal(w->process, SIGTERM);
	timer_start(w->limit, &tv);
}

void
worker_interrupt(struct worker *w, int64_t grace_ms)
{
	struct timeval tv = { .tv_sec = grace_ms / 1000,
		.tv_usec = grace_ms % 1000 * 1000 };

	if (w->interrupted && grace_ms >= w->grace_ms)
		return;
	w->interrupted = true;
	w->grace_ms = grace_ms;
	standby_signal(w->process, SIGTERM);
	timer_start(w->limit, &tv);
}

/* --- its start ------------------------------------------------------------ */

static void
start_guard(struct worker *w)
{
	struct cgroup_limits l = {
		.memory_bytes = (uint64_t)w->order.memory_bytes,
		.cpu_percent = (uint32_t)w->order.cpu_percent,
		.processes = order_threads(w->order.cpu_percent),
	};

	guard_free(w->guard);
	w->guard = guard_new(proc_loop_base(w->loop), w->groups, w->slot,
	    standby_pid(w->process), &l);
}

void
worker_group(struct worker *w, struct cgroup *groups, unsigned int slot)
{
	w->groups = groups;
	w->slot = slot;
	start_guard(w);
}

/* Nobody looked: another process is given the order, once. */
static int
order_again(struct worker *w)
{
	struct err e;
	int rc;

	if (w->again || w->interrupted)
		return ERR_CLOSED;
	w->again = true;
	err_clear(&e);
	rc = standby_order(w->process, &w->order, w->doc_fd, on_end, w, &e);
	if (rc != 0)
		return rc;
	start_guard(w);
	(void)arm_limit(w, w->order.seconds);
	return 0;
}

int
worker_start(struct proc_loop *loop, struct standby *s, const struct order *o,
    int doc_fd, worker_on_end *report, void *arg, struct worker **ret,
    struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	w->loop = loop;
	w->process = s;
	w->order = *o;
	w->doc_fd = doc_fd;
	w->since_ms = clock_mono_ms();
	w->on_end = report;
	w->arg = arg;
	w->limit = event_new(proc_loop_base(loop), -1, 0, on_limit, w);
	if (w->limit == NULL || arm_limit(w, START_SECONDS) != 0)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = standby_order(s, o, doc_fd, on_end, w, e);
	if (rc != 0) {
		release(w);
		return rc;
	}
	*ret = w;
	return 0;
}
