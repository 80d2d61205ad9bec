/* SPDX-License-Identifier: MPL-2.0 */
/* Long-lived children of the monitor; see role.h. The channel is freed only
 * when the child has gone, never from inside its own callback. */
#include "agent/monitor/role.h"

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "proc/proc.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_LIMIT 20 /* seconds until READY */
#define ANSWER_LIMIT 1 /* seconds for one question */
#define ASKS_MAX 1000
#define ROLE_LABEL_MAX 256
#define BACKOFF_MAX 60 /* seconds */
#define QUEUE_MAX (MSG_POLICY_MAX + MSG_DOC_MAX)

enum role_state { STOPPED, STARTING, READY, ASKED, DYING };

struct role {
	const struct role_spec *spec;
	struct proc_loop *loop;
	role_fill *fill;
	char label[ROLE_LABEL_MAX];
	role_on_ready *on_ready;
	void *arg;
	enum role_state state;
	pid_t pid;
	struct ipc_chan *chan;
	struct event *timer; /* limit of the state, or backoff */
	int backoff;         /* seconds before the next start */
	unsigned int asks;   /* since the start */
	int fate;            /* what a pending asker is told */
	bool again;          /* restart as soon as idle */
	bool started;        /* once at least */
	bool starting;       /* and nobody was told how that went */
	bool closed;         /* by the child: it ends by itself */
	char why[MSG_TEXT_MAX];

	bool pending; /* a question is open */
	bool sent;    /* and this child has it */
	uint16_t ask_type, ask_want;
	int patience; /* seconds for it */
	struct buf ask;
	role_on_answer *on_answer;
	void *answer_arg;
};

static void
set_timer(struct role *r, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (seconds > 0)
		timer_start(r->timer, &tv);
	else
		event_del(r->timer);
}

static void
kill_child(struct role *r, int fate, const char *why)
{
	if (r->state == STOPPED || r->state == DYING)
		return;
	if (why != NULL) {
		str_copy(r->why, sizeof(r->why), why);
		log_warn("role_failed role=%s pid=%d why=%s", r->spec->name,
		    (int)r->pid, log_quote(why));
	}
	if (r->state == STARTING)
		r->backoff = r->backoff == 0 ? 1 : r->backoff * 2;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	r->fate = fate;
	r->state = DYING;
	set_timer(r, 0);
	kill(r->pid, SIGKILL);
}

static void
finish_ask(struct role *r, int code, const void *body, size_t len)
{
	role_on_answer *cb = r->on_answer;
	void *arg = r->answer_arg;

	r->pending = false;
	r->patience = ANSWER_LIMIT;
	buf_release(&r->ask);
	cb(code, body, len, arg);
}

static void
send_pending(struct role *r)
{
	int rc;

	if (!r->pending || r->state != READY)
		return;
	rc = ipc_chan_send(
	    r->chan, r->ask_type, ++r->asks, r->ask.data, r->ask.len);
	if (rc != 0) {
		kill_child(r, ERR_CLOSED, err_text(rc));
		return;
	}
	r->sent = true;
	r->state = ASKED;
	set_timer(r, r->patience);
}

/* No child and none on its way: the next attempt is the timer's. */
static void
start_later(struct role *r)
{
	r->state = STOPPED;
	r->backoff = r->backoff == 0 ? 1 : r->backoff * 2;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	set_timer(r, r->backoff);
}

/* Where nobody waits for the outcome but the asker: he is told, else he and
 * all behind him would wait for a child that does not come. */
static void
start_again(struct role *r)
{
	struct err e;

	err_clear(&e);
	if (role_start(r, &e) == 0)
		return;
	log_error("role_start role=%s why=%s", r->spec->name, log_quote(e.msg));
	str_copy(r->why, sizeof(r->why), e.msg);
	if (r->pending)
		finish_ask(r, ERR_CLOSED, NULL, 0);
}

/* One that always ends so must not keep a processor busy with its starts. */
static void
ended_unasked(struct role *r)
{
	if (r->state == READY)
		r->backoff = 1;
}

