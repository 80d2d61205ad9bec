/* SPDX-License-Identifier: MPL-2.0 */
/* Api: logging in and out, investigators, enrolment tokens: all decided by
 * the core, which gets the request in binary form. */
#include "server/api/api.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "server/parse.h"

#include <string.h>

#define PEOPLE_MAX (8 * 1024 * 1024)

void
res_nonce(struct request *q)
{
	struct buf none;

	buf_init(&none, 1);
	core_ask(q, MSG_NONCE, &none);
}

void
res_session_new(struct request *q)
{
	struct buf env, msg;
	struct err e;

	buf_init(&env, ENVELOPE_MAX);
	buf_init(&msg, MSG_BODY_MAX);
	if (envelope_from_json(q->body.data, q->body.len, &env, &e) != 0) {
		reply_err(q, &e);
	} else {
		buf_add_field(&msg, env.data, env.len);
		core_ask(q, MSG_SESSION_NEW, &msg);
	}
	buf_release(&env);
	buf_release(&msg);
}

void
res_session_end(struct request *q)
{
	struct buf msg;

	message_init(q, &msg);
	core_ask(q, MSG_SESSION_END, &msg);
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
	jsonw_bool(w, "admin", i->admin);
	jsonw_str(w, "keyring", i->keyring);
	jsonw_object_end(w);
	return (w->out->error);
}

void
res_people(struct request *q)
{
	struct jsonw w;
	struct err e;

	jsonw_init(&w, &q->out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "investigators");
	if (store_investigators(q->api->read, add_person, &w, &e) < 0 &&
	    q->out.error == 0) {
		reply_err(q, &e);
		return;
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	reply_out(q, 200);
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
		buf_add_u8(&msg, b.admin);
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
	struct buf msg;

	if (strlen(q->arg) != STORE_FPR_HEX) {
		reply_error(q, 400, "invalid",
		    "expected a fingerprint of 40 hex digits");
		return;
	}
	message_init(q, &msg);
	buf_add_field(&msg, q->arg, strlen(q->arg));
	core_ask(q, MSG_PERSON_REMOVE, &msg);
	buf_release(&msg);
}

/* --- tokens ------------------------------------------------------------- */

void
res_token_new(struct request *q)
{
	struct token_body b;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (token_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add_u64(&msg, (uint64_t)b.uses);
		buf_add_u64(&msg, (uint64_t)b.seconds);
		core_ask(q, MSG_TOKEN_NEW, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}
