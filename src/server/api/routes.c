/* SPDX-License-Identifier: MPL-2.0 */
/* Api: the table of all requests (doc/protocol.md section 5), and who
 * makes a request. */
#include "server/api/api.h"
#include "server/api/resources.h"

#include "base/clock.h"
#include "base/str.h"
#include "http/apiversion.h"
#include "json/json.h"
#include "server/cmd/enrolcmd.h"
#include "server/parse.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/api/v1"
#define SMALL (64 * 1024)
#define SHARE_BODY_MAX (256 * 1024)

static const struct route routes[] = {
	{ "POST", "/sessions/nonce", CALL_OPEN, SMALL, res_nonce },
	{ "POST", "/sessions", CALL_OPEN, SMALL, res_session_new },
	{ "DELETE", "/sessions", CALL_OWN_SESSION, SMALL, res_session_end },
	{ "GET", "/sessions", CALL_OWN_SESSION, 0, res_sessions },
	{ "DELETE", "/sessions/%", CALL_OWN_SESSION, SMALL,
	    res_session_revoke },
	{ "GET", "/status", CALL_STATUS, 0, res_status },
	{ "GET", "/agents", CALL_AGENTS, 0, res_agents },
	{ "GET", "/agents/%", CALL_AGENTS, 0, res_agent },
	{ "DELETE", "/agents/%", CALL_AGENTS_REVOKE, SMALL, res_agent_revoke },
	{ "POST", "/targets", CALL_AGENTS, SMALL, res_targets },
	{ "POST", "/actions", CALL_ACTIONS_LAUNCH, ACTION_BODY_MAX,
	    res_action_new },
	{ "GET", "/actions", CALL_ACTIONS_READ, 0, res_actions },
	{ "GET", "/actions/%", CALL_ACTIONS_READ, 0, res_action },
	{ "GET", "/actions/%/agents", CALL_ACTIONS_READ, 0, res_action_agents },
	{ "GET", "/actions/%/results", CALL_RESULTS, 0, res_results },
	{ "POST", "/actions/%/cancel", CALL_ACTIONS_LAUNCH, CANCEL_BODY_MAX,
	    res_action_cancel },
	{ "POST", "/actions/%/signatures", CALL_ACTIONS_LAUNCH, ACTION_BODY_MAX,
	    res_action_cosign },
	{ "GET", "/actions/%/shares", CALL_RESULTS, 0, res_shares },
	{ "POST", "/actions/%/shares", CALL_SHARES, SHARE_BODY_MAX,
	    res_share_new },
	{ "DELETE", "/actions/%/shares", CALL_SHARES, SMALL,
	    res_shares_remove },
	{ "GET", "/events", CALL_EVENTS, 0, res_events },
	{ "GET", "/investigators", CALL_PEOPLE_READ, 0, res_people },
	{ "POST", "/investigators", CALL_PEOPLE_CHANGE, BODY_MAX,
	    res_person_new },
	{ "DELETE", "/investigators/%", CALL_PEOPLE_CHANGE, SMALL,
	    res_person_remove },
	{ "POST", "/investigators/%/role", CALL_PEOPLE_CHANGE, SMALL,
	    res_person_role },
	{ "DELETE", "/investigators/%/sessions", CALL_OWN_SESSION, SMALL,
	    res_sessions_revoke },
	{ "GET", "/apikeys", CALL_KEYS, 0, res_keys },
	{ "POST", "/apikeys", CALL_KEYS, SMALL, res_key_new },
	{ "DELETE", "/apikeys/%", CALL_KEYS, SMALL, res_key_revoke },
	{ "GET", "/audit", CALL_AUDIT, 0, res_audit },
	{ "GET", "/tokens", CALL_TOKENS, 0, res_tokens },
	{ "POST", "/tokens", CALL_TOKENS, SMALL, res_token_new },
	{ "GET", "/policies", CALL_POLICIES_READ, 0, res_policies },
	{ "POST", "/policies", CALL_POLICIES_PUSH, ACTION_BODY_MAX,
	    res_policy_new },
	{ "DELETE", "/tokens/%", CALL_TOKENS, SMALL, res_token_revoke },
	{ "GET", "/policies/%", CALL_OPEN, 0, res_policy },
	{ "GET", "/policies/%/signed", CALL_POLICIES_READ, 0,
	    res_policy_signed },
	{ "POST", "/enrol", CALL_OPEN, SMALL, res_enrol },
	{ "GET", "/health", CALL_OPEN, 0, res_health },
	{ "GET", "/metrics", CALL_OPEN, 0, res_metrics },
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

static bool
too_often(struct request *q, unsigned int seconds, const char *who)
{
	if (seconds == 0)
		return (false);
	q->wait = seconds;
	q->api->nlimited++;
	reply_error(q, 429, "too_often",
	    "%s asks more often than the server takes: wait %u second%s", who,
	    seconds, seconds == 1 ? "" : "s");
	return (true);
}

/* Who says nothing good of himself is known by where he calls from; a site's
 * IPv6 addresses begin with the same 64 bits. */
static bool
address_too_often(struct request *q)
{
	uint8_t a[16];
	bool v4;

	request_address(q, a);
	v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a);
	return (too_often(q,
	    rate_take(&q->api->addresses, a, v4 ? 16 : 8, clock_mono_ms()),
	    "this address"));
}

/* 0, or ERR_INVALID. */
static int
read_secret(struct request *q)
{
	const char *text = request_header(q, "Authorization");

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
		return (ERR_INVALID);
	text += 7;
	if (str_starts(text, KEY_PREFIX))
		text += strlen(KEY_PREFIX);
	return (token_hash(text, &q->token));
}

static void
reply_unknown(struct request *q, const char *why)
{
	if (!address_too_often(q))
		reply_error(q, 401, "session", "%s", why);
}

bool
route_allowed(struct request *q)
{
	char why[CALL_WHY_MAX];
	struct store_caller *c = &q->caller;
	struct err e;
	int rc;

	/* whether the server is well is asked by who shares an address */
	if (q->route->call == CALL_OPEN)
		return (
		    q->route->handle == res_health || !address_too_often(q));
	if (read_secret(q) != 0) {
		reply_unknown(q,
		    "log in first: expected Authorization: Bearer and a"
		    " session's token, or an API key");
		return (false);
	}
	rc = store_caller_get(q->api->read, &q->token, clock_wall_ms(), c, &e);
	if (rc == ERR_NOTFOUND) {
		reply_unknown(q,
		    "the session (or API key) is unknown or past its end: log"
		    " in again");
		return (false);
	}
	if (rc != 0) {
		reply_err(q, &e);
		return (false);
	}
	if (too_often(q,
		rate_take(
		    &q->api->callers, c->fpr, strlen(c->fpr), clock_mono_ms()),
		c->name))
		return (false);
	if (!call_allowed(q->route->call, c->role, c->calls)) {
		call_why_not(q->route->call, c->role, why);
		reply_error(q, 403, "not_allowed", "%s", why);
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

bool
request_action(struct request *q, struct id *ret)
{
	struct err e;

	if (store_action_find(q->api->read, q->arg, ret, &e) == 0)
		return (true);
	reply_err(q, &e);
	return (false);
}

void
message_init(struct request *q, struct buf *b)
{
	buf_init(b, MSG_BODY_MAX);
	buf_add(b, q->token.b, ID_LEN);
}
