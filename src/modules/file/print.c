/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/print.h"

#include "base/err.h"
#include "modules/module.h"
#include "modules/file/param.h"
#include "modules/print.h"

#include <inttypes.h>
#include <string.h>

const char *const file_ordinary[] = { "special", "symlinkoutside",
	"symlinkbroken", "virtualfs", "loop", "vanished", "depthlimit",
	"missing", NULL };

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

static void
print_match(
    struct buf *out, const char *prefix, const char *label, const json_t *match)
{
	const json_t *info = json_object_get(match, "fileinfo");
	const json_t *search = json_object_get(match, "search");
	const char *file = print_str(match, "file"),
		   *sha = print_str(info, "sha256");

	buf_add_str(out, prefix);
	if (*file == '\0') {
		buf_add_str(out, "0 match found in search '");
		print_add(out, label);
		buf_add_str(out, "'");
	} else {
		print_add(out, file);
		buf_add_str(out, " [lastmodified:");
		print_add(out, print_str(info, "lastmodified"));
		buf_add_str(out, ", mode:");
		print_add(out, print_str(info, "mode"));
		buf_add_fmt(out, ", size:%.0f",
		    json_number_value(json_object_get(info, "size")));
		if (*sha != '\0') {
			buf_add_str(out, ", sha256:");
			print_add(out, sha);
		}
		buf_add_str(out, "] in search '");
		print_add(out, label);
		buf_add_str(out, "'");
	}
	if (!is_matchall(search)) {
		buf_add_str(out, " on checks");
		add_checks(out, search);
	}
	buf_add_str(out, "\n");
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
			found = *print_str(v, "file") != '\0';
			if (show == SHOW_ALL || found == (show == SHOW_FOUND))
				print_match(out, prefix, label, v);
		}
	}
	return print_end(module_find("file"), result, prefix, show, out, e);
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
	const json_t *info = json_object_get(match, "fileinfo");
	const json_t *search = json_object_get(match, "search");

	buf_add_str(out, prefix);
	csv_add(out, label);
	csv_text(out, print_str(match, "file"));
	buf_add_fmt(
	    out, ",%.0f", json_number_value(json_object_get(info, "size")));
	csv_text(out, print_str(info, "mode"));
	csv_text(out, print_str(info, "lastmodified"));
	csv_text(out, print_str(info, "sha256"));
	buf_clear(tmp);
	if (!is_matchall(search))
		add_checks(tmp, search);
	if (tmp->len > 0)
		buf_consume(tmp, 1); /* the leading space */
	csv_text(out, buf_str(tmp) != NULL ? buf_str(tmp) : "");
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
			if (*print_str(v, "file") != '\0')
				csv_row(out, &tmp, prefix, label, v);
		}
	}
	if (tmp.error != 0)
		out->error = tmp.error;
	buf_release(&tmp);
	return csv_end(out, e);
}
