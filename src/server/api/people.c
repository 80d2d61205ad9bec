/* SPDX-License-Identifier: MPL-2.0 */
/* Api: who may do what: investigators with their roles, API keys. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "server/parse.h"

#include <string.h>

void
request_fingerprint(struct request *q, enum server_msg type)
{
	struct buf msg;

	if (strlen(q->arg) != STORE_FPR_HEX) {
		reply_error(q, 400, "invalid",
		    "expected a fingerprint of 40 hex digits");
		return;
	}
	message_init(q, &msg);
	buf_add_field(&msg, q->arg, strlen(q->arg));
	core_ask(q, type, &msg);
	buf_release(&msg);
}

/* --- investigators ------------------------------------------------------ */

static int
add_person(const struct store_investigator *i, void *arg)
{
	struct jsonw *w = arg;

	jsonw_object(w, NULL);
	jsonw_str(w, "name", i->name);
	jsonw_str(w, "fingerprint", i->fpr);
	jsonw_str(w, "role", person_role_text(i->role));
	jsonw_time(w, "created", i->created);
	jsonw_str(w, "keyring", i->keyring);
	jsonw_object_end(w);
	return (w->out->error);
}

void
res_people(struct request *q)
{
	struct jsonw w;
	struct err e;

	list_begin(q, &w, "investigators");
	list_end(
	    q, &w, store_investigators(q->api->read, add_person, &w, &e), &e);
}

void
res_person_new(struct request *q)
{
	struct person_body b;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (person_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add_u8(&msg, (uint8_t)b.role);
		buf_add_field(&msg, b.fpr, strlen(b.fpr));
		buf_add_field(&msg, b.name, strlen(b.name));
		buf_add_field(&msg, b.keyring, strlen(b.keyring));
		core_ask(q, MSG_PERSON_PUT, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}

void
res_person_remove(struct request *q)
{
	request_fingerprint(q, MSG_PERSON_REMOVE);
}

void
res_person_role(struct request *q)
{
	enum person_role role;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (role_body_read(v, &role, &e) != 0) {
		reply_err(q, &e);
	} else if (strlen(q->arg) != STORE_FPR_HEX) {
		reply_error(q, 400, "invalid",
		    "expected a fingerprint of 40 hex digits");
	} else {
		message_init(q, &msg);
		buf_add_u8(&msg, (uint8_t)role);
		buf_add_field(&msg, q->arg, strlen(q->arg));
		core_ask(q, MSG_PERSON_ROLE, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}

/* --- API keys ------------------------------------------------------------ */

static int
add_key(const struct store_key *k, void *arg)
{
	char calls[CALLS_TEXT_MAX];
	struct jsonw *w = arg;

	calls_text(k->calls, calls);
	jsonw_object(w, NULL);
	jsonw_str(w, "name", k->name);
	jsonw_str(w, "calls", calls);
	jsonw_time(w, "created", k->created);
	jsonw_time(w, "expires", k->expires);
	jsonw_str(w, "by", k->by);
	jsonw_object_end(w);
	return (w->out->error);
}

void
res_keys(struct request *q)
{
	struct jsonw w;
	struct err e;

	list_begin(q, &w, "apikeys");
	list_end(q, &w, store_keys(q->api->read, add_key, &w, &e), &e);
}

void
res_key_new(struct request *q)
{
	struct key_body b;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (key_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add(&msg, b.hash.b, ID_LEN);
		buf_add_u64(&msg, b.calls);
		buf_add_u64(&msg, (uint64_t)b.seconds);
		buf_add_field(&msg, b.name, strlen(b.name));
		core_ask(q, MSG_KEY_PUT, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}

void
res_key_revoke(struct request *q)
{
	struct buf msg;

	if (!key_name_valid(q->arg)) {
		reply_error(q, 404, "not_found", "there is no such API key");
		return;
	}
	message_init(q, &msg);
	buf_add_field(&msg, q->arg, strlen(q->arg));
	core_ask(q, MSG_KEY_REMOVE, &msg);
	buf_release(&msg);
}
