/* SPDX-License-Identifier: MPL-2.0 */
/* Api: the table of all requests (doc/protocol.md section 5), and whose
 * session a request belongs to. */
#include "server/api/api.h"

#include "base/clock.h"
#include "base/str.h"
#include "http/apiversion.h"
#include "json/json.h"
#include "server/enrolcmd.h"
#include "server/parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/api/v1"
#define SMALL (64 * 1024)

static const struct route routes[] = {
	{ "POST", "/sessions/nonce", ROUTE_OPEN, SMALL, res_nonce },
	{ "POST", "/sessions", ROUTE_OPEN, SMALL, res_session_new },
	{ "DELETE", "/sessions", 0, SMALL, res_session_end },
	{ "GET", "/status", 0, 0, res_status },
	{ "GET", "/agents", 0, 0, res_agents },
	{ "GET", "/agents/%", 0, 0, res_agent },
	{ "DELETE", "/agents/%", ROUTE_ADMIN, SMALL, res_agent_revoke },
	{ "POST", "/targets", 0, SMALL, res_targets },
	{ "POST", "/actions", 0, ACTION_BODY_MAX, res_action_new },
	{ "GET", "/actions", 0, 0, res_actions },
	{ "GET", "/actions/%", 0, 0, res_action },
	{ "GET", "/actions/%/agents", 0, 0, res_action_agents },
	{ "GET", "/actions/%/results", 0, 0, res_results },
	{ "GET", "/events", 0, 0, res_events },
	{ "GET", "/investigators", 0, 0, res_people },
	{ "POST", "/investigators", ROUTE_ADMIN, BODY_MAX, res_person_new },
	{ "DELETE", "/investigators/%", ROUTE_ADMIN, SMALL, res_person_remove },
	{ "POST", "/tokens", ROUTE_ADMIN, SMALL, res_token_new },
	{ "GET", "/policies/%", ROUTE_OPEN, 0, res_policy },
	{ "POST", "/enrol", ROUTE_OPEN, SMALL, res_enrol },
	{ "GET", "/health", ROUTE_OPEN, 0, res_health },
	{ "GET", "/metrics", ROUTE_OPEN, 0, res_metrics },
};

/* "/api/vN" or what is below it, of a version that is not ours. */
static bool
other_version(const char *url, uint64_t *ret)
{
	char digits[8];
	size_t n;

	if (!str_starts(url, "/api/v"))
		return (false);
	url += strlen("/api/v");
	n = strspn(url, "0123456789");
	if (n == 0 || n >= sizeof(digits) || (url[n] != '\0' && url[n] != '/'))
		return (false);
	memcpy(digits, url, n);
	digits[n] = '\0';
	return (str_u64(digits, 0, UINT64_MAX, ret) == 0 &&
	    (*ret < API_OLDEST || *ret > API_NEWEST));
}

bool
route_find(struct request *q, const char *method, const char *url)
{
	char arg[ID_TEXT_MAX], *allow = q->allow;
	uint64_t version;
	size_t i, used;

	if (!str_starts(url, PREFIX "/"))
		goto unknown;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		arg[0] = '\0';
		if (!path_match(
			routes[i].path, url + strlen(PREFIX), arg, sizeof(arg)))
			continue;
		if (strcmp(routes[i].method, method) == 0) {
			q->route = &routes[i];
			allow[0] = '\0';
			memcpy(q->arg, arg, sizeof(arg));
			return (true);
		}
		used = strlen(allow);
		snprintf(allow + used, sizeof(q->allow) - used, "%s%s",
		    used > 0 ? ", " : "", routes[i].method);
	}
	if (allow[0] == '\0')
		goto unknown;
	reply_error(q, 405, "method", "%s is not for %.100s: use %s", method,
	    url, allow);
	return (false);
unknown:
	if (other_version(url, &version)) {
		reply_error(q, 404, "api_version",
		    "this server (mig-server " MIG_VERSION ") speaks API"
		    " version %d to %d, not %llu: upgrade %s",
		    API_OLDEST, API_NEWEST, (unsigned long long)version,
		    version > API_NEWEST ? "the server" : "mig");
		return (false);
	}
	reply_error(q, 404, "not_found",
	    "there is nothing at %.100s (the API is at " PREFIX ")", url);
	return (false);
}

bool
route_allowed(struct request *q)
{
	const char *text = request_header(q, "Authorization");
	struct err e;
	int rc;

	if ((q->route->flags & ROUTE_OPEN) != 0)
		return (true);
	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0 ||
	    token_hash(text + 7, &q->token) != 0) {
		reply_error(q, 401, "session",
		    "log in first: expected Authorization: Bearer and a"
		    " session's token");
		return (false);
	}
	rc = store_session_get(
	    q->api->read, &q->token, clock_wall_ms(), &q->session, &e);
	if (rc == ERR_NOTFOUND) {
		reply_error(q, 401, "session",
		    "the session is unknown or past its end: log in again");
		return (false);
	}
	if (rc != 0) {
		reply_err(q, &e);
		return (false);
	}
	if ((q->route->flags & ROUTE_ADMIN) != 0 && !q->session.admin) {
		reply_error(q, 403, "not_admin", "only an admin may do this");
		return (false);
	}
	return (true);
}

json_t *
request_json(struct request *q)
{
	struct err e;
	json_t *v;

	v = json_strict(q->body.data, q->body.len, q->route->body_max, &e);
	if (v == NULL) {
		if (e.code == ERR_NOMEM)
			reply_err(q, &e);
		else
			reply_error(
			    q, 400, "json", "the body is not JSON: %s", e.msg);
		return (NULL);
	}
	if (json_is_object(v))
		return (v);
	json_decref(v);
	reply_error(q, 400, "json", "the body is not a JSON object");
	return (NULL);
}

void
message_init(struct request *q, struct buf *b)
{
	buf_init(b, MSG_BODY_MAX);
	buf_add(b, q->token.b, ID_LEN);
}
