/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The file module's work. One walk for all searches; for each entry:
 *
 *   name patterns -> metadata (fstatat, only if the name left something to
 *   ask) -> content: one read for all patterns and digests of the searches
 *   that are still interested (a second one only if some want it
 *   decompressed and it is compressed) -> entries of the answer
 *
 * Where there is much to read, other threads read ahead of what this one
 * concludes (modules/file/ahead.h).
 */
#include "modules/file/run.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/str.h"
#include "modules/common/watch.h"
#include "modules/file/ahead.h"
#include "modules/file/answer.h"
#include "modules/file/plan.h"
#include "modules/file/read.h"
#include "modules/file/seen.h"
#include "modules/file/subject.h"
#include "modules/file/verdict.h"
#include "scan/walk.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define NOTED_PATH_MAX 256 /* bytes: a note that needs no memory */
#define AHEAD_WAIT_MS 50   /* between two looks at what ends a run */

uint64_t file_threads_from = 1024 * 1024;

enum stage { META, CONTENT };

struct run {
	const struct file_params *params;
	const struct run_context *ctx;
	struct plan plan;
	struct answer answer;
	struct walk *walk;
	struct file_reader reader; /* .lines: the plan's */
	struct ahead *ahead;       /* NULL: this thread reads alone */
	bool alone;                /* and will */
	uint64_t asked_bytes;      /* of files that were to be read */
	struct seen *seen;         /* NULL: nothing read so far */
	uint64_t read_left;
	struct timespec started;
	struct watch watch;
	bool ended; /* nothing more is to be looked at */
	size_t searches_left;
	uint64_t stamp;
	/* the entry at hand */
	struct subject subject;
	bool modes_run;
	uint32_t *wanting; /* searches that need its content */
	size_t nwanting;
};

/* What was not looked at begins there. */
static const char *
place(const struct run *r)
{
	const char *path = r->ahead != NULL ? ahead_path(r->ahead) : NULL;

	return path != NULL ? path : walk_path(r->walk);
}

static void
end_run(struct run *r, enum skip reason, const char *what)
{
	uint64_t left = walk_pending(r->walk);

	if (r->ended)
		return;
	r->ended = true;
	r->answer.common.counts[reason] += left > 0 ? left : 1;
	(void)str_copy(
	    r->answer.ended_at, sizeof(r->answer.ended_at), place(r));
	outcome_note(&r->answer.common,
	    "%s: what was not reached by then was not "
	    "examined (it ended at %.*s%s; directories left: %llu at least)",
	    what, NOTED_PATH_MAX, r->answer.ended_at,
	    strlen(r->answer.ended_at) > NOTED_PATH_MAX ? "..." : "",
	    (unsigned long long)left);
}

static void
end_by_size(struct run *r, enum skip reason, const char *which, int64_t bytes)
{
	char size[STR_SIZE_MAX], text[64];

	str_size((uint64_t)bytes, size);
	snprintf(text, sizeof(text), "limit reached: %s %s", which, size);
	end_run(r, reason, text);
}

static void
end_by_room(struct run *r)
{
	if (!r->answer.out_of_memory) {
		end_by_size(
		    r, SKIP_OUTPUT, "output", (int64_t)r->ctx->output_max);
		return;
	}
	end_run(r, SKIP_MEMORY, "limit reached: memory");
	if (r->ctx->ret_end != NULL)
		*r->ctx->ret_end = RUN_LIMIT;
}

static bool
stop(void *arg)
{
	static const enum skip reasons[] = {
		[WATCH_TIME] = SKIP_TIME,
		[WATCH_CPU] = SKIP_CPU,
		[WATCH_STOPPED] = SKIP_STOPPED,
	};
	struct run *r = arg;

	if (!r->ended && watch_stop(&r->watch))
		end_run(r, reasons[r->watch.end], r->watch.text);
	return r->ended;
}

static void
on_skip(enum skip reason, const char *path, const char *why, void *arg)
{
	struct run *r = arg;

	answer_skip(&r->answer, reason, path, why);
}

static void
subject_failed(
    struct run *r, enum subject_state state, enum skip reason, const char *why)
{
	const struct walk_entry *en = r->subject.en;

	if (state != SUBJECT_FAILED)
		return;
	if (reason == SKIP_SPECIAL && en->root)
		outcome_note(&r->answer.common,
		    "%s: not a regular file or a "
		    "directory",
		    en->path);
	answer_skip(&r->answer, reason, en->path, why);
}

