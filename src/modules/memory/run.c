/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The memory module's work. For each process that the opener names:
 *
 *   name patterns -> maps, for searches that ask for libraries and are still
 *   interested -> one pass over its memory for all patterns of those that are
 *   still interested -> entries of the answer
 *
 * A check's verdict is yes, no or unknown. What could not be looked at is
 * unknown: it is counted and never taken for "not there".
 */
#include "modules/memory/run.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "modules/common/watch.h"
#include "modules/memory/answer.h"
#include "modules/memory/look.h"
#include "modules/memory/plan.h"
#include "modules/memory/visit.h"
#include "modules/memory/visits.h"
#include "modules/opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16 * 1024 * 1024)
#define WAIT_MS 50 /* between looks at what else may end it */

uint64_t memory_threads_from = 64 * 1024 * 1024;

struct run {
	const struct run_context *ctx;
	struct memory_params params;
	struct memory_plan plan;
	struct memory_answer answer;
	struct watch watch;
	struct visit_reader reader; /* of this thread */
	struct visit visit;
	struct visits *visits; /* other threads read as well; NULL */
	bool alone;            /* none will */
	struct os_devices devices;
	uint64_t read_left;
	bool ended;
	struct opener_process last; /* the process looked at last */
};

static bool
stop(void *arg)
{
	struct run *r = arg;

	return watch_stop(&r->watch);
}

/* --- ends ----------------------------------------------------------------- */

static void
end_run(struct run *r, enum memory_gap gap, const char *what)
{
	if (r->ended)
		return;
	r->ended = true;
	r->answer.common.counts[gap]++;
	if (r->answer.processes > 0)
		memory_answer_process(&r->last, r->answer.ended_at);
	outcome_note(&r->answer.common,
	    "%s: what was not reached by then was not examined (it ended at "
	    "%s)",
	    what,
	    r->answer.processes > 0 ? r->answer.ended_at : "the first process");
}

static void
end_by_watch(struct run *r)
{
	static const enum memory_gap gaps[] = {
		[WATCH_TIME] = GAP_TIME,
		[WATCH_CPU] = GAP_CPU,
		[WATCH_STOPPED] = GAP_STOPPED,
	};

	if (r->watch.end != WATCH_GOES_ON)
		end_run(r, gaps[r->watch.end], r->watch.text);
}

static void
end_by_size(struct run *r, enum memory_gap gap, const char *which, size_t n)
{
	char size[STR_SIZE_MAX], text[64];

	str_size(n, size);
	snprintf(text, sizeof(text), "limit reached: %s %s", which, size);
	end_run(r, gap, text);
}

/* --- verdicts of a process ------------------------------------------------ */

static const struct memory_search *
search_of(const struct run *r, size_t search)
{
	return &r->params.searches[search];
}

static void
match_one(struct visit *v, uint32_t matcher, const char *text)
{
	const struct plan_matcher *m = &v->plan->matchers[matcher];
	size_t k;

	match_text(m->state, text, strlen(text));
	for (k = 0; k < m->state->nids; k++)
		v->verdicts[m->checks[m->state->ids[k]]] = YES;
	if (m->state->gave_up != NULL)
		v->gave_up[matcher] = m->state->gave_up;
}

/* The path, and as the kernel has it for what was deleted. */
static void
match_path(struct visit *v, uint32_t matcher, const char *path, bool deleted)
{
	char text[OS_MAPS_LINE_MAX + sizeof(" (deleted)")];

	match_one(v, matcher, path);
	if (!deleted)
		return;
	snprintf(text, sizeof(text), "%s (deleted)", path);
	match_one(v, matcher, text);
}

/* Of names or libraries: what did not match any text. */
static void
set_rest(struct visit *v, uint32_t matcher, bool all_seen)
{
	visit_set_rest(
	    v, matcher, all_seen && v->gave_up[matcher] == NULL ? NO : UNKNOWN);
}

static bool
denied(int error)
{
	return error == EACCES || error == EPERM;
}

