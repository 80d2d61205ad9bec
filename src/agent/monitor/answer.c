/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers. Order for one: seal and sign with the record's head after "asked";
 * the answer onto the disk, synced, but not yet in the spool; "answered" into
 * the record, synced; the answer into the spool (a small one is there by that,
 * agent/store/small.h); the journal; only then may it leave. So the record
 * never claims an answer for which there was no room, and no answer leaves that
 * the record does not know.
 *
 * When the disk does not take it, the sealed bytes wait in memory, bounded,
 * and a timer tries again. When that is full too, the answer gives way to a
 * refusal that says so.
 */
#include "agent/monitor/answer.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/store/ownrecord.h"
#include "agent/monitor/sender.h"
#include "agent/store/spool.h"
#include "agent/monitor/stored.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "crypto/seal.h"
#include "proc/timer.h"
#include "record/record.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ANSWER_MAX (ANSWER_EXTRA + RESULT_SEALED_MAX)
#define WAIT_BYTES (16u * 1024 * 1024)
#define WAIT_COUNT 256
#define RETRY_SECONDS 5
/* Times an answer is made smaller before it is given up. */
#define ROUNDS_MAX 4

struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct own_answered own;
	int64_t expires;
	bool recorded;     /* "answered" is in the record */
	uint64_t position; /* there, or where it will be */
	struct buf answer;
};

struct answers {
	struct agent *a;
	TAILQ_HEAD(, waiting) list;
	uint64_t bytes;
	size_t n;
	struct event *retry;
	bool ending;
};

static void
fill_header(const struct agent *a, const struct id *id, unsigned int status,
    unsigned int reason, struct result_header *h)
{
	memset(h, 0, sizeof(*h));
	h->status = (uint8_t)status;
	h->reason = (uint16_t)reason;
	h->action = *id;
	h->time_ms = clock_wall_ms();
	h->policy_version = a->policy.version;
	h->policy_hash = a->policy_hash;
	h->record_position = record_position(a->record);
	h->record_head = *record_head(a->record);
}

/* --- onto the disk -------------------------------------------------------- */

static int
put(struct agent *a, struct waiting *w, struct err *e)
{
	const struct own_answered *own = &w->own;
	int rc;

	rc = spool_reserve(
	    a->spool, w->answer.len, own->status == RESULT_REFUSED, e);
	/* making room may have written into the record */
	if (!w->recorded)
		w->position = record_position(a->record) + 1;
	if (rc == 0)
		rc = spool_stage(a->spool, &own->id, w->position,
		    w->answer.data, w->answer.len, e);
	fault_point("answer.staged");
	if (rc == 0 && !w->recorded) {
		rc = own_add_answered(a->record, own, e);
		if (rc != 0)
			agent_disk_error(a, rc);
	}
	if (rc != 0)
		return rc;
	w->recorded = true;
	fault_point("answer.recorded");
	return spool_commit(a->spool, &own->id, w->expires, w->answer.len, e);
}

/* It is in the spool. */
static void
stored(struct agent *a, const struct waiting *w)
{
	const struct own_answered *own = &w->own;
	struct err e;
	int rc;

	fault_point("answer.spooled");
	err_clear(&e);
	rc = journal_answer(a->journal, &own->id, &e);
	if (rc != 0) {
		log_error("journal action=%s why=%s", id_short(&own->id).s,
		    log_quote(e.msg));
		/* must not stay open for longer than the spool has it: a start
		 * puts it right */
		agent_disk_error(a, rc);
	}
	log_info("answered action=%s status=%u done=%u failed=%u bytes=%zu",
	    id_short(&own->id).s, (unsigned int)own->status,
	    (unsigned int)own->done, (unsigned int)own->failed, w->answer.len);
	if (!a->answers->ending)
		sender_add(a->sender, &own->id);
	a->worked = true;
	agent_house(a, HOUSE_SOON_MS);
}

static void
waiting_free(struct waiting *w)
{
	buf_release(&w->answer);
	free(w);
}

static void
retry_later(struct answers *s)
{
	struct timeval tv = { .tv_sec = RETRY_SECONDS };

	if (!TAILQ_EMPTY(&s->list) && !s->ending)
		timer_start(s->retry, &tv);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct answers *s = arg;
	struct waiting *w, *next;
	struct err e;

	for (w = TAILQ_FIRST(&s->list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, entry);
		err_clear(&e);
		if (put(s->a, w, &e) != 0)
			continue;
		TAILQ_REMOVE(&s->list, w, entry);
		s->bytes -= w->answer.len;
		s->n--;
		stored(s->a, w);
		waiting_free(w);
	}
	retry_later(s);
}

