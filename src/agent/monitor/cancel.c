/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cancels, see cancel.h. Whether the signers of a cancel have signed the action
 * too is compared here, fingerprint by fingerprint: judge does not know who
 * signed what ran before, and is not believed further than that the document
 * names this action and that the ACL gives the right.
 */
#include "agent/monitor/cancel.h"

#include "agent/store/cancels.h"
#include "agent/monitor/days.h"
#include "agent/monitor/job.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/store/ownrecord.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void
fill(struct cancelled *c, const struct cancel_verdict *v,
    const struct verify_verdict *who)
{
	memset(c, 0, sizeof(*c));
	c->id = v->id;
	c->action = v->action;
	c->expires = v->expire_after;
	c->right = v->right == 1;
	signed_by_good(who->signers, who->n, &c->by);
	snprintf(c->text, sizeof(c->text), "cancelled by %s%s%s",
	    who->name[0] != '\0' ? who->name : "an investigator",
	    v->text[0] != '\0' ? ": " : "", v->text);
}

static void
ignore(struct agent *a, const struct cancel_verdict *v, const char *why)
{
	log_info("cancel_ignored cancel=%s action=%s why=%s",
	    id_short(&v->id).s, id_short(&v->action).s, log_quote(why));
}

/* A disk that takes nothing is no reason to go on with what was cancelled. */
static void
remember(struct agent *a, const struct cancelled *c, bool open)
{
	struct err e;
	int rc;

	err_clear(&e);
	rc = journal_cancel(a->journal, c, agent_now(a), &e);
	if (rc == 0)
		rc = own_add_cancelled(a->record, c, open, clock_wall_ms(), &e);
	if (rc == 0)
		return;
	log_error("cancel action=%s why=%s", id_short(&c->action).s,
	    log_quote(e.msg));
	agent_disk_error(a, rc);
}

void
cancel_take(struct agent *a, const struct cancel_verdict *v,
    const struct verify_verdict *who)
{
	const struct journal_entry *en = journal_find(a->journal, &v->action);
	const struct job *job = jobs_find(a->jobs, &v->action);
	char why[VERDICT_TEXT + 128];
	struct cancelled c;

	if (v->reason != 0) {
		ignore(a, v, v->detail);
		return;
	}
	if (en != NULL && en->state != JOURNAL_ACCEPTED &&
	    en->state != JOURNAL_STARTED) {
		ignore(a, v, "it is over here");
		return;
	}
	fill(&c, v, who);
	if (job != NULL && !c.right && !signed_by_meet(&c.by, &job->by)) {
		snprintf(why, sizeof(why),
		    "by nobody whose signature counts for the action, nor who "
		    "has the right: %s",
		    v->detail);
		ignore(a, v, why);
		return;
	}
	/* one that waits for an action which may never come, or whose answer
	 * waits for the disk */
	if (job == NULL &&
	    !days_take(
		a, DAY_CANCELS, &c.by, c.right ? CANCELS_MAX : CANCELS_DAY))
		return;
	if (job != NULL && job->verdict.expire_after > c.expires)
		c.expires = job->verdict.expire_after;
	remember(a, &c, job != NULL);
	fault_point("cancel.remembered");
	log_info("cancel action=%s known=%d by=%s", id_short(&v->action).s,
	    job != NULL, log_quote(who->name));
	jobs_cancel(a->jobs, &v->action, c.text);
}