static void
failed_with(struct visit *v, int error)
{
	if (error == ENOENT || error == ESRCH)
		visit_failed(
		    v, GAP_VANISHED, "it ended while it was looked at");
	else
		visit_failed(v, GAP_UNREADABLE, strerror(error));
}

static void
judge_name(struct visit *v)
{
	const struct opener_process *p = &v->process;

	if (v->plan->matchers[PLAN_NAMES].n == 0)
		return;
	match_path(v, PLAN_NAMES, p->name, p->deleted);
	/* "[comm]" stands for what would have a path */
	set_rest(v, PLAN_NAMES,
	    p->kind != OPENER_ORDINARY || p->named || !denied(p->error));
}

/* --- libraries ------------------------------------------------------------ */

struct libraries {
	struct visit *v;
	uint64_t inode; /* of the last one: mappings of a file lie together */
	uint32_t major, minor;
};

static bool
on_library(const struct os_mapping *m, void *arg)
{
	struct libraries *l = arg;

	if (m->path[0] != '/' || str_starts(m->path, "/dev/zero") ||
	    strcmp(m->path, l->v->process.name) == 0)
		return true;
	if (m->inode == l->inode && m->major == l->major &&
	    m->minor == l->minor)
		return true;
	l->inode = m->inode;
	l->major = m->major;
	l->minor = m->minor;
	match_path(l->v, PLAN_LIBRARIES, m->path, m->deleted);
	return true;
}

static bool
wants_libraries(const struct visit *v)
{
	uint32_t i;

	for (i = 0; i < v->plan->params->n; i++) {
		if (v->plan->searches[i].has[MEMORY_LIBRARY] &&
		    visit_may_match(v, i, MEMORY_NAME))
			return true;
	}
	return false;
}

static int
judge_libraries(struct run *r, struct visit *v, struct err *e)
{
	struct libraries l = { .v = v };
	int fd, rc;

	if (!wants_libraries(v))
		return 0;
	if (v->process.kind != OPENER_ORDINARY) {
		visit_set_rest(v, PLAN_LIBRARIES, NO);
		return 0;
	}
	rc = opener_maps(r->ctx->opener, &fd, e);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		visit_set_rest(v, PLAN_LIBRARIES, UNKNOWN);
		failed_with(v, rc);
		return 0;
	}
	rc = look_maps(r->reader.look, fd, on_library, &l, e);
	close(fd);
	set_rest(v, PLAN_LIBRARIES, rc == 0);
	if (rc != 0)
		visit_failed(v,
		    rc == ERR_CLOSED ? GAP_VANISHED : GAP_UNREADABLE, e->msg);
	err_clear(e);
	return 0;
}

/* --- memory: before it is read -------------------------------------------- */

/* Who still wants to know what is in this memory. */
static void
find_interested(struct visit *v)
{
	const struct plan_search *ps;
	uint32_t i, k;

	for (i = 0; i < v->plan->params->n; i++) {
		ps = &v->plan->searches[i];
		v->interested[i] =
		    (ps->has[MEMORY_BYTES] || ps->has[MEMORY_CONTENT]) &&
		    visit_may_match(v, i, MEMORY_LIBRARY);
		for (k = ps->first; v->interested[i] && k < ps->first + ps->n;
		     k++)
			v->passes[v->plan->params->searches[i].window]
			    .missing +=
			    v->plan->checks[k].c->kind >= MEMORY_BYTES;
	}
}

static int
open_window(struct run *r, struct visit *v, uint32_t window, struct err *e)
{
	struct visit_pass *p = &v->passes[window];
	int rc;

	if (v->plan->matchers[PLAN_WINDOWS + window].n == 0 || p->missing == 0)
		return 0;
	if (v->process.kind != OPENER_ORDINARY) {
		visit_set_rest(v, PLAN_WINDOWS + window, NO);
		return 0;
	}
	rc = opener_memory(r->ctx->opener, &p->job.fds, e);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		visit_set_rest(v, PLAN_WINDOWS + window, UNKNOWN);
		failed_with(v, rc);
		return 0;
	}
	p->open = true;
	p->job.window = &r->params.windows[window];
	p->job.devices = &r->devices;
	return 0;
}

