/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/print.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/module.h"
#include "modules/file/param.h"

#include <inttypes.h>
#include <string.h>

const char *const file_ordinary[] = { "special", "symlinkoutside",
	"symlinkbroken", "virtualfs", "loop", "vanished", "depthlimit",
	"agentstate", NULL };

static const char *
text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

static void
add_text(struct buf *out, const char *s)
{
	str_add_printable(out, s, strlen(s));
}

/* name='x' size='<1k' ...: what a match-any entry was found by. */
static void
add_checks(struct buf *out, const json_t *search)
{
	const json_t *list;
	const char *v;
	size_t k, i;

	for (k = 0; k < FILE_KINDS; k++) {
		list = json_object_get(search, file_kind_names[k].field);
		for (i = 0; i < json_array_size(list); i++) {
			v = json_string_value(json_array_get(list, i));
			buf_add_fmt(out, " %s='", file_kind_names[k].word);
			add_text(out, v != NULL ? v : "");
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

static void
print_match(
    struct buf *out, const char *prefix, const char *label, const json_t *match)
{
	const json_t *info = json_object_get(match, "fileinfo");
	const json_t *search = json_object_get(match, "search");
	const char *file = text(match, "file"), *sha = text(info, "sha256");

	buf_add_str(out, prefix);
	if (*file == '\0') {
		buf_add_str(out, "0 match found in search '");
		add_text(out, label);
		buf_add_str(out, "'");
	} else {
		add_text(out, file);
		buf_add_str(out, " [lastmodified:");
		add_text(out, text(info, "lastmodified"));
		buf_add_str(out, ", mode:");
		add_text(out, text(info, "mode"));
		buf_add_fmt(out, ", size:%.0f",
		    json_number_value(json_object_get(info, "size")));
		if (*sha != '\0') {
			buf_add_str(out, ", sha256:");
			add_text(out, sha);
		}
		buf_add_str(out, "] in search '");
		add_text(out, label);
		buf_add_str(out, "'");
	}
	if (!is_matchall(search)) {
		buf_add_str(out, " on checks");
		add_checks(out, search);
	}
	buf_add_str(out, "\n");
}

static void
print_not_examined(
    struct buf *out, const char *prefix, const json_t *result, bool all)
{
	json_t *reasons = json_object_get(
		   json_object_get(result, "statistics"), "notexamined"),
	       *v;
	const char *reason;
	bool first = true;

	json_object_foreach (reasons, reason, v) {
		if (!all && module_is_ordinary(module_find("file"), reason))
			continue;
		if (first)
			buf_add_fmt(out, "%snot examined:", prefix);
		buf_add_fmt(
		    out, "%s %.0f ", first ? "" : ",", json_number_value(v));
		add_text(out, reason);
		first = false;
	}
	if (!first)
		buf_add_str(out, "\n");
}

static void
print_errors(struct buf *out, const char *prefix, const json_t *result)
{
	const json_t *errors = json_object_get(result, "errors");
	const char *s;
	size_t i;

	for (i = 0; i < json_array_size(errors); i++) {
		s = json_string_value(json_array_get(errors, i));
		buf_add_fmt(out, "%serror: ", prefix);
		add_text(out, s != NULL ? s : "");
		buf_add_str(out, "\n");
	}
}

int
file_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	bool found;
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			found = *text(v, "file") != '\0';
			if (show == SHOW_ALL || found == (show == SHOW_FOUND))
				print_match(out, prefix, label, v);
		}
	}
	if (show == SHOW_ALL ||
	    !json_is_true(json_object_get(result, "success")))
		print_errors(out, prefix, result);
	print_not_examined(out, prefix, result, show == SHOW_ALL);
	return out->error != 0
	    ? err_set(e, out->error, "the answer is too long to print")
	    : 0;
}

/* RFC 4180; what a spreadsheet would take for a formula gets a quote. */
static void
csv_field(struct buf *out, const struct buf *value)
{
	size_t i;

	buf_add_u8(out, '"');
	if (value->len > 0 && memchr("=+-@", value->data[0], 4) != NULL)
		buf_add_u8(out, '\'');
	for (i = 0; i < value->len; i++) {
		if (value->data[i] == '"')
			buf_add_u8(out, '"');
		buf_add_u8(out, value->data[i]);
	}
	buf_add_u8(out, '"');
}

static void
csv_text(struct buf *out, struct buf *tmp, const char *s)
{
	buf_clear(tmp);
	add_text(tmp, s);
	buf_add_u8(out, ',');
	csv_field(out, tmp);
}

static void
csv_row(struct buf *out, struct buf *tmp, const char *prefix, const char *label,
    const json_t *match)
{
	const json_t *info = json_object_get(match, "fileinfo");
	const json_t *search = json_object_get(match, "search");

	buf_add_str(out, prefix);
	buf_clear(tmp);
	add_text(tmp, label);
	csv_field(out, tmp);
	csv_text(out, tmp, text(match, "file"));
	buf_add_fmt(
	    out, ",%.0f", json_number_value(json_object_get(info, "size")));
	csv_text(out, tmp, text(info, "mode"));
	csv_text(out, tmp, text(info, "lastmodified"));
	csv_text(out, tmp, text(info, "sha256"));
	buf_clear(tmp);
	if (!is_matchall(search))
		add_checks(tmp, search);
	if (tmp->len > 0)
		buf_consume(tmp, 1); /* the leading space */
	buf_add_u8(out, ',');
	csv_field(out, tmp);
	buf_add_u8(out, '\n');
}

int
file_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	struct buf tmp;
	size_t i;

	buf_init(&tmp, 1024 * 1024);
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (*text(v, "file") != '\0')
				csv_row(out, &tmp, prefix, label, v);
		}
	}
	if (tmp.error != 0)
		out->error = tmp.error;
	buf_release(&tmp);
	return out->error != 0
	    ? err_set(e, out->error, "the answer is too long")
	    : 0;
}