static bool
have_stat(struct run *r)
{
	enum subject_state state;
	enum skip reason;
	const char *why;
	bool first = !r->subject.have_st;

	state = subject_stat(&r->subject, r->walk, &reason, &why);
	if (state == SUBJECT_FILE) {
		if (first && r->subject.en->type != DT_REG)
			r->answer.files++;
		return true;
	}
	subject_failed(r, state, reason, why);
	return false;
}

static bool
have_open(struct run *r)
{
	enum subject_state state;
	enum skip reason;
	const char *why;

	if (r->subject.en->type != DT_REG && !have_stat(r))
		return false;
	state = subject_open(&r->subject, &reason, &why);
	if (state == SUBJECT_FILE)
		return true;
	subject_failed(r, state, reason, why);
	return false;
}

/* --- verdicts -------------------------------------------------------------*/

static enum verdict
meta_verdict(struct run *r, const struct plan_check *pc)
{
	if (pc->c->kind != FILE_NAME && !have_stat(r))
		return VERDICT_UNKNOWN;
	return verdict_meta(
	    &r->plan, pc, &r->subject.st, &r->started, &r->modes_run);
}

/* --- hits -----------------------------------------------------------------*/

static void
read_now(struct run *r, struct file_reading *fr, struct reading *rd);
static void conclude_all(struct run *r);

static void
limit_reached(struct run *r, uint32_t search)
{
	const struct file_search *s = &r->params->searches[search];

	r->answer.common.counts[SKIP_MATCHES]++;
	outcome_note(&r->answer.common,
	    "search '%s': its limit of %lld matches was "
	    "reached at %s; what follows was not examined for it",
	    s->label, (long long)s->options.matchlimit, r->subject.en->path);
	walk_scope_done(r->walk, search);
	if (--r->searches_left == 0)
		r->ended = true;
}

static bool
search_is_done(const struct run *r, uint32_t search)
{
	const struct file_options *o = &r->params->searches[search].options;

	return r->answer.common.full ||
	    (o->matchlimit > 0 &&
		r->answer.searches[search].hits >= (uint64_t)o->matchlimit);
}

static void
hit(struct run *r, uint32_t search, const struct file_check *check,
    const struct reading *rd)
{
	const struct file_options *o = &r->params->searches[search].options;
	struct file_reading fr = { .decompress = o->decompress,
		.algs = DIGEST_BIT(DIGEST_SHA256) };
	struct reading own = { 0 };
	const uint8_t *sha = NULL;

	if (rd == NULL) { /* by its name: what was met before comes first */
		conclude_all(r);
		if (r->ended)
			return;
	}
	if (search_is_done(r, search) || !have_stat(r) ||
	    !subject_in_scope(&r->subject, r->walk, search))
		return;
	if (o->returnsha256 && rd != NULL && rd->have_sha256) {
		sha = rd->sha256;
	} else if (o->returnsha256 && have_open(r)) {
		read_now(r, &fr, &own);
		sha = own.have_sha256 ? own.sha256 : NULL;
	}
	if (!answer_hit(&r->answer, search, check, r->subject.en->path,
		&r->subject.st, sha))
		end_by_room(r);
	else if (search_is_done(r, search))
		limit_reached(r, search);
}

/* No pattern and no digest of this stage was hit, and nothing but that could
 * make one of the checks true. With ten thousand checks this is what makes a
 * file cheap. */
static bool
nothing_hit(const struct run *r, const struct plan_search *ps, enum stage stage,
    const struct reading *rd)
{
	enum plan_matcher which = stage == META ? PLAN_NAMES : PLAN_LINES;
	const struct match_state *st = r->plan.state[which];

	return ps->needs_hit[stage] && (st == NULL || st->nids == 0) &&
	    (rd == NULL || rd->digest_hits == 0);
}

static bool
stage_true(struct run *r, const struct plan_check *pc, enum stage stage,
    const struct reading *rd)
{
	return (stage == META
		       ? meta_verdict(r, pc)
		       : verdict_reading(&r->plan, pc, rd)) == VERDICT_YES;
}

/* The checks of a stage stand together: metadata first. */
static void
stage_range(const struct plan_search *ps, enum stage stage, uint32_t *ret_begin,
    uint32_t *ret_end)
{
	*ret_begin = ps->first + (stage == META ? 0 : ps->nmeta);
	*ret_end = ps->first + (stage == META ? ps->nmeta : ps->n);
}

