/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sign/describe.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "client/client.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* More than this is not seen at one glance. */
#define LINES_MANY 50
#define BYTES_MANY 6000

static void
add_text(struct buf *out, const char *text, bool *marked)
{
	str_add_marked(out, text, strlen(text), marked);
}

static void
add_line(struct buf *out, const char *label, const char *text, bool *marked)
{
	buf_add_fmt(out, "%-8s ", label);
	add_text(out, text, marked);
	buf_add_str(out, "\n");
}

/* "name: text" of the fields that say more about it. */
static void
add_fields(
    struct buf *out, const char *label, const json_t *object, bool *marked)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
		if (!json_is_string(v) || json_string_length(v) == 0)
			continue;
		buf_add_fmt(out, "%-8s %s: ", label, key);
		add_text(out, json_string_value(v), marked);
		buf_add_str(out, "\n");
	}
}

static void
add_limits(struct buf *out, const struct action_limits *l)
{
	const struct {
		int64_t value;
		const char *what;
	} rows[] = { { l->seconds, "s" }, { l->cpu_seconds, "s of CPU" },
		{ l->cpu_percent, "% of a core" },
		{ l->read_bytes, "bytes read" },
		{ l->result_bytes, "bytes of answer" } };
	size_t i, n = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].value <= 0)
			continue;
		buf_add_fmt(out, "%s%" PRId64 " %s",
		    n++ == 0 ? "limits   " : ", ", rows[i].value, rows[i].what);
	}
	if (n > 0)
		buf_add_str(out, "\n");
}

static void
add_require(struct buf *out, const struct action *a)
{
	const json_t *list = json_object_get(
	    json_object_get(a->root, "require"), "fingerprints");
	const json_t *v;
	size_t i;

	buf_add_fmt(out, "needs    weight %" PRId64, a->require_weight);
	json_array_foreach (list, i, v)
		buf_add_fmt(out, "%s%s", i == 0 ? ", and signatures by " : " ",
		    json_string_value(v));
	buf_add_str(out, "\n");
}

/* Labels are whoever asks' own words: one that could pose as another line is
 * quoted. */
static void
add_key(struct buf *out, const char *key, bool *marked)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	bool quoted = key[0] == '\0' || key[strspn(key, plain)] != '\0';

	if (quoted)
		buf_add_str(out, "\"");
	add_text(out, key, marked);
	if (quoted)
		buf_add_str(out, "\"");
}

static void
add_value(struct buf *out, const json_t *v, bool *marked)
{
	char *text;

	if (json_is_string(v)) {
		add_text(out, json_string_value(v), marked);
		return;
	}
	text = json_text(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL)
		add_text(out, text, marked);
	else
		out->error = ERR_NOMEM;
	free(text);
}

/* Numbers and truths alone, which no text can pose as. */
static bool
is_short(const json_t *object)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
		if (!json_is_number(v) && !json_is_boolean(v))
			return false;
	}
	return true;
}

static void
add_options(struct buf *out, const json_t *object, bool *marked)
{
	const char *key, *between = " ";
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
		buf_add_str(out, between);
		add_key(out, key, marked);
		buf_add_str(out, " ");
		add_value(out, v, marked);
		between = ", ";
	}
	buf_add_str(out, "\n");
}

/* One line for each name and value; the parser bounds the depth. */
static void
add_params(struct buf *out, int indent, const json_t *object, bool *marked)
{
	const char *key;
	json_t *v, *item;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
		i = 0;
		do {
			item = json_is_array(v) ? json_array_get(v, i) : v;
			buf_add_fmt(out, "%*s", indent, "");
			add_key(out, key, marked);
			if (json_is_object(item) && is_short(item)) {
				add_options(out, item, marked);
				continue;
			}
			buf_add_str(out, json_is_object(item) ? "\n" : " ");
			if (json_is_object(item)) {
				add_params(out, indent + 2, item, marked);
				continue;
			}
			if (item != NULL)
				add_value(out, item, marked);
			buf_add_str(out, "\n");
		} while (++i < json_array_size(v));
	}
}

int
describe_action(const struct action *a, const struct id *id, bool readers,
    struct buf *out, bool *marked)
{
	char from[RFC3339_LEN + 1], to[RFC3339_LEN + 1];
	size_t i;

