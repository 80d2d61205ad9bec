/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/policies.h"

#include "action/policy_step.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "crypto/sha256.h"
#include "server/audit.h"
#include "server/core/core.h"
#include "server/core/relaylink.h"
#include "server/store/policies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 65536
#define TICK_AGENTS 256 /* told in a tick: a thousand a second */
/* Who lags is kept from what several sign for so long, and told again
 * meanwhile, as a message may be lost. */
#define KEEP_MS 60000
#define AGAIN_MS 15000
#define AGAIN_TIMES 3
#define REPLY_MAX 4096

struct step {
	struct id previous, hash;
	struct id sum; /* SHA-256 of the envelope */
	uint32_t size;
};

struct policies {
	struct step *steps; /* owned */
	size_t n, cap;
	size_t next;        /* slot of the agent to look at next */
	int64_t told;       /* when it began with the first, mono ms */
	int64_t pushed;     /* when the newest came, mono ms; 0: before */
	unsigned int again; /* times to tell again */
	struct id held;     /* whose envelope this is */
	struct buf envelope;
};

struct policies *
policies_new(void)
{
	struct policies *p = calloc(1, sizeof(*p));

	if (p != NULL)
		buf_init(&p->envelope, ENVELOPE_MAX);
	return (p);
}

void
policies_free(struct policies *p)
{
	if (p == NULL)
		return;
	buf_release(&p->envelope);
	free(p->steps);
	free(p);
}

/* The step from this policy; NULL: it is the newest, or foreign. */
static struct step *
step_from(const struct policies *p, const struct id *previous)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (id_equal(&p->steps[i].previous, previous))
			return (&p->steps[i]);
	return (NULL);
}

/* A policy has one successor: the newest stored is it. */
static int
step_add(struct policies *p, const struct store_policy *sp)
{
	struct step *s = step_from(p, &sp->previous), *more;
	size_t cap;

	if (s == NULL && p->n == p->cap) {
		cap = p->cap == 0 ? 16 : 2 * p->cap;
		more = p->n < STEPS_MAX
		    ? reallocarray(p->steps, cap, sizeof(*more))
		    : NULL;
		if (more == NULL)
			return (ERR_NOMEM);
		p->steps = more;
		p->cap = cap;
	}
	if (s == NULL)
		s = &p->steps[p->n++];
	s->previous = sp->previous;
	s->hash = sp->hash;
	s->size = (uint32_t)sp->envelope_len;
	sha256(sp->envelope, sp->envelope_len, &s->sum);
	buf_clear(&p->envelope); /* other signatures, maybe */
	return (0);
}

static int
load_one(const struct store_policy *sp, void *arg)
{
	return (sp->envelope != NULL ? step_add(arg, sp) : 0);
}

