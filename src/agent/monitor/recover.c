/* SPDX-License-Identifier: MPL-2.0 */
/*
 * After a start. The spool is compared with the journal, unacknowledged
 * answers are queued, and every action still open is settled:
 *   its answer is in the spool   -> answered
 *   cancelled meanwhile          -> refused or stopped, cancelled
 *   accepted, still valid        -> runs now
 *   accepted, ended meanwhile    -> refused, expired
 *   accepted under other policy  -> refused, policy changed
 *   started                      -> answered "stopped", never run again
 *   its verdict is unreadable    -> refused: no longer known what was judged
 */
#include "action/refusal.h"
#include "agent/monitor/answer.h"
#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/sender.h"
#include "agent/store/spool.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct open_action {
	TAILQ_ENTRY(open_action) entry;
	struct judge_verdict verdict;
	struct signed_by by;
	struct id policy; /* that judged it */
	bool started;
	bool unreadable; /* of the verdict only id and end are known */
	size_t doc_len;
	uint8_t doc[];
};

TAILQ_HEAD(open_actions, open_action);

struct stock {
	struct agent *a;
	struct id *ids; /* of the spool, in no order */
	size_t n;
};

static void
note_id(const struct spool_item *it, void *arg)
{
	struct stock *s = arg;

	s->ids[s->n++] = it->id;
}

static void
count_id(const struct spool_item *it, void *arg)
{
	size_t *n = arg;

	(*n)++;
}

static int
queue_spool(struct agent *a, struct err *e)
{
	struct stock s = { .a = a };
	const struct journal_entry *en;
	size_t i, n = 0;

	spool_each(a->spool, count_id, &n);
	if (n == 0)
		return 0;
	s.ids = calloc(n, sizeof(*s.ids));
	if (s.ids == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	spool_each(a->spool, note_id, &s);
	for (i = 0; i < s.n; i++) {
		en = journal_find(a->journal, &s.ids[i]);
		if (en != NULL)
			spool_describe(a->spool, &s.ids[i], en->expires,
			    en->state == JOURNAL_ACKED);
		if (en == NULL || en->state != JOURNAL_ACKED)
			sender_again(a->sender, &s.ids[i]);
	}
	free(s.ids);
	return 0;
}

static int
note_open(
    const struct journal_entry *en, const struct journal_action *ja, void *arg)
{
	struct open_actions *list = arg;
	struct open_action *o = calloc(1, sizeof(*o) + ja->doc_len);
	uint8_t first[PGP_FPR_LEN];
	struct rd r;

	if (o == NULL)
		return ERR_NOMEM;
	/* behind the verdict: who signed first, the policy, and who signed
	 * (exam.c); without it the policy is none that could be installed */
	rd_init(&r, ja->verdict, ja->verdict_len);
	(void)rd_bytes(&r, JUDGE_VERDICT_LEN);
	rd_copy(&r, first, PGP_FPR_LEN);
	rd_copy(&r, o->policy.b, ID_LEN);
	signed_by_read(&r, &o->by);
	if (r.bad || o->by.n == 0) {
		o->by.n = 1;
		memcpy(o->by.persons[0], first, PGP_FPR_LEN);
	}
	/* of another version of the agent; it must not stay open for ever */
	o->unreadable = ja->verdict_len < JUDGE_VERDICT_LEN ||
	    judge_verdict_parse(ja->verdict, JUDGE_VERDICT_LEN, &o->verdict) !=
		0;
	if (o->unreadable) {
		log_warn("recover action=%s why=%s", id_short(&en->id).s,
		    log_quote("its verdict is unreadable"));
		o->verdict.id = en->id;
		o->verdict.expire_after = en->expires;
	}
	o->started = en->state == JOURNAL_STARTED;
	o->doc_len = ja->doc_len;
	memcpy(o->doc, ja->doc, ja->doc_len);
	TAILQ_INSERT_TAIL(list, o, entry);
	return 0;
}

/* The journal is told when the answer is stored: while that waits for the disk
 * the action stays open, and is settled by the next start. */
static void
refuse(struct agent *a, const struct judge_verdict *v, enum refusal reason)
{
	answer_refuse(a, &v->id, reason, v->expire_after);
}

static void
settle(struct agent *a, const struct open_action *o)
{
	const struct judge_verdict *v = &o->verdict;
	const struct cancelled *c;
	struct id id;
	struct err e;

	err_clear(&e);
	purpose_hash(PURPOSE_ACTION, o->doc, o->doc_len, &id);
	if (spool_find(a->spool, &v->id) != NULL) {
		if (journal_answer(a->journal, &v->id, &e) != 0)
			log_error("journal why=%s", log_quote(e.msg));
		return;
	}
	fault_point("recover.settling");
	c = journal_cancelled(a->journal, &v->id, &o->by, agent_now(a));
	if (o->unreadable) {
		refuse(a, v, REFUSAL_INTERNAL);
	} else if (o->started || !id_equal(&id, &v->id)) {
		log_info("interrupted action=%s", id_short(&v->id).s);
		answer_interrupted(a, v, c != NULL ? c->text : NULL);
	} else if (c != NULL) {
		log_info("refused action=%s reason=%d", id_short(&v->id).s,
		    (int)REFUSAL_CANCELLED);
		refuse(a, v, REFUSAL_CANCELLED);
	} else if (agent_now(a) >= v->expire_after) {
		refuse(a, v, REFUSAL_EXPIRED);
	} else if (!id_equal(&o->policy, &a->policy_hash)) {
		log_info("refused action=%s reason=%d", id_short(&v->id).s,
		    (int)REFUSAL_POLICY_CHANGED);
		refuse(a, v, REFUSAL_POLICY_CHANGED);
	} else if (a->mode != MODE_ONCE) {
		/* --once runs one action; others wait for the daemon */
		log_info("resumed action=%s", id_short(&v->id).s);
		jobs_add(a->jobs, v, &o->by, o->doc, o->doc_len, false);
	}
}

int
agent_recover(struct agent *a, struct err *e)
{
	struct open_actions list = TAILQ_HEAD_INITIALIZER(list);
	struct open_action *o;
	int rc;

	fault_point("recover.begun");
	rc = queue_spool(a, e);
	if (rc == 0)
		rc = journal_each_open(a->journal, note_open, &list, e);
	while ((o = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, o, entry);
		settle(a, o);
		free(o);
	}
	/* what was not seen is open, and nobody would look at it again */
	if (rc != 0)
		agent_must_restart(a);
	return rc;
}
