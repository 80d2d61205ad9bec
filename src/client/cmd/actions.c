/* SPDX-License-Identifier: MPL-2.0 */
/* `mig actions`, `mig action show`, `mig action sign`. */
#include "client/api/api.h"
#include "client/ask/ask.h"
#include "client/cmd/fetched.h"
#include "client/sign/describe.h"
#include "client/sign/sealcheck.h"
#include "client/sign/sign.h"
#include "client/print/table.h"

#include "action/document.h"
#include "action/envelope.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ACTIONS_DEFAULT 20

static int64_t
count_of(const json_t *counts, const char *key)
{
	int64_t v = 0;

	if (json_is_object(counts))
		(void)json_opt_int(
		    counts, "", key, 0, INT64_C(1) << 50, &v, NULL);
	return v;
}

/* "3/4", and how many of these refused */
static void
cell_answered(struct table *t, const json_t *counts)
{
	int64_t refused = count_of(counts, "refused");
	char text[96];
	int n;

	n = snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64,
	    count_of(counts, "answered"), count_of(counts, "expected"));
	if (refused > 0)
		snprintf(text + n, sizeof(text) - (size_t)n,
		    " (%" PRId64 " refused)", refused);
	table_cell(t, text);
}

/* The name without the address: "Alice <a@example.org>" is Alice. */
static void
cell_person(struct table *t, const char *who)
{
	char name[256];
	char *address;

	str_copy(name, sizeof(name), who != NULL ? who : "");
	address = strstr(name, " <");
	if (address != NULL)
		*address = '\0';
	table_cell(t, name);
}

/* A time in words or in milliseconds. */
static void
cell_when(struct table *t, const json_t *v)
{
	if (json_is_integer(v))
		table_time(t, json_integer_value(v));
	else
		table_cell(t, json_string_value(v));
}

static void
action_row(struct table *t, const json_t *a)
{
	const char *id = json_string_value(json_object_get(a, "id"));
	const json_t *counts = json_object_get(a, "counts");
	char cut[ID_SHORT_LEN + 1];

	str_copy(cut, sizeof(cut), id != NULL ? id : "?");
	table_cell(t, cut);
	table_cell(t, json_string_value(json_object_get(a, "status")));
	cell_when(t, json_object_get(a, "created"));
	cell_answered(t, counts);
	cell_person(t,
	    json_string_value(
		json_array_get(json_object_get(a, "investigators"), 0)));
	table_cell(t, json_string_value(json_object_get(a, "name")));
}

/* No signature can complete it, by the policy that the server has. */
static bool
is_stuck(const json_t *a)
{
	return json_is_false(
	    json_object_get(json_object_get(a, "waiting"), "possible"));
}

/* Below the table: why, and what to do. */
static void
note_stuck(const json_t *a, struct buf *out)
{
	const char *id = json_string_value(json_object_get(a, "id"));
	const char *why = json_string_value(
	    json_object_get(json_object_get(a, "waiting"), "missing"));

	if (!is_stuck(a) || id == NULL)
		return;
	str_add_printable(out, id, strnlen(id, ID_SHORT_LEN));
	buf_add_str(out,
	    " is stuck: by the server's newest policy no "
	    "signature can complete it");
	if (why != NULL) {
		buf_add_str(out, ": ");
		str_add_printable(out, why, strlen(why));
	}
	buf_add_str(out, " (mig action cancel, or another policy)\n");
}

static void
note_uncounted(const json_t *a, struct buf *out)
{
	const char *id = json_string_value(json_object_get(a, "id"));
	char head[ID_HEX_LEN + 2];
	struct id is;

	if (id == NULL || id_parse(id, &is) != 0)
		return;
	snprintf(head, sizeof(head), "%s ", id_short(&is).s);
	describe_uncounted(json_object_get(a, "waiting"), head, out);
}

/* One that waits for signatures. */
static void
waiting_row(struct table *t, const json_t *a)
{
	const char *id = json_string_value(json_object_get(a, "id"));
	const json_t *weight =
	    json_object_get(json_object_get(a, "waiting"), "weight");
	const json_t *v, *who = json_object_get(a, "investigators");
	char text[96], cut[ID_SHORT_LEN + 1];
	struct buf names;
	size_t i;

	str_copy(cut, sizeof(cut), id != NULL ? id : "?");
	table_cell(t, cut);
	buf_init(&names, 64 * 1024);
	json_array_foreach (who, i, v) {
		if (i > 0)
			buf_add_str(&names, ", ");
		if (json_is_string(v))
			buf_add(&names, json_string_value(v),
			    strcspn(json_string_value(v), "<"));
		while (names.len > 0 && names.data[names.len - 1] == ' ')
			names.len--;
	}
	table_cell(t, buf_str(&names));
	buf_release(&names);
	snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64,
	    count_of(weight, "has"), count_of(weight, "needs"));
	table_cell(t, text);
	table_cell(t, is_stuck(a) ? "stuck" : "waits");
	cell_when(t, json_object_get(a, "expireafter"));
	table_cell(t, json_string_value(json_object_get(a, "target")));
	table_cell(t, json_string_value(json_object_get(a, "name")));
}

