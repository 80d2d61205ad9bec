/* SPDX-License-Identifier: MPL-2.0 */
/* Api: enrolment tokens. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/jsonw.h"
#include "server/parse.h"

#include <string.h>

static int
add_token(const struct store_token *t, void *arg)
{
	struct jsonw *w = arg;

	jsonw_object(w, NULL);
	jsonw_str(w, "sha256", id_hex(&t->hash).s);
	jsonw_i64(w, "uses", t->uses);
	jsonw_time(w, "created", t->created);
	jsonw_time(w, "expires", t->expires);
	jsonw_object_end(w);
	return (w->out->error);
}

void
res_tokens(struct request *q)
{
	struct jsonw w;
	struct err e;

	list_begin(q, &w, "tokens");
	list_end(q, &w, store_tokens(q->api->read, add_token, &w, &e), &e);
}

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
		buf_add(&msg, b.hash.b, ID_LEN);
		core_ask(q, MSG_TOKEN_NEW, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}

void
res_token_revoke(struct request *q)
{
	struct buf msg;

	if (strlen(q->arg) > ID_HEX_LEN) {
		reply_error(q, 400, "invalid",
		    "expected 8 to %d hex digits of a token's digest",
		    ID_HEX_LEN);
		return;
	}
	message_init(q, &msg);
	buf_add_field(&msg, q->arg, strlen(q->arg));
	core_ask(q, MSG_TOKEN_REMOVE, &msg);
	buf_release(&msg);
}