int
policies_load(struct core *c, struct err *e)
{
	int rc;

	if ((c->policies = policies_new()) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	err_clear(e);
	rc = store_policies(c->read, load_one, c->policies, e);
	if (rc != 0 && e->code == 0) /* load_one()'s own */
		err_set(e, rc, "policies: %s", err_text(rc));
	c->policies->next = SIZE_MAX;
	return (rc);
}

const struct buf *
policies_envelope(struct core *c, const struct id *hash)
{
	struct policies *p = c->policies;
	struct err e;
	size_t i;

	if (p->envelope.len > 0 && id_equal(&p->held, hash))
		return (&p->envelope);
	/* Only what is a step is looked for: anybody may ask. */
	for (i = 0; i < p->n && !id_equal(&p->steps[i].hash, hash); i++)
		;
	if (i == p->n)
		return (NULL);
	buf_clear(&p->envelope);
	if (store_policy_envelope(c->read, hash, &p->envelope, &e) != 0) {
		log_error("policy_read error=%s", log_quote(e.msg));
		buf_clear(&p->envelope);
		return (NULL);
	}
	p->held = *hash;
	return (&p->envelope);
}

/* --- telling agents ------------------------------------------------------- */

void
policies_hello(struct core *c, const struct agent *a)
{
	const struct step *s;

	if (!a->policies || !a->online || a->revoked ||
	    (s = step_from(c->policies, &a->policy)) == NULL)
		return;
	log_debug("policy_announced agent=%s hash=%s", id_short(&a->id).s,
	    id_short(&s->hash).s);
	relaylink_policy(c->link, a, &s->hash, s->size, &s->sum);
}

bool
policies_keep(const struct core *c, const struct agent *a)
{
	const struct policies *p = c->policies;
	int64_t since = a->came > p->pushed ? a->came : p->pushed;

	if (since < c->started)
		since = c->started;
	return (a->policies && !a->revoked && p->n > 0 &&
	    clock_mono_ms() - since < KEEP_MS &&
	    !id_equal(&a->policy, &p->steps[p->n - 1].hash) &&
	    step_from(p, &a->policy) != NULL);
}

void
policies_relay_up(struct core *c)
{
	c->policies->next = 0;
}

void
policies_tick(struct core *c)
{
	struct policies *p = c->policies;
	size_t i;

	if (p->n == 0 || !relaylink_up(c->link))
		return;
	if (p->again > 0 && core_now(c) - p->told >= AGAIN_MS) {
		p->told = core_now(c);
		p->again--;
		p->next = 0;
	}
	for (i = 0; i < TICK_AGENTS && p->next < c->registry.n; i++)
		policies_hello(c, c->registry.slots[p->next++]);
}

/* --- a new one ------------------------------------------------------------ */

struct policy_job {
	struct core_job j;
	struct store_policy p; /* borrows from envelope */
	char by[STORE_FPR_HEX + 1];
	uint8_t envelope[];
};

static int
policy_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct policy_job *x = (struct policy_job *)j;
	struct id_hex hash = id_hex(&x->p.hash);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { x->by, "policy_pushed", hash.s, detail };
	int rc;

	if ((rc = store_policy_step(s, &x->p, e)) != 0)
		return (rc);
	snprintf(detail, sizeof(detail), "version %" PRIu64, x->p.version);
	return (audit_add(s, &note, clock_wall_ms(), e));
}

static void
policy_reply(struct core *c, uint32_t request, const struct store_policy *p)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, REPLY_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "hash", id_hex(&p->hash).s);
	jsonw_u64(&w, "version", p->version);
	jsonw_object_end(&w);
	core_reply(c, request, 201, &out);
	buf_release(&out);
}

static void
policy_done(struct writer_job *j)
{
	struct policy_job *x = (struct policy_job *)j;
	struct core *c = x->j.c;

	if (j->rc != 0) {
		core_refuse_err(c, x->j.request, &j->err);
	} else {
		fault_point("core.policy_stored");
		log_info("policy_new by=%s version=%" PRIu64 " hash=%s", x->by,
		    x->p.version, id_hex(&x->p.hash).s);
		if (step_add(c->policies, &x->p) != 0)
			core_broken(c, "a policy");
		c->policies->next = 0;
		c->policies->told = core_now(c);
		c->policies->pushed = core_now(c);
		c->policies->again = AGAIN_TIMES;
		rejudge_again(c);
		policy_reply(c, x->j.request, &x->p);
	}
	free(x);
}

static void
refuse_step(struct core *c, uint32_t request, enum policy_refusal reason,
    const struct err *e)
{
	core_refuse(c, request, 403, "policy",
	    "the policy is not taken: %s: %s", policy_refusal_text(reason),
	    e->msg);
}

/* Refused early what no agent would take. was is the policy before. */
static int
check_step(const struct policy *was, const struct policy *next,
    const struct envelope *env, enum policy_refusal *ret_reason, struct err *e)
{
	struct signer signers[SIGS_MAX];
	int64_t now = clock_wall_ms() / 1000;
	struct keyring k;
	struct acl *acl;
	int rc;

	*ret_reason = POLICY_FAILED;
	if ((rc = keyring_parse(was->keyring, was->keyring_len, &k, e)) != 0)
		return (err_wrap(e, "the policy before it"));
	keyring_verify(&k, PURPOSE_POLICY, env->doc, env->doc_len, env->sigs,
	    env->nsigs, now, signers);
	keyring_release(&k);
	if ((rc = acl_parse(was->acl, was->acl_len, &acl, e)) != 0)
		return (err_wrap(e, "the policy before it"));
	rc = policy_step(
	    was, acl, next, signers, env->nsigs, now, ret_reason, e);
	acl_free(acl);
	if (rc != 0)
		return (rc);
	*ret_reason = POLICY_OVER;
	if ((rc = policy_is_fresh(next, now, e)) != 0)
		return (rc);
	*ret_reason = POLICY_KEYS;
	if ((rc = keyring_parse(next->keyring, next->keyring_len, &k, e)) == 0)
		keyring_release(&k);
	return (rc);
}