static bool
may_wait(const struct answers *s, size_t len)
{
	uint64_t most = s->a->conf.quota / 4;

	if (most > WAIT_BYTES)
		most = WAIT_BYTES;
	/* a refusal counts in number only */
	return s->n < WAIT_COUNT &&
	    (len <= SPOOL_SMALL || s->bytes + len <= most);
}

static void
wait_for_disk(struct answers *s, struct waiting *w)
{
	TAILQ_INSERT_TAIL(&s->list, w, entry);
	s->bytes += w->answer.len;
	s->n++;
	if (!event_pending(s->retry, EV_TIMEOUT, NULL))
		retry_later(s);
}

static int
make_refusal(struct agent *a, const struct id *id, unsigned int reason,
    struct buf *out, struct err *e)
{
	struct result_header h;

	fill_header(a, id, RESULT_REFUSED, reason, &h);
	return result_make(
	    &h, &a->state.who, a->facts.name, NULL, NULL, 0, out, e);
}

static int
instead(struct agent *a, struct waiting *w, struct err *e)
{
	buf_clear(&w->answer);
	w->own.status = RESULT_REFUSED;
	w->own.reason = REFUSAL_NO_ROOM;
	w->own.done = w->own.failed = 0;
	w->own.plain_len = 0;
	w->own.sealed_len = 0;
	w->recorded = false;
	return make_refusal(a, &w->own.id, REFUSAL_NO_ROOM, &w->answer, e);
}

/* Nothing of it is kept. What the journal has as open is answered by another
 * start. */
static void
forget(struct agent *a, struct waiting *w)
{
	const struct journal_entry *en = journal_find(a->journal, &w->own.id);

	if (en != NULL &&
	    (en->state == JOURNAL_ACCEPTED || en->state == JOURNAL_STARTED))
		agent_must_restart(a);
	waiting_free(w);
}

/* The last resort: the answer gives way to a refusal, sent at once and stored
 * when the disk takes it. */
static void
give_up(struct answers *s, struct waiting *w)
{
	struct agent *a = s->a;
	struct err e;

	err_clear(&e);
	log_error("answer_lost action=%s bytes=%zu why=%s",
	    id_short(&w->own.id).s, w->answer.len,
	    log_quote("neither the disk nor the memory kept for answers has "
		      "room"));
	if (w->own.status != RESULT_REFUSED && instead(a, w, &e) != 0) {
		log_error("answer action=%s why=%s", id_short(&w->own.id).s,
		    log_quote(e.msg));
		forget(a, w);
		return;
	}
	netlink_part(a->net, &w->own.id, 0, 1, w->answer.data, w->answer.len);
	if (may_wait(s, w->answer.len))
		wait_for_disk(s, w);
	else
		forget(a, w);
}

/* Takes the answer's bytes. */
static void
store(struct agent *a, const struct own_answered *own, int64_t expires,
    struct buf *answer)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct err e;

	err_clear(&e);
	if (w == NULL) {
		/* the journal has it as open: answered after a restart */
		log_error("answer action=%s why=memory", id_short(&own->id).s);
		agent_must_restart(a);
		buf_release(answer);
		return;
	}
	fault_point("answer.sealed");
	w->own = *own;
	w->expires = expires;
	w->answer = *answer;
	buf_init(answer, ANSWER_MAX);
	if (put(a, w, &e) == 0) {
		stored(a, w);
		waiting_free(w);
		return;
	}
	log_error(
	    "spool action=%s why=%s", id_short(&own->id).s, log_quote(e.msg));
	if (may_wait(a->answers, w->answer.len))
		wait_for_disk(a->answers, w);
	else
		give_up(a->answers, w);
}

static void
on_lost(const struct spool_item *it, void *arg)
{
	struct agent *a = arg;
	char text[NOTE_MAX];
	struct err e;

	err_clear(&e);
	snprintf(text, sizeof(text),
	    "the answer to %s was never acknowledged and gave way to newer "
	    "ones",
	    id_hex(&it->id).s);
	log_warn("answer_dropped action=%s why=%s", id_short(&it->id).s,
	    log_quote("never acknowledged, long over, and room was needed"));
	if (own_add_note(a->record, clock_wall_ms(), text, &e) != 0)
		log_error("record why=%s", log_quote(e.msg));
}

