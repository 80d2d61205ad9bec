/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/rejudge.h"

#include "server/core/judging.h"
#include "server/core/launch.h"
#include "server/core/policies.h"

#include "base/log.h"
#include "base/str.h"
#include "server/store/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tick takes so much of the loop, a few ms: actions, and bytes of them. To
 * launch one is to look at each agent, and ends it. */
#define STEP_ACTIONS 16
#define STEP_BYTES (256 * 1024)
#define PERSON_BYTES 4
#define EVERY_MS (5 * 60 * 1000)
#define HOLD_MS (60 * 1000) /* for agents to come back */
#define PAUSE_MS 2000 /* after the first failure; twice it after another */
#define NOBODY "-"    /* in the audit log: who launched it */

void
rejudge_again(struct core *c)
{
	c->rejudge.again = true;
}

void
rejudge_failed(struct core *c, const struct id *id, const struct err *e)
{
	struct rejudge *r = &c->rejudge;

	r->again = true;
	if (e->code == ERR_EXISTS)
		return;
	if (!r->failed)
		r->pause = r->pause == 0      ? PAUSE_MS
		    : 2 * r->pause < EVERY_MS ? 2 * r->pause
					      : EVERY_MS;
	r->failed = true;
	log_error("rejudge id=%s why=%s again_ms=%lld",
	    id != NULL ? id_short(id).s : "-", log_quote(e->msg),
	    (long long)r->pause);
}

/* It is for who is connected, not all are back after the start, and it has the
 * time. */
static bool
waits_for_agents(struct core *c, const struct judging *j,
    const struct action *a, const struct cosign_known *k)
{
	return (k->online_only && core_now(c) - c->started < HOLD_MS &&
	    c->registry.online < c->registry.n - c->registry.revoked &&
	    a->expire_after - j->now > 4 * (HOLD_MS / 1000));
}

void
rejudge_begin(struct core *c, int64_t now)
{
	struct rejudge *r = &c->rejudge;
	int64_t pause = r->failed ? r->pause : 0;
	struct id policy;
	struct err e;

	if (r->running || c->disk == DISK_FULL ||
	    judging_policy(c, &policy, &e) != 0)
		return;
	if (r->begun && id_equal(&policy, &r->policy) && c->disk == r->disk &&
	    now - r->swept < (r->again ? pause : EVERY_MS))
		return;
	*r = (struct rejudge){ .policy = policy,
		.swept = now,
		.disk = c->disk,
		.pause = pause,
		.running = true,
		.begun = true };
}

/* --- what the store says of it -------------------------------------------- */

struct judge_job {
	struct core_job j;
	struct id id;
	int64_t n;
	size_t was; /* bytes of the envelope that was judged */
	struct standing standing;
};

static int
judge_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct judge_job *x = (struct judge_job *)j;
	char uncounted[UNCOUNTED_JSON_MAX];
	struct store_waiting w;

	cosign_row(&x->standing, NULL, uncounted, &w);
	return (store_waiting_judge(s, x->n, x->was, &w, e));
}

static void
judge_done(struct writer_job *j)
{
	struct judge_job *x = (struct judge_job *)j;
	struct core *c = x->j.c;

	if (j->rc != 0)
		rejudge_failed(c, &x->id, &j->err);
	else
		log_info("action_rejudged id=%s policy=%llu has=%lld needs=%lld"
			 " possible=%d",
		    id_short(&x->id).s, (unsigned long long)x->standing.version,
		    (long long)x->standing.weight.has,
		    (long long)x->standing.weight.needs, x->standing.possible);
	core_wake(c);
	free(x);
}

struct row {
	struct standing is;
	bool same;
};

static int
compare_row(const struct store_waiting *w, void *arg)
{
	char uncounted[UNCOUNTED_JSON_MAX];
	struct row *r = arg;

	uncounted_text(&r->is.uncounted, uncounted);
	r->same = strcmp(w->uncounted, uncounted) == 0 &&
	    w->has == r->is.weight.has && w->needs == r->is.weight.needs &&
	    w->possible == r->is.possible && w->policy == r->is.version &&
	    strcmp(w->missing, r->is.missing) == 0;
	return (0);
}