	rfc3339_format(a->valid_from, from);
	rfc3339_format(a->expire_after, to);
	buf_add_fmt(out, "action   %s\n", id_hex(id).s);
	add_line(out, "name", a->name, marked);
	add_fields(
	    out, "about", json_object_get(a->root, "description"), marked);
	add_fields(out, "threat", json_object_get(a->root, "threat"), marked);
	add_line(out, "target", a->target, marked);
	buf_add_fmt(out, "valid    %s to %s\n", from, to);
	add_require(out, a);
	if (a->min_policy > 0)
		buf_add_fmt(
		    out, "policy   %" PRId64 " or later\n", a->min_policy);
	for (i = 0; readers && i < a->nreaders; i++)
		buf_add_fmt(out, "reader   %s\n", a->readers[i]);
	for (i = 0; i < a->noperations; i++) {
		buf_add_fmt(out, "asks     %s\n", a->operations[i].module);
		add_params(out, 11, a->operations[i].parameters, marked);
	}
	add_limits(out, &a->limits);
	return out->error;
}

void
describe_marks(struct buf *out, bool marked)
{
	if (marked)
		buf_add_str(out,
		    "note     \\u{...} and \\x.. above stand for characters "
		    "that cannot be seen or can be\n"
		    "         taken for others: what is asked is not what it "
		    "may look like\n");
}

int
describe_show(struct buf *text)
{
	const char *s = buf_str(text), *p;
	unsigned int lines = 0;

	if (s == NULL)
		return text->error != 0 ? text->error : ERR_NOMEM;
	for (p = s; *p != '\0'; p++)
		lines += *p == '\n';
	if (!client_err(s))
		return ERR_IO;
	if (lines > LINES_MANY || text->len > BYTES_MANY)
		fprintf(stderr,
		    "note     these are %u lines, %zu bytes: read all of "
		    "them\n",
		    lines, text->len);
	return fflush(stderr) == 0 ? 0 : ERR_IO;
}

static void
add_uncounted(
    const json_t *list, const char *head, const char *what, struct buf *out)
{
	const char *fpr, *why;
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		if (i == SIGS_MAX)
			return;
		fpr = json_string_value(json_object_get(v, "fingerprint"));
		why = json_string_value(json_object_get(v, "reason"));
		buf_add_fmt(out, "%s%s ", head, what);
		if (fpr == NULL)
			fpr = "(of no key)";
		str_add_printable(out, fpr, strlen(fpr));
		buf_add_str(out, ": ");
		if (why == NULL)
			why = "the server does not say why";
		str_add_printable(out, why, strlen(why));
		buf_add_str(out, "\n");
	}
}

void
describe_uncounted(const json_t *of, const char *head, struct buf *out)
{
	add_uncounted(
	    json_object_get(of, "left_out"), head, "signature left out:", out);
	add_uncounted(json_object_get(of, "uncounted"), head,
	    "signature does not count:", out);
}

void
describe_waiting(const json_t *waiting, struct buf *out)
{
	const json_t *weight = json_object_get(waiting, "weight");
	const char *missing =
	    json_string_value(json_object_get(waiting, "missing"));
	const json_t *version = json_object_get(waiting, "policy");

	if (!json_is_object(weight))
		return;
	buf_add_fmt(out, "waiting  has weight %lld of %lld",
	    (long long)json_integer_value(json_object_get(weight, "has")),
	    (long long)json_integer_value(json_object_get(weight, "needs")));
	if (json_is_integer(version))
		buf_add_fmt(out, " (policy %lld)",
		    (long long)json_integer_value(version));
	if (json_is_false(json_object_get(waiting, "possible")))
		buf_add_str(out, ", and no signature can complete it");
	if (missing != NULL && missing[0] != '\0') {
		buf_add_str(out, ": ");
		str_add_printable(out, missing, strlen(missing));
	}
	buf_add_str(out, "\n");
	describe_uncounted(waiting, "waiting  ", out);
}

void
describe_cancel(const json_t *cancel, struct buf *out)
{
	const char *when, *why, *name;
	const json_t *v;
	size_t i;

	if (!json_is_object(cancel))
		return;
	when = json_string_value(json_object_get(cancel, "time"));
	why = json_string_value(json_object_get(cancel, "reason"));
	buf_add_str(out, "cancelled ");
	if (when != NULL)
		str_add_printable(out, when, strlen(when));
	json_array_foreach (json_object_get(cancel, "investigators"), i, v) {
		name = json_string_value(v);
		buf_add_str(out, i > 0 ? ", " : " by ");
		if (name != NULL)
			str_add_printable(out, name, strlen(name));
	}
	if (why != NULL && why[0] != '\0') {
		buf_add_str(out, ": ");
		str_add_printable(out, why, strlen(why));
	}
	buf_add_str(out, "\n");
}