struct answers *
answers_new(struct agent *a)
{
	struct answers *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->a = a;
	TAILQ_INIT(&s->list);
	s->retry = event_new(a->base, -1, 0, on_retry, s);
	if (s->retry == NULL) {
		free(s);
		return NULL;
	}
	spool_on_lost(a->spool, on_lost, a);
	return s;
}

void
answers_free(struct answers *s)
{
	struct waiting *w;

	if (s == NULL)
		return;
	s->ending = true;
	on_retry(-1, 0, s);
	while ((w = TAILQ_FIRST(&s->list)) != NULL) {
		TAILQ_REMOVE(&s->list, w, entry);
		log_error("answer_lost action=%s bytes=%zu why=%s",
		    id_short(&w->own.id).s, w->answer.len,
		    log_quote("the disk did not take it until the end"));
		waiting_free(w);
	}
	event_free(s->retry);
	free(s);
}

uint64_t
answers_bytes(const struct answers *s)
{
	return s->bytes;
}

size_t
answers_waiting(const struct answers *s)
{
	return s->n;
}

/* --- making --------------------------------------------------------------- */

static void
cut_part(struct result_part *p, uint64_t *plain)
{
	static const char text[] =
	    "the answer is larger than the action, the policy or the agent's "
	    "quota allows";

	*plain -= p->len;
	p->status = PART_LIMIT;
	p->data = (const uint8_t *)text;
	p->len = sizeof(text) - 1;
	*plain += p->len;
}

/* The parts that compress to most give way to a text until the rest is
 * expected to fit into most sealed bytes. Always one at least; false: there
 * was none left. packed: what each part compresses to. */
static bool
shrink(struct result_part *parts, size_t *packed, size_t n, size_t most,
    uint64_t *plain)
{
	size_t i, best, sum = 0;
	bool any = false;

	for (i = 0; i < n; i++)
		sum += packed[i];
	do {
		best = n;
		for (i = 0; i < n; i++) {
			if (packed[i] > 0 &&
			    (best == n || packed[i] > packed[best]))
				best = i;
		}
		if (best == n)
			return any;
		sum -= packed[best];
		packed[best] = 0;
		cut_part(&parts[best], plain);
		any = true;
	} while (seal_size(sum + n * 64 + 512) > most ||
	    *plain > RESULT_PLAIN_MAX - 65536);
	return true;
}

/* Sealing everything takes long and the event loop waits: so each part is
 * compressed once to see what must go, and the whole is made again at most
 * ROUNDS_MAX times, for half as much each time. */
static int
make_job_answer(struct agent *a, const struct judge_verdict *v,
    struct result_part *parts, struct own_answered *own, struct buf *out,
    struct err *e)
{
	size_t packed[ACTION_OPERATIONS_MAX], most = (size_t)v->result_bytes;
	unsigned int round;
	struct result_header h;
	size_t i;
	int rc;

	for (round = 0;; round++) {
		buf_clear(out);
		fill_header(a, &v->id, own->status, own->reason, &h);
		rc = result_make(&h, &a->state.who, a->facts.name,
		    v->seal_public, parts, v->noperations, out, e);
		if (rc == 0 && h.sealed_len <= (uint64_t)v->result_bytes)
			break;
		if (rc != 0 && rc != ERR_TOOBIG)
			return rc;
		for (i = 0; round == 0 && i < v->noperations; i++)
			packed[i] = parts[i].len <= 64
			    ? 0
			    : result_packed_size(parts[i].data, parts[i].len);
		if (round >= ROUNDS_MAX - 1 ||
		    !shrink(parts, packed, v->noperations,
			round == ROUNDS_MAX - 2 ? 0 : most >> round,
			&own->plain_len))
			break;
		err_clear(e);
	}
	own->sealed_len = h.sealed_len;
	return rc;
}

