/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: an action is cancelled. The document is verified and stored, the
 * answer follows the commit, and only then do agents get it: at once those that
 * are there, the others when they come while the action would still be valid.
 * Whether it holds each agent decides for itself.
 */
#include "server/core/cancel.h"

#include "server/core/core.h"
#include "server/audit.h"
#include "server/core/judging.h"
#include "server/core/signers.h"

#include "action/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "mqtt/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED "the action has ended: there is nothing to cancel"

struct cancel_job {
	struct core_job j;
	int64_t action;
	struct id id; /* of the action */
	char caller[STORE_FPR_HEX + 1];
	struct cancel doc;
	struct core_signers by;
	struct store_cancel row; /* borrows from the others */
	uint8_t *envelope;       /* until the scheduler has it */
	struct run *run; /* of one that waits for signatures, likewise */
};

static void
job_free(struct cancel_job *x)
{
	free(x->envelope);
	sched_run_free(x->run);
	free(x);
}

static int
cancel_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct cancel_job *x = (struct cancel_job *)j;
	struct id_hex id = id_hex(&x->id);
	char detail[AUDIT_DETAIL_MAX];
	struct audit_note note = { x->caller, "action_cancelled", id.s,
		detail };
	int rc;

	/* it waited: for the store, or behind others */
	if (clock_wall_ms() / 1000 >= x->doc.expire_after)
		return (err_set(e, ERR_EXPIRED, ENDED));
	rc = store_cancel_put(s, x->action, &x->row, e);
	snprintf(detail, sizeof(detail), "signed by %.500s", x->by.names);
	return (rc != 0 ? rc : audit_add(s, &note, clock_wall_ms(), e));
}

static void
reply(struct core *c, uint32_t request, int status, const struct run *r)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 1024);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&r->id).s);
	jsonw_str(&w, "status", action_status_text(ACTION_CANCELLED));
	jsonw_u64(&w, "expected", r->expected);
	jsonw_u64(&w, "answered", r->answered);
	jsonw_object_end(&w);
	core_reply(c, request, status, &out);
	buf_release(&out);
}

static void
announce(struct core *c, const struct cancel_job *x)
{
	struct buf out;
	struct jsonw w;

	buf_init(&out, 65536);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&x->id).s);
	jsonw_str(&w, "status", action_status_text(ACTION_CANCELLED));
	jsonw_raw(&w, "investigators", x->by.names, strlen(x->by.names));
	jsonw_object_end(&w);
	if (buf_str(&out) != NULL)
		core_event(c, "action", buf_str(&out));
	buf_release(&out);
}

static void
cancel_done(struct writer_job *j)
{
	struct cancel_job *x = (struct cancel_job *)j;
	struct core *c = x->j.c;
	struct run *r = sched_find(&c->sched, &x->id);

	/* one that waited: agents remember that it is not to come */
	if (r == NULL && j->rc == 0 && x->run != NULL) {
		r = x->run;
		x->run = NULL;
		sched_add(&c->sched, r, x->action);
	}
	if (j->rc != 0 && j->rc != ERR_EXISTS) {
		core_refuse_err(c, x->j.request, &j->err);
	} else if (r == NULL || r->envelope == NULL) {
		/* it is stored, and nobody is left who would be told */
		core_refuse(c, x->j.request, 403, "expired", ENDED);
	} else if (j->rc == ERR_EXISTS) {
		/* two at once: the other was first */
		reply(c, x->j.request, 200, r);
	} else {
		fault_point("core.cancel_stored");
		log_info("action_cancelled id=%s answered=%zu expected=%zu",
		    id_short(&x->id).s, r->answered, r->expected);
		sched_cancel(&c->sched, r, x->envelope, x->row.envelope_len);
		x->envelope = NULL;
		sched_tick(&c->sched, core_now(c));
		fault_point("core.cancel_published");
		reply(c, x->j.request, 201, r);
		announce(c, x);
		core_wake(c);
	}
	job_free(x);
}

/* Is one of them among the action's own signers? 1, 0, or ERR_*. */
static int
signed_it(struct core *c, const struct run *r, const struct cancel_job *x,
    const char *by, struct err *e)
{
	struct core_signers first;
	struct envelope env;
	struct err why;
	int rc;

	if (envelope_parse(r->envelope, r->envelope_len, &env, e) != 0)
		return (e->code);
	/* whoever of them is logged in now does not matter */
	rc = core_signers(c, PURPOSE_ACTION, &env, by, &first, &why);
	if (core_signers_meet(&first, &x->by))
		return (1);
	return (writer_is_passing(rc) ? err_set(e, rc, "%s", why.msg) : 0);
}

/* Have they the right that the policy gives? */
static int
have_right(struct core *c, const struct cancel_job *x, struct err *e)
{
	struct acl *acl = NULL;
	int rc = core_policy_acl(c, &acl, e);

	if (rc == 0)
		rc = acl_check_right(acl, CANCEL_RIGHT, x->by.list, x->by.n,
		    clock_wall_ms() / 1000, e);
	acl_free(acl);
	return (rc);
}

static int
check_who(struct core *c, const struct run *r, const struct cancel_job *x,
    const char *by, struct err *e)
{
	struct err why;
	int rc = signed_it(c, r, x, by, e);

	if (rc != 0)
		return (rc < 0 ? rc : 0);
	err_clear(&why);
	if (have_right(c, x, &why) == 0)
		return (0);
	if (writer_is_passing(why.code))
		return (err_set(e, why.code, "%s", why.msg));
	return (err_set(e, ERR_DENIED,
	    "only who signed the action, or has the right \"" CANCEL_RIGHT
	    "\", can cancel it (%.200s)",
	    why.msg));
}

static int
check(struct core *c, struct run *r, const struct envelope *env,
    struct cancel_job *x, const char *by, struct err *e)
{
	int rc;

