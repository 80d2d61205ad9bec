/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/verdict.h"

#include "modules/common/gofmt.h"

#include <string.h>

static bool
older(const struct timespec *t, const struct timespec *now, int64_t age)
{
	int64_t limit = (int64_t)now->tv_sec - age;

	if ((int64_t)t->tv_sec != limit)
		return (int64_t)t->tv_sec < limit;
	return t->tv_nsec < now->tv_nsec;
}

static bool
mtime_matches(const struct file_check *c, const struct timespec *t,
    const struct timespec *now)
{
	bool before = older(t, now, c->min);

	if (!c->newer)
		return before;
	return !before &&
	    !(t->tv_sec == now->tv_sec - c->min && t->tv_nsec == now->tv_nsec);
}

static bool
mode_matches(struct plan *p, uint32_t pattern, mode_t mode, bool *modes_run)
{
	struct match_state *st = p->state[PLAN_MODES];
	char text[GO_MODE_MAX];

	if (!*modes_run) {
		go_mode(mode, text);
		match_text(st, text, strlen(text));
		*modes_run = true;
	}
	return st->hits[pattern] > 0;
}

static bool
meta_matches(struct plan *p, const struct plan_check *pc, const struct stat *st,
    const struct timespec *now, bool *modes_run)
{
	const struct file_check *c = pc->c;

	switch (c->kind) {
	case FILE_NAME:
		return p->state[PLAN_NAMES]->hits[pc->pattern] > 0;
	case FILE_SIZE:
		return st->st_size >= c->min && st->st_size <= c->max;
	case FILE_MTIME:
		return mtime_matches(c, &st->st_mtim, now);
	default:
		return mode_matches(p, pc->pattern, st->st_mode, modes_run);
	}
}

/* Whether its engine ended before it knew. */
static bool
is_given_up(const struct plan *p, const struct plan_check *pc)
{
	const struct match_state *st = NULL;

	if (pc->c->kind == FILE_NAME)
		st = p->state[PLAN_NAMES];
	else if (pc->c->kind == FILE_MODE)
		st = p->state[PLAN_MODES];
	return st != NULL && st->gave_up != NULL;
}

enum verdict
verdict_meta(struct plan *p, const struct plan_check *pc, const struct stat *st,
    const struct timespec *now, bool *modes_run)
{
	bool matches = meta_matches(p, pc, st, now, modes_run);

	if (!matches && is_given_up(p, pc))
		return VERDICT_UNKNOWN;
	return matches != pc->negative ? VERDICT_YES : VERDICT_NO;
}

static enum verdict
content_verdict(
    const struct plan *p, const struct plan_check *pc, const struct reading *rd)
{
	const struct match_state *st = p->state[PLAN_LINES];
	uint64_t hits = st->hits[pc->pattern];
	bool known = rd->complete && st->gave_up == NULL, m;
	bool mismatch = pc->negative != pc->c->inverse;

	if (!p->searches[pc->search].macroal) {
		if (hits == 0 && !known)
			return VERDICT_UNKNOWN;
		return (hits > 0) != pc->negative ? VERDICT_YES : VERDICT_NO;
	}
	if (!known)
		return VERDICT_UNKNOWN;
	m = rd->lines > 0 && (pc->c->inverse ? hits == 0 : hits == rd->lines);
	return m != mismatch ? VERDICT_YES : VERDICT_NO;
}

enum verdict
verdict_reading(
    const struct plan *p, const struct plan_check *pc, const struct reading *rd)
{
	if (pc->c->kind == FILE_CONTENT)
		return content_verdict(p, pc, rd);
	if (!rd->complete)
		return VERDICT_UNKNOWN;
	return (pc->stamp == rd->stamp) != pc->negative ? VERDICT_YES
							: VERDICT_NO;
}