static void
answer_parts(struct agent *a, const struct judge_verdict *v,
    unsigned int status, unsigned int reason, struct result_part *parts,
    uint64_t plain_len)
{
	struct own_answered own;
	struct buf out;
	struct err e;
	size_t i;

	err_clear(&e);
	memset(&own, 0, sizeof(own));
	own.time_ms = clock_wall_ms();
	own.id = v->id;
	own.status = (uint8_t)status;
	own.reason = (uint16_t)reason;
	own.plain_len = plain_len;
	buf_init(&out, ANSWER_MAX);
	if (make_job_answer(a, v, parts, &own, &out, &e) != 0) {
		log_error("answer action=%s why=%s", id_short(&v->id).s,
		    log_quote(e.msg));
		buf_release(&out);
		/* a bad seal key: it is not open for ever */
		answer_refuse(a, &v->id, REFUSAL_INTERNAL, v->expire_after);
		return;
	}
	for (i = 0; i < v->noperations; i++) {
		own.done += parts[i].status == PART_DONE;
		own.failed += parts[i].status != PART_DONE;
	}
	store(a, &own, v->expire_after, &out);
	buf_release(&out);
}

void
answer_job(struct agent *a, const struct job *job)
{
	struct result_part parts[ACTION_OPERATIONS_MAX];
	size_t i;

	for (i = 0; i < job->verdict.noperations; i++) {
		parts[i].operation = (uint16_t)i;
		parts[i].status = job->parts[i].status;
		parts[i].data = job->parts[i].data;
		parts[i].len = job->parts[i].len;
	}
	answer_parts(a, &job->verdict,
	    job->stopped ? RESULT_STOPPED : RESULT_DONE,
	    job->stopped && job->cancelled ? REFUSAL_CANCELLED : REFUSAL_NONE,
	    parts, job->plain_len);
	a->counts.answered++;
	if (a->on_done != NULL)
		a->on_done(a, job);
}

void
answer_interrupted(
    struct agent *a, const struct judge_verdict *v, const char *cancelled)
{
	struct result_part parts[ACTION_OPERATIONS_MAX];
	char text[CANCEL_TEXT_MAX + 64];
	size_t i;

	snprintf(text, sizeof(text),
	    "%s%sinterrupted by a restart of the agent",
	    cancelled != NULL ? cancelled : "", cancelled != NULL ? "; " : "");

	for (i = 0; i < v->noperations; i++) {
		parts[i].operation = (uint16_t)i;
		parts[i].status = PART_INTERRUPTED;
		parts[i].data = (const uint8_t *)text;
		parts[i].len = strlen(text);
	}
	answer_parts(a, v, RESULT_STOPPED,
	    cancelled != NULL ? REFUSAL_CANCELLED : REFUSAL_NONE, parts,
	    v->noperations * strlen(text));
}

void
answer_refuse(
    struct agent *a, const struct id *id, unsigned int reason, int64_t expires)
{
	struct own_answered own;
	struct buf out;
	struct err e;

	err_clear(&e);
	memset(&own, 0, sizeof(own));
	own.time_ms = clock_wall_ms();
	own.id = *id;
	own.status = RESULT_REFUSED;
	own.reason = (uint16_t)reason;
	buf_init(&out, ANSWER_MAX);
	if (make_refusal(a, id, reason, &out, &e) == 0) {
		store(a, &own, expires, &out);
	} else {
		log_error("answer action=%s why=%s", id_short(id).s,
		    log_quote(e.msg));
		/* what is open is answered then, the rest judged again */
		agent_must_restart(a);
	}
	buf_release(&out);
}

void
answer_unstored(struct agent *a, const struct id *id, unsigned int reason)
{
	struct buf out;
	struct err e;

	if (!netlink_up(a->net))
		return;
	err_clear(&e);
	buf_init(&out, ANSWER_MAX);
	if (make_refusal(a, id, reason, &out, &e) == 0)
		netlink_part(a->net, id, 0, 1, out.data, out.len);
	buf_release(&out);
}

/* --- off the disk --------------------------------------------------------- */

bool
answer_intact(struct agent *a, const struct id *id)
{
	struct err e;
	int rc;

	err_clear(&e);
	rc = stored_check(a->spool, &a->state.who, id, &e);
	/* a disk that cannot be read now may be readable later */
	if (rc != ERR_INVALID && rc != ERR_TOOBIG && rc != ERR_AUTH)
		return true;
	log_error("answer_damaged action=%s why=%s", id_short(id).s,
	    log_quote(e.msg));
	return false;
}

void
answer_damaged(struct agent *a, const struct id *id)
{
	const struct spool_item *it = spool_find(a->spool, id);

	if (it != NULL)
		answer_refuse(a, id, REFUSAL_DAMAGED, it->expires);
}