/* Match-any: every check of this stage that is true is a hit by itself. */
static void
any_hits(
    struct run *r, uint32_t search, enum stage stage, const struct reading *rd)
{
	const struct plan_search *ps = &r->plan.searches[search];
	const struct plan_check *pc;
	uint32_t i, end;

	if (nothing_hit(r, ps, stage, rd))
		return;
	stage_range(ps, stage, &i, &end);
	for (; i < end && !search_is_done(r, search); i++) {
		pc = &r->plan.checks[i];
		if (stage_true(r, pc, stage, rd))
			hit(r, search, pc->c, rd);
	}
}

/* Match-all: true when every check of this stage is. */
static bool
all_true(
    struct run *r, uint32_t search, enum stage stage, const struct reading *rd)
{
	const struct plan_search *ps = &r->plan.searches[search];
	uint32_t i, end;

	stage_range(ps, stage, &i, &end);
	for (; i < end; i++) {
		if (!stage_true(r, &r->plan.checks[i], stage, rd))
			return false;
	}
	return ps->n > 0;
}

/* --- content --------------------------------------------------------------*/

static void
reading_ended(struct run *r, enum content_end end, const struct err *e)
{
	static const enum skip reasons[] = {
		[CONTENT_IO] = SKIP_IO,
		[CONTENT_SHRUNK] = SKIP_VANISHED,
		[CONTENT_CORRUPT] = SKIP_CORRUPT,
		[CONTENT_BOMB] = SKIP_BOMB,
		[CONTENT_MEMORY] = SKIP_MEMORY,
		[CONTENT_UNSUPPORTED] = SKIP_UNSUPPORTED,
	};

	switch (end) {
	case CONTENT_ALL:
	case CONTENT_ENOUGH:
	case CONTENT_STOPPED: /* stop() has noted it */
		break;
	case CONTENT_READ_LIMIT:
		end_by_size(r, SKIP_READ, "bytes read", r->ctx->read_bytes);
		break;
	default:
		answer_skip(
		    &r->answer, reasons[end], r->subject.en->path, e->msg);
	}
}

static void
take_digests(struct run *r, const struct file_reading *fr, struct reading *rd)
{
	unsigned int alg;

	for (alg = 0; alg < DIGEST_ALGS; alg++) {
		if ((fr->digests & DIGEST_BIT(alg)) != 0)
			rd->digest_hits += plan_digest(&r->plan,
			    (enum digest_alg)alg, fr->digest[alg], rd->stamp);
	}
	if ((fr->digests & DIGEST_BIT(DIGEST_SHA256)) != 0) {
		memcpy(
		    rd->sha256, fr->digest[DIGEST_SHA256], sizeof(rd->sha256));
		rd->have_sha256 = true;
	}
}

/* What a reading came to; its hits are in the plan's state. */
static void
settle(struct run *r, const struct file_reading *fr, struct reading *rd)
{
	const char *gave_up =
	    fr->patterns ? r->plan.state[PLAN_LINES]->gave_up : NULL;

	memset(rd, 0, sizeof(*rd));
	rd->stamp = ++r->stamp;
	rd->complete = fr->end == CONTENT_ALL;
	rd->lines = fr->lines;
	if (rd->complete)
		take_digests(r, fr, rd);
	reading_ended(r, fr->end, &fr->e);
	if (gave_up != NULL)
		answer_skip(
		    &r->answer, SKIP_ENGINE, r->subject.en->path, gave_up);
}

/* Reads the open subject once. */
static void
read_now(struct run *r, struct file_reading *fr, struct reading *rd)
{
	struct file_reader *own = &r->reader;

	memset(rd, 0, sizeof(*rd));
	fr->plan = &r->plan;
	fr->fd = r->subject.fd;
	fr->size = (uint64_t)r->subject.st.st_size;
	fr->searches = r->wanting;
	fr->n = r->nwanting;
	fr->read_left = &r->read_left;
	fr->stop = stop;
	fr->arg = r;
	own->lines = r->plan.state[PLAN_LINES];
	if (own->content == NULL && (own->content = content_new()) == NULL) {
		/* not what was found in the one before */
		if (fr->patterns)
			match_begin(own->lines);
		answer_skip(&r->answer, SKIP_MEMORY, r->subject.en->path,
		    "no memory to read it");
		return;
	}
	file_reader_read(own, fr);
	r->answer.bytes += fr->bytes;
	settle(r, fr, rd);
}

static struct seen_how
how_read(const struct file_reading *fr)
{
	return (struct seen_how){ fr->algs, fr->patterns, fr->decompress };
}

