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
#include "modules/opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16 * 1024 * 1024)

enum verdict { NO, YES, UNKNOWN };

struct run {
	const struct run_context *ctx;
	struct memory_params params;
	struct memory_plan plan;
	struct memory_answer answer;
	struct watch watch;
	struct look *look;
	struct os_devices devices;
	uint64_t read_left;
	bool ended;
	/* the process at hand */
	struct opener_process process;
	uint8_t *verdicts;    /* by check: enum verdict */
	struct place *places; /* by check */
	bool *cut;            /* by check: a match may have been lost */
	bool *interested;     /* by search, of the window at hand */
	uint32_t missing;     /* checks of those that were not found yet */
	const struct plan_matcher *matcher; /* of the pass at hand */
	bool failed;                        /* it is counted already */
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
		memory_answer_process(&r->process, r->answer.ended_at);
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

/* What a search thinks of the process after its checks of kinds up to this:
 * with match-all NO when one is, with match-any NO only when all are. */
static bool
may_match(const struct run *r, uint32_t search, enum memory_kind upto)
{
	const struct plan_search *ps = &r->plan.searches[search];
	uint32_t i;

	if (!search_of(r, search)->matchall)
		return true;
	for (i = ps->first; i < ps->first + ps->n; i++) {
		if (r->plan.checks[i].c->kind <= upto && r->verdicts[i] == NO)
			return false;
	}
	return true;
}

/* All checks of a matcher get a verdict where they have none yet. */
static void
set_rest(struct run *r, uint32_t matcher, enum verdict v)
{
	const struct plan_matcher *m = &r->plan.matchers[matcher];
	size_t k;

	for (k = 0; k < m->n; k++) {
		if (r->verdicts[m->checks[k]] != YES)
			r->verdicts[m->checks[k]] = (uint8_t)v;
	}
}

static void
match_one(struct run *r, const struct plan_matcher *m, const char *text)
{
	size_t k;

	match_text(m->state, text, strlen(text));
	for (k = 0; k < m->state->nids; k++)
		r->verdicts[m->checks[m->state->ids[k]]] = YES;
}

/* The path, and as the kernel has it for what was deleted. */
static void
match_path(struct run *r, uint32_t matcher, const char *path, bool deleted)
{
	char text[OS_MAPS_LINE_MAX + sizeof(" (deleted)")];

	match_one(r, &r->plan.matchers[matcher], path);
	if (!deleted)
		return;
	snprintf(text, sizeof(text), "%s (deleted)", path);
	match_one(r, &r->plan.matchers[matcher], text);
}

static bool
denied(int error)
{
	return error == EACCES || error == EPERM;
}

static void
failure(struct run *r, enum memory_gap gap, const char *why)
{
	if (r->failed)
		return;
	r->failed = true;
	memory_answer_failure(&r->answer, gap, &r->process, why);
}

static void
failed_with(struct run *r, int error)
{
	if (error == ENOENT || error == ESRCH)
		failure(r, GAP_VANISHED, "it ended while it was looked at");
	else
		failure(r, GAP_UNREADABLE, strerror(error));
}

static void
judge_name(struct run *r)
{
	const struct opener_process *p = &r->process;

	if (r->plan.matchers[PLAN_NAMES].n == 0)
		return;
	match_path(r, PLAN_NAMES, p->name, p->deleted);
	/* "[comm]" stands for what would have a path */
	set_rest(r, PLAN_NAMES,
	    p->kind == OPENER_ORDINARY && !p->named && denied(p->error)
		? UNKNOWN
		: NO);
}

/* --- libraries ------------------------------------------------------------ */

struct libraries {
	struct run *r;
	uint64_t inode; /* of the last one: mappings of a file lie together */
	uint32_t major, minor;
};

static bool
on_library(const struct os_mapping *m, void *arg)
{
	struct libraries *l = arg;

	if (m->path[0] != '/' || str_starts(m->path, "/dev/zero") ||
	    strcmp(m->path, l->r->process.name) == 0)
		return true;
	if (m->inode == l->inode && m->major == l->major &&
	    m->minor == l->minor)
		return true;
	l->inode = m->inode;
	l->major = m->major;
	l->minor = m->minor;
	match_path(l->r, PLAN_LIBRARIES, m->path, m->deleted);
	return true;
}

static bool
wants_libraries(const struct run *r)
{
	uint32_t i;

	for (i = 0; i < r->params.n; i++) {
		if (r->plan.searches[i].has[MEMORY_LIBRARY] &&
		    may_match(r, i, MEMORY_NAME))
			return true;
	}
	return false;
}

static int
judge_libraries(struct run *r, struct err *e)
{
	struct libraries l = { .r = r };
	int fd, rc;

	if (!wants_libraries(r))
		return 0;
	if (r->process.kind != OPENER_ORDINARY) {
		set_rest(r, PLAN_LIBRARIES, NO);
		return 0;
	}
	rc = opener_maps(r->ctx->opener, &fd, e);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		set_rest(r, PLAN_LIBRARIES, UNKNOWN);
		failed_with(r, rc);
		return 0;
	}
	rc = look_maps(r->look, fd, on_library, &l, e);
	close(fd);
	set_rest(r, PLAN_LIBRARIES, rc == 0 ? NO : UNKNOWN);
	if (rc != 0)
		failure(r, rc == ERR_CLOSED ? GAP_VANISHED : GAP_UNREADABLE,
		    e->msg);
	err_clear(e);
	return 0;
}

