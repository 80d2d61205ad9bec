/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: a new action. Its signatures are verified and its target evaluated
 * before it is stored; the answer follows the commit, and only then is it
 * sent. Agents verify everything again themselves: what is refused here is
 * refused early and with a reason, not instead of them.
 */
#include "server/core/launch.h"
#include "server/core/cancel.h"
#include "server/core/policies.h"
#include "server/core/relaylink.h"
#include "server/core/unsaved.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/audit.h"
#include "server/stored.h"
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#define VALIDITY_MAX (INT64_C(366) * 86400)
#define LATE_SECONDS 90000
#define LOAD_AT_ONCE 1000

/* --- what the scheduler wants stored ------------------------------------ */

struct expect_job {
	struct core_job j;
	int64_t action, agent;
	bool sent;
	int status; /* -1, or the action's new status */
};

static int
expect_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct expect_job *x = (struct expect_job *)j;

	if (x->status >= 0)
		return (store_action_status(s, x->action, x->status, e));
	if (x->sent)
		return (store_expect_sent(s, x->action, x->agent, e));
	return (store_expect_add(s, x->action, x->agent, false, e));
}

static void
expect_done(struct writer_job *j)
{
	struct core_job *x = (struct core_job *)j;

	core_wake(x->c);
	if (!unsaved_job(x))
		free(x);
}

static void
submit_expect(
    struct core *c, int64_t action, int64_t agent, bool sent, int status)
{
	struct expect_job *x;

	x = core_job_new(c, sizeof(*x), 0, expect_run, expect_done);
	if (x == NULL) {
		core_broken(c, "an action's state");
		return;
	}
	x->action = action;
	x->agent = agent;
	x->sent = sent;
	x->status = status;
	unsaved_submit(&x->j);
}

static void
op_broadcast(struct run *r, void *arg)
{
	relaylink_broadcast(((struct core *)arg)->link, r);
}

static void
op_single(struct run *r, struct agent *a, void *arg)
{
	relaylink_single(((struct core *)arg)->link, r, a);
}

static void
op_cancel(struct run *r, struct agent *a, void *arg)
{
	relaylink_cancel(((struct core *)arg)->link, r, a);
}

static void
op_expect(struct run *r, struct agent *a, bool sent, void *arg)
{
	submit_expect(arg, r->n, a->n, sent, -1);
}

static void
op_status(struct run *r, int status, void *arg)
{
	log_info("action id=%s status=%s expected=%zu answered=%zu",
	    id_short(&r->id).s, action_status_text(status), r->expected,
	    r->answered);
	submit_expect(arg, r->n, 0, false, status);
}

static bool
op_keeps(const struct agent *a, int64_t now, void *arg)
{
	return (policies_keep(arg, a));
}

const struct sched_ops core_sched_ops = { op_broadcast, op_single, op_cancel,
	op_expect, op_status, op_keeps };

/* One signature suffices for what does not say otherwise: agents judge it. */
static bool
wants_several(const struct action *a)
{
	return (a->require_weight > 1 || a->nrequire_fprs > 0);
}

/* --- at start ----------------------------------------------------------- */

struct load {
	struct core *c;
	struct run_entry *entries;
	size_t n, seen;
	int64_t last;
};

/* Agents in the registry are in the order of their numbers. */
static struct agent *
agent_by_number(struct registry *r, int64_t n)
{
	size_t lo = 0, hi = r->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (r->slots[mid]->n < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < r->n && r->slots[lo]->n == n ? r->slots[lo] : NULL);
}

static int
load_expected(const struct store_expected *x, void *arg)
{
	static const uint8_t states[] = { X_WAITING, X_SENT, X_ANSWERED };
	struct load *l = arg;
	struct agent *a = agent_by_number(&l->c->registry, x->agent);

	l->seen++;
	l->last = x->agent;
	if (a != NULL && a->slot < l->n && x->state >= 0 && x->state <= 2)
		l->entries[a->slot].state = states[x->state];
	return (0);
}

