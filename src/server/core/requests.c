/* SPDX-License-Identifier: MPL-2.0 */
/* Core: the table of what the api may ask for. The api is not trusted: it
 * hands over the hash of a session's token, and the core looks itself whose
 * session that is and what it may do. */
#include "server/core/core.h"
#include "server/core/cancel.h"
#include "server/core/launch.h"
#include "server/core/policies.h"
#include "server/core/revoke.h"
#include "server/core/shares.h"

#include "base/clock.h"
#include "base/log.h"

typedef void core_handler(struct core *c, uint32_t request, struct rd *rd);

/* A switch: two messages of one number do not compile. */
static core_handler *
handler_of(uint32_t type)
{
	switch (type) {
	case MSG_SESSION_NEW:
		return (logins_session_new);
	case MSG_SESSION_END:
		return (people_session_end);
	case MSG_ACTION_NEW:
		return (launch_request);
	case MSG_ACTION_CANCEL:
		return (cancel_request);
	case MSG_ACTION_COSIGN:
		return (cosign_request);
	case MSG_PERSON_PUT:
		return (people_put);
	case MSG_PERSON_REMOVE:
		return (people_remove);
	case MSG_PERSON_ROLE:
		return (people_role);
	case MSG_SESSION_REVOKE:
		return (people_session_revoke);
	case MSG_SESSIONS_REVOKE:
		return (people_sessions_revoke);
	case MSG_KEY_PUT:
		return (people_key_put);
	case MSG_KEY_REMOVE:
		return (people_key_remove);
	case MSG_SHARE_PUT:
		return (share_request);
	case MSG_SHARES_REMOVE:
		return (share_remove_request);
	case MSG_TOKEN_NEW:
		return (tokens_new);
	case MSG_TOKEN_REMOVE:
		return (tokens_remove);
	case MSG_AGENT_REVOKE:
		return (revoke_request);
	case MSG_POLICY_NEW:
		return (policies_request);
	case MSG_ENROL:
		return (enrol_request);
	}
	return (NULL);
}

int
core_on_api(struct ipc_chan *ch, const struct ipc_msg *m, void *arg)
{
	struct core *c = arg;
	core_handler *handle;
	struct rd rd;

	if (m->request == 0)
		return (ERR_INVALID);
	if (m->type == MSG_NONCE) {
		logins_nonce(c, m->request);
		return (0);
	}
	if ((handle = handler_of(m->type)) == NULL)
		return (ERR_INVALID);
	rd_init(&rd, m->body, m->len);
	handle(c, m->request, &rd);
	/* Nothing was replied to what is cut short or too long. The channel
	 * stays: other requests are on it. */
	if (rd.bad)
		core_refuse(c, m->request, 400, "invalid",
		    "the request cannot be read");
	return (0);
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