/* Was the open subject read so by another name, and had nothing of it? Who
 * counts its lines is to know them. */
static bool
was_seen(const struct run *r, const struct file_reading *fr)
{
	struct seen_how how = how_read(fr);

	return r->seen != NULL &&
	    !file_reading_counts(&r->plan, r->wanting, r->nwanting) &&
	    seen_find(r->seen, &r->subject.st, &how);
}

/* To the end, with nothing of it. */
static void
as_if_read(struct run *r, const struct file_reading *fr, struct reading *rd)
{
	memset(rd, 0, sizeof(*rd));
	rd->stamp = ++r->stamp;
	if (fr->patterns)
		match_begin(r->plan.state[PLAN_LINES]);
	rd->complete = true;
}

static void
remember(struct run *r, const struct file_reading *fr, const struct reading *rd)
{
	const struct match_state *st =
	    fr->patterns ? r->plan.state[PLAN_LINES] : NULL;
	struct seen_how how = how_read(fr);

	if (!rd->complete || rd->digest_hits > 0 ||
	    (st != NULL && (st->nids > 0 || st->gave_up != NULL)) ||
	    file_reading_counts(&r->plan, r->wanting, r->nwanting))
		return;
	if (r->seen == NULL)
		r->seen = seen_new();
	if (r->seen != NULL)
		seen_add(r->seen, &r->subject.st, &how);
}

/* The verdicts of the wanting searches. */
static void
conclude(struct run *r, const struct reading *rd)
{
	uint32_t search;
	size_t i;

	for (i = 0; i < r->nwanting; i++) {
		search = r->wanting[i];
		if (!r->params->searches[search].options.matchall)
			any_hits(r, search, CONTENT, rd);
		else if (all_true(r, search, CONTENT, rd))
			hit(r, search, NULL, rd);
	}
}

static void
examine_now(struct run *r, struct file_reading *fr)
{
	struct reading rd;

	if (was_seen(r, fr)) {
		as_if_read(r, fr, &rd);
	} else {
		read_now(r, fr, &rd);
		remember(r, fr, &rd);
	}
	conclude(r, &rd);
}

/* --- reading ahead --------------------------------------------------------*/

/* Of a file that comes back; all of the entry at hand is put aside. */
static void
conclude_file(struct run *r, struct ahead_file *f)
{
	const struct file_reading *fr = &f->reading;
	struct reading rd;

	if (f->known) {
		as_if_read(r, fr, &rd);
	} else {
		if (fr->patterns)
			match_recall(r->plan.state[PLAN_LINES], &f->found);
		settle(r, fr, &rd);
		remember(r, fr, &rd);
	}
	conclude(r, &rd);
}

/* Something still wants it. */
static bool
is_wanted(const struct run *r, const struct ahead_file *f)
{
	size_t i;

	for (i = 0; i < f->reading.n && !r->ended; i++) {
		if (!search_is_done(r, f->searches[i]))
			return true;
	}
	return false;
}

/* The oldest of what is read ahead, if it was read within ms. */
static bool
conclude_first(struct run *r, int ms)
{
	struct ahead_file *f = ahead_first(r->ahead, ms);
	struct subject subject = r->subject;
	uint32_t *wanting = r->wanting;
	size_t nwanting = r->nwanting;

	if (f == NULL)
		return false;
	r->subject = f->subject;
	r->wanting = f->searches;
	r->nwanting = f->reading.n;
	r->answer.bytes += f->reading.bytes;
	if (is_wanted(r, f))
		conclude_file(r, f);
	f->subject = r->subject;
	r->subject = subject;
	r->wanting = wanting;
	r->nwanting = nwanting;
	ahead_drop(r->ahead);
	return true;
}

static void
wait_for_first(struct run *r)
{
	if (!conclude_first(r, AHEAD_WAIT_MS))
		(void)stop(r);
}

static void
conclude_all(struct run *r)
{
	while (r->ahead != NULL && !r->ended && ahead_used(r->ahead) > 0)
		wait_for_first(r);
}

/* From when on there is enough to read. Not where bytes are counted: who comes
 * first would decide what the last ones are. */
static void
start_ahead(struct run *r, uint64_t size)
{
	struct err e;

	r->asked_bytes += size;
	if (r->alone || r->ahead != NULL ||
	    r->asked_bytes < file_threads_from || !plan_is_settled(&r->plan))
		return;
	r->alone = true;
	if (r->ctx->threads < 2 || r->ctx->read_bytes > 0)
		return;
	err_clear(&e);
	if (r->plan.state[PLAN_LINES] != NULL)
		match_wake(r->plan.state[PLAN_LINES]);
	r->alone =
	    ahead_new(&r->plan, (unsigned int)r->ctx->threads,
		(uint32_t)r->ctx->cpu_percent, stop, r, &r->ahead, &e) != 0;
}