/* Replies and returns false when it is none. */
static bool
is_step(struct core *c, uint32_t request, const struct policy *next,
    const struct envelope *env)
{
	enum policy_refusal reason;
	const struct step *other;
	struct policy was;
	struct buf text;
	struct err e;
	int rc;

	other = step_from(c->policies, &next->previous);
	if (other != NULL && !id_equal(&other->hash, &next->hash)) {
		core_refuse(c, request, 409, "exists",
		    "policy %s follows there already: a policy has one"
		    " successor",
		    id_hex(&other->hash).s);
		return (false);
	}
	buf_init(&text, POLICY_MAX);
	rc = store_policy_get(c->read, &next->previous, NULL, &text, &e);
	if (rc == ERR_NOTFOUND)
		core_refuse(c, request, 409, "predecessor",
		    "this server does not know version %" PRIu64
		    " before it (%s): push that one first, or set the first"
		    " with `mig-server policy set FILE`",
		    next->version - 1, id_hex(&next->previous).s);
	else if (rc != 0 ||
	    (rc = policy_parse(text.data, text.len, &was, &e)) != 0)
		core_refuse_err(c, request, &e);
	else if ((rc = check_step(&was, next, env, &reason, &e)) != 0 &&
	    e.code == ERR_NOMEM)
		core_refuse_err(c, request, &e); /* no word on the policy */
	else if (rc != 0)
		refuse_step(c, request, reason, &e);
	buf_release(&text);
	return (rc == 0);
}

static void
store_step(struct core *c, uint32_t request, const struct store_caller *by,
    const uint8_t *bytes, size_t len)
{
	struct policy_job *x;
	struct envelope env;
	struct policy p;

	x = core_job_new(c, sizeof(*x) + len, request, policy_run, policy_done);
	if (x == NULL) {
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	memcpy(x->envelope, bytes, len);
	memcpy(x->by, by->fpr, sizeof(x->by));
	/* what was read before, now out of the job's own bytes */
	if (envelope_parse(x->envelope, len, &env, NULL) != 0 ||
	    policy_parse(env.doc, env.doc_len, &p, NULL) != 0) {
		free(x);
		core_refuse(c, request, 500, "internal", "unreadable");
		return;
	}
	x->p.hash = p.hash;
	x->p.previous = p.previous;
	x->p.version = p.version;
	x->p.text = env.doc;
	x->p.len = env.doc_len;
	x->p.envelope = x->envelope;
	x->p.envelope_len = len;
	x->p.created = clock_wall_ms();
	writer_submit(c->writer, &x->j.j);
}

void
policies_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller by;
	struct envelope env;
	struct policy next;
	const uint8_t *p;
	struct id token;
	struct err e;
	size_t len;

	rd_copy(rd, token.b, ID_LEN);
	p = rd_field(rd, ENVELOPE_MAX, &len);
	if (!rd_done(rd)) {
		rd->bad = true;
		return;
	}
	if (!core_caller(c, request, &token, CALL_POLICIES_PUSH, &by))
		return;
	fault_point("core.policy_received");
	if (envelope_parse(p, len, &env, &e) != 0 ||
	    policy_parse(env.doc, env.doc_len, &next, &e) != 0) {
		core_refuse_err(c, request, &e);
		return;
	}
	if (next.version == 1) {
		core_refuse(c, request, 403, "policy",
		    "the first policy is not pushed: endpoints get it with"
		    " their enrolment (`mig-server policy set FILE`)");
		return;
	}
	if (is_step(c, request, &next, &env))
		store_step(c, request, &by, p, len);
}
