/* SPDX-License-Identifier: MPL-2.0 */
/* Api: launching, listing and showing actions. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "action/envelope.h"
#include "action/refusal.h"
#include "action/result.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "json/json.h"
#include "mqtt/wire.h"
#include "server/store/waiting.h"
#include "server/stored.h"

#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 50
#define LIST_MAX 500
#define PAGE 500

/* --- launching ---------------------------------------------------------- */

/* Splits "delivery" off the envelope's JSON; 0, or a reply was made. */
static int
read_delivery(struct request *q, struct buf *env, bool *ret_online)
{
	const char *delivery = NULL;
	char *text = NULL;
	struct err e;
	json_t *v;
	int rc;

	if ((v = request_json(q)) == NULL)
		return (ERR_INVALID);
	rc = json_opt_str(v, "", "delivery", &delivery, &e);
	if (rc == 0 && delivery != NULL && strcmp(delivery, "online") != 0)
		rc = err_set(&e, ERR_INVALID,
		    "delivery: expected \"online\" or nothing, not"
		    " \"%.40s\"",
		    delivery);
	*ret_online = delivery != NULL;
	if (rc == 0) {
		json_object_del(v, "delivery");
		text = json_text(v, JSON_COMPACT);
		if (text == NULL)
			rc = err_set(&e, ERR_NOMEM, "out of memory");
		else
			rc = envelope_from_json(text, strlen(text), env, &e);
	}
	free(text);
	json_decref(v);
	if (rc != 0)
		reply_err(q, &e);
	return (rc);
}

void
res_action_new(struct request *q)
{
	struct buf env, msg;
	bool online;

	fault_point("api.action");
	buf_init(&env, ENVELOPE_MAX);
	if (read_delivery(q, &env, &online) == 0) {
		message_init(q, &msg);
		buf_add_u8(&msg, online);
		buf_add_field(&msg, env.data, env.len);
		core_ask(q, MSG_ACTION_NEW, &msg);
		buf_release(&msg);
	}
	buf_release(&env);
}

/* --- showing ------------------------------------------------------------ */

static void
add_action(struct jsonw *w, const struct store_action *a)
{
	jsonw_str(w, "id", id_hex(&a->id).s);
	jsonw_str(w, "name", a->name);
	jsonw_str(w, "status", action_status_text(a->status));
	if (a->online_only)
		jsonw_str(w, "delivery", "online");
	jsonw_time(w, "created", a->created);
	jsonw_time(w, "validfrom", 1000 * a->valid_from);
	jsonw_time(w, "expireafter", 1000 * a->expire_after);
	if (a->pruned > 0)
		jsonw_time(w, "results_removed", a->pruned);
	jsonw_raw(
	    w, "investigators", a->investigators, strlen(a->investigators));
	jsonw_object(w, "counts");
	jsonw_i64(w, "expected", a->counts.expected);
	jsonw_i64(w, "sent", a->counts.sent);
	jsonw_i64(w, "answered", a->counts.answered);
	jsonw_i64(w, "done", a->counts.done);
	jsonw_i64(w, "refused", a->counts.refused);
	jsonw_i64(w, "stopped", a->counts.stopped);
	jsonw_object_end(w);
}

static void
add_signatures(struct jsonw *w, const char *key, const char *list)
{
	if (strcmp(list, "[]") != 0)
		jsonw_raw(w, key, list, strlen(list));
}

static int
show_waiting(const struct store_waiting *x, void *arg)
{
	struct jsonw *w = arg;

	jsonw_object(w, "waiting");
	jsonw_object(w, "weight");
	jsonw_i64(w, "has", x->has);
	jsonw_i64(w, "needs", x->needs);
	jsonw_object_end(w);
	jsonw_str(w, "missing", x->missing);
	jsonw_bool(w, "possible", x->possible);
	if (x->policy > 0)
		jsonw_u64(w, "policy", x->policy);
	jsonw_str(w, "by", x->first);
	add_signatures(w, "left_out", x->left_out);
	add_signatures(w, "uncounted", x->uncounted);
	jsonw_object_end(w);
	return (w->out->error);
}

/* There is none, or it was shown: a part that cannot be read is not left out.
 */
static int
shown(int rc, const struct jsonw *w)
{
	return (rc != 0 && rc != ERR_NOTFOUND ? rc : w->out->error);
}