/* By another name it may be being read just now. */
static void
wait_for_place(struct run *r)
{
	while (!r->ended &&
	    (ahead_next(r->ahead) == NULL ||
		ahead_has(r->ahead, &r->subject.st)))
		wait_for_first(r);
}

static bool
returns_sha256(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->nwanting; i++) {
		if (r->params->searches[r->wanting[i]].options.returnsha256)
			return true;
	}
	return false;
}

/* There is a place. False: it is to be read now, by this thread. */
static bool
examine_ahead(struct run *r, const struct file_reading *fr)
{
	struct ahead_file *f = ahead_next(r->ahead);

	memcpy(f->searches, r->wanting, r->nwanting * sizeof(*r->wanting));
	f->reading = *fr;
	f->reading.n = r->nwanting;
	f->again = returns_sha256(r);
	f->known = was_seen(r, fr);
	if (ahead_add(r->ahead, &r->subject) != 0)
		return false;
	while (!r->ended && conclude_first(r, 0))
		;
	return true;
}

/* What was concluded meanwhile may have been enough for some. */
static void
leave_done_out(struct run *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->nwanting; i++) {
		if (!search_is_done(r, r->wanting[i]))
			r->wanting[n++] = r->wanting[i];
	}
	r->nwanting = n;
}

static void
read_for_wanting(struct run *r, bool decompress, bool ahead)
{
	struct file_reading fr = { .decompress = decompress };
	const struct plan_search *ps;
	size_t i;

	for (i = 0; i < r->nwanting; i++) {
		ps = &r->plan.searches[r->wanting[i]];
		fr.algs |= ps->algs;
		fr.patterns |= ps->ncontents > 0;
	}
	if (fr.patterns)
		plan_will_read(&r->plan, (uint64_t)r->subject.st.st_size);
	if (!ahead || !examine_ahead(r, &fr))
		examine_now(r, &fr);
}

/* One reading for those of the wanting searches that want it this way; ahead:
 * it may wait for others. */
static void
examine(
    struct run *r, const uint32_t *group, size_t n, bool decompress, bool ahead)
{
	if (n == 0 || r->ended || !have_open(r))
		return;
	r->nwanting = n;
	if (r->wanting != group)
		memmove(r->wanting, group, n * sizeof(*group));
	start_ahead(r, (uint64_t)r->subject.st.st_size);
	ahead = ahead && r->ahead != NULL;
	if (ahead)
		wait_for_place(r);
	else
		conclude_all(r);
	leave_done_out(r);
	if (!r->ended && r->nwanting > 0)
		read_for_wanting(r, decompress, ahead);
}

/* Splits the wanting searches into those that take the file as it is (put
 * first) and those that want it decompressed, if that makes a difference. */
static void
examine_wanting(struct run *r)
{
	uint32_t *w = r->wanting, tmp;
	size_t i, plain = 0, n = r->nwanting;

	for (i = 0; i < n; i++) {
		if (r->params->searches[w[i]].options.decompress)
			continue;
		tmp = w[i];
		w[i] = w[plain];
		w[plain++] = tmp;
	}
	if (plain > 0 && plain < n && have_open(r) &&
	    content_is_compressed(r->subject.fd)) {
		/* the second group survives behind the first */
		examine(r, w, plain, false, false);
		examine(r, w + plain, n - plain, true, false);
	} else {
		examine(r, w, n, plain == 0, true);
	}
}

/* --- entries --------------------------------------------------------------*/

static void
look(struct run *r, const struct walk_entry *en)
{
	const struct file_search *s;
	uint32_t search;
	size_t i;

	r->nwanting = 0;
	for (i = 0; i < en->nscopes && !r->ended; i++) {
		search = en->scopes[i];
		s = &r->params->searches[search];
		if (!s->options.matchall)
			any_hits(r, search, META, NULL);
		else if (!all_true(r, search, META, NULL))
			continue;
		else if (!r->plan.searches[search].reads)
			hit(r, search, NULL, NULL);
		if (r->plan.searches[search].reads &&
		    !search_is_done(r, search) &&
		    (en->type == DT_REG || have_stat(r)) &&
		    subject_in_scope(&r->subject, r->walk, search))
			r->wanting[r->nwanting++] = search;
	}
	if (r->nwanting > 0 && !r->ended)
		examine_wanting(r);
}