/* Of what was read when it came. */
static bool
stored_wants_several(const struct store_action *a)
{
	struct envelope env;
	struct action doc;
	bool is;

	if (envelope_parse(a->envelope, a->envelope_len, &env, NULL) != 0 ||
	    action_parse(env.doc, env.doc_len, &doc, NULL) != 0)
		return (false);
	is = wants_several(&doc);
	action_release(&doc);
	return (is);
}

struct load_all {
	struct core *c;
	struct err *e;
};

static int
load_action(const struct store_action *a, void *arg)
{
	struct load_all *all = arg;
	struct core *c = all->c;
	struct load l = { c, NULL, c->registry.n, 0, 0 };
	struct run *r;
	struct err e;
	int rc;

	if (a->status == ACTION_WAITING)
		return (0); /* nobody is sent it */
	err_clear(&e);
	if ((rc = stored_action(a, &e)) == ERR_NOMEM)
		return (err_set(all->e, rc, "%s", e.msg));
	if (rc != 0) {
		log_error("action_damaged action=%s why=%s", id_short(&a->id).s,
		    log_quote(e.msg));
		return (0); /* the others go on */
	}
	if ((l.entries = calloc(l.n + 1, sizeof(*l.entries))) == NULL)
		return (err_set(all->e, ERR_NOMEM, "out of memory"));
	do {
		l.seen = 0;
		rc = store_expected(c->read, a->n, l.last, LOAD_AT_ONCE,
		    load_expected, &l, all->e);
	} while (rc == 0 && l.seen == LOAD_AT_ONCE);
	if (rc != 0 ||
	    (r = sched_run_new(&c->sched, a, l.entries, l.n, all->e)) == NULL) {
		free(l.entries);
		return (rc != 0 ? rc : ERR_NOMEM);
	}
	r->careful = stored_wants_several(a);
	sched_add(&c->sched, r, a->n);
	/* What was on its way is asked for on the agents' own topics. */
	r->launched = r->valid_from <= clock_wall_ms() / 1000;
	if (a->status == ACTION_CANCELLED && cancel_load(c, r, &e) != 0)
		log_error("cancel_damaged action=%s why=%s", id_short(&a->id).s,
		    log_quote(e.msg));
	return (0);
}

int
launch_load(struct core *c, struct err *e)
{
	struct load_all l = { c, e };
	int rc;

	err_clear(e);
	rc = store_actions_live(
	    c->read, clock_wall_ms() / 1000 - LATE_SECONDS, load_action, &l, e);
	if (rc == 0)
		log_info("actions live=%zu open=%zu", c->sched.nruns,
		    c->sched.nopen);
	return (rc);
}

struct late_job {
	struct core_job j;
	int64_t before, n;
};

static int
late_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct late_job *x = (struct late_job *)j;

	return (store_actions_expire(s, x->before, &x->n, e));
}

static void
late_done(struct writer_job *j)
{
	struct late_job *x = (struct late_job *)j;

	if (j->rc == 0 && x->n > 0)
		log_info("actions_expired late=%lld", (long long)x->n);
	if (!unsaved_job(&x->j))
		free(x);
}

/* No core ran when they ended, and the scheduler knows them no more: nobody
 * else would ever say that they did. */
void
launch_end_late(struct core *c)
{
	struct late_job *x;

	x = core_job_new(c, sizeof(*x), 0, late_run, late_done);
	if (x == NULL) {
		core_broken(c, "actions that ended");
		return;
	}
	x->before = clock_wall_ms() / 1000 - LATE_SECONDS;
	unsaved_submit(&x->j);
}

/* --- a new one ---------------------------------------------------------- */

void
launch_free(struct launch_job *x)
{
	action_release(&x->doc);
	free(x->envelope);
	sched_run_free(x->run);
	free(x->entries);
	free(x->expect);
	free(x);
}

/* Who brought it, who signed it, what it is called, how many it asks. */
static int
note_launch(struct store *s, const struct launch_job *x, struct err *e)
{
	struct id_hex id = id_hex(&x->a.id);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { x->by, "action_launched", id.s, detail };

	snprintf(detail, sizeof(detail), "%.300s; signed by %.500s; %zu agents",
	    x->a.name, x->a.investigators, x->nexpect);
	return (audit_add(s, &note, x->a.created, e));
}

