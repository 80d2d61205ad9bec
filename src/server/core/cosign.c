/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: actions that wait for more signatures. They are in the store alone:
 * the scheduler, which sends, does not know them, and so neither a hello, nor
 * an agent that asks for parts, nor a restart can bring one to an agent. With
 * each signature, and with each policy (rejudge.c), the whole is judged anew,
 * by the very code that judges a new action, and goes the way of a new one when
 * nothing is missing any more.
 */
#include "server/core/launch.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "server/audit.h"
#include "server/store/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define BY_SERVER " (by the server's keyring)"

/* --- one more signature --------------------------------------------------- */

static int
take(const struct store_action *a, void *arg)
{
	struct cosign_known *k = arg;

	k->n = a->n;
	k->status = a->status;
	k->online_only = a->online_only;
	return (buf_add(&k->bytes, a->envelope, a->envelope_len));
}

int
cosign_load(
    struct core *c, const struct id *id, struct cosign_known *k, struct err *e)
{
	const struct keyring *ring = core_keyring(c, e);
	int rc;

	if (ring == NULL)
		return (e->code);
	rc = store_action_get(c->read, id, take, k, e);
	if (k->bytes.error != 0)
		err_set(e, rc, "the stored action: %s", err_text(rc));
	if (rc == 0)
		rc = envelope_parse(k->bytes.data, k->bytes.len, &k->env, e);
	if (rc == 0)
		keyring_verify(ring, PURPOSE_ACTION, k->env.doc, k->env.doc_len,
		    k->env.sigs, k->env.nsigs, clock_wall_ms() / 1000,
		    k->signers);
	return (rc);
}

static bool
has_bytes(const struct envelope *env, const struct sig_bytes *sig)
{
	size_t i;

	for (i = 0; i < env->nsigs; i++)
		if (env->sigs[i].len == sig->len &&
		    memcmp(env->sigs[i].data, sig->data, sig->len) == 0)
			return (true);
	return (false);
}

static bool
has_person(const struct cosign_known *k, const struct signer *s)
{
	size_t i;

	for (i = 0; i < k->env.nsigs; i++)
		if (k->signers[i].verdict == SIG_GOOD &&
		    memcmp(k->signers[i].person, s->person, PGP_FPR_LEN) == 0)
			return (true);
	return (false);
}

/* None of what came is added: why. Who can add nothing would, as a signer,
 * take a place and could cancel. */
static int
nothing_new(bool again, bool idle, struct err *e)
{
	if (again)
		return (err_set(e, ERR_EXISTS,
		    "the same person has signed it already: a second"
		    " signature of one person adds nothing"));
	if (idle)
		return (err_set(e, ERR_DENIED,
		    "the signature is not taken, as it cannot count: by the"
		    " newest policy that the server has its signer brings no"
		    " weight for what is asked, and the action does not"
		    " require it"));
	return (0);
}

static void
leave(struct uncounted *left, const struct signer *s, const char *why)
{
	char text[UNCOUNTED_WHY_MAX];

	snprintf(
	    text, sizeof(text), "%s" BY_SERVER, sig_verdict_text(s->verdict));
	uncounted_add(left, s, s->verdict != SIG_GOOD ? text : why);
}

/* What is there with what is good, new and counts in more; it may
 * be no more. */
static int
merge(const struct cosign_known *k, const struct envelope *more,
    const struct core_signers *by, const struct counting *is,
    struct envelope *ret, struct uncounted *left, struct err *e)
{
	bool again = false, idle = false, good, second;
	size_t i;

