/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/question.h"

#include "action/envelope.h"
#include "action/limits.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (8 * 1024 * 1024)
#define NAME_DEFAULT_MAX 100

void
question_release(struct question *q)
{
	json_decref(q->root);
	free(q->name);
	free(q->target);
	buf_release(&q->envelope);
	memset(q, 0, sizeof(*q));
}

/* "mig file -path /etc ..." */
static char *
command_line_name(int argc, char *const *argv)
{
	struct buf b;
	char *name;
	int i;

	buf_init(&b, 64 * 1024);
	buf_add_str(&b, "mig");
	for (i = 0; i < argc && b.len < NAME_DEFAULT_MAX; i++) {
		buf_add_str(&b, " ");
		str_add_printable(
		    &b, argv[i], strnlen(argv[i], NAME_DEFAULT_MAX));
	}
	if (b.error != 0 || buf_str(&b) == NULL) {
		buf_release(&b);
		return strdup("mig");
	}
	/* cut at a character's beginning */
	while (b.len > NAME_DEFAULT_MAX || !str_is_utf8(b.data, b.len))
		b.len--;
	name = strndup((char *)b.data, b.len);
	buf_release(&b);
	return name;
}

static json_t *
flags_to_parameters(const struct module *m, const struct opts *o, struct err *e)
{
	struct module_flags f = { 0 };
	const char **flag, **value;
	const struct param *p;
	json_t *j = NULL;
	size_t i;

	flag = calloc(o->n + 1, sizeof(*flag));
	value = calloc(o->n + 1, sizeof(*value));
	if (flag == NULL || value == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < o->n; i++) {
		for (p = m->params; p->help != NULL; p++)
			if (p->flag != NULL &&
			    strcmp(p->flag, o->values[i].opt->name) == 0)
				break;
		if (p->help == NULL)
			continue; /* one of ours */
		flag[f.n] = o->values[i].opt->name;
		value[f.n++] = o->values[i].value;
	}
	f.flag = flag;
	f.value = value;
	j = m->from_flags(&f, e);
	if (j != NULL && m->check(j, e) != 0) {
		json_decref(j);
		j = NULL;
	}
	if (j == NULL)
		params_name_flags(m->params, &f, e);
out:
	free(flag);
	free(value);
	return j;
}

