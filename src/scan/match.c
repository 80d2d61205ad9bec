/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/match_engine.h"

#include "base/err.h"
#include "scan/crlf.h"
#include "scan/gate.h"
#include "scan/kept.h"
#include "scan/literals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often patterns are taken away from Hyperscan one by one. */
#define REFUSALS_MAX 64
/* From so many with a literal on they are sieved instead. */
#define SIEVE_FROM 512
/* Hyperscan needs about a millisecond and 5 KiB for each. */
#define HYPERSCAN_MAX 2048

struct match {
	const struct match_ops *ops[MATCH_ENGINES];
	void *impl[MATCH_ENGINES];
	size_t n; /* patterns */
	enum match_mode mode;
	struct gate *gate; /* NULL: none */
	struct kept *kept; /* no engines were made yet; else NULL */
	bool failed;       /* and cannot be: why */
	char why[200];
	char name[128];
};

void
match_hit(struct match_state *st, uint32_t id, bool count, uint64_t to)
{
	to += st->base;
	if (st->hits[id] == 0)
		st->ids[st->nids++] = id;
	else if (!count || st->last[id] == to)
		return;
	st->hits[id]++;
	st->last[id] = to;
}

void
match_cut(struct match_state *st, uint32_t id)
{
	if (st->is_cut[id])
		return;
	st->is_cut[id] = true;
	st->cut[st->ncut++] = id;
}

bool
match_is_long(const struct match_pattern *p, enum match_mode mode)
{
	return mode == MATCH_STREAM &&
	    (p->longest == 0 || p->longest > MATCH_CARRY);
}

/* Which patterns, by number; what every step of compiling needs. */
struct id_list {
	uint32_t *ids;
	size_t n;
};

struct request {
	const struct match_pattern *patterns;
	enum match_mode mode;
	size_t *ret_bad;
	struct err *e;
};

/* *bad is the place of the refused pattern in list, or list->n. */
static int
add_engine(struct match *m, const struct match_ops *ops,
    const struct request *rq, const struct id_list *list, size_t *bad,
    struct err *e)
{
	size_t k = 0, used = strlen(m->name);
	int rc;

	while (m->impl[k] != NULL)
		k++;

	*bad = list->n;
	rc = ops->compile(
	    rq->patterns, list->ids, list->n, rq->mode, &m->impl[k], bad, e);
	if (rc != 0)
		return rc;
	m->ops[k] = ops;
	if (strstr(m->name, ops->name(m->impl[k])) != NULL)
		return 0;
	snprintf(m->name + used, sizeof(m->name) - used, "%s%s",
	    used > 0 ? ", " : "", ops->name(m->impl[k]));
	return 0;
}

static int
only(struct match *m, const struct match_ops *ops, const struct request *rq,
    const struct id_list *list)
{
	size_t bad;
	int rc = add_engine(m, ops, rq, list, &bad, rq->e);

	if (rc == ERR_INVALID && bad < list->n)
		*rq->ret_bad = list->ids[bad];
	return rc;
}

/* That one, and with all those behind it that would be refused as well: each
 * costs to compile again all that stand before it. */
static void
move_refused(const struct request *rq, struct id_list *list,
    struct id_list *rest, size_t bad, bool all)
{
	size_t i, n = bad;

	for (i = bad; i < list->n; i++) {
		if (i == bad ||
		    (all &&
			match_hs_refuses(
			    &rq->patterns[list->ids[i]], rq->mode)))
			rest->ids[rest->n++] = list->ids[i];
		else
			list->ids[n++] = list->ids[i];
	}
	list->n = n;
}

/* Hyperscan for what it takes; what it refuses moves from list to rest. */
static int
hyperscan_first(struct match *m, const struct request *rq, struct id_list *list,
    struct id_list *rest)
{
	struct err e;
	size_t bad, times;
	int rc;

	for (times = 0; list->n > 0 && times <= REFUSALS_MAX; times++) {
		err_clear(&e);
		rc = add_engine(m, &match_hs_ops, rq, list, &bad, &e);
		if (rc != ERR_INVALID || bad >= list->n)
			return rc;
		move_refused(rq, list, rest, bad, times == 0);
	}
	return list->n == 0 ? 0 : ERR_INVALID;
}

/* Those with long matches only where they are very many themselves: the sieve
 * does not see where they begin. */