	*ret = k->env;
	for (i = 0; i < more->nsigs; i++) {
		if (has_bytes(&k->env, &more->sigs[i]))
			continue;
		good = by->list[i].verdict == SIG_GOOD;
		second = good && has_person(k, &by->list[i]);
		if (!good || second || !is[i].counts) {
			again = again || second;
			idle = idle || (good && !second);
			leave(left, &by->list[i],
			    second ? "its signer has signed it already"
				   : is[i].why);
			continue;
		}
		if (ret->nsigs == SIGS_MAX)
			return (err_set(e, ERR_TOOBIG,
			    "it has %d signatures already", SIGS_MAX));
		ret->sigs[ret->nsigs++] = more->sigs[i];
	}
	return (ret->nsigs > k->env.nsigs ? 0 : nothing_new(again, idle, e));
}

/* It does not wait: it was launched with this very signature, or it is too
 * late. */
static void
reply_over(struct core *c, uint32_t request, const struct id *id,
    const struct cosign_known *k, const struct envelope *more)
{
	size_t i = 0;

	while (i < more->nsigs && has_bytes(&k->env, &more->sigs[i]))
		i++;
	if (i == more->nsigs && launch_reply_known(c, request, id))
		return;
	core_refuse(c, request, 409, "exists",
	    "action %s does not wait for signatures: it is %s", id_short(id).s,
	    action_status_text(k->status));
}

static void
refuse(struct core *c, uint32_t request, const struct store_caller *by,
    const struct id *id, const struct err *e)
{
	log_warn("cosign_refused id=%s by=%s why=%s", id_short(id).s, by->fpr,
	    log_quote(e->msg));
	core_refuse_err(c, request, e);
}

static int
counting(struct core *c, const struct envelope *env, struct counting *ret,
    struct err *e)
{
	const struct judging *j;
	struct action a;
	int rc = action_parse(env->doc, env->doc_len, &a, e);

	if (rc != 0)
		return (rc);
	if ((rc = judging_now(c, &j, e)) == 0)
		judging_counts(j, &a, env, ret);
	action_release(&a);
	return (rc);
}

static void
submit(struct core *c, uint32_t request, const struct store_caller *by,
    const struct cosign_known *k, const struct envelope *more)
{
	struct uncounted left = { .n = 0 };
	struct counting is[SIGS_MAX];
	struct core_signers signers;
	struct envelope all;
	struct launch_job *x;
	struct buf bytes;
	struct err e;
	struct id id;

	err_clear(&e);
	buf_init(&bytes, ENVELOPE_MAX);
	purpose_hash(PURPOSE_ACTION, more->doc, more->doc_len, &id);
	if (core_signers(c, PURPOSE_ACTION, more, by->fpr, &signers, &e) != 0 ||
	    counting(c, more, is, &e) != 0 ||
	    merge(k, more, &signers, is, &all, &left, &e) != 0 ||
	    envelope_write(&all, &bytes, &e) != 0) {
		refuse(c, request, by, &id, &e);
	} else if ((x = launch_job_new(
			c, request, by, bytes.data, bytes.len)) != NULL) {
		x->a.n = k->n;
		x->a.online_only = k->online_only;
		x->was = k->bytes.len;
		x->added = all.nsigs - k->env.nsigs;
		x->left = left;
		launch_submit(c, x);
	}
	buf_release(&bytes);
}

static void
cosign(struct core *c, uint32_t request, const struct store_caller *by,
    const struct id *id, const struct envelope *more,
    const struct cosign_known *k)
{
	if (k->status != ACTION_WAITING)
		reply_over(c, request, id, k, more);
	else
		submit(c, request, by, k, more);
}

bool
cosign_known(struct core *c, uint32_t request, const struct store_caller *by,
    const struct id *id, const struct envelope *env)
{
	struct cosign_known k = { .n = 0 };
	struct err e;
	bool waits;

	err_clear(&e);
	buf_init(&k.bytes, ENVELOPE_MAX);
	waits = cosign_load(c, id, &k, &e) == 0 && k.status == ACTION_WAITING;
	if (waits)
		cosign(c, request, by, id, env, &k);
	buf_release(&k.bytes);
	return (waits);
}

static int
take_status(const struct store_action *a, void *arg)
{
	*(int *)arg = a->status;
	return (0);
}

