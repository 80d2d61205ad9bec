/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/print.h"

#include "base/err.h"
#include "modules/memory/param.h"
#include "modules/print.h"

#include <string.h>

const char *const memory_ordinary[] = { "vanished", "zombie", "agentprocess",
	"device", NULL };

/* name='x' content='y' ...: what a match-any entry was found by. */
static void
add_checks(struct buf *out, const json_t *search)
{
	const json_t *list;
	const char *v;
	size_t k, i;

	for (k = 0; k < MEMORY_KINDS; k++) {
		list = json_object_get(search, memory_kind_names[k].field);
		for (i = 0; i < json_array_size(list); i++) {
			v = json_string_value(json_array_get(list, i));
			buf_add_fmt(out, " %s='", memory_kind_names[k].word);
			print_add(out, v != NULL ? v : "");
			buf_add_str(out, "'");
		}
	}
}

static bool
is_matchall(const json_t *search)
{
	return json_is_true(
	    json_object_get(json_object_get(search, "options"), "matchall"));
}

/* "content='x' at 0x7f... in [heap]", separated by commas. */
static void
add_places(struct buf *out, const json_t *match)
{
	const json_t *places = json_object_get(match, "matches"), *v;
	const char *at, *what, *word;
	size_t i, n = json_array_size(places);

	for (i = 0; i < n; i++) {
		v = json_array_get(places, i);
		word = memory_kind_names[MEMORY_CONTENT].word;
		what = print_str(v, word);
		if (*what == '\0') {
			word = memory_kind_names[MEMORY_BYTES].word;
			what = print_str(v, word);
		}
		at = print_str(v, "address");
		buf_add_fmt(out, "%s%s='", i > 0 ? ", " : "", word);
		print_add(out, what);
		buf_add_str(out, *at != '\0' ? "' at " : "' ending at ");
		print_add(out, *at != '\0' ? at : print_str(v, "end"));
		at = print_str(v, "mapping");
		buf_add_str(out, " in ");
		print_add(out, *at != '\0' ? at : "nameless memory");
		buf_add_str(out, " ");
		print_add(out, print_str(v, "permissions"));
	}
}

static void
print_match(
    struct buf *out, const char *prefix, const char *label, const json_t *match)
{
	const json_t *process = json_object_get(match, "process");
	const json_t *search = json_object_get(match, "search");
	const char *name = print_str(process, "name");

	buf_add_str(out, prefix);
	if (*name == '\0') {
		buf_add_str(out, "0 match found in search '");
	} else {
		print_add(out, name);
		if (json_is_true(json_object_get(process, "deleted")))
			buf_add_str(out, " (deleted)");
		buf_add_fmt(out, " [pid:%.0f", print_num(process, "pid"));
		if (json_array_size(json_object_get(match, "matches")) > 0)
			buf_add_str(out, ", ");
		add_places(out, match);
		buf_add_str(out, "] in search '");
	}
	print_add(out, label);
	buf_add_str(out, "'");
	if (!is_matchall(search)) {
		buf_add_str(out, " on checks");
		add_checks(out, search);
	}
	buf_add_str(out, "\n");
}

static bool
is_found(const json_t *match)
{
	return *print_str(json_object_get(match, "process"), "name") != '\0';
}

int
memory_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (show == SHOW_ALL ||
			    is_found(v) == (show == SHOW_FOUND))
				print_match(out, prefix, label, v);
		}
	}
	return print_end(module_find("memory"), result, prefix, show, out, e);
}

static void
csv_text(struct buf *out, const char *s)
{
	buf_add_u8(out, ',');
	csv_add(out, s);
}

static void
csv_row(struct buf *out, struct buf *tmp, const char *prefix, const char *label,
    const json_t *match)
{
	const json_t *process = json_object_get(match, "process");
	const json_t *search = json_object_get(match, "search");

	buf_add_str(out, prefix);
	csv_add(out, label);
	csv_text(out, print_str(process, "name"));
	buf_add_fmt(out, ",%.0f", print_num(process, "pid"));
	buf_clear(tmp);
	add_places(tmp, match);
	csv_text(out, buf_str(tmp) != NULL ? buf_str(tmp) : "");
	buf_clear(tmp);
	if (!is_matchall(search))
		add_checks(tmp, search);
	if (tmp->len > 0)
		buf_consume(tmp, 1); /* the leading space */
	csv_text(out, buf_str(tmp) != NULL ? buf_str(tmp) : "");
	buf_add_u8(out, '\n');
}

int
memory_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	struct buf tmp;
	size_t i;

	buf_init(&tmp, 1024 * 1024);
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (is_found(v))
				csv_row(out, &tmp, prefix, label, v);
		}
	}
	if (tmp.error != 0)
		out->error = tmp.error;
	buf_release(&tmp);
	return csv_end(out, e);
}