/* --- memory: when it was read --------------------------------------------- */

static void
note_job(struct run *r, const struct visit *v, const struct look_job *job)
{
	struct outcome *o = &r->answer.common;
	char what[OPENER_NAME_MAX + 640];

	r->answer.bytes += job->bytes;
	r->answer.absent += job->absent;
	o->counts[GAP_DEVICE] += job->devices_skipped;
	snprintf(what, sizeof(what), "process %lu %s",
	    (unsigned long)v->process.pid, v->process.name);
	if (job->unreadable > 0)
		outcome_gap(o, GAP_PAGES, what, NULL);
	if (job->gave_up != NULL)
		outcome_gap(o, GAP_ENGINE, what, job->gave_up);
	if (job->absent_mappings > 0) {
		snprintf(what, sizeof(what), "process %lu %s: %s",
		    (unsigned long)v->process.pid, v->process.name,
		    job->absent_first);
		outcome_gap(o, GAP_ABSENT, what, NULL);
	}
}

static void
note_gave_up(struct run *r, const struct visit *v)
{
	char what[ANSWER_PROCESS_MAX];
	size_t k;

	for (k = 0; k < PLAN_WINDOWS; k++) {
		if (v->gave_up[k] == NULL)
			continue;
		memory_answer_process(&v->process, what);
		outcome_gap(&r->answer.common, GAP_ENGINE, what, v->gave_up[k]);
	}
}

/* What was not found, and may have been there. */
static void
note_cuts(struct run *r, struct visit *v, const struct plan_matcher *m)
{
	uint32_t noted = UINT32_MAX, check, search;
	size_t k;

	for (k = 0; k < m->n; k++) {
		check = m->checks[k];
		search = r->plan.checks[check].search;
		if (!v->cut[check] || v->verdicts[check] == YES ||
		    !v->interested[search])
			continue;
		v->verdicts[check] = UNKNOWN;
		if (search != noted)
			memory_answer_cut(
			    &r->answer, search, check, &v->process);
		noted = search;
	}
}

/* The first of what could not be looked at. */
static void
note_failure(struct run *r, const struct visit *v, bool before)
{
	if (v->failed && !before)
		memory_answer_failure(&r->answer, v->gap, &v->process, v->why);
}

static void
take_end(struct run *r, struct visit *v, const struct visit_pass *p)
{
	bool before = v->failed;

	switch (p->end) {
	case LOOK_ALL:
	case LOOK_ENOUGH:
		break;
	case LOOK_STOPPED:
		end_by_watch(r);
		break;
	case LOOK_READ_LIMIT:
		end_by_size(
		    r, GAP_READ, "bytes read", (size_t)r->ctx->read_bytes);
		break;
	case LOOK_VANISHED:
		visit_failed(
		    v, GAP_VANISHED, "it ended while it was looked at");
		break;
	case LOOK_FAILED:
		visit_failed(v, GAP_UNREADABLE, p->e.msg);
		break;
	}
	note_failure(r, v, before);
}

static void
judge_window(struct run *r, struct visit *v, uint32_t window)
{
	const struct visit_pass *p = &v->passes[window];

	if (!p->was_read)
		return;
	note_job(r, v, &p->job);
	visit_set_rest(v, PLAN_WINDOWS + window,
	    p->end == LOOK_ALL && p->job.gave_up == NULL ? NO : UNKNOWN);
	note_cuts(r, v, &r->plan.matchers[PLAN_WINDOWS + window]);
	take_end(r, v, p);
}

/* --- a process ------------------------------------------------------------ */