struct list {
	struct store *read;
	struct err *e;
	struct jsonw w;
	uint64_t limit, n;
	int64_t last;
};

static int
list_one(const struct store_action *a, void *arg)
{
	struct list *l = arg;
	int rc = 0;

	/* One more than asked for tells whether there are more. */
	if (l->n++ == l->limit)
		return (0);
	l->last = a->n;
	jsonw_object(&l->w, NULL);
	add_action(&l->w, a);
	if (a->status == ACTION_WAITING) {
		jsonw_str(&l->w, "target", a->target);
		rc =
		    store_waiting_get(l->read, a->n, show_waiting, &l->w, l->e);
	}
	jsonw_object_end(&l->w);
	return (shown(rc, &l->w));
}

void
res_actions(struct request *q)
{
	struct err e;
	struct list l = { .read = q->api->read, .e = &e };
	bool waiting = request_flag(q, "waiting");
	uint64_t before;
	int rc;

	if (!request_number(q, "limit", LIST_MAX, LIST_DEFAULT, &l.limit) ||
	    !request_number(q, "before", INT64_MAX, 0, &before))
		return;
	if (l.limit == 0)
		l.limit = 1;
	jsonw_init(&l.w, &q->out);
	jsonw_object(&l.w, NULL);
	jsonw_array(&l.w, "actions");
	rc = (waiting ? store_actions_waiting : store_actions)(
	    q->api->read, (int64_t)before, (int)l.limit + 1, list_one, &l, &e);
	if (rc != 0 && q->out.error == 0) {
		reply_err(q, &e);
		return;
	}
	jsonw_array_end(&l.w);
	if (l.n > l.limit)
		jsonw_i64(&l.w, "next", l.last);
	else
		jsonw_null(&l.w, "next");
	jsonw_object_end(&l.w);
	reply_out(q, 200);
}

static int
show_cancel(const struct store_cancel *k, void *arg)
{
	struct jsonw *w = arg;
	struct envelope env;
	json_t *doc = NULL;
	char *sigs = NULL;
	struct err e;

	err_clear(&e);
	if (envelope_parse(k->envelope, k->envelope_len, &env, &e) == 0)
		doc = envelope_to_json(&env, &e);
	if (doc != NULL)
		sigs =
		    json_text(json_object_get(doc, "signatures"), JSON_COMPACT);
	if (e.code == ERR_NOMEM || (doc != NULL && sigs == NULL))
		w->out->error = ERR_NOMEM;
	jsonw_object(w, "cancel");
	jsonw_time(w, "time", k->created);
	jsonw_raw(
	    w, "investigators", k->investigators, strlen(k->investigators));
	jsonw_str(w, "reason", k->reason);
	if (sigs != NULL) {
		jsonw_str(w, "document",
		    json_string_value(json_object_get(doc, "document")));
		jsonw_raw(w, "signatures", sigs, strlen(sigs));
	}
	jsonw_object_end(w);
	free(sigs);
	json_decref(doc);
	return (w->out->error);
}

struct one {
	struct request *q;
	struct err *e; /* why one of its parts cannot be read */
};

static int
show_one(const struct store_action *a, void *arg)
{
	struct one *o = arg;
	struct request *q = o->q;
	struct envelope env;
	json_t *doc = NULL;
	struct jsonw w;
	struct err e;
	char *text;
	int rc;

	err_clear(&e);
	rc = stored_document(a, &e);
	if (rc != 0 && rc != ERR_NOMEM) {
		reply_error(q, 500, "damaged", "%s", e.msg);
		return (0);
	}
	if (rc == 0 &&
	    envelope_parse(a->envelope, a->envelope_len, &env, &e) == 0)
		doc = envelope_to_json(&env, &e);
	if (doc == NULL) {
		q->out.error = ERR_NOMEM;
		return (ERR_NOMEM);
	}
	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	add_action(&w, a);
	jsonw_str(&w, "target", a->target);
	jsonw_str(&w, "document",
	    json_string_value(json_object_get(doc, "document")));
	text = json_text(json_object_get(doc, "signatures"), JSON_COMPACT);
	if (text != NULL)
		jsonw_raw(&w, "signatures", text, strlen(text));
	else
		q->out.error = ERR_NOMEM;
	rc = shown(
	    store_cancel_get(q->api->read, a->n, show_cancel, &w, o->e), &w);
	if (rc == 0)
		rc = shown(store_waiting_get(
			       q->api->read, a->n, show_waiting, &w, o->e),
		    &w);
	jsonw_object_end(&w);
	free(text);
	json_decref(doc);
	return (rc);
}