static void
keep(struct core *c, const struct id *id, const struct cosign_known *k,
    const struct standing *is)
{
	struct row row = { *is, false };
	struct judge_job *x;

	if (store_waiting_get(c->read, k->n, compare_row, &row, NULL) != 0 ||
	    row.same)
		return;
	x = core_job_new(c, sizeof(*x), 0, judge_run, judge_done);
	if (x == NULL) {
		rejudge_again(c);
		return;
	}
	x->id = *id;
	x->n = k->n;
	x->was = k->bytes.len;
	x->standing = *is;
	writer_submit(c->writer, &x->j.j);
}

/* --- one of them ---------------------------------------------------------- */

static void
launch(struct core *c, const struct cosign_known *k)
{
	static const struct store_caller nobody = { .fpr = NOBODY };
	struct launch_job *x;

	x = launch_job_new(c, 0, &nobody, k->bytes.data, k->bytes.len);
	if (x == NULL) {
		rejudge_again(c);
		return;
	}
	x->a.n = k->n;
	x->a.online_only = k->online_only;
	x->was = k->bytes.len;
	launch_submit(c, x);
}

/* Agents would take it; but whoever signed it may not ask here any more, there
 * is no room, or not all who shall get it are back. */
static bool
can_go(struct core *c, const struct judging *j, const struct action *a,
    const struct cosign_known *k, struct standing *is)
{
	struct core_signers by;
	struct err e;

	if (core_signers(c, PURPOSE_ACTION, &k->env, NULL, &by, &e) != 0) {
		str_copy(is->missing, sizeof(is->missing), e.msg);
		return (false);
	}
	if (c->disk != DISK_OK) {
		str_copy(is->missing, sizeof(is->missing),
		    "nothing: it is launched when the server's disk has room"
		    " again");
		return (false);
	}
	if (!waits_for_agents(c, j, a, k))
		return (true);
	rejudge_again(c);
	str_copy(is->missing, sizeof(is->missing),
	    "nothing: it is launched when the agents are back, or in a minute");
	return (false);
}

/* What it has cost, in bytes: each person is tried with each operation. */
static size_t
judge(struct core *c, const struct id *id)
{
	struct cosign_known k = { .n = 0 };
	const struct judging *j;
	size_t cost = STEP_BYTES;
	struct standing is;
	struct action a;
	struct err e;

	if (judging_now(c, &j, &e) != 0) {
		rejudge_failed(c, id, &e);
		return (cost);
	}
	err_clear(&e);
	/* another one by now: from the beginning, later */
	if (!id_equal(&j->policy, &c->rejudge.policy))
		rejudge_again(c);
	buf_init(&k.bytes, ENVELOPE_MAX);
	if (cosign_load(c, id, &k, &e) == 0 && k.status == ACTION_WAITING &&
	    action_parse(k.env.doc, k.env.doc_len, &a, &e) == 0) {
		if (a.expire_after <= j->now) {
			cost = k.bytes.len;
		} else if (judging_standing(j, &a, &k.env, &is, &e) != 0) {
			; /* told below */
		} else if (is.met && can_go(c, j, &a, &k, &is)) {
			launch(c, &k);
		} else {
			keep(c, id, &k, &is);
			cost = k.bytes.len +
			    a.noperations * j->npeople * PERSON_BYTES;
		}
		action_release(&a);
	}
	if (e.code != 0)
		log_error(
		    "rejudge id=%s why=%s", id_short(id).s, log_quote(e.msg));
	buf_release(&k.bytes);
	return (cost);
}

struct batch {
	struct id ids[STEP_ACTIONS];
	int64_t numbers[STEP_ACTIONS];
	size_t n;
};

static int
take(int64_t n, const struct id *id, void *arg)
{
	struct batch *b = arg;

	b->numbers[b->n] = n;
	b->ids[b->n++] = *id;
	return (0);
}

void
rejudge_step(struct core *c)
{
	struct rejudge *r = &c->rejudge;
	struct batch b = { .n = 0 };
	size_t i = 0, cost = 0;
	struct err e;

	if (!r->running)
		return;
	if (c->disk == DISK_FULL) {
		r->running = false;
		r->again = true;
		return;
	}
	if (store_waiting_after(
		c->read, r->after, STEP_ACTIONS, take, &b, &e) != 0) {
		r->running = false;
		rejudge_failed(c, NULL, &e);
		return;
	}
	r->running = b.n > 0;
	while (i < b.n && cost < STEP_BYTES) {
		r->after = b.numbers[i];
		cost += judge(c, &b.ids[i++]);
	}
}