static bool
is_for_sieve(
    const struct match_pattern *p, enum match_mode mode, bool with_long)
{
	return p->literal_len >= LITERAL_MIN &&
	    (with_long || !match_is_long(p, mode));
}

/* Takes patterns with a literal out of list if they are very many. */
static int
sieve(struct match *m, const struct request *rq, struct id_list *list)
{
	struct id_list with = { NULL, 0 };
	size_t i, n = 0, all = 0;
	bool with_long;
	int rc;

	for (i = 0; i < list->n; i++) {
		n += is_for_sieve(&rq->patterns[list->ids[i]], rq->mode, false);
		all +=
		    is_for_sieve(&rq->patterns[list->ids[i]], rq->mode, true);
	}
	with_long = all - n >= SIEVE_FROM;
	if (with_long)
		n = all;
	if (n < SIEVE_FROM)
		return 0;
	with.ids = calloc(n, sizeof(*with.ids));
	if (with.ids == NULL)
		return err_set(rq->e, ERR_NOMEM, "out of memory");
	for (i = 0, n = 0; i < list->n; i++) {
		if (is_for_sieve(
			&rq->patterns[list->ids[i]], rq->mode, with_long))
			with.ids[with.n++] = list->ids[i];
		else
			list->ids[n++] = list->ids[i];
	}
	list->n = n;
	rc = only(m, &match_sieve_ops, rq, &with);
	free(with.ids);
	return rc;
}

static int
best(struct match *m, const struct request *rq, struct id_list *list)
{
	struct id_list rest = { calloc(list->n + 1, sizeof(uint32_t)), 0 };
	int rc = ERR_TOOBIG;

	if (rest.ids == NULL)
		return err_set(rq->e, ERR_NOMEM, "out of memory");
	if (list->n <= HYPERSCAN_MAX)
		rc = hyperscan_first(m, rq, list, &rest);
	if (rc != 0) { /* absent, or gave up: everything to PCRE2 */
		memcpy(
		    rest.ids + rest.n, list->ids, list->n * sizeof(*list->ids));
		rest.n += list->n;
	}
	rc = rest.n == 0 ? 0 : only(m, &match_pcre2_ops, rq, &rest);
	free(rest.ids);
	return rc;
}

/* Where PCRE2 is absent there is no sieve either. */
static int
sieve_and_best(struct match *m, const struct request *rq, struct id_list *list)
{
	size_t n = list->n, i, k;
	int rc = sieve(m, rq, list);

	if (rc == ERR_UNSUPPORTED) {
		for (i = 0, k = 0; i < m->n; i++) {
			if (rq->patterns[i].bytes != NULL)
				list->ids[k++] = (uint32_t)i;
		}
		list->n = n;
		rc = 0;
	}
	return rc != 0 || list->n == 0 ? rc : best(m, rq, list);
}

static int
compile(struct match *m, const struct request *rq, struct id_list *list,
    enum match_engine engine)
{
	int rc;

	if (engine == MATCH_HYPERSCAN)
		return only(m, &match_hs_ops, rq, list);
	if (engine == MATCH_BEST)
		return sieve_and_best(m, rq, list);
	if (engine == MATCH_PLAIN)
		return only(m, &match_plain_ops, rq, list);
	if (engine == MATCH_LIGHT) {
		rc = only(m, &match_plain_ops, rq, list);
		if (rc != ERR_UNSUPPORTED)
			return rc;
	}
	rc = only(m, &match_pcre2_ops, rq, list);
	if (rc == ERR_UNSUPPORTED && engine == MATCH_LIGHT)
		rc = only(m, &match_hs_ops, rq, list);
	return rc;
}

/* Of all patterns that can match. */
static int
make_engines(
    struct match *m, const struct request *rq, enum match_engine engine)
{
	struct id_list list = { calloc(m->n + 1, sizeof(uint32_t)), 0 };
	size_t i;
	int rc = 0;

	m->name[0] = '\0';
	if (list.ids == NULL)
		return err_set(rq->e, ERR_NOMEM, "out of memory");
	for (i = 0; i < m->n; i++) {
		if (rq->patterns[i].bytes != NULL)
			list.ids[list.n++] = (uint32_t)i;
	}
	if (list.n > 0)
		rc = compile(m, rq, &list, engine);
	free(list.ids);
	return rc;
}