bool
cosign_waits(struct core *c, const struct id *id)
{
	int status = ACTION_OPEN;

	return (
	    store_action_get(c->read, id, take_status, &status, NULL) == 0 &&
	    status == ACTION_WAITING);
}

static int
check_one(const struct envelope *env, const struct id *id, struct err *e)
{
	struct id is;

	purpose_hash(PURPOSE_ACTION, env->doc, env->doc_len, &is);
	if (!id_equal(&is, id))
		return (err_set(e, ERR_INVALID,
		    "document: what is signed is action %s, not %s",
		    id_short(&is).s, id_hex(id).s));
	if (env->nsigs != 1)
		return (err_set(e, ERR_INVALID,
		    "signatures: expected one, not %zu", env->nsigs));
	return (0);
}

void
cosign_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct cosign_known k = { .n = 0 };
	struct store_caller by;
	const uint8_t *bytes;
	struct envelope env;
	struct id token, id;
	struct err e;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, id.b, ID_LEN);
	bytes = rd_field(rd, ENVELOPE_MAX, &len);
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_ACTIONS_LAUNCH, &by))
		return;
	err_clear(&e);
	buf_init(&k.bytes, ENVELOPE_MAX);
	if (envelope_parse(bytes, len, &env, &e) != 0 ||
	    check_one(&env, &id, &e) != 0 || cosign_load(c, &id, &k, &e) != 0)
		refuse(c, request, &by, &id, &e);
	else
		cosign(c, request, &by, &id, &env, &k);
	buf_release(&k.bytes);
}

/* --- a new one ------------------------------------------------------------ */

int
cosign_strip(struct core *c, const struct judging *j, struct launch_job *x,
    struct envelope *env, struct err *e)
{
	struct envelope kept = *env;
	struct counting is[SIGS_MAX];
	bool first = true;
	struct buf bytes;
	uint8_t *p;
	size_t i;
	int rc;

	judging_counts(j, &x->doc, env, is);
	kept.nsigs = 0;
	for (i = 0; i < env->nsigs; i++) {
		if (x->signers.list[i].verdict != SIG_GOOD ||
		    (!first && !is[i].counts)) {
			leave(&x->left, &x->signers.list[i], is[i].why);
			continue;
		}
		first = false;
		kept.sigs[kept.nsigs++] = env->sigs[i];
	}
	if (kept.nsigs == env->nsigs)
		return (0);
	log_info("signatures_left_out id=%s n=%zu", id_short(&x->a.id).s,
	    env->nsigs - kept.nsigs);
	buf_init(&bytes, ENVELOPE_MAX);
	if ((rc = envelope_write(&kept, &bytes, e)) != 0) {
		buf_release(&bytes);
		return (rc);
	}
	buf_take(&bytes, &p, &x->a.envelope_len);
	free(x->envelope);
	x->envelope = p;
	x->a.envelope = p;
	x->added = kept.nsigs;
	rc = envelope_parse(p, x->a.envelope_len, env, e);
	return (rc != 0
		? rc
		: core_signers(c, PURPOSE_ACTION, env, x->by, &x->signers, e));
}

/* --- storing -------------------------------------------------------------- */

/* first: as hex; NULL where it is not written. */
void
cosign_row(const struct standing *s, const char *first,
    char uncounted[static UNCOUNTED_JSON_MAX], struct store_waiting *ret)
{
	uncounted_text(&s->uncounted, uncounted);
	*ret = (struct store_waiting){ .first = first,
		.has = s->weight.has,
		.needs = s->weight.needs,
		.missing = s->missing,
		.possible = s->possible,
		.uncounted = uncounted,
		.policy = s->version };
}

static int
note(struct store *s, const struct launch_job *x, const char *what,
    struct err *e)
{
	struct id_hex id = id_hex(&x->a.id);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note n = { x->by, what, id.s, detail };

