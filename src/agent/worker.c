/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Starting mig-worker, its limits as seen from outside, and what it answers.
 * A worker has ended when it exited and both its pipes are at their end; its
 * whole group is killed as soon as the first process of it is gone.
 */
#include "agent/worker.h"

#include "action/result.h"
#include "base/err.h"
#include "base/file.h"
#include "proc/proc.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_SECONDS 5
#define ERRORS_MAX 2048
#define READ_STEP 65536
#define DOC_FD 3
#define NUMBERS 7 /* options of mig-worker */

struct worker;

struct stream {
	struct worker *w;
	int fd; /* -1: at its end */
	struct event *ev;
	struct buf data;
};

struct worker {
	struct proc_loop *loop;
	pid_t pid; /* -1: exited */
	int status;
	struct stream out, errors;
	struct event *limit;
	int64_t seconds;
	bool timed_out, too_much, interrupted;
	worker_on_end *on_end;
	void *arg;
};

static void
stream_close(struct stream *s)
{
	if (s->ev != NULL)
		event_free(s->ev);
	if (s->fd >= 0)
		close(s->fd);
	s->ev = NULL;
	s->fd = -1;
}

static void
release(struct worker *w)
{
	stream_close(&w->out);
	stream_close(&w->errors);
	buf_release(&w->out.data);
	buf_release(&w->errors.data);
	if (w->limit != NULL)
		event_free(w->limit);
	free(w);
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->pid > 0) {
		proc_loop_unwatch(w->loop, w->pid);
		proc_kill_group(w->pid, SIGKILL);
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

static uint8_t
end_status(const struct worker *w)
{
	bool answered = exited(w) && w->out.data.len > 0;

	if (w->interrupted)
		return PART_INTERRUPTED;
	if (w->too_much)
		return PART_LIMIT;
	if (w->timed_out || (answered && WEXITSTATUS(w->status) == EXIT_TIME))
		return PART_TIMEOUT;
	if (answered)
		return WEXITSTATUS(w->status) == EXIT_LIMIT ? PART_LIMIT
							    : PART_DONE;
	if (WIFSIGNALED(w->status) &&
	    (WTERMSIG(w->status) == SIGXCPU || WTERMSIG(w->status) == SIGKILL))
		return PART_LIMIT;
	return PART_FAILED;
}

static void
end_text(const struct worker *w, uint8_t status, struct buf *out)
{
	if (status == PART_TIMEOUT)
		buf_add_fmt(
		    out, "limit reached: time %" PRId64 " s", w->seconds);
	else if (w->too_much)
		buf_add_fmt(
		    out, "limit reached: output %zu bytes", w->out.data.max);
	else if (status == PART_INTERRUPTED)
		buf_add_str(out, "the agent was stopped");
	else
		buf_add_fmt(
		    out, "the worker ended: %s", proc_status_text(w->status));
	if (w->errors.data.len > 0) {
		buf_add_str(out, ": ");
		buf_add(out, w->errors.data.data, w->errors.data.len);
	}
}

static void
maybe_end(struct worker *w)
{
	worker_on_end *on_end = w->on_end;
	void *arg = w->arg;
	struct buf text;
	uint8_t status, *data;
	size_t len;

	if (w->pid > 0 || w->out.fd >= 0 || w->errors.fd >= 0)
		return;
	status = end_status(w);
	/* a stopped worker may have answered what it had */
	if (status == PART_DONE ||
	    (w->out.data.len > 0 && !w->too_much && exited(w))) {
		buf_take(&w->out.data, &data, &len);
	} else {
		buf_init(&text, ERRORS_MAX + 256);
		end_text(w, status, &text);
		buf_take(&text, &data, &len);
	}
	release(w);
	on_end(status, data, len, arg);
}

static void
on_exit_worker(pid_t pid, int status, void *arg)
{
	struct worker *w = arg;

	w->pid = -1;
	w->status = status;
	/* whatever it left behind must not hold its pipes */
	proc_kill_group(pid, SIGKILL);
	event_del(w->limit);
	maybe_end(w);
}

/* --- its output ----------------------------------------------------------- */

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	struct worker *w = s->w;
	uint8_t extra[4096];
	size_t room = s->data.max - s->data.len;
	uint8_t *p = extra;
	ssize_t n;

	if (room > READ_STEP)
		room = READ_STEP;
	if (room > 0)
		p = buf_reserve(&s->data, room);
	if (p == NULL) {
		room = 0;
		p = extra;
	}
	n = read(fd, p, room > 0 ? room : sizeof(extra));
	if (n > 0 && room > 0) {
		s->data.len += (size_t)n;
		return;
	}
	if (n > 0) {
		/* more than allowed: errors are cut, output ends it */
		if (s == &w->out && !w->too_much) {
			w->too_much = true;
			if (w->pid > 0)
				proc_kill_group(w->pid, SIGKILL);
		}
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	stream_close(s);
	maybe_end(w);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval tv = { .tv_sec = GRACE_SECONDS };

	if (w->timed_out || w->interrupted) {
		proc_kill_group(w->pid, SIGKILL);
		return;
	}
	w->timed_out = true;
	proc_kill_group(w->pid, SIGTERM);
	event_add(w->limit, &tv);
}

void
worker_interrupt(struct worker *w)
{
	struct timeval tv = { .tv_sec = GRACE_SECONDS };

	if (w->pid <= 0 || w->interrupted)
		return;
	w->interrupted = true;
	proc_kill_group(w->pid, SIGTERM);
	event_add(w->limit, &tv);
}

/* --- its start ------------------------------------------------------------ */

static int
stream_open(struct stream *s, struct worker *w, size_t max, int *ret_child,
    struct err *e)
{
	int fd[2];

	s->w = w;
	s->fd = -1;
	buf_init(&s->data, max);
	if (pipe2(fd, O_CLOEXEC) != 0)
		return err_errno(e, "pipe");
	s->fd = fd[0];
	*ret_child = fd[1];
	(void)fd_set_nonblock(fd[0]);
	s->ev = event_new(
	    proc_loop_base(w->loop), fd[0], EV_READ | EV_PERSIST, on_output, s);
	if (s->ev == NULL || event_add(s->ev, NULL) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
spawn(struct worker *w, const struct worker_order *o, int out, int errors,
    struct err *e)
{
	char text[NUMBERS][24];
	char *argv[4 + 2 * NUMBERS];
	const struct {
		const char *flag;
		int64_t value;
	} numbers[NUMBERS] = {
		{ "--operation", o->operation },
		{ "--seconds", o->seconds },
		{ "--cpu", o->cpu_seconds },
		{ "--memory", o->memory_bytes },
		{ "--read", o->read_bytes },
		{ "--output", (int64_t)o->output_max },
		{ "--uid", o->uid == (uint32_t)-1 ? 0 : (int64_t)o->uid },
	};
	static char name[] = "mig-worker", flag_cover[] = "--cover";
	char cover[PATH_MAX];
	static char flags[NUMBERS][16];
	struct proc_fd fds[] = { { o->doc_fd, DOC_FD }, { out, 1 },
		{ errors, 2 } };
	struct proc_spawn s;
	size_t i, n = 0;

	argv[n++] = name;
	for (i = 0; i < NUMBERS; i++) {
		snprintf(flags[i], sizeof(flags[i]), "%s", numbers[i].flag);
		snprintf(
		    text[i], sizeof(text[i]), "%" PRId64, numbers[i].value);
		argv[n++] = flags[i];
		argv[n++] = text[i];
	}
	if (o->cover != NULL) {
		snprintf(cover, sizeof(cover), "%s", o->cover);
		argv[n++] = flag_cover;
		argv[n++] = cover;
	}
	argv[n] = NULL;
	memset(&s, 0, sizeof(s));
	s.exec_fd = o->exec_fd;
	s.path = "mig-worker";
	s.argv = argv;
	s.fds = fds;
	s.nfds = sizeof(fds) / sizeof(fds[0]);
	s.own_group = true;
	return proc_spawn(&s, &w->pid, e);
}

int
worker_start(struct proc_loop *loop, const struct worker_order *o,
    worker_on_end *on_end, void *arg, struct worker **ret, struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct timeval tv = { .tv_sec = o->seconds };
	int out = -1, errors = -1, rc;

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	w->loop = loop;
	w->pid = -1;
	w->out.fd = w->errors.fd = -1;
	w->on_end = on_end;
	w->arg = arg;
	w->seconds = o->seconds;
	w->limit = event_new(proc_loop_base(loop), -1, 0, on_limit, w);
	rc = w->limit == NULL ? err_set(e, ERR_NOMEM, "out of memory") : 0;
	if (rc == 0)
		rc = stream_open(&w->out, w, o->output_max, &out, e);
	if (rc == 0)
		rc = stream_open(&w->errors, w, ERRORS_MAX, &errors, e);
	if (rc == 0)
		rc = spawn(w, o, out, errors, e);
	if (out >= 0)
		close(out);
	if (errors >= 0)
		close(errors);
	if (rc == 0 && proc_loop_watch(loop, w->pid, on_exit_worker, w) != 0)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc != 0) {
		worker_free(w);
		return rc;
	}
	event_add(w->limit, &tv);
	*ret = w;
	return 0;
}
