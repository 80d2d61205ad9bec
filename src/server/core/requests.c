/* SPDX-License-Identifier: MPL-2.0 */
/* Core: the table of what the api may ask for. The api is not trusted: it
 * hands over the hash of a session's token, and the core looks itself whose
 * session that is and what it may do. */
#include "server/core/core.h"
#include "server/core/cancel.h"
#include "server/core/policies.h"
#include "server/core/revoke.h"
#include "server/core/shares.h"

#include "base/clock.h"
#include "base/log.h"

static const struct {
	enum server_msg type;
	void (*handle)(struct core *c, uint32_t request, struct rd *rd);
} handlers[] = {
	{ MSG_SESSION_NEW, people_session_new },
	{ MSG_SESSION_END, people_session_end },
	{ MSG_ACTION_NEW, launch_request },
	{ MSG_ACTION_CANCEL, cancel_request },
	{ MSG_PERSON_PUT, people_put },
	{ MSG_PERSON_REMOVE, people_remove },
	{ MSG_PERSON_ROLE, people_role },
	{ MSG_SESSION_REVOKE, people_session_revoke },
	{ MSG_SESSIONS_REVOKE, people_sessions_revoke },
	{ MSG_KEY_PUT, people_key_put },
	{ MSG_KEY_REMOVE, people_key_remove },
	{ MSG_SHARE_PUT, share_request },
	{ MSG_SHARES_REMOVE, share_remove_request },
	{ MSG_TOKEN_NEW, people_token },
	{ MSG_TOKEN_REMOVE, people_token_remove },
	{ MSG_AGENT_REVOKE, revoke_request },
	{ MSG_POLICY_NEW, policies_request },
	{ MSG_ENROL, enrol_request },
};

int
core_on_api(struct ipc_chan *ch, const struct ipc_msg *m, void *arg)
{
	struct core *c = arg;
	struct rd rd;
	size_t i;

	if (m->request == 0)
		return (ERR_INVALID);
	if (m->type == MSG_NONCE) {
		people_nonce(c, m->request);
		return (0);
	}
	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].type != m->type)
			continue;
		rd_init(&rd, m->body, m->len);
		handlers[i].handle(c, m->request, &rd);
		/* Nothing was replied to what is cut short or too long. The
		 * channel stays: other requests are on it. */
		if (rd.bad)
			core_refuse(c, m->request, 400, "invalid",
			    "the request cannot be read");
		return (0);
	}
	return (ERR_INVALID);
}

bool
core_caller(struct core *c, uint32_t request, const struct id *token,
    enum server_call call, struct store_caller *ret)
{
	char why[CALL_WHY_MAX];
	struct err e;
	int rc;

	rc = store_caller_get(c->read, token, clock_wall_ms(), ret, &e);
	if (rc == ERR_NOTFOUND) {
		core_refuse(c, request, 401, "session",
		    "the session is unknown or past its end: log in again");
		return (false);
	}
	if (rc != 0) {
		core_refuse_err(c, request, &e);
		return (false);
	}
	if (call_allowed(call, ret->role, ret->calls))
		return (true);
	call_why_not(call, ret->role, why);
	log_warn("refused by=%s call=%s", ret->fpr, call_name(call));
	core_refuse(c, request, 403, "not_allowed", "%s", why);
	return (false);
}
