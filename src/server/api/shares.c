/* SPDX-License-Identifier: MPL-2.0 */
/* Api: keys of actions that were handed on to further readers. */
#include "server/api/api.h"

#include "action/envelope.h"
#include "action/share.h"
#include "base/jsonw.h"
#include "json/json.h"
#include "server/api/resources.h"
#include "server/store/shares.h"

#include <stdlib.h>
#include <string.h>

void
res_share_new(struct request *q)
{
	struct buf env, msg;
	struct id action;
	struct err e;

	if (!request_action(q, &action))
		return;
	buf_init(&env, SHARE_ENVELOPE_MAX);
	if (envelope_from_json(
		(const char *)q->body.data, q->body.len, &env, &e) != 0) {
		reply_err(q, &e);
	} else {
		message_init(q, &msg);
		buf_add(&msg, action.b, ID_LEN);
		buf_add_field(&msg, env.data, env.len);
		core_ask(q, MSG_SHARE_PUT, &msg);
		buf_release(&msg);
	}
	buf_release(&env);
}

void
res_shares_remove(struct request *q)
{
	struct id action;
	struct buf msg;

	if (!request_action(q, &action))
		return;
	message_init(q, &msg);
	buf_add(&msg, action.b, ID_LEN);
	core_ask(q, MSG_SHARES_REMOVE, &msg);
	buf_release(&msg);
}

static int
show_share(const struct store_share *x, void *arg)
{
	struct jsonw *w = arg;
	struct envelope env;
	struct err e;
	json_t *j;
	char *text;

	/* one that was damaged does not take the others with it */
	if (envelope_parse(x->envelope, x->envelope_len, &env, &e) != 0 ||
	    ((j = envelope_to_json(&env, &e)) == NULL && e.code != ERR_NOMEM))
		return (0);
	text = j != NULL ? json_text(j, JSON_COMPACT) : NULL;
	if (text == NULL) {
		w->out->error = ERR_NOMEM;
	} else {
		jsonw_object(w, NULL);
		jsonw_str(w, "by", x->by);
		jsonw_str(w, "to", x->reader);
		jsonw_time(w, "created", x->created);
		jsonw_raw(w, "share", text, strlen(text));
		jsonw_object_end(w);
	}
	free(text);
	json_decref(j);
	return (w->out->error);
}

void
res_shares(struct request *q)
{
	struct id action;
	struct jsonw w;
	struct err e;

	if (!request_action(q, &action))
		return;
	list_begin(q, &w, "shares");
	list_end(
	    q, &w, store_shares(q->api->read, &action, show_share, &w, &e), &e);
}
