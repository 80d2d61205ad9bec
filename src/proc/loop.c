/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The event loop of a daemon. Children are reaped by known pid only, never by
 * waitpid(-1): a pid that is not watched belongs to somebody else.
 *
 * A child that ended before it was watched is found too: watching asks for
 * one more look at all children.
 */
#include "proc/proc.h"

#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include <event2/event.h>

struct watch {
	TAILQ_ENTRY(watch) entry;
	pid_t pid;
	int status; /* once it is in ended */
	proc_on_exit *on_exit;
	void *arg;
};

TAILQ_HEAD(watches, watch);

struct proc_loop {
	struct event_base *base;
	struct event *chld, *term, *intr;
	struct watches running, ended;
	proc_on_term *on_term;
	void *arg;
	bool terminating, reporting;
};

/* on_exit may watch, unwatch and stop, so the ended ones are a list of their
 * own that is asked anew each time. */
static void
report_ended(struct proc_loop *l)
{
	struct watch *w;

	if (l->reporting)
		return;
	l->reporting = true;
	while ((w = TAILQ_FIRST(&l->ended)) != NULL) {
		TAILQ_REMOVE(&l->ended, w, entry);
		w->on_exit(w->pid, w->status, w->arg);
		free(w);
	}
	l->reporting = false;
}

static void
on_child(evutil_socket_t sig, short what, void *arg)
{
	struct proc_loop *l = arg;
	struct watch *w, *next;
	int status;
	pid_t pid;

	for (w = TAILQ_FIRST(&l->running); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		do {
			pid = waitpid(w->pid, &status, WNOHANG);
		} while (pid < 0 && errno == EINTR);
		if (pid == 0)
			continue;
		/* ECHILD: not our child, or reaped by a stranger: over */
		w->status = pid > 0 ? status : 255 << 8;
		TAILQ_REMOVE(&l->running, w, entry);
		TAILQ_INSERT_TAIL(&l->ended, w, entry);
	}
	report_ended(l);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct proc_loop *l = arg;

	if (l->terminating) {
		proc_loop_stop(l);
		return;
	}
	l->terminating = true;
	if (l->on_term != NULL)
		l->on_term(l->arg);
	else
		proc_loop_stop(l);
}

static bool
add_signals(struct proc_loop *l)
{
	l->chld = evsignal_new(l->base, SIGCHLD, on_child, l);
	l->term = evsignal_new(l->base, SIGTERM, on_signal, l);
	l->intr = evsignal_new(l->base, SIGINT, on_signal, l);
	return l->chld != NULL && l->term != NULL && l->intr != NULL &&
	    event_add(l->chld, NULL) == 0 && event_add(l->term, NULL) == 0 &&
	    event_add(l->intr, NULL) == 0;
}

struct proc_loop *
proc_loop_new(proc_on_term *on_term, void *arg)
{
	struct event_config *cfg = event_config_new();
	struct proc_loop *l = calloc(1, sizeof(*l));

	if (l == NULL || cfg == NULL)
		goto fail;
	TAILQ_INIT(&l->running);
	TAILQ_INIT(&l->ended);
	l->on_term = on_term;
	l->arg = arg;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
	l->base = event_base_new_with_config(cfg);
	if (l->base == NULL || !add_signals(l))
		goto fail;
	event_config_free(cfg);
	signal(SIGPIPE, SIG_IGN);
	/* what rotates logs likes to send it; who reads files anew says so */
	signal(SIGHUP, SIG_IGN);
	/* a full quota is an error of write(2), not our death */
	signal(SIGXFSZ, SIG_IGN);
	return l;
fail:
	if (cfg != NULL)
		event_config_free(cfg);
	proc_loop_free(l);
	return NULL;
}

static void
free_watches(struct watches *list)
{
	struct watch *w;

	while ((w = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, w, entry);
		free(w);
	}
}

void
proc_loop_free(struct proc_loop *l)
{
	if (l == NULL)
		return;
	if (l->base != NULL) {
		free_watches(&l->running);
		free_watches(&l->ended);
	}
	if (l->chld != NULL)
		event_free(l->chld);
	if (l->term != NULL)
		event_free(l->term);
	if (l->intr != NULL)
		event_free(l->intr);
	if (l->base != NULL)
		event_base_free(l->base);
	free(l);
}

struct event_base *
proc_loop_base(struct proc_loop *l)
{
	return l->base;
}

int
proc_loop_watch(
    struct proc_loop *l, pid_t pid, proc_on_exit *on_exit, void *arg)
{
	struct watch *w;

	if (pid <= 0)
		return ERR_INVALID;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->pid = pid;
	w->on_exit = on_exit;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&l->running, w, entry);
	/* its SIGCHLD may be gone already */
	event_active(l->chld, EV_SIGNAL, 1);
	return 0;
}

static void
unwatch_in(struct watches *list, pid_t pid)
{
	struct watch *w, *next;

	for (w = TAILQ_FIRST(list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->pid != pid)
			continue;
		TAILQ_REMOVE(list, w, entry);
		free(w);
	}
}

void
proc_loop_unwatch(struct proc_loop *l, pid_t pid)
{
	unwatch_in(&l->running, pid);
	unwatch_in(&l->ended, pid);
}

int
proc_loop_run(struct proc_loop *l)
{
	return event_base_dispatch(l->base) < 0 ? ERR_IO : 0;
}

void
proc_loop_stop(struct proc_loop *l)
{
	event_base_loopbreak(l->base);
}
