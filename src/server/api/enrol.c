/* SPDX-License-Identifier: MPL-2.0 */
/* Api: what endpoints use: enrolment and policies. Neither needs a session. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "action/policy.h"
#include "server/parse.h"

#include <string.h>

void
res_enrol(struct request *q)
{
	struct enrol_body b;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (enrol_body_read(v, &b, &e) != 0) {
		reply_err(q, &e);
	} else {
		buf_init(&msg, MSG_BODY_MAX);
		buf_add(&msg, b.token.b, ID_LEN);
		buf_add(&msg, b.pub, sizeof(b.pub));
		buf_add(&msg, b.sig, sizeof(b.sig));
		buf_add_field(&msg, b.document, strlen(b.document));
		core_ask(q, MSG_ENROL, &msg);
		buf_release(&msg);
	}
	json_decref(v);
}

void
res_policy(struct request *q)
{
	struct err e;
	struct id hash;

	if (id_parse(q->arg, &hash) != 0) {
		reply_error(q, 400, "invalid",
		    "expected the policy's hash, 64 hex digits");
		return;
	}
	if (store_policy_get(q->api->read, &hash, NULL, &q->out, &e) != 0) {
		if (e.code == ERR_NOTFOUND)
			err_set(&e, ERR_NOTFOUND, "no policy %s", q->arg);
		reply_err(q, &e);
		return;
	}
	q->type = "application/octet-stream";
	reply_out(q, 200);
}
