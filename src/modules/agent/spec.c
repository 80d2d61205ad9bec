/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The agent module: what the agent is and how it does, and other agents on its
 * host. Parameters: {"duplicates": bool, "stop": {"pid": n, "version": "v"}}.
 */
#include "modules/agent/wish.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/narrow.h"
#include "modules/params.h"
#include "modules/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int
is_version(const char *s, struct err *e)
{
	size_t n = strspn(s,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    ".-+~_");

	if (n > 0 && s[n] == '\0' && n < PEER_VERSION_MAX)
		return 0;
	return err_set(e, ERR_INVALID,
	    "'%.64s' is not a version: expected 1 to %d letters, digits and "
	    ".-+~_, as the agent module shows it",
	    s, PEER_VERSION_MAX - 1);
}

static const struct param table[] = {
	{ "duplicates", "duplicates", PARAM_BOOL, NULL,
	    "found only where more agents run on the host" },
	{ "stop", "stop.pid", PARAM_NUM, "PID",
	    "ask this other agent of the host to end", NULL, 2, INT32_MAX },
	{ "version", "stop.version", PARAM_ONE, "VERSION",
	    "the version it must have, for -stop", is_version },
	{ .help = NULL },
};

static int
agent_check(const json_t *params, struct err *e)
{
	int rc = params_check(table, params, "", e);

	if (rc == 0 &&
	    (params_get(params, "stop.pid") == NULL) !=
		(params_get(params, "stop.version") == NULL))
		rc = err_set(e, ERR_INVALID,
		    "stop: expected pid and version together: both must fit "
		    "before an agent is asked to end");
	return rc;
}

static json_t *
agent_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *params;

	if (params_has_flag(f, "stop") != params_has_flag(f, "version")) {
		err_set(e, ERR_INVALID,
		    "-stop PID and -version VERSION belong together: both must "
		    "fit before an agent is asked to end");
		return NULL;
	}
	params = params_from_flags(table, f, NULL, e);
	if (params != NULL && agent_check(params, e) != 0) {
		json_decref(params);
		params = NULL;
	}
	return params;
}

void
agent_wish(const json_t *params, struct agent_wish *ret)
{
	const char *version = params_str(params, "stop.version");

	memset(ret, 0, sizeof(*ret));
	if (version == NULL)
		return;
	ret->pid = (uint32_t)params_num(params, "stop.pid", 0);
	str_copy(ret->version, sizeof(ret->version), version);
}

/* --- printing --------------------------------------------------------------*/