static int
make(struct match *m, const struct request *rq, enum match_engine engine)
{
	int rc;

	/* what is plain is found as quickly without */
	if (engine != MATCH_PLAIN && engine != MATCH_LIGHT) {
		rc = gate_new(rq->patterns, m->n, m->mode, &m->gate, rq->e);
		if (rc != 0)
			return rc;
	}
	if (m->gate == NULL || engine != MATCH_BEST ||
	    !kept_is_sure(rq->patterns, m->n))
		return make_engines(m, rq, engine);
	m->kept = kept_new(rq->patterns, m->n, engine);
	snprintf(m->name, sizeof(m->name), "texts");
	return m->kept != NULL ? 0 : err_set(rq->e, ERR_NOMEM, "out of memory");
}

int
match_new(const struct match_pattern *patterns, size_t n, enum match_mode mode,
    enum match_engine engine, struct match **ret, size_t *ret_bad,
    struct err *e)
{
	const struct request rq = { patterns, mode, ret_bad, e };
	struct match *m = calloc(1, sizeof(*m));
	int rc;

	*ret_bad = n;
	if (m == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	m->n = n;
	m->mode = mode;
	rc = make(m, &rq, engine);
	if (rc != 0) {
		match_free(m);
		return rc;
	}
	*ret = m;
	return 0;
}

static void
drop_engines(struct match *m)
{
	size_t k;

	for (k = 0; k < MATCH_ENGINES; k++) {
		if (m->ops[k] != NULL)
			m->ops[k]->release(m->impl[k]);
		m->ops[k] = NULL;
		m->impl[k] = NULL;
	}
}

void
match_free(struct match *m)
{
	if (m == NULL)
		return;
	drop_engines(m);
	gate_free(m->gate);
	kept_free(m->kept);
	free(m);
}

const char *
match_engine_name(const struct match *m)
{
	return m->name;
}

static int
state_engines(struct match_state *st, struct err *e)
{
	const struct match *m = st->m;
	size_t k;
	int rc = 0;

	for (k = 0; k < MATCH_ENGINES && rc == 0; k++) {
		if (m->ops[k] != NULL && st->engine[k] == NULL)
			rc =
			    m->ops[k]->state_new(m->impl[k], &st->engine[k], e);
	}
	return rc;
}

/* Where no engine can be had, plain texts are found without: slow, but as
 * good. */
static int
make_late(struct match *m, const struct request *rq)
{
	struct err none;
	struct request plain = *rq;
	int rc = make_engines(m, rq, m->kept->engine);

	if (rc == 0)
		return 0;
	drop_engines(m);
	plain.e = &none;
	if (make_engines(m, &plain, MATCH_PLAIN) == 0)
		return 0;
	return rc;
}

/* What was kept until now; false: it cannot be had, what passes is not seen. */
static bool
wake(struct match_state *st)
{
	struct match *m = st->m;
	struct request rq = { NULL, m->mode, NULL, NULL };
	size_t bad = m->n;
	struct err e;

	err_clear(&e);
	rq.ret_bad = &bad;
	rq.e = &e;
	if (m->failed)
		return false;
	if (m->kept != NULL) {
		rq.patterns = m->kept->patterns;
		if (make_late(m, &rq) != 0) {
			drop_engines(m);
			m->failed = true;
			snprintf(m->why, sizeof(m->why),
			    "the expressions cannot be compiled: %.150s",
			    e.msg);
			return false;
		}
		kept_free(m->kept);
		m->kept = NULL;
	}
	return state_engines(st, &e) == 0;
}

static void
begin_engines(uint64_t base, void *arg)
{
	struct match_state *st = arg;
	size_t k;

	st->base = base;
	if (st->asleep && !wake(st)) {
		st->gave_up = st->m->failed
		    ? st->m->why
		    : "the expressions cannot be compiled here";
		return;
	}
	st->asleep = false;
	for (k = 0; k < MATCH_ENGINES && st->m->ops[k] != NULL; k++)
		st->m->ops[k]->begin(st->engine[k], st);
}

static void
to_engines(struct match_state *st, const uint8_t *data, size_t len)
{
	size_t k;

	if (len == 0 || st->asleep)
		return;
	for (k = 0; k < MATCH_ENGINES && st->m->ops[k] != NULL; k++)
		st->m->ops[k]->feed(st->engine[k], st, data, len);
}

static void
pass(uint8_t *data, size_t len, void *arg)
{
	static const uint8_t cr = '\r';
	struct match_state *st = arg;

	if (st->m->mode == MATCH_LINES && len > 0) {
		if (st->held_cr && data[0] != '\n')
			to_engines(st, &cr, 1);
		st->held_cr = data[len - 1] == '\r';
		len = crlf_drop(data, len - st->held_cr);
	}
	to_engines(st, data, len);
}

int
match_state_new(struct match *m, struct match_state **ret, struct err *e)
{
	static const struct gate_ops ops = { begin_engines, pass };
	struct match_state *st = calloc(1, sizeof(*st));
	int rc = 0;

	if (st == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	st->m = m;
	st->asleep = m->kept != NULL;
	st->hits = calloc(m->n + 1, sizeof(*st->hits));
	st->last = calloc(m->n + 1, sizeof(*st->last));
	st->ids = calloc(m->n + 1, sizeof(*st->ids));
	st->cut = calloc(m->n + 1, sizeof(*st->cut));
	st->is_cut = calloc(m->n + 1, sizeof(*st->is_cut));
	if (m->gate != NULL)
		st->gate = gate_state_new(m->gate, &ops, st);
	if (st->hits == NULL || st->last == NULL || st->ids == NULL ||
	    st->cut == NULL || st->is_cut == NULL ||
	    (m->gate != NULL && st->gate == NULL))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = state_engines(st, e);
	if (rc != 0) {
		match_state_free(st);
		return rc;
	}
	*ret = st;
	return 0;
}

void
match_wake(struct match_state *st)
{
	if (st->asleep && wake(st))
		st->asleep = false;
}

void
match_restart(struct match_state *st)
{
	if (st->gate != NULL)
		gate_restart(st->gate);
}

void
match_state_free(struct match_state *st)
{
	size_t k;

	if (st == NULL)
		return;
	for (k = 0; k < MATCH_ENGINES; k++) {
		if (st->engine[k] != NULL)
			st->m->ops[k]->state_free(st->engine[k]);
	}
	gate_state_free(st->gate);
	free(st->hits);
	free(st->last);
	free(st->ids);
	free(st->cut);
	free(st->is_cut);
	free(st);
}

static void
reset(struct match_state *st)
{
	size_t i;

	for (i = 0; i < st->nids; i++)
		st->hits[st->ids[i]] = 0;
	st->nids = 0;
	for (i = 0; i < st->ncut; i++)
		st->is_cut[st->cut[i]] = false;
	st->ncut = 0;
	st->gave_up = NULL;
	st->base = 0;
	st->held_cr = false;
}

void
match_text(struct match_state *st, const void *data, size_t len)
{
	size_t k;

	reset(st);
	for (k = 0; k < MATCH_ENGINES && st->m->ops[k] != NULL; k++)
		st->m->ops[k]->text(st->engine[k], st, data, len);
}

void
match_begin(struct match_state *st)
{
	reset(st);
	if (st->gate != NULL)
		gate_begin(st->gate);
	else
		begin_engines(0, st);
}

void
match_feed(struct match_state *st, uint8_t *data, size_t len)
{
	if (st->gate != NULL)
		gate_feed(st->gate, data, len);
	else
		pass(data, len, st);
}

void
match_end(struct match_state *st)
{
	size_t k;

	if (st->asleep || (st->gate != NULL && !gate_end(st->gate)))
		return;
	for (k = 0; k < MATCH_ENGINES && st->m->ops[k] != NULL; k++)
		st->m->ops[k]->end(st->engine[k], st);
}

void
match_keep(const struct match_state *st, struct match_found *ret)
{
	size_t i;

	ret->n = 0;
	ret->counts = NULL;
	ret->gave_up = st->gave_up;
	if (st->nids == 0)
		return;
	ret->counts = calloc(st->nids, sizeof(*ret->counts));
	if (ret->counts == NULL) {
		ret->gave_up = "out of memory";
		return;
	}
	for (i = 0; i < st->nids; i++) {
		ret->counts[i].id = st->ids[i];
		ret->counts[i].hits = st->hits[st->ids[i]];
	}
	ret->n = st->nids;
}

void
match_recall(struct match_state *st, struct match_found *f)
{
	size_t i;

	reset(st);
	for (i = 0; i < f->n; i++) {
		st->ids[st->nids++] = f->counts[i].id;
		st->hits[f->counts[i].id] = f->counts[i].hits;
	}
	st->gave_up = f->gave_up;
	match_found_release(f);
}

void
match_found_release(struct match_found *f)
{
	free(f->counts);
	f->counts = NULL;
	f->n = 0;
}
