/* SPDX-License-Identifier: MPL-2.0 */
/* Api: the chain of policies. What one says is public to endpoints. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "action/envelope.h"
#include "action/policy.h"
#include "base/jsonw.h"
#include "json/json.h"
#include "server/store/policies.h"

#include <stdlib.h>
#include <string.h>

static int
add_policy(const struct store_policy *p, void *arg)
{
	struct jsonw *w = arg;

	jsonw_object(w, NULL);
	jsonw_u64(w, "version", p->version);
	jsonw_str(w, "hash", id_hex(&p->hash).s);
	if (id_is_zero(&p->previous))
		jsonw_null(w, "previous");
	else
		jsonw_str(w, "previous", id_hex(&p->previous).s);
	jsonw_i64(w, "created", p->created);
	jsonw_bool(w, "signed", p->envelope != NULL);
	jsonw_bool(w, "current", p->current);
	jsonw_object_end(w);
	return (w->out->error);
}

void
res_policies(struct request *q)
{
	struct jsonw w;
	struct err e;

	list_begin(q, &w, "policies");
	list_end(q, &w, store_policies(q->api->read, add_policy, &w, &e), &e);
}

static bool
hash_of(struct request *q, struct id *ret)
{
	if (id_parse(q->arg, ret) == 0)
		return (true);
	reply_error(
	    q, 400, "invalid", "expected the policy's hash, 64 hex digits");
	return (false);
}

void
res_policy(struct request *q)
{
	struct err e;
	struct id hash;

	if (!hash_of(q, &hash))
		return;
	if (store_policy_get(q->api->read, &hash, NULL, &q->out, &e) != 0) {
		if (e.code == ERR_NOTFOUND)
			err_set(&e, ERR_NOTFOUND, "no policy %s", q->arg);
		reply_err(q, &e);
		return;
	}
	q->type = "application/octet-stream";
	reply_out(q, 200);
}

void
res_policy_signed(struct request *q)
{
	struct envelope env;
	struct buf binary;
	struct err e;
	struct id hash;
	json_t *v = NULL;
	char *text = NULL;

	if (!hash_of(q, &hash))
		return;
	buf_init(&binary, ENVELOPE_MAX);
	if (store_policy_envelope(q->api->read, &hash, &binary, &e) != 0) {
		if (e.code == ERR_NOTFOUND)
			err_set(&e, ERR_NOTFOUND,
			    "no signed policy %s (one that was set by hand has"
			    " no signatures)",
			    q->arg);
	} else if (envelope_parse(binary.data, binary.len, &env, &e) == 0 &&
	    (v = envelope_to_json(&env, &e)) != NULL) {
		text = json_text(v, JSON_COMPACT);
		if (text == NULL || buf_add_str(&q->out, text) != 0)
			err_set(&e, ERR_NOMEM, "out of memory");
	}
	if (text != NULL && q->out.error == 0)
		reply_out(q, 200);
	else
		reply_err(q, &e);
	free(text);
	json_decref(v);
	buf_release(&binary);
}

void
res_policy_new(struct request *q)
{
	struct buf env, msg;
	struct err e;

	buf_init(&env, ENVELOPE_MAX);
	if (envelope_from_json(q->body.data, q->body.len, &env, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add_field(&msg, env.data, env.len);
		core_ask(q, MSG_POLICY_NEW, &msg);
		buf_release(&msg);
	}
	buf_release(&env);
}
