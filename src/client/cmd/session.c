/* SPDX-License-Identifier: MPL-2.0 */
/* `mig login`, `mig logout`, `mig status`. */
#include "client/api/api.h"
#include "client/api/apikey.h"

#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_MAX (4u * 1024 * 1024)

static int
cmd_login(struct client *c, const struct opts *o, struct err *e)
{
	int r = client_conf_load(c, e);

	if (r == 0 && apikey_path(c) != NULL)
		r = err_set(e, ERR_INVALID,
		    "nobody logs in here: the API key in %s is used instead",
		    apikey_path(c));
	if (r == 0)
		r = session_login(c, e);
	if (r == 0)
		fprintf(stderr, "logged in to %s\n", c->conf.server);
	return r;
}

static int
cmd_logout(struct client *c, const struct opts *o, struct err *e)
{
	int r = session_logout(c, e);

	if (r == 0)
		fprintf(stderr, "logged out\n");
	return r;
}

static void
add_number(struct buf *out, const json_t *obj, const char *key,
    const char *before, const char *after)
{
	int64_t v;

	if (json_is_object(obj) &&
	    json_need_int(obj, "", key, 0, INT64_C(1) << 52, &v, NULL) == 0)
		buf_add_fmt(out, "%s%" PRId64 " %s", before, v, after);
}

static void
add_word(struct buf *out, const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	if (s == NULL)
		s = "?";
	str_add_printable(out, s, strnlen(s, 256));
}

static int
status_text(struct client *c, const json_t *j, struct err *e)
{
	const json_t *agents = json_object_get(j, "agents");
	const json_t *actions = json_object_get(j, "actions");
	struct buf out;
	int r;

	buf_init(&out, 64 * 1024);
	buf_add_fmt(&out, "server   %s, version ", c->conf.server);
	add_word(&out, j, "version");
	buf_add_str(&out, "\nrelay    ");
	add_word(&out, j, "relay");
	buf_add_str(&out, "\nagents   ");
	add_number(&out, agents, "registered", "", "registered");
	add_number(&out, agents, "online", ", ", "online");
	add_number(&out, agents, "reconnecting", ", ", "reconnecting");
	buf_add_str(&out, "\nactions  ");
	add_number(&out, actions, "open", "", "open");
	add_number(&out, actions, "total", ", ", "in all");
	add_number(&out, j, "answers", ", ", "answers");
	buf_add_fmt(&out, "\nkey      %s%s\n",
	    c->api_key != NULL ? "the API key in " : "",
	    c->api_key != NULL ? apikey_path(c) : client_signer(c));
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static int
cmd_status(struct client *c, const struct opts *o, struct err *e)
{
	json_t *j = NULL;
	const char *relay;
	int r;

	r = api_json(c, "GET", "/api/v1/status", NULL, &j, e);
	if (r == 0 && !json_is_object(j))
		r = err_set(
		    e, ERR_INVALID, "the server's status is not an object");
	if (r == 0)
		r = opts_has(o, "json") ? client_out_json(j, JSON_COMPACT, e)
					: status_text(c, j, e);
	relay = json_string_value(json_object_get(j, "relay"));
	if (r == 0 && opts_has(o, "check") &&
	    (relay == NULL || strcmp(relay, "up") != 0))
		r = EXIT_INCOMPLETE;
	json_decref(j);
	return r;
}

static int
add_text(const void *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

static int
cmd_metrics(struct client *c, const struct opts *o, struct err *e)
{
	struct buf out;
	int r;

	buf_init(&out, METRICS_MAX);
	r = api_stream(c, "/api/v1/metrics", add_text, NULL, &out, e);
	if (out.error != 0)
		r = err_set(e, out.error, "the server's metrics: %s",
		    err_text(out.error));
	if (r == 0)
		r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static const struct opt status_opts[] = {
	{ "json", NULL, NULL, "as JSON" },
	{ "check", NULL, NULL, "exit code 3 when the relay is down" },
	{ NULL, NULL, NULL, NULL },
};

const struct command session_commands[] = {
	{ "status", "", "is the server there, its relay up, who is connected",
	    cmd_status, status_opts, NULL, 0, 0, NULL },
	{ "metrics", "", "the server's figures, as Prometheus reads them",
	    cmd_metrics, NULL, NULL, 0, 0, NULL },
	{ "login", "", "open a session (commands do it by themselves)",
	    cmd_login, NULL, NULL, 0, 0, NULL },
	{ "logout", "", "end the session and forget its token", cmd_logout,
	    NULL, NULL, 0, 0, NULL },
	{ .name = NULL },
};
