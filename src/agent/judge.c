/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-judge: reads the document and says whether this endpoint may and
 * must run it: syntax, target, weights, policy, time. It may narrow what the
 * policy allows, never add to it. It is told the policy and this endpoint's
 * row once, warms up, gives up every right, and only then reads documents.
 * It also takes envelopes apart for mig-agent --once.
 */
#include "action/acl.h"
#include "action/cancel.h"
#include "action/document.h"
#include "action/policy_step.h"
#include "action/refusal.h"
#include "agent/failed.h"
#include "agent/judged.h"
#include "agent/messages.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "modules/agent/wish.h"
#include "modules/module.h"
#include "proc/proc.h"
#include "sandbox/sandbox.h"
#include "target/target.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (512 * 1024 * 1024)
#define SQL_MEMORY_MAX (8 * 1024 * 1024)
#define FACT_FIELDS 10
#define FACT_MAX 65536

struct judge {
	struct policy policy; /* parts borrow from text: not used */
	struct acl *acl;
	struct policy_limits limits;
	struct target_engine *engine;
	char *facts[FACT_FIELDS];
	struct target_row row; /* borrows from facts */
	struct msg_user user;
};

/* --- start ---------------------------------------------------------------- */

static void
take_facts(struct judge *j, struct rd *r)
{
	const char **slots[FACT_FIELDS] = { &j->row.id, &j->row.name,
		&j->row.os, &j->row.arch, &j->row.ident, &j->row.version,
		&j->row.mode, &j->row.environment, &j->row.tags,
		&j->row.addresses };
	const uint8_t *p;
	size_t i, len;

	for (i = 0; i < FACT_FIELDS; i++) {
		p = rd_field(r, FACT_MAX, &len);
		j->facts[i] = p == NULL ? NULL : strndup((const char *)p, len);
		if (j->facts[i] == NULL)
			r->bad = true;
		*slots[i] = j->facts[i];
	}
}

static int
take_policy(struct judge *j, const uint8_t *text, size_t len, struct err *e)
{
	int rc = policy_parse(text, len, &j->policy, e);

	if (rc != 0)
		return err_wrap(e, "policy");
	rc = acl_parse(j->policy.acl, j->policy.acl_len, &j->acl, e);
	if (rc != 0)
		return err_wrap(e, "policy: acl");
	rc = policy_limits_parse(
	    j->policy.limits, j->policy.limits_len, &j->limits, e);
	return rc == 0 ? 0 : err_wrap(e, "policy: limits");
}

/* One evaluation touches what every later one needs. */
static int
warm_up(struct judge *j, struct err *e)
{
	struct target *t = NULL;
	bool yes;
	int rc;

	j->engine = target_engine_new(SQL_MEMORY_MAX, e);
	if (j->engine == NULL)
		return ERR_INTERNAL;
	rc = target_prepare(
	    j->engine, "name LIKE '%' AND environment->>'os' <> ''", &t, e);
	if (rc == 0)
		rc = target_match(t, &j->row, &yes, e);
	target_free(t);
	return rc == 0 ? 0 : err_wrap(e, "trying a target");
}

static int
start(struct judge *j, struct err *e)
{
	struct sandbox box = { .profile = SANDBOX_COMPUTE };
	struct ipc_msg msg;
	const uint8_t *text;
	struct buf in;
	struct rd r;
	size_t len;
	int rc;

	buf_init(&in, MSG_POLICY_MAX);
	rc = ipc_read(PROC_IPC_FD, &in, &msg, false, e);
	if (rc == 0 &&
	    (msg_allowed(ROLE_MONITOR, ROLE_JUDGE, &msg) != 0 ||
		msg.type != MSG_JUDGE_START))
		rc = err_set(e, ERR_INVALID, "expected a start message");
	if (rc == 0) {
		rd_init(&r, msg.body, msg.len);
		j->user.uid = rd_u32(&r);
		j->user.gid = rd_u32(&r);
		text = rd_field(&r, POLICY_MAX, &len);
		take_facts(j, &r);
		if (rd_done(&r))
			rc = take_policy(j, text, len, e);
		else
			rc = err_set(e, ERR_INVALID, "bad start message");
	}
	buf_release(&in);
	if (rc == 0)
		rc = warm_up(j, e);
	if (rc != 0)
		return rc;
	box.uid = j->user.uid;
	box.gid = j->user.gid;
	box.limits.memory_bytes = MEMORY_MAX;
	return sandbox_enter(&box, e);
}