static int
launch_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct launch_job *x = (struct launch_job *)j;
	int rc;

	if (x->waits || x->was > 0)
		rc = cosign_store(s, x, e);
	else
		rc = store_action_put(
		    s, &x->a, x->expect, x->nexpect, &x->a.n, e);
	fault_point("core.action_put");
	return (rc != 0 || x->waits ? rc : note_launch(s, x, e));
}

/* x: what it was launched with just now, or NULL. */
static void
reply_action(struct core *c, uint32_t request, int status, const struct id *id,
    size_t expected, size_t online, const struct launch_job *x)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 1024);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(id).s);
	jsonw_u64(&w, "expected", expected);
	jsonw_u64(&w, "online", online);
	if (x != NULL)
		cosign_add_uncounted(x, &w);
	jsonw_object_end(&w);
	core_reply(c, request, status, &out);
	buf_release(&out);
}

static void
action_event(struct core *c, const struct store_action *a)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 65536);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&a->id).s);
	jsonw_str(&w, "name", a->name);
	jsonw_str(&w, "status", action_status_text(a->status));
	jsonw_raw(
	    &w, "investigators", a->investigators, strlen(a->investigators));
	jsonw_object_end(&w);
	if (buf_str(&out) != NULL)
		core_event(c, "action", buf_str(&out));
	buf_release(&out);
}

static size_t
run_online(struct core *c, const struct run *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->nentries && i < c->registry.n; i++)
		n += r->entries[i].state >= X_WAITING &&
		    c->registry.slots[i]->online;
	return (n);
}

bool
launch_reply_known(struct core *c, uint32_t request, const struct id *id)
{
	struct run *r = sched_find(&c->sched, id);

	if (r == NULL)
		return (false);
	if (r->status == ACTION_CANCELLED)
		core_refuse(c, request, 409, "exists",
		    "action %s was cancelled: make a new one", id_short(id).s);
	else
		reply_action(
		    c, request, 200, id, r->expected, run_online(c, r), NULL);
	return (true);
}

/* It is stored: from here on agents get it. */
static void
launched(struct core *c, struct launch_job *x)
{
	fault_point("core.action_stored");
	log_info("action_new id=%s by=%s name=%s expected=%zu online=%zu",
	    id_short(&x->a.id).s, x->by, log_quote(x->a.name), x->nexpect,
	    x->online);
	reply_action(c, x->j.request, 201, &x->a.id, x->nexpect, x->online, x);
	fault_point("core.action_replied");
	c->status.actions_total += x->was == 0;
	sched_add(&c->sched, x->run, x->a.n);
	sched_catch_up(&c->sched, x->run, x->judged);
	x->run = NULL;
	sched_tick(&c->sched, core_now(c));
	fault_point("core.action_published");
}

/* Two at once, and the other was first; or it is long there. */
static void
reply_second(struct core *c, const struct launch_job *x)
{
	if (x->was > 0 || cosign_waits(c, &x->a.id))
		core_refuse(c, x->j.request, 503, "busy",
		    "the action was changed at the same moment: try again");
	else if (!launch_reply_known(c, x->j.request, &x->a.id))
		core_refuse(c, x->j.request, 409, "exists",
		    "this action was launched before and has ended: make a"
		    " new one");
}

static void
launch_done(struct writer_job *j)
{
	struct launch_job *x = (struct launch_job *)j;
	struct core *c = x->j.c;

	if (j->rc != 0 && x->j.request == 0)
		rejudge_failed(c, &x->a.id, &j->err);
	if (j->rc == ERR_EXISTS) {
		reply_second(c, x);
		launch_free(x);
		return;
	}
	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
		launch_free(x);
		return;
	}
	if (x->waits && !id_equal(&x->standing.policy, &c->rejudge.policy))
		rejudge_again(c); /* there was another meanwhile */
	if (x->waits)
		cosign_reply(c, 201, x);
	else
		launched(c, x);
	action_event(c, &x->a);
	launch_free(x);
}

