/* SPDX-License-Identifier: MPL-2.0 */
/* Taking the next policy; see chain.h. The monitor reads nothing of it: who
 * signed it says verify, what it says judge, and both by a fixed-size verdict
 * that names the hash of what they saw. */
#include "agent/monitor/chain.h"

#include "action/policy_refusal.h"
#include "action/refusal.h"
#include "agent/monitor/exam.h"
#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/store/ownrecord.h"
#include "agent/monitor/role.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 2
#define PATIENCE 10    /* seconds for one question: a keyring may be large */
#define ROLES_LIMIT 60 /* seconds until the roles are back */
#define REFUSED_MAX 16
/* What more signatures, or a disk with room, may change is looked at again. */
#define AGAIN_MS (10 * 60 * 1000)
/* Whoever has kept old policies may offer them without end, and each refusal
 * stands in the record: so many at once, then one a minute. */
#define LOOKS_MAX 32
#define LOOK_MS 60000

struct refused {
	struct id hash;
	int64_t until; /* clock_mono_ms(); INT64_MAX: as long as it runs */
};

struct chain {
	struct agent *a;
	bool active, written;
	struct buf pieces; /* the message; env borrows from it */
	struct envelope env;
	struct id hash;
	unsigned int attempts;
	struct verify_verdict who;
	struct judge_step step;
	struct event *limit; /* while the roles start anew */
	struct refused refused[REFUSED_MAX];
	size_t nrefused;  /* ever; the oldest is forgotten */
	int64_t looks_ms; /* a bucket, in the time that fills it */
	int64_t filled_ms;
	struct {
		bool there;
		struct id hash;
		uint64_t version;
		unsigned int reason;
	} last;
};

static void ask_verify(struct chain *c);
static void ask_judge(struct chain *c);
static void ask_keyring(struct chain *c);

static void
finish(struct chain *c)
{
	c->active = c->written = false;
	buf_release(&c->pieces);
	memset(&c->env, 0, sizeof(c->env));
	netlink_pause(c->a->net, false);
	agent_idle_check(c->a);
}

static int
record(struct chain *c, unsigned int reason, const char *detail, struct err *e)
{
	struct own_policy own;
	size_t i;

	memset(&own, 0, sizeof(own));
	own.time_ms = clock_wall_ms();
	own.hash = c->hash;
	own.version = c->step.version;
	own.was = c->a->policy.version;
	own.reason = (uint16_t)reason;
	for (i = 0; i < c->who.n; i++) {
		if (c->who.signers[i].verdict != SIG_GOOD)
			continue;
		memcpy(own.persons[own.nsigners], c->who.signers[i].person,
		    PGP_FPR_LEN);
		memcpy(own.keys[own.nsigners++], c->who.signers[i].key,
		    PGP_FPR_LEN);
	}
	snprintf(own.detail, sizeof(own.detail), "%s", detail);
	return own_add_policy(c->a->record, &own, e);
}

static bool
may_change(unsigned int reason)
{
	return reason == POLICY_UNSIGNED || reason == POLICY_WEIGHT ||
	    reason == POLICY_FAILED || reason == POLICY_DISK;
}

/* What nobody known signed leaves no trace but a line in the log. */
static void
refuse(struct chain *c, unsigned int reason, const char *detail)
{
	struct refused *r = &c->refused[c->nrefused++ % REFUSED_MAX];
	bool known = verify_good(&c->who) > 0;
	struct err e;

	err_clear(&e);
	log_warn("policy_refused hash=%s version=%" PRIu64 " why=%s detail=%s",
	    id_hex(&c->hash).s, c->step.version,
	    log_quote(policy_refusal_text(reason)), log_quote(detail));
	r->hash = c->hash;
	r->until = may_change(reason) ? clock_mono_ms() + AGAIN_MS : INT64_MAX;
	if (known) {
		c->last.there = true;
		c->last.hash = c->hash;
		c->last.version = c->step.version;
		c->last.reason = reason;
		if (record(c, reason, detail, &e) != 0)
			log_error("record why=%s", log_quote(e.msg));
		netlink_hello(c->a->net);
	}
	finish(c);
}

/* --- in force --------------------------------------------------------------
 */

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct chain *c = arg;

	/* what comes meanwhile waits for them */
	log_error("policy_roles why=%s",
	    log_quote("verify and judge are not back yet"));
	finish(c);
}