/* Of each module that there is here: what its entry narrows. */
static int
fill_narrowed(const struct acl *acl, struct judge_ready *v, struct err *e)
{
	const struct module *const *m;
	const struct acl_entry *en;
	struct narrowed *n;
	size_t all, i;

	v->narrowed = calloc(NARROWED_MAX, sizeof(*v->narrowed));
	if (v->narrowed == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	m = module_all(&all);
	for (i = 0; i < all; i++) {
		en = acl_of_module(acl, m[i]->name);
		if (en == NULL ||
		    (en->detail == DETAIL_FULL && en->paths[0] == '\0'))
			continue;
		if (v->nnarrowed == NARROWED_MAX)
			return err_set(e, ERR_TOOBIG,
			    "the policy limits more than %d modules",
			    NARROWED_MAX);
		n = &v->narrowed[v->nnarrowed++];
		n->module = (uint16_t)m[i]->number;
		n->detail = (uint8_t)en->detail;
		if (m[i]->paths != NULL)
			str_copy(n->paths, sizeof(n->paths), en->paths);
	}
	return 0;
}

static int
say_ready(const struct judge *j, struct err *e)
{
	struct judge_ready v;
	struct buf out;
	int rc;

	memset(&v, 0, sizeof(v));
	v.version = j->policy.version;
	v.issued = j->policy.issued;
	v.expires = j->policy.expires;
	v.keyring_len = (uint32_t)j->policy.keyring_len;
	v.acl_len = (uint32_t)j->policy.acl_len;
	v.limits_len = (uint32_t)j->policy.limits_len;
	v.workers = (uint32_t)j->limits.workers;
	v.queue = (uint32_t)j->limits.queue;
	str_copy(v.sandbox, sizeof(v.sandbox), sandbox_describe());
	rc = fill_narrowed(j->acl, &v, e);
	if (rc != 0) {
		judge_ready_release(&v);
		return rc;
	}
	buf_init(&out, 65536);
	rc = judge_ready_write(&v, &out);
	if (rc == 0)
		rc = ipc_write(
		    PROC_IPC_FD, MSG_JUDGE_READY, 0, out.data, out.len, -1, e);
	judge_ready_release(&v);
	buf_release(&out);
	return rc;
}

/* --- judging -------------------------------------------------------------- */

struct question {
	int64_t now, floor, begins;
	struct signer signers[SIGS_MAX];
	size_t nsigners;
	const uint8_t *doc;
	size_t doc_len;
};

static int
take_question(const struct ipc_msg *msg, struct question *q)
{
	struct rd r;
	size_t i;

	memset(q, 0, sizeof(*q));
	rd_init(&r, msg->body, msg->len);
	q->now = (int64_t)rd_u64(&r);
	q->floor = (int64_t)rd_u64(&r);
	q->begins = (int64_t)rd_u64(&r);
	q->nsigners = rd_u8(&r);
	if (q->nsigners > SIGS_MAX)
		return ERR_INVALID;
	for (i = 0; i < q->nsigners; i++) {
		q->signers[i].verdict = SIG_GOOD;
		rd_copy(&r, q->signers[i].person, PGP_FPR_LEN);
		rd_copy(&r, q->signers[i].key, PGP_FPR_LEN);
		q->signers[i].created = (int64_t)rd_u64(&r);
	}
	q->doc = rd_field(&r, ENVELOPE_DOC_MAX, &q->doc_len);
	return rd_done(&r) ? 0 : ERR_INVALID;
}

static unsigned int
judge_target(struct judge *j, const struct action *a, struct err *e)
{
	struct target *t = NULL;
	bool yes = false;
	int rc = target_prepare(j->engine, a->target, &t, e);

	if (rc == 0)
		rc = target_match(t, &j->row, &yes, e);
	target_free(t);
	if (rc != 0)
		return REFUSAL_TARGET_ERROR;
	return yes ? REFUSAL_NONE : REFUSAL_NOT_TARGETED;
}

static unsigned int
judge_time(const struct judge *j, const struct action *a,
    const struct question *q, struct err *e)
{
	char text[RFC3339_LEN + 1];

	if (q->now >= a->expire_after) {
		rfc3339_format(a->expire_after, text);
		err_set(e, ERR_EXPIRED, "expired at %s", text);
		return REFUSAL_EXPIRED;
	}
	if (q->now < a->valid_from) {
		rfc3339_format(a->valid_from, text);
		err_set(e, ERR_INVALID, "valid from %s", text);
		return REFUSAL_TOO_EARLY;
	}
	if (a->expire_after - a->valid_from > j->limits.max_validity) {
		err_set(e, ERR_INVALID,
		    "valid for %lld s, the policy allows %lld s",
		    (long long)(a->expire_after - a->valid_from),
		    (long long)j->limits.max_validity);
		return REFUSAL_TOO_LONG;
	}
	if (a->expire_after <= q->floor) {
		rfc3339_format(q->floor, text);
		err_set(e, ERR_EXPIRED,
		    "this agent no longer remembers what ended before %s",
		    text);
		return REFUSAL_REPLAY_FLOOR;
	}
	return REFUSAL_NONE;
}

/* What was signed before the journal begins may have run. Signatures are no
 * part of an action's id: whoever has the action can add their own, which must
 * not renew those of others. So older ones do not count at all. One without a
 * time counts by the document's beginning (doc/adr/0042). */
static unsigned int
judge_signed(const struct judge *j, const struct action *a, struct question *q,
    struct err *e)
{
	char begins[RFC3339_LEN + 1];
	struct err why;
	struct signer *s;
	size_t i, old = 0;

	for (i = 0; i < q->nsigners; i++) {
		s = &q->signers[i];
		if ((s->created != 0 ? s->created : a->valid_from) >= q->begins)
			continue;
		s->verdict = SIG_EXPIRED;
		old++;
	}
	err_clear(&why);
	if (old == 0 ||
	    acl_check(j->acl, a, q->signers, q->nsigners, q->now, &why) == 0)
		return REFUSAL_NONE;
	rfc3339_format(q->begins, begins);
	err_set(e, ERR_EXPIRED,
	    "signed before this agent's journal begins: sign it again, not "
	    "before %s%s%s",
	    begins,
	    old < q->nsigners ? "; without what was signed before, " : "",
	    old < q->nsigners ? why.msg : "");
	return REFUSAL_REPLAY_FLOOR;
}

/* Which of the signers the action can run for. */
static uint16_t
who_counts(
    const struct judge *j, const struct action *a, const struct question *q)
{
	unsigned int counted = 0;
	size_t i;

	for (i = 0; i < q->nsigners; i++)
		if (acl_counts(j->acl, a, &q->signers[i], q->now))
			counted |= 1U << i;
	return (uint16_t)counted;
}

/* Not being targeted comes first: such agents stay silent on broadcasts. */
static unsigned int
judge_action(
    struct judge *j, const struct action *a, struct question *q, struct err *e)
{
	unsigned int reason = judge_target(j, a, e);

	if (reason != REFUSAL_NONE)
		return reason;
	if (acl_check(j->acl, a, q->signers, q->nsigners, q->now, e) != 0)
		return REFUSAL_WEIGHT;
	if (a->min_policy > 0 && (uint64_t)a->min_policy > j->policy.version) {
		err_set(e, ERR_DENIED, "needs policy %lld, this is %llu",
		    (long long)a->min_policy,
		    (unsigned long long)j->policy.version);
		return REFUSAL_POLICY_OLD;
	}
	if (q->now >= j->policy.expires) {
		err_set(e, ERR_EXPIRED, "the policy has expired");
		return REFUSAL_POLICY_EXPIRED;
	}
	reason = judge_time(j, a, q, e);
	return reason != REFUSAL_NONE ? reason : judge_signed(j, a, q, e);
}

static void
fill_verdict(
    const struct judge *j, const struct action *a, struct judge_verdict *v)
{
	struct policy_limits l = j->limits;
	struct agent_wish wish;
	size_t i;

	policy_limits_narrow(&l, &a->limits);
	v->noperations = (uint8_t)a->noperations;
	for (i = 0; i < a->noperations; i++)
		v->modules[i] = (uint16_t)a->operations[i].module_number;
	if (action_wish(a, &wish, &i) > 0) {
		v->stop.operation = (uint8_t)i;
		v->stop.pid = wish.pid;
		str_copy(
		    v->stop.version, sizeof(v->stop.version), wish.version);
	}
	memcpy(v->seal_public, a->seal_public, sizeof(v->seal_public));
	v->valid_from = a->valid_from;
	v->expire_after = a->expire_after;
	v->seconds = l.seconds;
	v->cpu_seconds = l.cpu_seconds;
	v->cpu_percent = l.cpu_percent;
	v->memory_bytes = l.memory_bytes;
	v->read_bytes = l.read_bytes;
	v->result_bytes = l.result_bytes;
	snprintf(v->name, sizeof(v->name), "%s", a->name);
	snprintf(v->target, sizeof(v->target), "%s", a->target);
}

/* Which refusal a document that does not parse deserves. */
static unsigned int
parse_refusal(int code, const struct err *e)
{
	if (code == ERR_UNSUPPORTED)
		return REFUSAL_MODULE;
	if (strstr(e->msg, ".parameters") != NULL)
		return REFUSAL_PARAMETERS;
	return REFUSAL_MALFORMED;
}

static int
answer(
    struct judge *j, const struct ipc_msg *msg, struct buf *out, struct err *e)
{
	struct judge_verdict *v;
	struct question q;
	struct action *a;
	struct err why;
	uint16_t counted = 0;
	int rc;

	fault_point("judge.asked");
	if (take_question(msg, &q) != 0)
		return err_set(e, ERR_INVALID, "malformed question");
	v = calloc(1, sizeof(*v));
	a = calloc(1, sizeof(*a));
	if (v == NULL || a == NULL) {
		free(v);
		free(a);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	err_clear(&why);
	purpose_hash(PURPOSE_ACTION, q.doc, q.doc_len, &v->id);
	rc = action_parse(q.doc, q.doc_len, a, &why);
	if (rc == 0) {
		fill_verdict(j, a, v);
		v->reason = (uint16_t)judge_action(j, a, &q, &why);
		if (v->reason == REFUSAL_NONE)
			counted = who_counts(j, a, &q);
		action_release(a);
	} else if (rc == ERR_NOMEM) {
		/* no verdict on the document: a new judge is asked again */
		free(v);
		free(a);
		return err_set(e, ERR_NOMEM, "%s", why.msg);
	} else {
		v->reason = (uint16_t)parse_refusal(rc, &why);
	}
	snprintf(v->detail, sizeof(v->detail), "%.*s", VERDICT_TEXT, why.msg);
	rc = judge_answer_write(v, counted, out);
	fault_point("judge.judged");
	rc = rc != 0 ? err_code(e, rc, "the verdict")
		     : ipc_write(PROC_IPC_FD, MSG_JUDGE_VERDICT, msg->request,
			   out->data, out->len, -1, e);
	free(v);
	free(a);
	return rc;
}

/* --- the next policy ------------------------------------------------------ */

/* The one in force says who may change it and how; see policy_step.h. */
static int
step(const struct judge *j, const struct ipc_msg *msg, struct buf *out,
    struct err *e)
{
	enum policy_refusal reason = POLICY_MALFORMED;
	struct judge_step v;
	struct question q;
	struct policy next;
	struct err why;

	fault_point("judge.step");
	if (take_question(msg, &q) != 0)
		return err_set(e, ERR_INVALID, "malformed question");
	memset(&v, 0, sizeof(v));
	err_clear(&why);
	purpose_hash(PURPOSE_POLICY, q.doc, q.doc_len, &v.hash);
	if (policy_parse(q.doc, q.doc_len, &next, &why) == 0) {
		v.version = next.version;
		v.keyring_len = (uint32_t)next.keyring_len;
		v.acl_len = (uint32_t)next.acl_len;
		v.limits_len = (uint32_t)next.limits_len;
		policy_step(&j->policy, j->acl, &next, q.signers, q.nsigners,
		    q.now, &reason, &why);
	}
	if (why.code == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "%s", why.msg);
	v.reason = (uint16_t)reason;
	snprintf(v.detail, sizeof(v.detail), "%.*s", VERDICT_TEXT, why.msg);
	judge_step_write(&v, out);
	return ipc_write(PROC_IPC_FD, MSG_JUDGE_STEP, msg->request, out->data,
	    out->len, -1, e);
}

/* --- cancels ---------------------------------------------------------------
 */

static unsigned int
judge_cancel(struct judge *j, const struct question *q,
    struct cancel_verdict *v, struct err *e)
{
	struct cancel c;

	if (cancel_parse(q->doc, q->doc_len, &c, e) != 0)
		return REFUSAL_MALFORMED;
	v->action = c.action;
	v->expire_after = c.expire_after;
	str_copy(v->text, sizeof(v->text), c.reason);
	if (q->now >= j->policy.expires) {
		err_set(e, ERR_EXPIRED, "the policy has expired");
		return REFUSAL_POLICY_EXPIRED;
	}
	if (c.expire_after <= q->now) {
		err_set(e, ERR_EXPIRED, "the action has ended by itself");
		return REFUSAL_EXPIRED;
	}
	if (c.expire_after - q->now > CANCEL_SPAN_MAX) {
		err_set(e, ERR_INVALID, "it ends in more than a year");
		return REFUSAL_TOO_LONG;
	}
	v->right = acl_check_right(j->acl, CANCEL_RIGHT, q->signers,
		       q->nsigners, q->now, e) == 0;
	return REFUSAL_NONE;
}

static int
answer_cancel(
    struct judge *j, const struct ipc_msg *msg, struct buf *out, struct err *e)
{
	struct cancel_verdict v;
	struct question q;
	struct err why;

	if (take_question(msg, &q) != 0)
		return err_set(e, ERR_INVALID, "malformed question");
	memset(&v, 0, sizeof(v));
	err_clear(&why);
	purpose_hash(PURPOSE_CANCEL, q.doc, q.doc_len, &v.id);
	v.reason = (uint16_t)judge_cancel(j, &q, &v, &why);
	if (why.code == ERR_NOMEM)
		return err_set(e, ERR_NOMEM, "%s", why.msg);
	snprintf(v.detail, sizeof(v.detail), "%.*s", VERDICT_TEXT, why.msg);
	cancel_verdict_write(&v, out);
	return ipc_write(PROC_IPC_FD, MSG_JUDGE_CANCELLED, msg->request,
	    out->data, out->len, -1, e);
}

/* --- taking an envelope apart --------------------------------------------- */

static int
split(const struct ipc_msg *msg, struct buf *out, struct err *e)
{
	struct envelope env;
	struct buf binary;
	struct err why;
	int rc = 0;

	err_clear(&why);
	buf_init(&binary, ENVELOPE_MAX);
	if (msg->len >= 4 && memcmp(msg->body, "MIG3", 4) == 0)
		buf_add(&binary, msg->body, msg->len);
	else
		rc = envelope_from_json(msg->body, msg->len, &binary, &why);
	if (binary.error != 0)
		rc = binary.error == ERR_NOMEM
		    ? err_code(&why, ERR_NOMEM, "the envelope")
		    : err_set(&why, binary.error, "the envelope is too large");
	if (rc == 0)
		rc = envelope_parse(binary.data, binary.len, &env, &why);
	if (rc == 0 && env.doc_len > ENVELOPE_DOC_MAX)
		rc = err_set(&why, ERR_TOOBIG, "the document is too large");
	buf_add_u8(out, rc == 0);
	if (rc == 0)
		msg_pieces_write(out, &env);
	else
		buf_add_field(out, why.msg, strnlen(why.msg, MSG_TEXT_MAX - 1));
	/* no word on the envelope */
	if (why.code == ERR_NOMEM)
		rc = err_set(e, ERR_NOMEM, "%s", why.msg);
	else if (out->error != 0)
		rc = err_code(e, out->error, "the envelope's parts");
	else
		rc = ipc_write(PROC_IPC_FD, MSG_JUDGE_PIECES, msg->request,
		    out->data, out->len, -1, e);
	buf_release(&binary);
	return rc;
}

static int
serve(struct judge *j, struct buf *in, struct buf *out, struct err *e)
{
	struct ipc_msg msg;
	int rc = ipc_read(PROC_IPC_FD, in, &msg, false, e);

	if (rc != 0)
		return rc;
	if (msg_allowed(ROLE_MONITOR, ROLE_JUDGE, &msg) != 0)
		return err_set(e, ERR_INVALID, "unexpected message");
	buf_clear(out);
	if (msg.type == MSG_JUDGE_ASK)
		return answer(j, &msg, out, e);
	if (msg.type == MSG_JUDGE_CANCEL)
		return answer_cancel(j, &msg, out, e);
	if (msg.type == MSG_JUDGE_SPLIT)
		return split(&msg, out, e);
	if (msg.type == MSG_JUDGE_POLICY)
		return step(j, &msg, out, e);
	return err_set(e, ERR_INVALID, "unexpected message");
}

int
main(void)
{
	static struct judge j;
	struct buf in, out;
	struct err e;
	int rc;

	log_init("judge", LOG_LEVEL_INFO, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* the monitor decides when; its end is our end of file */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	err_clear(&e);
	if (start(&j, &e) != 0)
		return msg_failed(MSG_JUDGE_FAILED, e.msg);
	fault_point("judge.sandboxed");
	/* what starting needed is not needed again */
	malloc_trim(0);
	buf_init(&in, 4 * 1024 * 1024);
	buf_init(&out, MSG_DOC_MAX);
	rc = say_ready(&j, &e);
	while (rc == 0)
		rc = serve(&j, &in, &out, &e);
	if (rc == ERR_CLOSED)
		return 0;
	log_error("judge_ends why=%s", log_quote(e.msg));
	return msg_failed(MSG_JUDGE_FAILED, e.msg);
}