/* --- memory --------------------------------------------------------------- */

static void
on_hit(const struct look_hit *h, void *arg)
{
	struct run *r = arg;
	uint32_t check = r->matcher->checks[h->pattern];
	struct place *p = &r->places[check];

	if (p->found)
		return;
	p->found = true;
	p->end = h->end;
	(void)str_copy(p->mapping, sizeof(p->mapping), h->mapping->path);
	memcpy(p->permissions, h->mapping->permissions, sizeof(p->permissions));
	r->verdicts[check] = YES;
	if (r->interested[r->plan.checks[check].search])
		r->missing--;
}

static void
on_cut(uint32_t pattern, void *arg)
{
	struct run *r = arg;

	r->cut[r->matcher->checks[pattern]] = true;
}

static bool
enough(void *arg)
{
	return ((const struct run *)arg)->missing == 0;
}

/* Who still wants to know what is in this memory, and how much. */
static bool
find_interested(struct run *r, uint32_t window)
{
	const struct plan_search *ps;
	uint32_t i, k;

	r->missing = 0;
	for (i = 0; i < r->params.n; i++) {
		ps = &r->plan.searches[i];
		r->interested[i] = search_of(r, i)->window == window &&
		    (ps->has[MEMORY_BYTES] || ps->has[MEMORY_CONTENT]) &&
		    may_match(r, i, MEMORY_LIBRARY);
		for (k = ps->first; r->interested[i] && k < ps->first + ps->n;
		     k++)
			r->missing += r->plan.checks[k].c->kind >= MEMORY_BYTES;
	}
	return r->missing > 0;
}

static void
close_memory(const struct opener_memory *m)
{
	close(m->maps);
	close(m->mem);
	if (m->pagemap >= 0)
		close(m->pagemap);
}

static void
note_job(struct run *r, const struct look_job *job)
{
	struct outcome *o = &r->answer.common;
	char what[OPENER_NAME_MAX + 640];

	r->answer.bytes += job->bytes;
	r->answer.absent += job->absent;
	o->counts[GAP_DEVICE] += job->devices_skipped;
	snprintf(what, sizeof(what), "process %lu %s",
	    (unsigned long)r->process.pid, r->process.name);
	if (job->unreadable > 0)
		outcome_gap(o, GAP_PAGES, what, NULL);
	if (job->gave_up != NULL)
		outcome_gap(o, GAP_ENGINE, what, job->gave_up);
	if (job->absent_mappings > 0) {
		snprintf(what, sizeof(what), "process %lu %s: %s",
		    (unsigned long)r->process.pid, r->process.name,
		    job->absent_first);
		outcome_gap(o, GAP_ABSENT, what, NULL);
	}
}

/* What was not found, and may have been there. */
static void
note_cuts(struct run *r)
{
	uint32_t noted = UINT32_MAX, check, search;
	size_t k;

	for (k = 0; k < r->matcher->n; k++) {
		check = r->matcher->checks[k];
		search = r->plan.checks[check].search;
		if (!r->cut[check] || r->verdicts[check] == YES ||
		    !r->interested[search])
			continue;
		r->verdicts[check] = UNKNOWN;
		if (search != noted)
			memory_answer_cut(
			    &r->answer, search, check, &r->process);
		noted = search;
	}
}

static void
take_end(struct run *r, enum look_end end, const struct err *e)
{
	switch (end) {
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
		failure(r, GAP_VANISHED, "it ended while it was looked at");
		break;
	case LOOK_FAILED:
		failure(r, GAP_UNREADABLE, e->msg);
		break;
	}
}

/* One pass. */
static int
judge_window(struct run *r, uint32_t window, struct err *e)
{
	const struct plan_matcher *m = &r->plan.matchers[PLAN_WINDOWS + window];
	struct look_job job = { .window = &r->params.windows[window],
		.devices = &r->devices,
		.match = m->state,
		.read_left = &r->read_left,
		.hit = on_hit,
		.cut = on_cut,
		.enough = enough,
		.stop = stop,
		.arg = r };
	enum look_end end;
	int rc;

	if (m->n == 0 || !find_interested(r, window))
		return 0;
	if (r->process.kind != OPENER_ORDINARY) {
		set_rest(r, PLAN_WINDOWS + window, NO);
		return 0;
	}
	rc = opener_memory(r->ctx->opener, &job.fds, e);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		set_rest(r, PLAN_WINDOWS + window, UNKNOWN);
		failed_with(r, rc);
		return 0;
	}
	r->matcher = m;
	end = look_run(r->look, &job, e);
	close_memory(&job.fds);
	note_job(r, &job);
	set_rest(r, PLAN_WINDOWS + window,
	    end == LOOK_ALL && job.gave_up == NULL ? NO : UNKNOWN);
	note_cuts(r);
	take_end(r, end, e);
	err_clear(e);
	return 0;
}