static void
take(struct chain *c)
{
	struct timeval tv = { .tv_sec = ROLES_LIMIT };
	struct agent *a = c->a;
	struct err e;
	int rc;

	err_clear(&e);
	fault_point("chain.judged");
	rc = record(c, POLICY_TAKEN, "", &e);
	fault_point("chain.recorded");
	if (rc == 0)
		rc = state_policy_write(
		    &a->state, c->env.doc, c->env.doc_len, &e);
	fault_point("chain.written");
	if (rc != 0) {
		log_error("policy_write why=%s", log_quote(e.msg));
		agent_disk_error(a, rc);
		refuse(c, POLICY_DISK, e.msg);
		return;
	}
	log_info("policy_taken version=%" PRIu64 " hash=%s signers=%zu",
	    c->step.version, id_hex(&c->hash).s, verify_good(&c->who));
	c->written = true;
	memset(&c->last, 0, sizeof(c->last));
	memset(c->refused, 0, sizeof(c->refused));
	jobs_refuse_waiting(a->jobs, REFUSAL_POLICY_CHANGED);
	timer_start(c->limit, &tv);
	/* verify follows when judge has read where the keyring stands */
	role_restart(a->judge);
}

void
chain_ready(struct chain *c)
{
	if (c == NULL || !c->written ||
	    !id_equal(&c->a->policy_hash, &c->hash) ||
	    !id_equal(&c->a->verify_hash, &c->hash))
		return;
	event_del(c->limit);
	fault_point("chain.in_force");
	log_info("policy_in_force version=%" PRIu64, c->a->policy.version);
	finish(c);
	/* the server gives the next one, people see who has which */
	netlink_hello(c->a->net);
}

/* --- asking ----------------------------------------------------------------
 */

/* Once more, or it is refused. */
static void
failed(struct chain *c, int code, const struct role *r,
    void (*ask)(struct chain *c))
{
	char detail[VERDICT_TEXT];

	if (c->attempts < ATTEMPTS_MAX) {
		ask(c);
		return;
	}
	snprintf(detail, sizeof(detail), "%s: %.200s",
	    code == ERR_TIMEOUT ? "examining it took too long"
				: "the process that examined it ended twice",
	    role_why(r)[0] != '\0' ? role_why(r) : err_text(code));
	refuse(c, POLICY_FAILED, detail);
}

static void
ask(struct chain *c, struct role *r, uint16_t type, uint16_t want,
    struct buf *body, role_on_answer *on_answer)
{
	int rc = body->error;

	c->attempts++;
	role_patience(r, PATIENCE);
	if (rc == 0)
		rc = role_ask(
		    r, type, want, body->data, body->len, on_answer, c);
	buf_release(body);
	if (rc != 0) {
		c->attempts = ATTEMPTS_MAX;
		on_answer(rc, NULL, 0, c);
	}
}

static void
on_keyring(int code, const void *body, size_t len, void *arg)
{
	struct chain *c = arg;
	char why[MSG_TEXT_MAX];
	struct rd r;
	uint8_t good;

	rd_init(&r, body, code == 0 ? len : 0);
	good = rd_u8(&r);
	rd_field_str(&r, why, sizeof(why));
	if (code == 0 && (!rd_done(&r) || good > 1))
		code = ERR_INVALID;
	if (code != 0)
		failed(c, code, c->a->verify, ask_keyring);
	else if (good == 0)
		refuse(c, POLICY_KEYS, why);
	else
		take(c);
}

/* The keyring stands where judge has read it. */
static void
ask_keyring(struct chain *c)
{
	size_t tail =
	    (size_t)c->step.keyring_len + c->step.acl_len + c->step.limits_len;
	struct buf b;

	buf_init(&b, MSG_DOC_MAX);
	if (tail > c->env.doc_len) {
		refuse(c, POLICY_MALFORMED, "its parts are longer than it is");
		return;
	}
	buf_add_field(
	    &b, c->env.doc + c->env.doc_len - tail, c->step.keyring_len);
	ask(c, c->a->verify, MSG_VERIFY_KEYRING, MSG_VERIFY_TRIED, &b,
	    on_keyring);
}

static void
on_judged(int code, const void *body, size_t len, void *arg)
{
	struct chain *c = arg;

	if (code == 0 &&
	    (judge_step_parse(body, len, &c->step) != 0 ||
		!id_equal(&c->step.hash, &c->hash)))
		code = ERR_INVALID;
	if (code != 0) {
		failed(c, code, c->a->judge, ask_judge);
		return;
	}
	if (c->step.reason != POLICY_TAKEN) {
		refuse(c, c->step.reason, c->step.detail);
		return;
	}
	c->attempts = 0;
	ask_keyring(c);
}

static void
ask_judge(struct chain *c)
{
	struct agent *a = c->a;
	struct buf b;

	buf_init(&b, MSG_DOC_MAX);
	buf_add_u64(&b, (uint64_t)agent_now(a));
	buf_add_u64(&b, (uint64_t)journal_floor(a->journal));
	buf_add_u64(&b, 0); /* a policy names the one before: no replay */
	verify_signers_write(&c->who, &b);
	buf_add_field(&b, c->env.doc, c->env.doc_len);
	ask(c, a->judge, MSG_JUDGE_POLICY, MSG_JUDGE_STEP, &b, on_judged);
}

