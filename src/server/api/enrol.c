/* SPDX-License-Identifier: MPL-2.0 */
/* Api: what endpoints use: enrolment and policies. Neither needs a session. */
#include "server/api/api.h"

#include "action/policy.h"
#include "base/hex.h"
#include "crypto/identity.h"
#include "json/json.h"
#include "server/enrolcmd.h"

#include <string.h>

void
res_enrol(struct request *q)
{
	static const char *const keys[] = { "document", "identity", "signature",
		"token", NULL };
	const char *doc, *identity, *signature, *token;
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	struct id hash;
	struct buf msg;
	struct err e;
	json_t *v;

	if ((v = request_json(q)) == NULL)
		return;
	if (json_only_keys(v, "", keys, &e) != 0 ||
	    json_need_str(v, "", "document", &doc, &e) != 0 ||
	    json_need_str(v, "", "identity", &identity, &e) != 0 ||
	    json_need_str(v, "", "signature", &signature, &e) != 0 ||
	    json_need_str(v, "", "token", &token, &e) != 0) {
		reply_err(q, &e);
	} else if (strlen(doc) > ENROL_DOC_MAX) {
		reply_error(q, 400, "invalid", "document: longer than %d bytes",
		    ENROL_DOC_MAX);
	} else if (hex_decode(identity, pub, sizeof(pub)) != 0) {
		reply_error(
		    q, 400, "invalid", "identity: expected 64 hex digits");
	} else if (hex_decode(signature, sig, sizeof(sig)) != 0) {
		reply_error(
		    q, 400, "invalid", "signature: expected 128 hex digits");
	} else if (token_hash(token, &hash) != 0) {
		reply_error(q, 400, "invalid", "token: expected 64 hex digits");
	} else {
		buf_init(&msg, MSG_BODY_MAX);
		buf_add(&msg, hash.b, ID_LEN);
		buf_add(&msg, pub, sizeof(pub));
		buf_add(&msg, sig, sizeof(sig));
		buf_add_field(&msg, doc, strlen(doc));
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