	snprintf(detail, sizeof(detail),
	    "%.300s; signed by %.400s; weight %lld of %lld; policy %llu",
	    x->a.name, x->a.investigators, (long long)x->standing.weight.has,
	    (long long)x->standing.weight.needs,
	    (unsigned long long)x->standing.version);
	return (audit_add(s, &n, x->a.created, e));
}

int
cosign_store(struct store *s, struct launch_job *x, struct err *e)
{
	char left[UNCOUNTED_JSON_MAX], uncounted[UNCOUNTED_JSON_MAX];
	struct store_waiting w;
	int rc;

	cosign_row(&x->standing, x->first, uncounted, &w);
	uncounted_text(&x->left, left);
	w.left_out = left;
	if (x->was == 0)
		rc = store_waiting_put(s, &x->a, &w, &x->a.n, e);
	else if (x->waits)
		rc = store_waiting_sign(s, &x->a, &w, x->was, e);
	else
		rc = store_waiting_launch(
		    s, &x->a, x->was, x->expect, x->nexpect, e);
	if (rc != 0)
		return (rc);
	return (note(s, x,
	    x->was == 0         ? "action_waiting"
		: x->added == 0 ? "action_rejudged"
				: "action_cosigned",
	    e));
}

void
cosign_add_uncounted(const struct launch_job *x, struct jsonw *w)
{
	if (x->left.n > 0)
		uncounted_json(&x->left, w, "left_out");
	if (x->standing.uncounted.n > 0)
		uncounted_json(&x->standing.uncounted, w, "uncounted");
}

void
cosign_reply(struct core *c, int status, const struct launch_job *x)
{
	struct buf out;
	struct jsonw w;

	if (x->added > 0)
		log_info("%s id=%s by=%s has=%lld needs=%lld",
		    x->was == 0 ? "action_waiting" : "action_cosigned",
		    id_short(&x->a.id).s, x->by,
		    (long long)x->standing.weight.has,
		    (long long)x->standing.weight.needs);
	c->status.actions_total += x->was == 0;
	buf_init(&out, 4096);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&x->a.id).s);
	jsonw_str(&w, "status", action_status_text(ACTION_WAITING));
	jsonw_object(&w, "weight");
	jsonw_i64(&w, "has", x->standing.weight.has);
	jsonw_i64(&w, "needs", x->standing.weight.needs);
	jsonw_object_end(&w);
	jsonw_str(&w, "missing", x->standing.missing);
	jsonw_bool(&w, "possible", x->standing.possible);
	cosign_add_uncounted(x, &w);
	jsonw_object_end(&w);
	core_reply(c, x->j.request, status, &out);
	buf_release(&out);
}

/* --- their end ------------------------------------------------------------ */

struct expire_job {
	struct core_job j;
	int64_t now, n;
};

static int
expire_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct expire_job *x = (struct expire_job *)j;

	return (store_waiting_expire(s, x->now, &x->n, e));
}

static void
expire_done(struct writer_job *j)
{
	struct expire_job *x = (struct expire_job *)j;

	if (j->rc == 0 && x->n > 0)
		log_info("actions_expired waiting=%lld", (long long)x->n);
	core_wake(x->j.c);
	free(x);
}

/* What cannot be stored now is found again with the next tick. */
void
cosign_tick(struct core *c, int64_t now)
{
	int64_t wall = clock_wall_ms() / 1000;
	struct expire_job *x;

	rejudge_step(c);
	if (now - c->last_waiting < TICK_MS)
		return;
	c->last_waiting = now;
	c->status.actions_waiting = (uint64_t)store_waiting_total(c->read);
	if (c->status.actions_waiting == 0)
		return;
	rejudge_begin(c, now);
	if (store_waiting_due(c->read, wall) == 0)
		return;
	x = core_job_new(c, sizeof(*x), 0, expire_run, expire_done);
	if (x == NULL)
		return;
	x->now = wall;
	writer_submit(c->writer, &x->j.j);
}