static void
on_exit_child(pid_t pid, int status, void *arg)
{
	struct role *r = arg;
	bool was_starting = r->state == STARTING;
	bool was_asked = r->pending && r->sent;

	if (r->state != DYING || r->closed) {
		str_copy(r->why, sizeof(r->why), proc_status_text(status));
		log_warn("role_ended role=%s pid=%d status=%s", r->spec->name,
		    (int)pid, log_quote(r->why));
		r->fate = ERR_CLOSED;
	}
	ended_unasked(r);
	ipc_chan_free(r->chan);
	r->chan = NULL;
	r->pid = -1;
	r->state = STOPPED;
	if (was_starting)
		r->backoff = r->backoff == 0 ? 1 : r->backoff * 2;
	if (r->backoff > BACKOFF_MAX)
		r->backoff = BACKOFF_MAX;
	if (r->backoff > 0)
		set_timer(r, r->backoff);
	if (r->starting && r->backoff > 1)
		r->on_ready(r, ERR_CLOSED, NULL, 0, r->why, r->arg);
	r->starting = false;
	if (r->pending && (was_asked || r->backoff > 1))
		finish_ask(r, r->fate, NULL, 0);
	/* a question asked just now waits for the new child */
	if (r->backoff == 0)
		start_again(r);
}

static void
got_ready(struct role *r, const struct ipc_msg *msg)
{
	r->state = READY;
	r->starting = false;
	r->backoff = 0;
	set_timer(r, 0);
	r->on_ready(r, 0, msg->body, msg->len, NULL, r->arg);
	send_pending(r);
}

/* At its start, or why it has no answer. */
static void
got_failed(struct role *r, const struct ipc_msg *msg)
{
	bool starting = r->state == STARTING;
	char text[MSG_TEXT_MAX];
	struct rd rd;

	rd_init(&rd, msg->body, msg->len);
	rd_field_str(&rd, text, sizeof(text));
	if (!rd_done(&rd))
		memcpy(text, "unreadable reason", sizeof("unreadable reason"));
	r->starting = false;
	kill_child(r, ERR_CLOSED, starting ? NULL : text);
	if (starting)
		r->on_ready(r, ERR_INVALID, NULL, 0, text, r->arg);
}

static void
got_answer(struct role *r, const struct ipc_msg *msg)
{
	r->state = READY;
	set_timer(r, 0);
	/* before the asker goes on, so that his next question waits */
	if (r->asks >= ASKS_MAX || r->again)
		kill_child(r, ERR_CLOSED, NULL);
	finish_ask(r, 0, msg->body, msg->len);
}

static int
on_msg(struct ipc_chan *c, const struct ipc_msg *msg, void *arg)
{
	struct role *r = arg;

	if (r->state == DYING)
		return 0;
	if (msg_allowed(r->spec->kind, ROLE_MONITOR, msg) != 0)
		return ERR_INVALID;
	if (r->state == STARTING && msg->type == r->spec->ready) {
		got_ready(r, msg);
		return 0;
	}
	if ((r->state == STARTING || r->state == ASKED) &&
	    msg->type == r->spec->failed) {
		got_failed(r, msg);
		return 0;
	}
	if (r->state == ASKED && msg->type == r->ask_want &&
	    msg->request == r->asks) {
		got_answer(r, msg);
		return 0;
	}
	return ERR_INVALID;
}

static void
on_close(struct ipc_chan *c, const char *why, void *arg)
{
	struct role *r = arg;

	/* how it ended says more than that it did */
	r->closed = r->state != DYING && str_starts(why, IPC_CLOSED);
	ended_unasked(r);
	kill_child(r, ERR_CLOSED, r->closed ? NULL : why);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct role *r = arg;

	if (r->state != STOPPED)
		kill_child(r, ERR_TIMEOUT, "no answer in time");
	else
		start_again(r);
}