static void
answer_search_of(struct run *r, struct visit *v, uint32_t search)
{
	const struct plan_search *ps = &r->plan.searches[search];
	bool looked = ps->has[MEMORY_BYTES] || ps->has[MEMORY_CONTENT];
	const struct place *places = looked ? v->places : NULL;
	bool unknown = false, all = ps->n > 0, ok = true, before = v->failed;
	uint32_t i;

	for (i = ps->first; i < ps->first + ps->n; i++) {
		unknown = unknown || v->verdicts[i] == UNKNOWN;
		all = all && v->verdicts[i] == YES;
		if (v->verdicts[i] == YES && !search_of(r, search)->matchall &&
		    ok)
			ok = memory_answer_hit(
			    &r->answer, search, i, &v->process, places);
	}
	if (all && search_of(r, search)->matchall)
		ok = memory_answer_hit(
		    &r->answer, search, UINT32_MAX, &v->process, places);
	if (!ok && r->answer.common.out_of_memory)
		end_run(r, GAP_MEMORY, "limit reached: memory");
	else if (!ok)
		end_by_size(r, GAP_OUTPUT, "output", r->ctx->output_max);
	/* its program's name is all that was asked, and cannot be read */
	if (unknown && !r->ended && denied(v->process.error))
		failed_with(v, v->process.error);
	note_failure(r, v, before);
}

static bool
is_judged(const struct visit *v)
{
	return v->process.kind == OPENER_ORDINARY ||
	    v->process.kind == OPENER_KERNEL ||
	    v->process.kind == OPENER_ZOMBIE;
}

/* What can be known before its memory is read, which is opened. */
static int
prepare_visit(struct run *r, struct visit *v, struct err *e)
{
	size_t w;
	int rc;

	if (v->process.kind == OPENER_AGENT)
		visit_failed(v, GAP_AGENT, "it runs the agent's own program");
	if (v->process.kind == OPENER_FAILED)
		failed_with(v, v->process.error);
	if (!is_judged(v))
		return 0;
	judge_name(v);
	rc = judge_libraries(r, v, e);
	if (rc == 0)
		find_interested(v);
	for (w = 0; w < r->params.nwindows && rc == 0; w++)
		rc = open_window(r, v, (uint32_t)w, e);
	return rc;
}

/* Into the answer. */
static void
conclude(struct run *r, struct visit *v)
{
	uint64_t *counts = r->answer.common.counts;
	uint32_t i;
	size_t w;

	r->last = v->process;
	r->answer.processes++;
	counts[GAP_OWN] += v->process.kind == OPENER_OWN;
	/* all that is known of it is a number */
	counts[GAP_VANISHED] += v->process.kind == OPENER_VANISHED;
	counts[GAP_ZOMBIE] += v->process.kind == OPENER_ZOMBIE;
	note_failure(r, v, false);
	if (!is_judged(v))
		return;
	note_gave_up(r, v);
	for (w = 0; w < r->params.nwindows; w++)
		judge_window(r, v, (uint32_t)w);
	for (i = 0; i < r->params.n; i++)
		answer_search_of(r, v, i);
}

/* --- several threads ------------------------------------------------------ */

static bool
conclude_first(struct run *r, int ms)
{
	struct visit *v = visits_first(r->visits, ms);

	if (v == NULL)
		return false;
	conclude(r, v);
	visits_drop(r->visits);
	return true;
}

static void
wait_for_first(struct run *r)
{
	if (!conclude_first(r, WAIT_MS) && watch_stop_now(&r->watch))
		end_by_watch(r);
}

/* From when on there is enough to read. Not where bytes are counted: who comes
 * first would decide what the last ones are. */
static void
start_threads(struct run *r)
{
	struct err e;

	if (r->alone || r->visits != NULL ||
	    r->answer.bytes < memory_threads_from)
		return;
	r->alone = true;
	if (r->ctx->threads < 2 || r->ctx->read_bytes > 0)
		return;
	err_clear(&e);
	r->alone =
	    visits_new(&r->plan, (unsigned int)r->ctx->threads,
		(uint32_t)r->ctx->cpu_percent, &r->reader, &r->visits, &e) != 0;
}

/* NULL: it ended. */
static struct visit *
next_visit(struct run *r)
{
	struct visit *v;

	start_threads(r);
	if (r->visits == NULL) {
		visit_clear(&r->visit);
		return &r->visit;
	}
	while ((v = visits_next(r->visits)) == NULL && !r->ended)
		wait_for_first(r);
	return r->ended ? NULL : v;
}

