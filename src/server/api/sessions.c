/* SPDX-License-Identifier: MPL-2.0 */
/* Api: logging in and out, who is logged in: all changes are
 * decided by the core, which gets the request in binary form. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "server/parse.h"

#include <string.h>

#define SESSION_ID_LEN 16 /* digits of its token's digest */

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
	char from[ADDRESS_TEXT_MAX];
	struct buf env, msg;
	struct err e;

	buf_init(&env, ENVELOPE_MAX);
	buf_init(&msg, MSG_BODY_MAX);
	if (envelope_from_json(q->body.data, q->body.len, &env, &e) != 0) {
		reply_err(q, &e);
	} else {
		request_address_text(q, from);
		buf_add_field(&msg, from, strlen(from));
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

struct sessions_list {
	struct jsonw w;
	const struct id *mine;
};

static int
add_session(const struct store_session *x, void *arg)
{
	struct sessions_list *l = arg;

	jsonw_object(&l->w, NULL);
	jsonw_strn(&l->w, "id", id_hex(&x->hash).s, SESSION_ID_LEN);
	jsonw_str(&l->w, "name", x->name);
	jsonw_str(&l->w, "fingerprint", x->fpr);
	jsonw_time(&l->w, "created", x->created);
	jsonw_time(&l->w, "expires", x->expires);
	jsonw_bool(&l->w, "current", id_equal(&x->hash, l->mine));
	jsonw_object_end(&l->w);
	return (l->w.out->error);
}

/* One's own; everybody's for who may end them. */
void
res_sessions(struct request *q)
{
	struct sessions_list l = { .mine = &q->token };
	const struct store_caller *c = &q->caller;
	bool all = call_allowed(CALL_SESSIONS, c->role, c->calls);
	struct err e;

	list_begin(q, &l.w, "sessions");
	list_end(q, &l.w,
	    store_sessions(q->api->read, all ? NULL : c->fpr, clock_wall_ms(),
		add_session, &l, &e),
	    &e);
}

void
res_session_revoke(struct request *q)
{
	struct buf msg;

	if (strlen(q->arg) > ID_HEX_LEN) {
		reply_error(q, 400, "invalid",
		    "expected 8 to %d hex digits of a session's id",
		    ID_HEX_LEN);
		return;
	}
	message_init(q, &msg);
	buf_add_field(&msg, q->arg, strlen(q->arg));
	core_ask(q, MSG_SESSION_REVOKE, &msg);
	buf_release(&msg);
}

void
res_sessions_revoke(struct request *q)
{
	request_fingerprint(q, MSG_SESSIONS_REVOKE);
}
