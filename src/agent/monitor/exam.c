/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One examination:
 *
 *   IDLE -> (known: ignored or answered again) -> IDLE
 *   IDLE -> WAIT (token bucket) -> VERIFY -> JUDGE -> accepted or refused
 *                                    |         |
 *                                    `--- role died: asked once more, then
 *                                         refused ---'
 *
 * Both verdicts carry the hash of what their role saw; it must be ours. A
 * cancel goes the same way under its own purpose (agent/monitor/cancel.h).
 */
#include "agent/monitor/exam.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/monitor/answer.h"
#include "agent/monitor/cancel.h"
#include "agent/store/cancels.h"
#include "agent/monitor/days.h"
#include "agent/monitor/job.h"
#include "agent/judged.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/monitor/notice.h"
#include "agent/store/ownrecord.h"
#include "agent/monitor/role.h"
#include "agent/monitor/sender.h"
#include "agent/store/spool.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/keyring.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 2
#define BURST_US 3000000
/* How long a verified action without a readable end is remembered. */
#define UNKNOWN_END (7 * 86400)
/* Answers that are not stored, to what nobody known signed or when the disk
 * takes nothing: one in this many milliseconds. */
#define UNSTORED_INTERVAL 10000
/* Lines of the log about what nobody known signed: so many at once, then one
 * in this many microseconds. */
#define SAID_BURST 100
#define SAID_US 5000000

struct exam {
	struct agent *a;
	bool active;
	enum exam_source source;
	enum purpose purpose; /* ACTION or CANCEL */
	struct buf pieces;    /* the message; env borrows from it */
	struct envelope env;
	struct id id;
	unsigned int attempts;
	struct verify_verdict who;
	struct id policy; /* that who was found with */
	struct judge_verdict verdict;
	bool unrecorded;                 /* refused, and counted only */
	struct signer counted[SIGS_MAX]; /* those that judge counted */
	size_t ncounted;
	struct event *wait;
	struct bucket rate;
	int64_t unstored_ms; /* when the last unstored answer was sent */
	struct bucket said;
	unsigned int left_out; /* lines since the last one */
};

static void ask_verify(struct exam *x);
static void ask_judge(struct exam *x);

static void
finish(struct exam *x)
{
	struct agent *a = x->a;

	x->active = false;
	buf_release(&x->pieces);
	memset(&x->env, 0, sizeof(x->env));
	netlink_pause(a->net, false);
	agent_idle_check(a);
}

static bool
send_unstored(struct exam *x, unsigned int reason)
{
	int64_t now = clock_mono_ms();

	if (x->unstored_ms != 0 && now - x->unstored_ms <= UNSTORED_INTERVAL)
		return false;
	x->unstored_ms = now;
	answer_unstored(x->a, &x->id, reason);
	return true;
}

/* The record has it as accepted, or takes nothing either. */
static void
record_unstored(struct exam *x, unsigned int reason)
{
	struct own_answered own;
	struct err e;

	err_clear(&e);
	memset(&own, 0, sizeof(own));
	own.time_ms = clock_wall_ms();
	own.id = x->id;
	own.status = RESULT_REFUSED;
	own.reason = (uint16_t)reason;
	if (own_add_answered(x->a->record, &own, &e) != 0)
		log_error("record action=%s why=%s", id_short(&x->id).s,
		    log_quote(e.msg));
}

/* Whoever has the relay can send it without end. */
static void
say_unverified(struct exam *x, unsigned int reason, const char *detail)
{
	if (bucket_take(&x->said, (int64_t)SAID_BURST * SAID_US, SAID_US,
		clock_mono_ms()) != 0) {
		x->left_out++;
		return;
	}
	log_info("unverified %s=%s reason=%u detail=%s left_out=%u",
	    x->purpose == PURPOSE_CANCEL ? "cancel" : "action",
	    id_short(&x->id).s, reason, log_quote(detail), x->left_out);
	x->left_out = 0;
}

/* What nobody known signed leaves no trace but a counter and, when asked
 * alone, an answer now and then. */
static void
refuse_stranger(struct exam *x, unsigned int reason, const char *detail)
{
	struct agent *a = x->a;

	a->unverified++;
	say_unverified(x, reason, detail);
	if (x->purpose == PURPOSE_CANCEL) {
		finish(x);
		return;
	}
	if (a->on_refused != NULL)
		a->on_refused(a, &x->id, reason, detail);
	if (x->source == EXAM_IN)
		(void)send_unstored(x, reason);
	finish(x);
}

/* --- the verdict ---------------------------------------------------------- */

/* A signature by an SSH key has no time; then what counts is when the document
 * begins to be valid, as it cannot have run before that (doc/adr/0042). */
static int64_t
made_at(const struct exam *x, const struct signer *s)
{
	return s->created != 0 ? s->created : x->verdict.valid_from;
}

/* The newest of those that count; 0 for what was refused. Others say nothing:
 * anybody known can sign, and whoever hands it on can add that. Nor does a
 * verify or judge that says more than an honest one lets pass: the journal
 * would hold the agent to that time for ever. */
static int64_t
signed_at(const struct exam *x)
{
	int64_t latest = clock_wall_ms() / 1000 + SIG_FUTURE_SLACK;
	int64_t newest = 0, at;
	size_t i;

	for (i = 0; i < x->ncounted; i++) {
		at = made_at(x, &x->counted[i]);
		if (at > newest)
			newest = at;
	}
	return newest < latest ? newest : latest;
}

/* judge counts none of these; a judge that does is not believed. */
static bool
signed_before(const struct exam *x, int64_t t)
{
	size_t i;

	for (i = 0; i < x->ncounted; i++)
		if (made_at(x, &x->counted[i]) < t)
			return true;
	return false;
}

static void
fill_action(
    const struct exam *x, const struct buf *verdict, struct journal_action *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->id = x->id;
	ret->expires = x->verdict.expire_after > 0
	    ? x->verdict.expire_after
	    : agent_now(x->a) + UNKNOWN_END;
	ret->signed_at = signed_at(x);
	if (verdict != NULL) {
		ret->verdict = verdict->data;
		ret->verdict_len = verdict->len;
		ret->doc = x->env.doc;
		ret->doc_len = x->env.doc_len;
	}
}

static void
set_reason(struct exam *x, unsigned int reason, const char *detail)
{
	x->verdict.reason = (uint16_t)reason;
	str_copy(x->verdict.detail, sizeof(x->verdict.detail), detail);
}

/* An answer may have half of the disk space for answers: one that could need
 * all would be refused as soon as anything else lies there, or always. */
static void
limit_result(const struct agent *a, struct judge_verdict *v)
{
	uint64_t most = a->conf.quota / 2 - ANSWER_EXTRA;

	if ((uint64_t)v->result_bytes > most)
		v->result_bytes = (int64_t)most;
}

/* What only the monitor knows may still refuse. */
static void
narrow(struct exam *x)
{
	struct agent *a = x->a;
	struct judge_verdict *v = &x->verdict;
	const struct cancelled *c;
	struct signed_by by;

	if (v->reason != REFUSAL_NONE)
		return;
	limit_result(a, v);
	signed_by_good(x->counted, x->ncounted, &by);
	c = journal_cancelled(a->journal, &x->id, &by, agent_now(a));
	if (c != NULL)
		set_reason(x, REFUSAL_CANCELLED, c->text);
	else if (signed_before(x, journal_not_before(a->journal)))
		set_reason(x, REFUSAL_REPLAY_FLOOR,
		    "signed before this agent's journal begins: sign it again");
	else if (v->expire_after <= journal_floor(a->journal))
		set_reason(x, REFUSAL_REPLAY_FLOOR,
		    "ends before what this agent still remembers");
	else if (agent_now(a) >= v->expire_after)
		set_reason(
		    x, REFUSAL_EXPIRED, "it ended while it was examined");
	else if (jobs_full(a->jobs))
		set_reason(x, REFUSAL_BUSY, "too many operations are waiting");
	else if (spool_room(a->spool) < jobs_reserved(a->jobs) +
		answers_bytes(a->answers) + (uint64_t)v->result_bytes +
		ANSWER_EXTRA)
		set_reason(x, REFUSAL_NO_ROOM,
		    "unacknowledged answers fill the quota");
}

static void
refused(struct exam *x)
{
	struct agent *a = x->a;
	struct journal_action ja;
	struct err e;
	int rc;
	bool silent =
	    x->source == EXAM_ALL && x->verdict.reason == REFUSAL_NOT_TARGETED;

	a->counts.refused++;
	log_info("refused action=%s reason=%u detail=%s", id_short(&x->id).s,
	    (unsigned int)x->verdict.reason, log_quote(x->verdict.detail));
	err_clear(&e);
	fill_action(x, NULL, &ja);
	rc = journal_refuse(a->journal, &ja, x->verdict.reason, &e);
	fault_point("exam.refused");
	if (rc != 0) {
		log_error("journal why=%s", log_quote(e.msg));
		agent_disk_error(a, rc);
	}
	/* the disk takes nothing: the answer does not wait for it */
	if (rc != 0 || x->verdict.reason == REFUSAL_JOURNAL) {
		if (send_unstored(x, x->verdict.reason))
			record_unstored(x, x->verdict.reason);
	} else if (!silent && x->unrecorded) {
		/* one that is stored stands in the record */
		answer_unstored(a, &x->id, x->verdict.reason);
	} else if (!silent) {
		answer_refuse(a, &x->id, x->verdict.reason, ja.expires);
	}
	if (a->on_refused != NULL)
		a->on_refused(a, &x->id, x->verdict.reason, x->verdict.detail);
}

static int
accepted(struct exam *x, struct err *e)
{
	struct agent *a = x->a;
	struct journal_action ja;
	struct signed_by by;
	struct buf verdict;
	bool start = jobs_slot_free(a->jobs);
	int rc;

	buf_init(&verdict, 2 * JUDGE_VERDICT_LEN);
	judge_verdict_write(&x->verdict, &verdict);
	/* who brings no weight gets no right to cancel: whoever hands the
	 * action on could add them, and put them first (doc/adr/0035) */
	signed_by_good(x->counted, x->ncounted, &by);
	buf_add(&verdict, by.persons[0], PGP_FPR_LEN);
	buf_add(&verdict, a->policy_hash.b, ID_LEN);
	signed_by_write(&by, &verdict);
	fill_action(x, &verdict, &ja);
	rc = journal_accept(a->journal, &ja, start, e);
	buf_release(&verdict);
	if (rc != 0)
		return rc;
	a->counts.accepted++;
	log_info("accepted action=%s operations=%u signers=%zu",
	    id_short(&x->id).s, (unsigned int)x->verdict.noperations,
	    verify_good(&x->who));
	notice_accepted(a->notice, &x->verdict, &x->who);
	jobs_add(a->jobs, &x->verdict, &by, x->env.doc, x->env.doc_len, start);
	return 0;
}

/* Is it one that the record only counts? Whoever is known and may ask nothing
 * could have it written for ever. */
static bool
only_counted(struct exam *x)
{
	struct signed_by by;

	if (x->verdict.reason == REFUSAL_NONE)
		return false;
	signed_by_good(x->who.signers, x->who.n, &by);
	return !days_take(x->a, DAY_REFUSED, &by, REFUSED_DAY);
}

static void
decide(struct exam *x)
{
	struct agent *a = x->a;
	struct err e;
	int rc;

	err_clear(&e);
	if (a->stopping && x->verdict.reason == REFUSAL_NONE) {
		/* not journalled: it comes again after the restart */
		finish(x);
		return;
	}
	fault_point("exam.judged");
	narrow(x);
	x->unrecorded = only_counted(x);
	rc = x->unrecorded ? 0
			   : own_add_asked(a->record, &x->verdict, &x->who,
				 agent_now(a) * 1000, &e);
	fault_point("exam.recorded");
	if (rc != 0) {
		log_error("record why=%s", log_quote(e.msg));
		agent_disk_error(a, rc);
		if (x->verdict.reason == REFUSAL_NONE)
			set_reason(x, REFUSAL_JOURNAL, e.msg);
	}
	if (x->verdict.reason == REFUSAL_NONE && (rc = accepted(x, &e)) != 0) {
		log_error("journal why=%s", log_quote(e.msg));
		agent_disk_error(a, rc);
		set_reason(x, REFUSAL_JOURNAL, e.msg);
	}
	if (x->verdict.reason != REFUSAL_NONE)
		refused(x);
	finish(x);
}

/* --- what judge said ------------------------------------------------------ */

/* said: what judge's verdict is about, when there is one. True: it is asked
 * once more, or all begins anew. */
static bool
asked_again(struct exam *x, int *code, const struct id *said)
{
	if (*code == 0 && !id_equal(said, &x->id))
		*code = ERR_INVALID;
	/* the policy changed between the two: both with the same one */
	if (*code == 0 && !id_equal(&x->policy, &x->a->policy_hash)) {
		x->attempts = 0;
		ask_verify(x);
		return true;
	}
	if (*code == 0 || x->attempts >= ATTEMPTS_MAX)
		return false;
	ask_judge(x);
	return true;
}

/* What is said of a role that was asked in vain. */
static void
no_verdict(
    const char *name, const struct role *r, int code, char out[VERDICT_TEXT])
{
	const char *why = role_why(r);

	snprintf(out, VERDICT_TEXT, "%s gave no verdict on it: %.200s", name,
	    why[0] != '\0' ? why : err_text(code));
}

static void
on_cancel_judged(int code, const void *body, size_t len, void *arg)
{
	struct exam *x = arg;
	struct cancel_verdict v;
	char detail[VERDICT_TEXT];

	if (code == 0 && cancel_verdict_parse(body, len, &v) != 0)
		code = ERR_INVALID;
	if (asked_again(x, &code, &v.id))
		return;
	if (code == 0) {
		cancel_take(x->a, &v, &x->who);
	} else {
		no_verdict("judge", x->a->judge, code, detail);
		log_error("cancel id=%s why=%s", id_short(&x->id).s,
		    log_quote(detail));
	}
	finish(x);
}

/* --- asking --------------------------------------------------------------- */

/* Bit i stands for the good signer i, as judge was told them. */
static void
take_counted(struct exam *x, uint16_t counted)
{
	const struct verify_verdict *v = &x->who;
	size_t i, good = 0;

	x->ncounted = 0;
	for (i = 0; i < v->n; i++) {
		if (v->signers[i].verdict != SIG_GOOD)
			continue;
		if ((counted >> good++ & 1) != 0)
			x->counted[x->ncounted++] = v->signers[i];
	}
}

static void
on_judged(int code, const void *body, size_t len, void *arg)
{
	struct exam *x = arg;
	char detail[VERDICT_TEXT];
	uint16_t counted = 0;

	if (code == 0 &&
	    judge_answer_parse(
		body, len, verify_good(&x->who), &x->verdict, &counted) != 0)
		code = ERR_INVALID;
	take_counted(x, counted);
	if (asked_again(x, &code, &x->verdict.id))
		return;
	if (code == 0) {
		decide(x);
		return;
	}
	memset(&x->verdict, 0, sizeof(x->verdict));
	x->verdict.id = x->id;
	no_verdict("judge", x->a->judge, code, detail);
	set_reason(x, code == ERR_TIMEOUT ? REFUSAL_TIMEOUT : REFUSAL_INTERNAL,
	    detail);
	decide(x);
}

static void
ask_judge(struct exam *x)
{
	struct agent *a = x->a;
	struct buf b;
	int rc;

	x->attempts++;
	buf_init(&b, MSG_DOC_MAX);
	buf_add_u64(&b, (uint64_t)agent_now(a));
	buf_add_u64(&b, (uint64_t)journal_floor(a->journal));
	/* a cancel of before can only stop what it names */
	buf_add_u64(&b,
	    x->purpose == PURPOSE_CANCEL
		? 0
		: (uint64_t)journal_not_before(a->journal));
	verify_signers_write(&x->who, &b);
	buf_add_field(&b, x->env.doc, x->env.doc_len);
	if (b.error != 0)
		rc = b.error;
	else if (x->purpose == PURPOSE_CANCEL)
		rc = role_ask(a->judge, MSG_JUDGE_CANCEL, MSG_JUDGE_CANCELLED,
		    b.data, b.len, on_cancel_judged, x);
	else
		rc = role_ask(a->judge, MSG_JUDGE_ASK, MSG_JUDGE_VERDICT,
		    b.data, b.len, on_judged, x);
	buf_release(&b);
	fault_point("exam.judge_asked");
	if (rc != 0) {
		x->attempts = ATTEMPTS_MAX;
		if (x->purpose == PURPOSE_CANCEL)
			on_cancel_judged(rc, NULL, 0, x);
		else
			on_judged(rc, NULL, 0, x);
	}
}

/* Words of our own: those of crypto/keyring.c would bring its key parser into
 * this process. */
static const char *
verdict_word(enum sig_verdict v)
{
	static const char *const words[] = {
		[SIG_GOOD] = "good",
		[SIG_MALFORMED] = "not an acceptable packet",
		[SIG_UNKNOWN_KEY] = "by an unknown key",
		[SIG_BAD] = "does not verify",
		[SIG_KEY_EXPIRED] = "by a key that was or is not valid",
		[SIG_FUTURE] = "made in the future: a clock is wrong",
		[SIG_EXPIRED] = "expired",
		[SIG_REPEATED] = "by a person who signed already",
	};

	return v <= SIG_REPEATED ? words[v] : "unknown";
}

void
exam_explain_signers(const struct verify_verdict *v, char *out, size_t size)
{
	size_t i, at = 0;

	out[0] = '\0';
	if (v->n == 0)
		snprintf(out, size, "it is not signed");
	for (i = 0; i < v->n && at + 64 < size; i++)
		at += (size_t)snprintf(out + at, size - at,
		    "%ssignature %zu: %s", i == 0 ? "" : "; ", i + 1,
		    verdict_word(v->signers[i].verdict));
}

static void
on_verified(int code, const void *body, size_t len, void *arg)
{
	struct exam *x = arg;
	char detail[VERDICT_TEXT];

	if (code == 0 && verify_verdict_parse(body, len, &x->who) != 0)
		code = ERR_INVALID;
	if (code == 0 &&
	    (!id_equal(&x->who.id, &x->id) || x->who.n != x->env.nsigs))
		code = ERR_INVALID;
	if (code != 0 && x->attempts < ATTEMPTS_MAX) {
		ask_verify(x);
		return;
	}
	if (code != 0) {
		no_verdict("verify", x->a->verify, code, detail);
		refuse_stranger(x,
		    code == ERR_TIMEOUT ? REFUSAL_TIMEOUT : REFUSAL_INTERNAL,
		    detail);
		return;
	}
	if (verify_good(&x->who) == 0) {
		exam_explain_signers(&x->who, detail, sizeof(detail));
		refuse_stranger(x, REFUSAL_SIGNATURE, detail);
		return;
	}
	fault_point("exam.verified");
	x->attempts = 0;
	x->policy = x->a->verify_hash;
	ask_judge(x);
}

static void
ask_verify(struct exam *x)
{
	struct agent *a = x->a;
	struct buf b;
	int rc;

	x->attempts++;
	buf_init(&b, MSG_DOC_MAX);
	/* the clock's own time: what "in the future" means must not follow
	 * what was signed in the future; judge gets the later of the two */
	buf_add_u64(&b, (uint64_t)(clock_wall_ms() / 1000));
	msg_pieces_write(&b, &x->env);
	rc = b.error != 0
	    ? b.error
	    : role_ask(a->verify,
		  x->purpose == PURPOSE_CANCEL ? MSG_VERIFY_CANCEL
					       : MSG_VERIFY_ASK,
		  MSG_VERIFY_VERDICT, b.data, b.len, on_verified, x);
	buf_release(&b);
	fault_point("exam.verify_asked");
	if (rc != 0) {
		x->attempts = ATTEMPTS_MAX;
		on_verified(rc, NULL, 0, x);
	}
}

/* --- before anything is asked --------------------------------------------- */

/* 0, or milliseconds until there is a token. */
static int64_t
take_token(struct exam *x)
{
	return bucket_take(
	    &x->rate, BURST_US, 1000000 / x->a->conf.rate, clock_mono_ms());
}

static void
go_on(evutil_socket_t fd, short what, void *arg)
{
	struct exam *x = arg;
	struct timeval tv;
	int64_t wait = take_token(x);

	if (wait > 0) {
		tv.tv_sec = wait / 1000;
		tv.tv_usec = (wait % 1000) * 1000;
		timer_start(x->wait, &tv);
		return;
	}
	ask_verify(x);
}

bool
exam_wanted(struct exam *x, enum exam_source source, const struct id *id)
{
	struct agent *a = x->a;
	const struct journal_entry *en = journal_find(a->journal, id);

	if (en == NULL)
		return true;
	if (en->state == JOURNAL_ACCEPTED || en->state == JOURNAL_STARTED)
		return false;
	if (spool_find(a->spool, id) != NULL)
		sender_again(a->sender, id);
	else if ((en->state == JOURNAL_REFUSED || en->state == JOURNAL_HELD) &&
	    source == EXAM_IN && netlink_up(a->net) && take_token(x) == 0)
		answer_unstored(a, id, en->reason);
	return false;
}

/* Takes a copy and names it by its hash for that purpose. */
static int
take(struct exam *x, enum purpose purpose, const void *pieces, size_t len)
{
	struct rd r;

	if (x->active)
		return ERR_BUSY;
	fault_point("exam.received");
	buf_clear(&x->pieces);
	if (buf_add(&x->pieces, pieces, len) != 0)
		return x->pieces.error;
	rd_init(&r, x->pieces.data, x->pieces.len);
	if (msg_pieces_parse(&r, &x->env) != 0) {
		buf_release(&x->pieces);
		return ERR_INVALID;
	}
	x->purpose = purpose;
	purpose_hash(purpose, x->env.doc, x->env.doc_len, &x->id);
	return 0;
}

static void
begin(struct exam *x, enum exam_source source)
{
	fault_point("exam.hashed");
	x->active = true;
	x->source = source;
	x->attempts = 0;
	netlink_pause(x->a->net, true);
	go_on(-1, 0, x);
}

int
exam_submit(
    struct exam *x, enum exam_source source, const void *pieces, size_t len)
{
	struct agent *a = x->a;
	int rc = take(x, PURPOSE_ACTION, pieces, len);

	if (rc != 0)
		return rc;
	if (exam_wanted(x, source, &x->id)) {
		begin(x, source);
		return 0;
	}
	buf_release(&x->pieces);
	if (a->on_refused != NULL)
		a->on_refused(a, &x->id, 0, "this agent has judged it before");
	return 0;
}

int
exam_submit_cancel(struct exam *x, const void *pieces, size_t len)
{
	int rc = take(x, PURPOSE_CANCEL, pieces, len);

	if (rc != 0)
		return rc;
	if (journal_has_cancel(x->a->journal, &x->id))
		buf_release(&x->pieces);
	else
		begin(x, EXAM_ALL);
	return 0;
}

struct exam *
exam_new(struct agent *a)
{
	struct exam *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->a = a;
	buf_init(&x->pieces, MSG_DOC_MAX);
	x->wait = event_new(a->base, -1, 0, go_on, x);
	if (x->wait == NULL) {
		free(x);
		return NULL;
	}
	return x;
}

void
exam_free(struct exam *x)
{
	if (x == NULL)
		return;
	event_free(x->wait);
	buf_release(&x->pieces);
	free(x);
}

bool
exam_busy(const struct exam *x)
{
	return x->active;
}