int
question_begin(struct question *q, int argc, char *const *argv, struct err *e)
{
	memset(q, 0, sizeof(*q));
	buf_init(&q->envelope, ENVELOPE_MAX);
	q->root = json_array();
	q->name = command_line_name(argc, argv);
	if (q->root == NULL || q->name == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	q->draft.operations = q->root;
	return 0;
}

int
question_add(struct question *q, const struct module *m, const struct opts *o,
    struct err *e)
{
	json_t *parameters;

	if (json_array_size(q->root) == ACTION_OPERATIONS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "an action has at most %d operations",
		    ACTION_OPERATIONS_MAX);
	parameters = flags_to_parameters(m, o, e);
	if (parameters == NULL) {
		err_wrap(e, "%s", m->name);
		return ERR_INVALID;
	}
	return json_array_append_new(q->root,
		   json_pack("{s:s, s:o}", "module", m->name, "parameters",
		       parameters)) == 0
	    ? 0
	    : err_set(e, ERR_NOMEM, "out of memory");
}

/* Copies of both; NULL: there is none. A target that could not be copied must
 * not pass for none, which means everybody. */
static int
question_names(
    struct question *q, const char *name, const char *target, struct err *e)
{
	if (name != NULL)
		q->name = strdup(name);
	if (target != NULL)
		q->target = strdup(target);
	return (name == NULL) == (q->name == NULL) &&
		(target == NULL) == (q->target == NULL)
	    ? 0
	    : err_set(e, ERR_NOMEM, "out of memory");
}

/* A document or draft of version 3. What is made anew (nonce, times, seal) is
 * ignored; the rest is checked when the new document is built. */
static int
question_from_draft(struct question *q, struct err *e)
{
	static const char *const keys[] = { "syntaxversion", "nonce", "name",
		"description", "threat", "target", "validfrom", "expireafter",
		"require", "minpolicy", "limits", "operations", "seal", NULL };
	struct action_limits *l = &q->draft.limits;
	json_t *operations, *description = NULL, *threat = NULL;
	json_t *require = NULL, *limits = NULL;
	const int64_t max = INT64_C(1) << 50;
	const char *name = "", *target = NULL;
	int r;

	if ((r = json_only_keys(q->root, "", keys, e)) != 0 ||
	    (r = json_need_array(q->root, "", "operations", &operations, e)) !=
		0 ||
	    (r = json_opt_str(q->root, "", "name", &name, e)) != 0 ||
	    (r = json_opt_str(q->root, "", "target", &target, e)) != 0 ||
	    (r = json_opt_object(
		 q->root, "", "description", &description, e)) != 0 ||
	    (r = json_opt_object(q->root, "", "threat", &threat, e)) != 0 ||
	    (r = json_opt_object(q->root, "", "require", &require, e)) != 0 ||
	    (r = json_opt_object(q->root, "", "limits", &limits, e)) != 0 ||
	    (r = json_opt_int(q->root, "", "minpolicy", 0, INT64_C(1) << 53,
		 &q->draft.min_policy, e)) != 0)
		return r;
	if (require != NULL && json_object_get(require, "fingerprints"))
		return err_set(e, ERR_UNSUPPORTED,
		    "require.fingerprints: only a signed document keeps "
		    "them; launch that, or take the field out");
	if (require != NULL &&
	    (r = json_need_int(require, "require", "weight", 1, 1000,
		 &q->draft.require_weight, e)) != 0)
		return r;
	if (limits != NULL &&
	    ((r = json_opt_int(
		  limits, "limits", "seconds", 1, max, &l->seconds, e)) != 0 ||
		(r = json_opt_int(limits, "limits", "cpuseconds", 1, max,
		     &l->cpu_seconds, e)) != 0 ||
		(r = json_opt_int(limits, "limits", "cpupercent", 1,
		     LIMIT_CPU_PERCENT_MAX, &l->cpu_percent, e)) != 0 ||
		(r = json_opt_int(limits, "limits", "readbytes", 1, max,
		     &l->read_bytes, e)) != 0 ||
		(r = json_opt_int(limits, "limits", "resultbytes", 1, max,
		     &l->result_bytes, e)) != 0))
		return r;
	q->draft.operations = operations;
	q->draft.description = description;
	q->draft.threat = threat;
	return question_names(q, name, target, e);
}

static int
question_from_v2(struct question *q, const struct buf *text, struct err *e)
{
	json_t *root = NULL;
	int r;

	r = action_read_v2(text->data, text->len, &q->draft, &root, e);
	if (r != 0)
		return r;
	json_decref(q->root);
	q->root = root;
	return question_names(q, q->draft.name, q->draft.target, e);
}

/* What the agents would refuse is refused before it is signed. A module that
 * only they know is theirs to judge. */
static int
check_parameters(const json_t *operations, struct err *e)
{
	const struct module *m;
	const char *name;
	json_t *op;
	size_t i;

	json_array_foreach (operations, i, op) {
		name = json_string_value(json_object_get(op, "module"));
		m = name != NULL ? module_find(name) : NULL;
		if (m != NULL &&
		    m->check(json_object_get(op, "parameters"), e) != 0)
			return err_wrap(e, "operations[%zu]", i);
	}
	return 0;
}

int
question_from_file(struct question *q, const char *path, struct err *e)
{
	int64_t version = 0;
	struct buf text;
	int r;

	memset(q, 0, sizeof(*q));
	buf_init(&q->envelope, ENVELOPE_MAX);
	buf_init(&text, FILE_MAX_BYTES);
	r = file_read(path, &text, e);
	if (r != 0)
		goto out;
	q->root = json_strict(text.data, text.len, FILE_MAX_BYTES, e);
	if (q->root == NULL)
		r = ERR_INVALID;
	else if (!json_is_object(q->root))
		r = err_set(e, ERR_INVALID, "expected a JSON object");
	else if (json_object_get(q->root, "signatures") != NULL &&
	    json_object_get(q->root, "document") != NULL)
		r = envelope_from_json(text.data, text.len, &q->envelope, e);
	else
		r = json_need_int(
		    q->root, "", "syntaxversion", 2, 3, &version, e);
	if (r == 0 && version == 2)
		r = question_from_v2(q, &text, e);
	else if (r == 0 && version == 3)
		r = question_from_draft(q, e);
	if (r == 0)
		r = check_parameters(q->draft.operations, e);
	if (r != 0)
		err_wrap(e, "%s", path);
out:
	buf_release(&text);
	return r;
}

/* Words with a meaning of their own, names of the configuration, or SQL. */
static int
question_target(
    struct question *q, struct client *c, const char *given, struct err *e)
{
	const char *named;
	bool split = false;
	struct buf rest;
	int r;

	if (strcmp(given, "local") == 0) {
		q->local = true;
		given = "all";
	} else if (strcmp(given, "online") == 0) {
		q->online = true;
		given = "all";
	} else if (c->conf_loaded &&
	    (named = conf_map_find(c->conf.targets, given)) != NULL) {
		given = named;
	}
	buf_init(&rest, 64 * 1024);
	r = action_target_split(given, &rest, &split, e);
	if (r == 0 && buf_str(&rest) == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0) {
		free(q->target);
		q->target = strdup(rest.len > 0 ? buf_str(&rest) : "all");
		q->online = q->online || split;
	}
	buf_release(&rest);
	return r;
}

int
question_whom(const struct opts *o, const char **ret, struct err *e)
{
	const char *t;
	int r = opts_once(o, "t", &t, e);

	if (r != 0)
		return err_set(e, r,
		    "-t was given more than once: one condition says it all, "
		    "as in -t \"name LIKE 'web%%' AND tags->>'role'='db'\"");
	if (t != NULL && t[strspn(t, " \t\r\n")] == '\0')
		return err_set(e, ERR_INVALID,
		    "the target is empty: -t all asks every agent");
	*ret = t;
	return 0;
}

int
question_complete(
    struct question *q, struct client *c, const struct opts *o, struct err *e)
{
	const char *t, *n = opts_get(o, "n"), *s;
	char *copy;
	uint64_t weight;
	int r = question_whom(o, &t, e);

	if (r != 0)
		return r;
	if (t == NULL || strcmp(t, "local") != 0) {
		r = client_conf_load(c, e);
		if (r != 0)
			return r;
	}
	copy = strdup(t != NULL ? t : q->target != NULL ? q->target : "all");
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = question_target(q, c, copy, e);
	free(copy);
	if (r != 0)
		return r;
	q->expire = c->conf.expire;
	s = opts_get(o, "e");
	if (s != NULL &&
	    (r = duration_option("-e", s,
		 "a duration of 1s or more, such as 90s, 1h30m or 5m",
		 &q->expire, e)) != 0)
		return r;
	s = opts_get(o, "weight");
	if (s != NULL && str_u64(s, 1, 1000, &weight) != 0)
		return err_set(e, ERR_INVALID,
		    "-weight %s: expected a number from 1 to 1000", s);
	if (s != NULL)
		q->draft.require_weight = (int64_t)weight;
	if (n != NULL) {
		free(q->name);
		q->name = strdup(n);
	}
	if (q->name == NULL || q->name[0] == '\0') {
		free(q->name);
		q->name = strdup("mig");
	}
	q->draft.name = q->name;
	q->draft.target = q->target;
	return q->name != NULL && q->target != NULL
	    ? 0
	    : err_set(e, ERR_NOMEM, "out of memory");
}

int
question_readers(const struct question *q, struct client *c,
    const struct opts *o, struct sign_readers *ret, struct err *e)
{
	int r = sign_readers_fill(c, o, ret, e);
	size_t i;

	for (i = 0; r == 0 && i < q->cosign.nreaders; i++)
		r = sign_readers_add(ret, q->cosign.readers[i], "-cosign", e);
	return r;
}

/* Whoever asks for all that the policy allows gets that: the slack is taken
 * from the end. */
static void
question_times(struct question *q, int64_t now)
{
	struct action_draft *d = &q->draft;
	struct policy_limits l;
	int64_t max = q->max_validity;

	policy_limits_default(&l);
	if (max == 0)
		max = l.max_validity;
	d->valid_from = now - DRAFT_CLOCK_SLACK;
	d->expire_after = now + q->expire;
	if (q->expire <= max && max > DRAFT_CLOCK_SLACK &&
	    d->expire_after - d->valid_from > max)
		d->expire_after = d->valid_from + max;
}

int
question_build(struct question *q, struct client *c, const struct opts *o,
    struct buf *out, uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	struct action_draft *d = &q->draft;
	struct sign_readers readers;
	struct buf armored;
	int r;

	buf_init(&armored, 256 * 1024);
	r = question_readers(q, c, o, &readers, e);
	if (r == 0 && seal_keypair(d->seal_public, ret_secret) != 0)
		r = err_set(e, ERR_INTERNAL, "no key could be made");
	if (r == 0)
		r = sign_seal_key(c, &readers, ret_secret, &armored, e);
	if (r == 0 && (d->seal_key = buf_str(&armored)) == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0) {
		d->readers = readers.list;
		d->nreaders = readers.n;
		question_times(q, clock_wall_ms() / 1000);
		r = action_build(d, out, e);
	}
	d->seal_key = NULL;
	d->readers = NULL;
	d->nreaders = 0;
	buf_release(&armored);
	return r;
}

/* value is taken over; NULL: there was no memory for it. */
static void
draft_set(json_t *j, const char *key, json_t *value, int *error)
{
	if (json_object_set_new(j, key, value) != 0)
		*error = ERR_NOMEM;
}

/* Those of -reader and the configuration are looked up, so that a draft that
 * shows them can be launched. A draft needs no key of its own. */
static int
draft_readers(struct client *c, const struct opts *o, json_t *j, struct err *e)
{
	struct sign_readers readers;
	json_t *list;
	struct buf text;
	size_t i;
	int r;

	if (!c->conf_loaded)
		return 0;
	r = sign_readers_named(c, o, &readers, e);
	if (r != 0 || readers.n == 0)
		return r;
	list = json_array();
	for (i = 0; i < readers.n && r == 0; i++)
		r = json_array_append_new(list, json_string(readers.list[i]));
	if (r != 0) {
		json_decref(list);
		list = NULL;
	}
	r = 0;
	draft_set(j, "seal",
	    list == NULL ? NULL : json_pack("{s:o}", "readers", list), &r);
	if (r != 0)
		return err_code(e, r, "the readers");
	if (readers.n == 1 && sign_is_mine(c, readers.list[0]))
		return 0;
	buf_init(&text, 64 * 1024);
	r = sign_readers_text(c, &readers, &text, e);
	if (r == 0 && buf_str(&text) != NULL)
		fprintf(stderr, "The answers could be read by: %s\n",
		    buf_str(&text));
	buf_release(&text);
	return r;
}

/* As it was meant: whoever launches the draft means no others by it. */
static int
draft_target(const struct question *q, struct buf *out)
{
	if (q->local)
		return buf_add_str(out, "local");
	if (!q->online)
		return buf_add_str(out, q->target);
	if (strcmp(q->target, "all") == 0)
		return buf_add_str(out, "online");
	return buf_add_fmt(out, "(%s) AND status = 'online'", q->target);
}

static void
draft_limits(const struct action_limits *l, json_t *j, int *error)
{
	const struct {
		const char *key;
		int64_t value;
	} rows[] = { { "seconds", l->seconds },
		{ "cpuseconds", l->cpu_seconds },
		{ "cpupercent", l->cpu_percent },
		{ "readbytes", l->read_bytes },
		{ "resultbytes", l->result_bytes } };
	json_t *limits = NULL;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].value <= 0)
			continue;
		if (limits == NULL)
			draft_set(j, "limits", limits = json_object(), error);
		draft_set(limits, rows[i].key,
		    json_integer((json_int_t)rows[i].value), error);
	}
}