static void
on_verified(int code, const void *body, size_t len, void *arg)
{
	struct chain *c = arg;
	char detail[VERDICT_TEXT];

	if (code == 0 &&
	    (verify_verdict_parse(body, len, &c->who) != 0 ||
		!id_equal(&c->who.id, &c->hash) || c->who.n != c->env.nsigs))
		code = ERR_INVALID;
	/* it may have come while verify started with another policy */
	if (code == 0 && !id_equal(&c->a->verify_hash, &c->a->policy_hash))
		code = ERR_INVALID;
	if (code != 0) {
		memset(&c->who, 0, sizeof(c->who));
		failed(c, code, c->a->verify, ask_verify);
		return;
	}
	if (verify_good(&c->who) == 0) {
		exam_explain_signers(&c->who, detail, sizeof(detail));
		refuse(c, POLICY_UNSIGNED, detail);
		return;
	}
	fault_point("chain.verified");
	c->attempts = 0;
	ask_judge(c);
}

static void
ask_verify(struct chain *c)
{
	struct buf b;

	buf_init(&b, MSG_DOC_MAX);
	/* as for actions: see exam.c */
	buf_add_u64(&b, (uint64_t)(clock_wall_ms() / 1000));
	msg_pieces_write(&b, &c->env);
	ask(c, c->a->verify, MSG_VERIFY_POLICY, MSG_VERIFY_VERDICT, &b,
	    on_verified);
}

/* --- from outside ----------------------------------------------------------
 */

static int64_t
looks(const struct chain *c)
{
	int64_t ms = c->looks_ms + clock_mono_ms() - c->filled_ms;

	return ms < LOOKS_MAX * LOOK_MS ? ms : LOOKS_MAX * LOOK_MS;
}

static void
take_look(struct chain *c)
{
	c->looks_ms = looks(c) - LOOK_MS;
	c->filled_ms = clock_mono_ms();
}

bool
chain_wanted(const struct chain *c, const struct id *hash)
{
	int64_t now = clock_mono_ms();
	size_t i;

	if (c->active || c->a->stopping || c->a->policy_path != NULL ||
	    id_equal(hash, &c->a->policy_hash) || looks(c) < LOOK_MS)
		return false;
	for (i = 0; i < REFUSED_MAX; i++) {
		if (c->refused[i].until > now &&
		    id_equal(&c->refused[i].hash, hash))
			return false;
	}
	return true;
}

int
chain_submit(struct chain *c, const void *pieces, size_t len)
{
	struct rd r;

	if (c->active || exam_busy(c->a->exam))
		return ERR_BUSY;
	buf_clear(&c->pieces);
	if (buf_add(&c->pieces, pieces, len) != 0)
		return c->pieces.error;
	rd_init(&r, c->pieces.data, c->pieces.len);
	if (msg_pieces_parse(&r, &c->env) != 0) {
		buf_release(&c->pieces);
		return ERR_INVALID;
	}
	purpose_hash(PURPOSE_POLICY, c->env.doc, c->env.doc_len, &c->hash);
	if (!chain_wanted(c, &c->hash)) {
		buf_release(&c->pieces);
		return 0;
	}
	fault_point("chain.received");
	take_look(c);
	c->active = true;
	c->attempts = 0;
	memset(&c->who, 0, sizeof(c->who));
	memset(&c->step, 0, sizeof(c->step));
	netlink_pause(c->a->net, true);
	ask_verify(c);
	return 0;
}

void
chain_say_refused(const struct chain *c, struct jsonw *w)
{
	if (c == NULL || !c->last.there)
		return;
	jsonw_object(w, "refused");
	jsonw_str(w, "hash", id_hex(&c->last.hash).s);
	jsonw_u64(w, "version", c->last.version);
	jsonw_i64(w, "reason", (int64_t)c->last.reason);
	jsonw_object_end(w);
}

struct chain *
chain_new(struct agent *a)
{
	struct chain *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->a = a;
	c->looks_ms = LOOKS_MAX * LOOK_MS;
	c->filled_ms = clock_mono_ms();
	buf_init(&c->pieces, MSG_DOC_MAX);
	c->limit = event_new(a->base, -1, 0, on_limit, c);
	if (c->limit == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
chain_free(struct chain *c)
{
	if (c == NULL)
		return;
	event_free(c->limit);
	buf_release(&c->pieces);
	free(c);
}

bool
chain_busy(const struct chain *c)
{
	return c != NULL && c->active;
}