static int
cmd_actions(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "ID", "STATUS", "CREATED",
		"ANSWERED", "BY", "NAME", NULL };
	static const char *const waiting_head[] = { "ID", "SIGNED BY", "WEIGHT",
		"STATE", "EXPIRES", "TARGET", "NAME", NULL };
	bool waiting = opts_has(o, "waiting");
	const char *n = opts_get(o, "limit");
	uint64_t limit = ACTIONS_DEFAULT;
	json_t *j = NULL, *list;
	const json_t *a;
	struct table t;
	struct buf out;
	char path[128];
	size_t i;
	int r;

	if (n != NULL && str_u64(n, 1, 1000, &limit) != 0)
		return err_set(e, ERR_INVALID,
		    "-limit %s: expected a number from 1 to 1000", n);
	snprintf(path, sizeof(path), "/api/v1/actions?limit=%" PRIu64 "%s",
	    limit, waiting ? "&waiting=1" : "");
	r = api_json(c, "GET", path, NULL, &j, e);
	if (r == 0)
		r = json_need_array(j, "", "actions", &list, e);
	if (r != 0)
		goto out;
	if (opts_has(o, "json")) {
		r = client_out_json(j, JSON_COMPACT, e);
		goto out;
	}
	table_init(&t, waiting ? waiting_head : head);
	buf_init(&out, 64u * 1024 * 1024);
	json_array_foreach (list, i, a)
		(waiting ? waiting_row : action_row)(&t, a);
	table_print_fit(&t, &out);
	json_array_foreach (list, i, a) {
		if (!waiting)
			break;
		note_stuck(a, &out);
		note_uncounted(a, &out);
	}
	r = client_out(&out, e);
	if (r == 0 && waiting && json_array_size(list) == 0)
		fprintf(stderr, "no action waits for signatures\n");
	table_release(&t);
	buf_release(&out);
out:
	json_decref(j);
	return r;
}

/* --- one action --------------------------------------------------------------
 */

static int
show_text(const struct fetched *f, struct err *e)
{
	const json_t *j = f->root, *list, *v;
	const json_t *counts = json_object_get(j, "counts");
	const char *doc = json_string_value(json_object_get(j, "document"));
	const char *key, *name;
	struct action a;
	struct buf out;
	bool marked = false;
	size_t i, n;
	int r;

	r = action_parse(doc, strlen(doc), &a, e);
	if (r != 0)
		return err_wrap(e, "the server's action");
	buf_init(&out, 16u * 1024 * 1024);
	describe_action(&a, &f->id, true, &out, &marked);
	list = json_object_get(j, "investigators");
	buf_add_str(&out, "signers ");
	json_array_foreach (list, i, v) {
		name = json_string_value(v);
		buf_add_str(&out, i > 0 ? ", " : " ");
		if (name != NULL)
			str_add_printable(&out, name, strlen(name));
	}
	n = json_array_size(json_object_get(j, "signatures"));
	buf_add_fmt(&out, " (%zu %s)\nstatus   ", n,
	    n == 1 ? "signature" : "signatures");
	key = json_string_value(json_object_get(j, "status"));
	if (key != NULL)
		str_add_printable(&out, key, strlen(key));
	json_object_foreach ((json_t *)(uintptr_t)counts, key, v)
		if (json_is_integer(v)) {
			buf_add_fmt(
			    &out, ", %lld ", (long long)json_integer_value(v));
			str_add_printable(&out, key, strlen(key));
		}
	buf_add_str(&out, "\n");
	describe_cancel(json_object_get(j, "cancel"), &out);
	describe_waiting(json_object_get(j, "waiting"), &out);
	describe_marks(&out, marked);
	r = client_out(&out, e);
	buf_release(&out);
	action_release(&a);
	return r;
}

