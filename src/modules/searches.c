/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/searches.h"

#include "base/err.h"
#include "modules/print.h"

#define CHECKS_MAX (1024 * 1024) /* bytes of text */

static bool
is_matchall(const json_t *search)
{
	return json_is_true(
	    json_object_get(json_object_get(search, "options"), "matchall"));
}

/* name='x' size='<1k' ...: what an entry of a match-any search was found by.
 * Nothing of others, which passed all checks. */
static void
add_checks(struct buf *out, const struct searches_view *v, const json_t *match)
{
	const json_t *search = json_object_get(match, "search"), *list;
	const char *s;
	size_t k, i;

	for (k = 0; k < v->nkinds && !is_matchall(search); k++) {
		list = json_object_get(search, v->kinds[k].field);
		for (i = 0; i < json_array_size(list); i++) {
			s = json_string_value(json_array_get(list, i));
			buf_add_fmt(out, " %s='", v->kinds[k].word);
			print_add(out, s != NULL ? s : "");
			buf_add_str(out, "'");
		}
	}
}

static void
print_match(struct buf *out, const struct searches_view *v, const char *prefix,
    const char *label, const json_t *match)
{
	const char *name = v->name(match);

	buf_add_str(out, prefix);
	if (*name == '\0') {
		buf_add_str(out, "0 match found");
	} else {
		print_add(out, name);
		v->text(out, match);
	}
	buf_add_str(out, " in search '");
	print_add(out, label);
	buf_add_str(out, "'");
	if (!is_matchall(json_object_get(match, "search"))) {
		buf_add_str(out, " on checks");
		add_checks(out, v, match);
	}
	buf_add_str(out, "\n");
}

int
searches_print(const struct searches_view *v, const json_t *result,
    const char *prefix, enum print_show show, struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *match;
	const char *label;
	bool found;
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, match) {
			found = *v->name(match) != '\0';
			if (show == SHOW_ALL || found == (show == SHOW_FOUND))
				print_match(out, v, prefix, label, match);
		}
	}
	return print_end(module_find(v->module), result, prefix, show, out, e);
}

void
searches_column(struct buf *out, const char *s)
{
	buf_add_u8(out, ',');
	csv_add(out, s);
}

static void
csv_row(struct buf *out, struct buf *tmp, const struct searches_view *v,
    const char *prefix, const char *label, const json_t *match)
{
	const char *checks;

	buf_add_str(out, prefix);
	csv_add(out, label);
	searches_column(out, v->name(match));
	v->columns(out, match);
	buf_clear(tmp);
	add_checks(tmp, v, match);
	checks = buf_str(tmp);
	searches_column(out, tmp->len > 0 && checks != NULL ? checks + 1 : "");
	buf_add_u8(out, '\n');
}

int
searches_csv(const struct searches_view *v, const json_t *result,
    const char *prefix, struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *match;
	const char *label;
	struct buf tmp;
	size_t i;

	buf_init(&tmp, CHECKS_MAX);
	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, match) {
			if (*v->name(match) != '\0')
				csv_row(out, &tmp, v, prefix, label, match);
			if (tmp.error != 0)
				out->error = tmp.error;
		}
	}
	buf_release(&tmp);
	return csv_end(out, e);
}