static void
on_entry(const struct walk_entry *en, void *arg)
{
	struct run *r = arg;
	struct match_state *names = r->plan.state[PLAN_NAMES];

	if (r->ended)
		return;
	if (en->type != DT_REG && en->type != DT_LNK &&
	    en->type != DT_UNKNOWN) {
		answer_skip(&r->answer, SKIP_SPECIAL, en->path, NULL);
		return;
	}
	if (en->type == DT_REG)
		r->answer.files++;
	subject_init(&r->subject, en);
	r->modes_run = false;
	if (names != NULL)
		match_text(names, en->base, strlen(en->base));
	if (names != NULL && names->gave_up != NULL)
		answer_skip(&r->answer, SKIP_ENGINE, en->path, names->gave_up);
	look(r, en);
	subject_release(&r->subject);
}

static void
note_empty_searches(struct run *r)
{
	size_t i;

	for (i = 0; i < r->params->n; i++) {
		if (r->params->searches[i].nchecks == 0)
			outcome_note(&r->answer.common,
			    "search '%s' has no filter: "
			    "no file can match it",
			    r->params->searches[i].label);
	}
}

static int
start_walk(struct run *r, struct walk_scope *scopes, struct err *e)
{
	const struct walk_ops ops = { .entry = on_entry,
		.skip = on_skip,
		.stop = stop,
		.fence = r->ctx->fence,
		.hidden = r->ctx->hidden };
	const struct file_search *s;
	size_t i;

	for (i = 0; i < r->params->n; i++) {
		s = &r->params->searches[i];
		scopes[i].paths = s->paths;
		scopes[i].npaths = s->npaths;
		scopes[i].depth = s->options.maxdepth == 0
		    ? UINT64_MAX
		    : (uint64_t)s->options.maxdepth;
		scopes[i].remote = s->options.remotefs;
	}
	return walk_new(scopes, r->params->n, &ops, r, &r->walk, e);
}

static int
work(struct run *r, struct walk_scope *scopes, enum match_engine engine,
    struct err *e)
{
	int rc;

	if ((rc = plan_init(&r->plan, r->params, engine, e)) != 0 ||
	    (rc = start_walk(r, scopes, e)) != 0)
		return rc;
	if (r->plan.algs != 0)
		rc = digests_new(r->plan.algs, &r->reader.digests, e);
	if (rc != 0)
		return rc;
	note_empty_searches(r);
	fault_point("worker.walking");
	walk_run(r->walk);
	conclude_all(r);
	r->answer.bytes += ahead_free(r->ahead);
	r->ahead = NULL;
	stop(r); /* notes a signal that came at the very end */
	r->answer.directories = walk_directories(r->walk);
	return 0;
}

int
file_run(const json_t *params, const struct run_context *ctx,
    enum match_engine engine, struct buf *out, struct err *e)
{
	struct file_params fp;
	struct walk_scope *scopes = NULL;
	struct run r = { .ctx = ctx, .params = &fp };
	int rc;

	watch_begin(&r.watch, ctx);
	clock_gettime(CLOCK_REALTIME, &r.started);
	if ((rc = file_params_parse(params, &fp, e)) != 0)
		return rc;
	r.read_left =
	    ctx->read_bytes > 0 ? (uint64_t)ctx->read_bytes : UINT64_MAX;
	r.searches_left = fp.n;
	rc = answer_init(&r.answer, &fp, ctx->output_max, e);
	r.answer.rights = ctx->rights;
	r.answer.found_only = ctx->found_only;
	scopes = calloc(fp.n, sizeof(*scopes));
	r.wanting = calloc(fp.n, sizeof(*r.wanting));
	if (rc == 0 && (scopes == NULL || r.wanting == NULL))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = work(&r, scopes, engine, e);
	if (rc == 0)
		rc = answer_write(&r.answer, plan_engine(&r.plan), out, e);
	(void)ahead_free(r.ahead);
	walk_free(r.walk);
	r.reader.lines = NULL; /* the plan's */
	file_reader_release(&r.reader);
	plan_release(&r.plan);
	seen_free(r.seen);
	if (r.answer.searches != NULL)
		answer_release(&r.answer);
	free(scopes);
	free(r.wanting);
	file_params_release(&fp);
	return rc;
}

int
module_file_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	return file_run(params, ctx, MATCH_BEST, out, e);
}