static int
check_times(const struct action *a, struct err *e)
{
	char text[RFC3339_LEN + 1], here[RFC3339_LEN + 1];
	int64_t now = clock_wall_ms() / 1000;

	rfc3339_format(a->expire_after, text);
	rfc3339_format(now, here);
	if (a->expire_after <= now)
		return (err_set(e, ERR_EXPIRED,
		    "expireafter: the action ended at %s, and the server's"
		    " clock says %s: make a new one, or set the clock",
		    text, here));
	if (a->expire_after - a->valid_from > VALIDITY_MAX ||
	    a->expire_after > now + VALIDITY_MAX)
		return (err_set(e, ERR_INVALID,
		    "expireafter: %s is more than a year away", text));
	return (0);
}

/* Whom it expects; those that are online are sent it right after the commit
 * and stored so with it. */
static int
expect(struct core *c, struct launch_job *x, struct err *e)
{
	bool now, careful = wants_several(&x->doc);
	size_t i, n;
	int rc;

	x->judged = core_now(c);
	rc = sched_match(&c->sched, x->doc.target, x->a.online_only,
	    &x->entries, &x->nentries, &n, e);
	if (rc != 0)
		return (err_wrap(e, "target"));
	x->expect = reallocarray(NULL, n + 1, sizeof(*x->expect));
	if (x->expect == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	now = x->doc.valid_from <= clock_wall_ms() / 1000 &&
	    relaylink_up(c->link);
	for (i = 0; i < x->nentries; i++) {
		const struct agent *a = c->registry.slots[i];

		if (x->entries[i].state != X_WAITING)
			continue;
		x->online += a->online;
		if (now && a->online && !(careful && policies_keep(c, a)))
			x->entries[i].state = X_SENT;
		x->expect[x->nexpect].agent = a->n;
		x->expect[x->nexpect++].sent = x->entries[i].state == X_SENT;
	}
	return (0);
}

static void
first_signer(struct launch_job *x)
{
	size_t i = 0;

	while (x->signers.list[i].verdict != SIG_GOOD)
		i++;
	hex_encode(x->signers.list[i].person, PGP_FPR_LEN, x->first);
}

/* Is it to wait? */
static int
judge(struct core *c, struct launch_job *x, struct envelope *env, struct err *e)
{
	const struct judging *j;
	int rc = judging_now(c, &j, e);

	if (rc != 0)
		return (rc);
	rc = judging_standing(j, &x->doc, env, &x->standing, e);
	x->waits = rc == 0 && !x->standing.met;
	if (x->waits && x->was == 0 &&
	    (rc = cosign_strip(c, j, x, env, e)) == 0)
		rc = judging_standing(j, &x->doc, env, &x->standing, e);
	return (rc);
}

static int
fill(struct core *c, struct launch_job *x, struct envelope *env, struct err *e)
{
	const char *by = x->j.request != 0 ? x->by : NULL;
	int rc;

	if ((rc = action_parse(env->doc, env->doc_len, &x->doc, e)) != 0)
		return (rc);
	if ((rc = check_times(&x->doc, e)) != 0 ||
	    (rc = core_signers(c, PURPOSE_ACTION, env, by, &x->signers, e)) !=
		0 ||
	    (wants_several(&x->doc) && (rc = judge(c, x, env, e)) != 0))
		return (rc);
	first_signer(x);
	x->a.name = x->doc.name;
	x->a.target = x->doc.target;
	x->a.investigators = x->signers.names;
	x->a.created = clock_wall_ms();
	x->a.valid_from = x->doc.valid_from;
	x->a.expire_after = x->doc.expire_after;
	return (0);
}

/* Whom it is for; one that waits is for nobody yet, but could be. */
static int
aim(struct core *c, struct launch_job *x, struct err *e)
{
	struct target *t;
	int rc;

	if (x->waits) {
		x->a.status = ACTION_WAITING;
		rc = target_prepare(c->sched.targets, x->doc.target, &t, e);
		if (rc != 0)
			return (err_wrap(e, "target"));
		target_free(t);
		return (0);
	}
	if ((rc = expect(c, x, e)) != 0)
		return (rc);
	x->run = sched_run_new(&c->sched, &x->a, x->entries, x->nentries, e);
	if (x->run == NULL)
		return (ERR_NOMEM);
	x->entries = NULL;
	x->run->careful = wants_several(&x->doc);
	return (sched_room(&c->sched, x->run, e));
}

static void
refuse_full(struct core *c, uint32_t request)
{
	if (c->store_over)
		core_refuse(c, request, 507, "storage",
		    "the server's store is larger than store_max (%llu bytes)"
		    " and nothing in it may go: no new action is taken until"
		    " one has ended",
		    (unsigned long long)c->role.conf.store_max);
	else
		core_refuse(c, request, 507, "storage",
		    "the server's disk has only %llu MiB left (disk_reserve is"
		    " %llu): no new action is taken until there is room",
		    (unsigned long long)(c->status.disk_free >> 20),
		    (unsigned long long)(c->role.conf.disk_reserve >> 20));
	log_warn("action_refused why=\"no room on the disk\"");
}

bool
launch_is_full(struct core *c, uint32_t request)
{
	if (c->disk != DISK_OK)
		refuse_full(c, request);
	return (c->disk != DISK_OK);
}

struct launch_job *
launch_job_new(struct core *c, uint32_t request, const struct store_caller *by,
    const void *envelope, size_t len)
{
	struct launch_job *x =
	    core_job_new(c, sizeof(*x), request, launch_run, launch_done);

	if (x == NULL || (x->envelope = malloc(len)) == NULL) {
		free(x);
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return (NULL);
	}
	memcpy(x->envelope, envelope, len);
	memcpy(x->by, by->fpr, sizeof(x->by));
	x->a.envelope = x->envelope;
	x->a.envelope_len = len;
	x->j.j.cost += len;
	return (x);
}

void
launch_submit(struct core *c, struct launch_job *x)
{
	struct envelope env;
	struct err e;
	int rc;

	rc = envelope_parse(x->envelope, x->a.envelope_len, &env, &e);
	if (rc == 0) {
		purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &x->a.id);
		rc = fill(c, x, &env, &e);
	}
	if (rc == 0)
		rc = aim(c, x, &e);
	if (rc != 0 && x->j.request == 0) {
		rejudge_failed(c, &x->a.id, &e);
		launch_free(x);
		return;
	}
	if (rc != 0) {
		log_warn("action_refused id=%s by=%s why=%s",
		    id_short(&x->a.id).s, x->by, log_quote(e.msg));
		core_refuse_err(c, x->j.request, &e);
		launch_free(x);
		return;
	}
	fault_point("core.action_verified");
	if (x->was > 0 && x->added == 0 && x->waits) {
		cosign_reply(c, 200, x); /* nothing new */
		launch_free(x);
		return;
	}
	/* it takes room, also by a signature that was there before */
	if (x->was > 0 && launch_is_full(c, x->j.request)) {
		launch_free(x);
		return;
	}
	writer_submit(c->writer, &x->j.j);
}

void
launch_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	const uint8_t *bytes;
	struct launch_job *x;
	struct envelope env;
	struct id token, id;
	struct err e;
	uint8_t online;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	online = rd_u8(rd);
	bytes = rd_field(rd, ENVELOPE_MAX, &len);
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_ACTIONS_LAUNCH, &s))
		return;
	fault_point("core.action_received");
	if (envelope_parse(bytes, len, &env, &e) != 0) {
		core_refuse_err(c, request, &e);
		return;
	}
	purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &id);
	if (launch_reply_known(c, request, &id) ||
	    cosign_known(c, request, &s, &id, &env) ||
	    launch_is_full(c, request) ||
	    (x = launch_job_new(c, request, &s, bytes, len)) == NULL)
		return;
	x->a.online_only = online != 0;
	x->added = env.nsigs;
	launch_submit(c, x);
}