static void
read_visit(struct run *r, struct visit *v)
{
	if (r->visits == NULL) {
		visit_read(v, &r->reader);
		conclude(r, v);
		return;
	}
	visits_add(r->visits);
	while (!r->ended && conclude_first(r, 0))
		;
}

static int
work(struct run *r, struct err *e)
{
	struct visit *v;
	int rc = 0;

	fault_point("memory.listing");
	while (!r->ended && (v = next_visit(r)) != NULL) {
		if (stop(r)) {
			end_by_watch(r);
			break;
		}
		rc = opener_next(r->ctx->opener, &v->process, e);
		if (rc > 0)
			rc = prepare_visit(r, v, e);
		else
			break;
		if (rc != 0)
			break;
		read_visit(r, v);
	}
	while (
	    rc == 0 && r->visits != NULL && !r->ended && visits_any(r->visits))
		wait_for_first(r);
	return rc;
}

static void
note_empty_searches(struct run *r)
{
	size_t i;

	for (i = 0; i < r->params.n; i++) {
		if (r->params.searches[i].nchecks == 0)
			outcome_note(&r->answer.common,
			    "search '%s' has no filter: no process can match "
			    "it",
			    r->params.searches[i].label);
	}
}

/* Without it, files on nameless devices are only read where they are in
 * memory. */
static void
know_devices(struct run *r)
{
	struct buf text;
	struct err e;
	int fd;

	err_clear(&e);
	if (opener_mounts(r->ctx->opener, &fd, &e) != 0)
		return;
	buf_init(&text, MOUNTINFO_MAX);
	if (fd_read_all(fd, &text, &e) == 0)
		(void)os_devices_parse(
		    (const char *)text.data, text.len, &r->devices);
	buf_release(&text);
	close(fd);
}

static int
prepare(struct run *r, enum match_engine engine, struct err *e)
{
	size_t w;
	int rc;

	r->read_left =
	    r->ctx->read_bytes > 0 ? (uint64_t)r->ctx->read_bytes : UINT64_MAX;
	rc = memory_plan_init(&r->plan, &r->params, engine, e);
	if (rc != 0)
		return rc;
	rc = memory_answer_init(&r->answer, &r->plan, r->ctx->output_max, e);
	if (rc != 0)
		return rc;
	r->answer.rights = r->ctx->rights;
	r->answer.found_only = r->ctx->found_only;
	r->reader.look = look_new();
	if (r->reader.look == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (w = 0; w < r->params.nwindows; w++)
		r->reader.states[w] = r->plan.matchers[PLAN_WINDOWS + w].state;
	r->reader.read_left = &r->read_left;
	r->reader.stop = stop;
	r->reader.arg = r;
	rc = visit_init(&r->visit, &r->plan, e);
	if (rc != 0)
		return rc;
	know_devices(r);
	note_empty_searches(r);
	return 0;
}

int
memory_run(const json_t *params, const struct run_context *ctx,
    enum match_engine engine, struct buf *out, struct err *e)
{
	struct run r = { .ctx = ctx };
	int rc;

	watch_begin(&r.watch, ctx);
	if ((rc = memory_params_parse(params, &r.params, e)) != 0)
		return rc;
	rc = prepare(&r, engine, e);
	if (rc == 0)
		rc = work(&r, e);
	r.answer.bytes += visits_free(r.visits);
	memory_plan_engine(&r.plan);
	if (rc == 0)
		rc = memory_answer_write(&r.answer, out, e);
	if (r.answer.common.out_of_memory && ctx->ret_end != NULL)
		*ctx->ret_end = RUN_LIMIT;
	if (r.answer.searches != NULL)
		memory_answer_release(&r.answer);
	visit_release(&r.visit);
	visit_reader_release(&r.reader);
	memory_plan_release(&r.plan);
	os_devices_release(&r.devices);
	memory_params_release(&r.params);
	return rc;
}

int
module_memory_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	return memory_run(params, ctx, MATCH_BEST, out, e);
}
