/* SPDX-License-Identifier: MPL-2.0 */
/* Core: the table of what the api may ask for. The api is not trusted: it
 * hands over the hash of a session's token, and the core looks itself whose
 * session that is and what it may do. */
#include "server/core/core.h"
#include "server/core/revoke.h"

#include "base/clock.h"
#include "base/log.h"

static const struct {
	enum server_msg type;
	void (*handle)(struct core *c, uint32_t request, struct rd *rd);
} handlers[] = {
	{ MSG_SESSION_NEW, people_session_new },
	{ MSG_SESSION_END, people_session_end },
	{ MSG_ACTION_NEW, launch_request },
	{ MSG_PERSON_PUT, people_put },
	{ MSG_PERSON_REMOVE, people_remove },
	{ MSG_TOKEN_NEW, people_token },
	{ MSG_AGENT_REVOKE, revoke_request },
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
core_session(struct core *c, uint32_t request, const struct id *token,
    bool admin, struct store_session *ret)
{
	struct err e;
	int rc;

	rc = store_session_get(c->read, token, clock_wall_ms(), ret, &e);
	if (rc == ERR_NOTFOUND) {
		core_refuse(c, request, 401, "session",
		    "the session is unknown or past its end: log in again");
		return (false);
	}
	if (rc != 0) {
		core_refuse_err(c, request, &e);
		return (false);
	}
	if (admin && !ret->admin) {
		log_warn("refused by=%s why=\"not an admin\"", ret->fpr);
		core_refuse(
		    c, request, 403, "not_admin", "only an admin may do this");
		return (false);
	}
	return (true);
}