void
res_action(struct request *q)
{
	struct err e;
	struct one o = { q, &e };
	struct id id;
	int rc;

	if (!request_action(q, &id))
		return;
	rc = store_action_get(q->api->read, &id, show_one, &o, &e);
	if (rc != 0 && q->out.error == 0)
		reply_err(q, &e);
	else if (q->state != REQ_READY)
		reply_out(q, 200);
}

/* --- cancelling, signing ------------------------------------------------ */

/* An envelope about an action of the path goes to the core. */
static void
pass_envelope(struct request *q, enum server_msg type, size_t max)
{
	struct buf env, msg;
	struct err e;
	struct id id;

	if (!request_action(q, &id))
		return;
	err_clear(&e);
	buf_init(&env, max);
	if (envelope_from_json(q->body.data, q->body.len, &env, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add(&msg, id.b, ID_LEN);
		buf_add_field(&msg, env.data, env.len);
		core_ask(q, type, &msg);
		buf_release(&msg);
	}
	buf_release(&env);
}

void
res_action_cancel(struct request *q)
{
	pass_envelope(q, MSG_ACTION_CANCEL, WIRE_BROADCAST_MAX);
}

void
res_action_cosign(struct request *q)
{
	pass_envelope(q, MSG_ACTION_COSIGN, ENVELOPE_MAX);
}

/* --- its agents --------------------------------------------------------- */

struct expected_stream {
	struct stream s; /* first */
	int64_t action, after;
	int status;
	size_t seen;
};

static const char *
state_text(const struct store_expected *x, int action_status)
{
	if (x->state == EXPECT_ANSWERED)
		return ("answered");
	if (action_status >= ACTION_EXPIRED)
		return ("expired");
	return (x->state == EXPECT_SENT ? "sent" : "waiting");
}

static int
expected_one(const struct store_expected *x, void *arg)
{
	static const char *const words[] = { "", "done", "refused", "stopped" };
	struct expected_stream *s = arg;
	struct jsonw w;

	s->seen++;
	s->after = x->agent;
	jsonw_init(&w, &s->s.out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "agent", id_hex(&x->agent_id).s);
	jsonw_str(&w, "name", x->agent_name);
	jsonw_str(&w, "state", state_text(x, s->status));
	jsonw_bool(&w, "online", x->online);
	jsonw_i64(&w, "lastseen", x->lastseen);
	jsonw_i64(&w, "enrolled", x->enrolled);
	if (x->state == EXPECT_ANSWERED && x->status >= RESULT_DONE &&
	    x->status <= RESULT_STOPPED)
		jsonw_str(&w, "status", words[x->status]);
	else
		jsonw_null(&w, "status");
	if (x->state == EXPECT_ANSWERED && x->reason != 0)
		jsonw_str(&w, "reason", refusal_text((unsigned)x->reason));
	else
		jsonw_null(&w, "reason");
	jsonw_object_end(&w);
	buf_add_u8(&s->s.out, '\n');
	return (s->s.out.error);
}

static void
expected_fill(struct stream *s)
{
	struct expected_stream *x = (struct expected_stream *)s;

	x->seen = 0;
	if (store_expected(s->q->api->read, x->action, x->after, PAGE,
		expected_one, x, NULL) != 0)
		s->out.error = ERR_IO;
	s->ended = x->seen < PAGE;
}

static int
take_status(const struct store_action *a, void *arg)
{
	struct expected_stream *x = arg;

	x->action = a->n;
	x->status = a->status;
	return (0);
}

void
res_action_agents(struct request *q)
{
	struct expected_stream *x, found = { 0 };
	struct err e;
	struct id id;

	if (!request_action(q, &id))
		return;
	if (store_action_get(q->api->read, &id, take_status, &found, &e) != 0) {
		reply_err(q, &e);
		return;
	}
	x = stream_new(q, sizeof(*x), NDJSON, expected_fill, NULL);
	if (x == NULL)
		return;
	x->action = found.action;
	x->status = found.status;
}