static int
cmd_action_show(struct client *c, const struct opts *o, struct err *e)
{
	const char *id = o->nwords > 0 ? o->words[0] : "last";
	char last[ID_HEX_LEN + 1];
	struct fetched f;
	int r;

	if (strcmp(id, "last") == 0) {
		r = launch_last(last, e);
		if (r != 0)
			return r;
		id = last;
	}
	r = fetched_document(c, id, &f, e);
	if (r == 0)
		r = opts_has(o, "json")
		    ? client_out_json(f.root, JSON_INDENT(2), e)
		    : show_text(&f, e);
	fetched_release(&f);
	return r;
}

/* Shows what is to be signed, asks, and adds the signature. */
static int
sign_shown(struct client *c, const struct opts *o, struct envelope *env,
    struct buf *packet, struct err *e)
{
	bool marked = false;
	struct action a;
	struct buf text;
	struct id id;
	int r;

	r = action_parse(env->doc, env->doc_len, &a, e);
	if (r != 0)
		return r;
	purpose_hash(PURPOSE_ACTION, env->doc, env->doc_len, &id);
	buf_init(&text, 16u * 1024 * 1024);
	describe_action(&a, &id, true, &text, &marked);
	describe_marks(&text, marked);
	r = describe_show(&text);
	buf_release(&text);
	if (r != 0)
		err_code(e, r, "not signed: it cannot be shown");
	else if ((r = client_not_ended(a.expire_after, clock_wall_ms() / 1000,
		      "this action", "not signed", e)) != 0)
		;
	else if ((r = sealcheck(c, &a, e)) != 0)
		err_wrap(e, "not signed: the seal of its answers");
	else
		r = client_confirm_sign(opts_has(o, "y"), "action", e);
	action_release(&a);
	return r != 0 ? r : sign_add(c, PURPOSE_ACTION, env, packet, e);
}

static int
cmd_action_sign(struct client *c, const struct opts *o, struct err *e)
{
	const char *path = o->words[0], *to = opts_get(o, "o");
	struct buf text, binary, packet, out;
	struct envelope env;
	int r;

	buf_init(&text, 4 * ENVELOPE_MAX);
	buf_init(&binary, ENVELOPE_MAX);
	buf_init(&packet, SIGPACKET_MAX);
	buf_init(&out, 4 * ENVELOPE_MAX);
	r = file_read(path, &text, e);
	if (r == 0)
		r = envelope_from_json(text.data, text.len, &binary, e);
	if (r == 0)
		r = envelope_parse(binary.data, binary.len, &env, e);
	if (r != 0 && r != ERR_NOTFOUND)
		err_wrap(e,
		    "%s: expected a signed action as mig MODULE ... -s "
		    "prints it",
		    path);
	if (r == 0)
		sign_warn_useless(&env, PURPOSE_ACTION);
	if (r == 0)
		r = sign_shown(c, o, &env, &packet, e);
	if (r == 0)
		r = sign_envelope_text(&env, &out, e);
	if (r == 0)
		r = client_write(to != NULL ? to : path, &out, e);
	if (r == 0)
		fprintf(stderr, "signed: %zu %s now\n", env.nsigs,
		    env.nsigs == 1 ? "signature" : "signatures");
	buf_release(&text);
	buf_release(&binary);
	buf_release(&packet);
	buf_release(&out);
	return r;
}

static const struct opt actions_opts[] = {
	{ "limit", NULL, "N", "how many, the newest first (default 20)" },
	{ "waiting", NULL, NULL,
	    "only those that wait for more signatures, and what they lack" },
	{ "json", NULL, NULL, "as JSON" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt show_json_opts[] = {
	{ "json", NULL, NULL, "all that the server says, as JSON" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt sign_opts[] = {
	{ "o", "output", "FILE", "where to write (default: the same file)" },
	{ "y", "yes", NULL, "do not ask; needed where there is no terminal" },
	{ NULL, NULL, NULL, NULL },
};

const struct command actions_commands[] = {
	{ "actions", "", "list the newest actions", cmd_actions, actions_opts,
	    NULL, 0, 0, NULL },
	{ "action show", "[ID|last]",
	    "one action: what, whom, by whom, how far", cmd_action_show,
	    show_json_opts, NULL, 0, 1, NULL },
	{ "action sign", "FILE",
	    "add your signature to a signed action (- is standard input)",
	    cmd_action_sign, sign_opts, NULL, 1, 1,
	    "The file is one that mig MODULE ... -s wrote. What it asks is "
	    "shown first. When\nit has the signatures it needs: mig -i FILE." },
	{ .name = NULL },
};