static void
add_age(struct buf *out, double seconds)
{
	uint64_t s = seconds > 0 && seconds < 1e12 ? (uint64_t)seconds : 0;

	if (s >= 86400)
		buf_add_fmt(out, "%" PRIu64 "d%" PRIu64 "h", s / 86400,
		    s % 86400 / 3600);
	else if (s >= 3600)
		buf_add_fmt(
		    out, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		buf_add_fmt(out, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
	else
		buf_add_fmt(out, "%" PRIu64 "s", s);
}

/* " key=value" of every number and text of an object. */
static void
add_members(struct buf *out, json_t *obj)
{
	const char *key;
	json_t *v;

	json_object_foreach (obj, key, v) {
		if (!json_is_number(v) && !json_is_string(v) &&
		    !json_is_boolean(v))
			continue;
		buf_add_str(out, " ");
		print_add(out, key);
		buf_add_str(out, "=");
		if (json_is_string(v))
			print_add(out, json_string_value(v));
		else if (json_is_number(v))
			buf_add_fmt(out, "%.0f", json_number_value(v));
		else
			buf_add_str(out, json_is_true(v) ? "yes" : "no");
	}
}

static void
print_agent(struct buf *out, const char *prefix, const json_t *a)
{
	static const char *const groups[] = { "policy", "relay", "limits",
		"counts", "sandbox", NULL };
	size_t i;

	buf_add_fmt(out, "%sagent version=", prefix);
	print_add(out, print_str(a, "version"));
	buf_add_fmt(out, " pid=%.0f mode=", print_num(a, "pid"));
	print_add(out, print_str(a, "mode"));
	buf_add_str(out, " up=");
	add_age(out, print_num(a, "uptime"));
	buf_add_str(out, " id=");
	print_add(out, print_str(a, "id"));
	buf_add_str(out, "\n");
	for (i = 0; groups[i] != NULL; i++) {
		if (!json_is_object(json_object_get(a, groups[i])))
			continue;
		buf_add_fmt(out, "%s%s:", prefix, groups[i]);
		add_members(out, json_object_get(a, groups[i]));
		buf_add_str(out, "\n");
	}
}

static void
print_duplicate(struct buf *out, const char *prefix, const json_t *d)
{
	buf_add_fmt(
	    out, "%sduplicate pid=%.0f version=", prefix, print_num(d, "pid"));
	print_add(out, print_str(d, "version"));
	buf_add_str(out, " mode=");
	print_add(out, print_str(d, "mode"));
	buf_add_fmt(out, " user=%.0f up=", print_num(d, "user"));
	add_age(out, print_num(d, "uptime"));
	buf_add_str(out, " id=");
	print_add(out, print_str(d, "id"));
	if (json_is_true(json_object_get(d, "sameid")))
		buf_add_str(out, " (the same identity: one is a copy)");
	buf_add_str(out, "\n");
}

extern const struct module module_agent;

static int
agent_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	const json_t *agent = json_object_get(elements, "agent");
	const json_t *list = json_object_get(elements, "duplicates");
	const json_t *stop = json_object_get(elements, "stop");
	bool found = json_is_true(json_object_get(result, "foundanything"));
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	if (show == SHOW_ALL || found == (show == SHOW_FOUND)) {
		if (json_is_object(agent))
			print_agent(out, prefix, agent);
		for (i = 0; i < json_array_size(list); i++)
			print_duplicate(out, prefix, json_array_get(list, i));
	}
	if (json_is_object(stop)) {
		buf_add_fmt(out, "%sstop pid=%.0f version=", prefix,
		    print_num(stop, "pid"));
		print_add(out, print_str(stop, "version"));
		buf_add_str(out, ": ");
		print_add(out, print_str(stop, "result"));
		buf_add_str(out, "\n");
	}
	return print_end(&module_agent, result, prefix, show, out, e);
}

static void
csv_row(struct buf *out, const char *prefix, const char *kind, const json_t *a)
{
	buf_add_fmt(out, "%s%s,%.0f,", prefix, kind, print_num(a, "pid"));
	csv_add(out, print_str(a, "version"));
	buf_add_str(out, ",");
	csv_add(out, print_str(a, "mode"));
	buf_add_fmt(out, ",%.0f,", print_num(a, "uptime"));
	csv_add(out, print_str(a, "id"));
	buf_add_fmt(
	    out, ",%.0f\n", print_num(json_object_get(a, "policy"), "version"));
}

static int
agent_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	const json_t *agent = json_object_get(elements, "agent");
	const json_t *list = json_object_get(elements, "duplicates");
	size_t i;

	if (json_is_object(agent))
		csv_row(out, prefix, "agent", agent);
	for (i = 0; i < json_array_size(list); i++)
		csv_row(out, prefix, "duplicate", json_array_get(list, i));
	return csv_end(out, e);
}

/* Who an agent is stays: it has signed the answer. Where its relay is and whose
 * processes the others are need not be told. */
static int
agent_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements");
	json_t *list = json_object_get(elements, "duplicates");
	json_t *relay =
	    json_object_get(json_object_get(elements, "agent"), "relay");
	size_t i;
	int rc = mask_str(relay, "peer");

	for (i = 0; i < json_array_size(list); i++)
		json_object_del(json_array_get(list, i), "user");
	return rc == 0 ? mask_errors(result) : rc;
}

const struct module module_agent = {
	.name = "agent",
	.summary = "the agent itself: version, policy, limits, duplicates",
	.number = MODULE_agent,
	.needs = 0,
	.params = table,
	.check = agent_check,
	.from_flags = agent_from_flags,
	.print = agent_print,
	.csv_header = "kind,pid,version,mode,uptime,id,policy",
	.csv = agent_csv,
	.mask = agent_mask,
	.reduce = narrow_no_content,
};