	if (env->doc_len > CANCEL_DOC_MAX)
		return (err_set(e, ERR_TOOBIG,
		    "the document has more than %d bytes", CANCEL_DOC_MAX));
	if ((rc = cancel_parse(env->doc, env->doc_len, &x->doc, e)) != 0)
		return (rc);
	if (!id_equal(&x->doc.action, &x->id))
		return (err_set(e, ERR_INVALID,
		    "action: it is signed for action %s, not for %s",
		    id_short(&x->doc.action).s, id_hex(&x->id).s));
	if (x->doc.expire_after != r->expire_after)
		return (err_set(e, ERR_INVALID,
		    "expireafter: it is not the end of the action"));
	if ((rc = core_signers(c, PURPOSE_CANCEL, env, by, &x->by, e)) != 0)
		return (rc);
	return (check_who(c, r, x, by, e));
}

static void
fill(struct cancel_job *x, const struct run *r, const struct envelope *env,
    size_t len)
{
	purpose_hash(PURPOSE_CANCEL, env->doc, env->doc_len, &x->row.id);
	x->action = r->n;
	x->row.created = clock_wall_ms();
	x->row.investigators = x->by.names;
	x->row.reason = x->doc.reason;
	x->row.envelope = x->envelope;
	x->row.envelope_len = len;
	x->j.j.cost += len;
}

struct waiting {
	struct core *c;
	struct run *run;
	bool opens; /* it was stored as launched a moment ago */
	struct err *e;
};

static int
take_waiting(const struct store_action *a, void *arg)
{
	struct waiting *w = arg;

	w->opens = a->status == ACTION_OPEN &&
	    a->expire_after > clock_wall_ms() / 1000;
	if (a->status != ACTION_WAITING)
		return (0);
	w->run = sched_run_new(&w->c->sched, a, NULL, 0, w->e);
	if (w->run == NULL)
		return (ERR_NOMEM);
	w->run->n = a->n;
	return (0);
}

/* One that the scheduler does not know; replies and returns NULL when it does
 * not wait for signatures. */
static struct run *
find_waiting(struct core *c, uint32_t request, const struct id *id)
{
	struct err e;
	struct waiting w = { c, NULL, false, &e };
	int rc;

	err_clear(&e);
	rc = store_action_get(c->read, id, take_waiting, &w, &e);
	if (rc != 0 && rc != ERR_NOTFOUND)
		core_refuse_err(c, request, &e);
	else if (w.opens)
		core_refuse(c, request, 503, "busy",
		    "the action was changed at the same moment: try again");
	else if (w.run == NULL)
		core_refuse(c, request, 404, "not_found", ENDED);
	return (w.run);
}

/* The action as it is now, not owned when the scheduler has it; replies and
 * returns NULL when it is too late, or done already. */
static struct run *
find(struct core *c, uint32_t request, const struct id *id, bool *ret_owned)
{
	struct run *r = sched_find(&c->sched, id);

	*ret_owned = r == NULL;
	if (r == NULL)
		return (find_waiting(c, request, id));
	if (r->envelope == NULL && r->cancel == NULL) {
		core_refuse(c, request, 403, "expired", ENDED);
		return (NULL);
	}
	if (r->status == ACTION_CANCELLED) {
		reply(c, request, 200, r);
		return (NULL);
	}
	return (r);
}

void
cancel_request(struct core *c, uint32_t request, struct rd *rd)
{
	struct store_caller s;
	const uint8_t *bytes;
	struct cancel_job *x;
	struct envelope env;
	struct id token, id;
	struct run *r;
	struct err e;
	size_t len;
	bool owned;

	rd_copy(rd, token.b, ID_LEN);
	rd_copy(rd, id.b, ID_LEN);
	bytes = rd_field(rd, WIRE_BROADCAST_MAX, &len);
	if (rd->bad ||
	    !core_caller(c, request, &token, CALL_ACTIONS_LAUNCH, &s) ||
	    (r = find(c, request, &id, &owned)) == NULL)
		return;
	err_clear(&e);
	x = core_job_new(c, sizeof(*x), request, cancel_run, cancel_done);
	if (x == NULL || (x->envelope = malloc(len + 1)) == NULL) {
		free(x);
		if (owned)
			sched_run_free(r);
		core_refuse(
		    c, request, 503, "busy", "out of memory: try again");
		return;
	}
	memcpy(x->envelope, bytes, len);
	x->id = id;
	x->run = owned ? r : NULL;
	if (envelope_parse(bytes, len, &env, &e) != 0 ||
	    check(c, r, &env, x, s.fpr, &e) != 0) {
		log_warn("cancel_refused id=%s by=%s why=%s", id_short(&id).s,
		    s.fpr, log_quote(e.msg));
		core_refuse_err(c, request, &e);
		job_free(x);
		return;
	}
	fault_point("core.cancel_verified");
	fill(x, r, &env, len);
	str_copy(x->caller, sizeof(x->caller), s.fpr);
	writer_submit(c->writer, &x->j.j);
}

static int
take(const struct store_cancel *k, void *arg)
{
	return (buf_add(arg, k->envelope, k->envelope_len));
}

int
cancel_load(struct core *c, struct run *r, struct err *e)
{
	struct buf b;
	uint8_t *bytes;
	size_t len;
	int rc;

	buf_init(&b, WIRE_BROADCAST_MAX);
	rc = store_cancel_get(c->read, r->n, take, &b, e);
	if (b.error != 0)
		err_set(e, rc, "the stored cancel: %s", err_text(rc));
	if (rc == 0) {
		buf_take(&b, &bytes, &len);
		sched_cancel(&c->sched, r, bytes, len);
	}
	buf_release(&b);
	return (rc);
}