/* --- a process ------------------------------------------------------------ */

static void
answer_search_of(struct run *r, uint32_t search)
{
	const struct plan_search *ps = &r->plan.searches[search];
	bool looked = ps->has[MEMORY_BYTES] || ps->has[MEMORY_CONTENT];
	const struct place *places = looked ? r->places : NULL;
	bool unknown = false, all = ps->n > 0, ok = true;
	uint32_t i;

	for (i = ps->first; i < ps->first + ps->n; i++) {
		unknown = unknown || r->verdicts[i] == UNKNOWN;
		all = all && r->verdicts[i] == YES;
		if (r->verdicts[i] == YES && !search_of(r, search)->matchall &&
		    ok)
			ok = memory_answer_hit(
			    &r->answer, search, i, &r->process, places);
	}
	if (all && search_of(r, search)->matchall)
		ok = memory_answer_hit(
		    &r->answer, search, UINT32_MAX, &r->process, places);
	if (!ok && r->answer.common.out_of_memory)
		end_run(r, GAP_MEMORY, "limit reached: memory");
	else if (!ok)
		end_by_size(r, GAP_OUTPUT, "output", r->ctx->output_max);
	/* its program's name is all that was asked, and cannot be read */
	if (unknown && !r->ended && denied(r->process.error))
		failed_with(r, r->process.error);
}

static int
judge(struct run *r, struct err *e)
{
	uint32_t i;
	size_t w;
	int rc;

	memset(r->verdicts, NO, r->plan.nchecks);
	for (i = 0; i < r->plan.nchecks; i++)
		r->places[i].found = r->cut[i] = false;
	judge_name(r);
	rc = judge_libraries(r, e);
	for (w = 0; w < r->params.nwindows && rc == 0; w++)
		rc = judge_window(r, (uint32_t)w, e);
	for (i = 0; i < r->params.n && rc == 0; i++)
		answer_search_of(r, i);
	return rc;
}

static int
on_process(struct run *r, struct err *e)
{
	r->failed = false;
	r->answer.processes++;
	switch (r->process.kind) {
	case OPENER_OWN:
		r->answer.common.counts[GAP_OWN]++;
		return 0;
	case OPENER_AGENT:
		failure(r, GAP_AGENT, "it runs the agent's own program");
		return 0;
	case OPENER_VANISHED:
		/* all that is known of it is a number */
		r->answer.common.counts[GAP_VANISHED]++;
		return 0;
	case OPENER_FAILED:
		failed_with(r, r->process.error);
		return 0;
	case OPENER_ZOMBIE:
		r->answer.common.counts[GAP_ZOMBIE]++;
		break;
	default:
		break;
	}
	return judge(r, e);
}

static int
work(struct run *r, struct err *e)
{
	int rc;

	fault_point("memory.listing");
	while (!r->ended) {
		if (stop(r)) {
			end_by_watch(r);
			break;
		}
		rc = opener_next(r->ctx->opener, &r->process, e);
		if (rc == 0)
			break;
		if (rc > 0)
			rc = on_process(r, e);
		if (rc != 0)
			return rc;
	}
	return 0;
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
	size_t n;
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
	n = r->plan.nchecks + 1;
	r->look = look_new();
	r->verdicts = calloc(n, sizeof(*r->verdicts));
	r->places = calloc(n, sizeof(*r->places));
	r->cut = calloc(n, sizeof(*r->cut));
	r->interested = calloc(r->params.n + 1, sizeof(*r->interested));
	if (r->look == NULL || r->verdicts == NULL || r->places == NULL ||
	    r->cut == NULL || r->interested == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
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
	memory_plan_engine(&r.plan);
	if (rc == 0)
		rc = memory_answer_write(&r.answer, out, e);
	if (r.answer.common.out_of_memory && ctx->ret_end != NULL)
		*ctx->ret_end = RUN_LIMIT;
	if (r.answer.searches != NULL)
		memory_answer_release(&r.answer);
	memory_plan_release(&r.plan);
	look_free(r.look);
	os_devices_release(&r.devices);
	free(r.verdicts);
	free(r.places);
	free(r.cut);
	free(r.interested);
	memory_params_release(&r.params);
	return rc;
}

int
module_memory_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	return memory_run(params, ctx, MATCH_BEST, out, e);
}