struct role *
role_new(struct proc_loop *loop, const struct role_spec *spec, role_fill *fill,
    role_on_ready *on_ready, void *arg)
{
	struct role *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->spec = spec;
	r->loop = loop;
	r->fill = fill;
	r->on_ready = on_ready;
	r->arg = arg;
	r->pid = -1;
	r->patience = ANSWER_LIMIT;
	buf_init(&r->ask, MSG_DOC_MAX);
	r->timer = event_new(proc_loop_base(loop), -1, 0, on_timer, r);
	if (r->timer == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
role_label(struct role *r, const char *label)
{
	str_copy(r->label, sizeof(r->label), label);
}

void
role_free(struct role *r)
{
	if (r == NULL)
		return;
	if (r->pid > 0) {
		proc_loop_unwatch(r->loop, r->pid);
		kill(r->pid, SIGKILL);
	}
	ipc_chan_free(r->chan);
	event_free(r->timer);
	buf_release(&r->ask);
	free(r);
}

static int
spawn(struct role *r, int fd, struct err *e)
{
	char path[PATH_MAX];
	char *argv[3] = { path, r->label[0] != '\0' ? r->label : NULL, NULL };
	struct proc_fd fds[1] = { { fd, PROC_IPC_FD } };
	struct proc_spawn s;
	int rc;

	rc = proc_sibling(r->spec->program, path, sizeof(path), e);
	if (rc != 0)
		return rc;
	memset(&s, 0, sizeof(s));
	s.path = path;
	s.exec_fd = -1;
	s.argv = argv;
	s.fds = fds;
	s.nfds = 1;
	s.keep_stderr = true;
	s.own_group = true;
	return proc_spawn(&s, &r->pid, e);
}

/* The start message may be megabytes (a policy): it is built, sent and freed
 * again, and the channel's queue drains as the child reads. */
static int
tell_start(struct role *r, struct err *e)
{
	struct buf body;
	int rc;

	buf_init(&body, MSG_POLICY_MAX);
	rc = r->fill(&body, r->arg, e);
	if (rc == 0 && body.error != 0)
		rc = err_set(e, body.error, "%s: start message: %s",
		    r->spec->name, err_text(body.error));
	if (rc == 0) {
		rc = ipc_chan_send(
		    r->chan, r->spec->start, 0, body.data, body.len);
		if (rc != 0)
			err_set(e, rc, "%s: %s", r->spec->name, err_text(rc));
	}
	buf_release(&body);
	return rc;
}

int
role_start(struct role *r, struct err *e)
{
	int fd[2], rc;

	if (r->state != STOPPED)
		return 0;
	r->started = true;
	r->again = false;
	r->starting = r->closed = false;
	r->why[0] = '\0';
	r->asks = 0;
	rc = ipc_pair(fd, e);
	if (rc != 0) {
		start_later(r);
		return rc;
	}
	rc = spawn(r, fd[1], e);
	close(fd[1]);
	if (rc != 0) {
		close(fd[0]);
		start_later(r);
		return rc;
	}
	r->state = STARTING;
	r->chan = ipc_chan_new(proc_loop_base(r->loop), fd[0],
	    r->spec->max_body, QUEUE_MAX, on_msg, on_close, r);
	rc = proc_loop_watch(r->loop, r->pid, on_exit_child, r);
	if (rc != 0) {
		/* nobody would say that it has gone */
		kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, NULL, 0);
		r->pid = -1;
		ipc_chan_free(r->chan);
		r->chan = NULL;
		start_later(r);
		return err_set(e, rc, "%s: %s", r->spec->name, err_text(rc));
	}
	if (r->chan == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = tell_start(r, e);
	if (rc != 0)
		kill_child(r, ERR_CLOSED, NULL);
	else
		set_timer(r, START_LIMIT);
	r->starting = rc == 0;
	return rc;
}

void
role_restart(struct role *r)
{
	if (r->state == ASKED)
		r->again = true;
	else
		kill_child(r, ERR_CLOSED, NULL);
	/* a restart that was wished for waits for nothing */
	if (r->state == DYING) {
		r->starting = false;
		r->backoff = 0;
	} else if (r->state == STOPPED && r->started) {
		r->backoff = 0;
		start_again(r);
	}
}

const char *
role_why(const struct role *r)
{
	return r->why;
}

void
role_patience(struct role *r, int seconds)
{
	r->patience = seconds;
}

int
role_ask(struct role *r, uint16_t type, uint16_t want, const void *body,
    size_t len, role_on_answer *on_answer, void *arg)
{
	if (r->pending)
		return ERR_BUSY;
	buf_clear(&r->ask);
	if (buf_add(&r->ask, body, len) != 0)
		return r->ask.error;
	r->pending = true;
	r->sent = false;
	r->ask_type = type;
	r->ask_want = want;
	r->on_answer = on_answer;
	r->answer_arg = arg;
	send_pending(r);
	return 0;
}