static int
draft_fields(const struct action_draft *d, json_t *j)
{
	int error = 0;

	if (d->description != NULL)
		draft_set(
		    j, "description", json_deep_copy(d->description), &error);
	if (d->threat != NULL)
		draft_set(j, "threat", json_deep_copy(d->threat), &error);
	if (d->require_weight > 1)
		draft_set(j, "require",
		    json_pack("{s:I}", "weight", (json_int_t)d->require_weight),
		    &error);
	if (d->min_policy > 0)
		draft_set(j, "minpolicy",
		    json_integer((json_int_t)d->min_policy), &error);
	draft_limits(&d->limits, j, &error);
	draft_set(j, "operations", json_deep_copy(d->operations), &error);
	return error;
}

int
question_draft_text(const struct question *q, struct client *c,
    const struct opts *o, struct buf *out, struct err *e)
{
	struct buf target;
	json_t *j = NULL;
	char *text = NULL;
	int r = 0;

	buf_init(&target, 64 * 1024);
	if (draft_target(q, &target) == 0 && buf_str(&target) != NULL)
		j = json_pack("{s:i, s:s, s:s}", "syntaxversion", 3, "name",
		    q->draft.name, "target", buf_str(&target));
	buf_release(&target);
	if (j == NULL || draft_fields(&q->draft, j) != 0)
		r = err_set(e, ERR_NOMEM, "no room for the document");
	if (r == 0)
		r = draft_readers(c, o, j, e);
	text = r == 0 ? json_text(j, JSON_INDENT(2)) : NULL;
	if (r == 0 &&
	    (text == NULL || buf_add_str(out, text) != 0 ||
		buf_add_str(out, "\n") != 0))
		r = err_set(e, ERR_NOMEM, "no room for the document");
	free(text);
	json_decref(j);
	return r;
}
