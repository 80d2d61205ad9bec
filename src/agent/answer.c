/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers. Order for one: seal and sign with the record's head after "asked";
 * "answered" into the record, synced; the answer into the spool, synced; the
 * journal; only then may it leave.
 */
#include "agent/answer.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/job.h"
#include "agent/journal.h"
#include "agent/monitor.h"
#include "agent/netlink.h"
#include "agent/ownrecord.h"
#include "agent/sender.h"
#include "agent/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "record/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (RESULT_HEADER_LEN + IDENTITY_SIG_LEN + RESULT_SEALED_MAX)

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

/* Into record, spool, journal and queue. */
static void
store(struct agent *a, const struct own_answered *own, int64_t expires,
    const struct buf *answer)
{
	struct err e;

	err_clear(&e);
	if (own_add_answered(a->record, own, &e) != 0)
		log_error("record action=%s why=%s", id_short(&own->id).s,
		    log_quote(e.msg));
	if (spool_put(a->spool, &own->id, expires, answer->data, answer->len,
		&e) != 0) {
		log_error("spool action=%s why=%s", id_short(&own->id).s,
		    log_quote(e.msg));
		return;
	}
	if (own->status != RESULT_REFUSED &&
	    journal_answer(a->journal, &own->id, &e) != 0)
		log_error("journal action=%s why=%s", id_short(&own->id).s,
		    log_quote(e.msg));
	sender_add(a->sender, &own->id);
}

/* The largest part gives way to a text. false: there is none left. */
static bool
shrink(struct result_part *parts, size_t n, size_t *ret_len)
{
	static const char text[] =
	    "the answer is larger than the action or the policy allows";
	size_t i, best = n;

	for (i = 0; i < n; i++) {
		if (parts[i].len > sizeof(text) &&
		    (best == n || parts[i].len > parts[best].len))
			best = i;
	}
	if (best == n)
		return false;
	*ret_len -= parts[best].len - (sizeof(text) - 1);
	parts[best].status = PART_LIMIT;
	parts[best].data = (const uint8_t *)text;
	parts[best].len = sizeof(text) - 1;
	return true;
}

static int
make_job_answer(struct agent *a, const struct judge_verdict *v,
    struct result_part *parts, struct own_answered *own, struct buf *out,
    struct err *e)
{
	struct result_header h;
	size_t plain = (size_t)own->plain_len;
	int rc;

	for (;;) {
		buf_clear(out);
		fill_header(a, &v->id, own->status, 0, &h);
		rc = result_make(&h, &a->state.who, a->facts.name,
		    v->seal_public, parts, v->noperations, out, e);
		if (rc == 0 && h.sealed_len <= (uint64_t)v->result_bytes)
			break;
		if (rc != 0 && rc != ERR_TOOBIG)
			return rc;
		if (!shrink(parts, v->noperations, &plain))
			break;
		err_clear(e);
	}
	own->plain_len = plain;
	own->sealed_len = h.sealed_len;
	return rc;
}

static void
answer_parts(struct agent *a, const struct judge_verdict *v,
    unsigned int status, struct result_part *parts, uint64_t plain_len)
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
	own.plain_len = plain_len;
	buf_init(&out, ANSWER_MAX);
	if (make_job_answer(a, v, parts, &own, &out, &e) != 0) {
		log_error("answer action=%s why=%s", id_short(&v->id).s,
		    log_quote(e.msg));
		buf_release(&out);
		return;
	}
	for (i = 0; i < v->noperations; i++) {
		own.done += parts[i].status == PART_DONE;
		own.failed += parts[i].status != PART_DONE;
	}
	store(a, &own, v->expire_after, &out);
	log_info("answered action=%s done=%u failed=%u bytes=%zu",
	    id_short(&v->id).s, (unsigned int)own.done,
	    (unsigned int)own.failed, out.len);
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
	    job->stopped ? RESULT_STOPPED : RESULT_DONE, parts, job->plain_len);
	if (a->on_done != NULL)
		a->on_done(a, job);
}

void
answer_interrupted(struct agent *a, const struct judge_verdict *v)
{
	static const char text[] = "interrupted by a restart of the agent";
	struct result_part parts[ACTION_OPERATIONS_MAX];
	size_t i;

	for (i = 0; i < v->noperations; i++) {
		parts[i].operation = (uint16_t)i;
		parts[i].status = PART_INTERRUPTED;
		parts[i].data = (const uint8_t *)text;
		parts[i].len = sizeof(text) - 1;
	}
	answer_parts(
	    a, v, RESULT_STOPPED, parts, v->noperations * (sizeof(text) - 1));
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
	if (make_refusal(a, id, reason, &out, &e) == 0)
		store(a, &own, expires, &out);
	else
		log_error("answer action=%s why=%s", id_short(id).s,
		    log_quote(e.msg));
	buf_release(&out);
}

void
answer_stranger(struct agent *a, const struct id *id, unsigned int reason)
{
	struct buf out;
	struct err e;

	err_clear(&e);
	buf_init(&out, ANSWER_MAX);
	if (make_refusal(a, id, reason, &out, &e) == 0)
		netlink_part(a->net, id, 0, 1, out.data, out.len);
	buf_release(&out);
}
