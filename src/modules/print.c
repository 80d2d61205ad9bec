/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/print.h"

#include "base/csv.h"
#include "base/err.h"
#include "base/str.h"

#include <string.h>

const char *
print_str(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

double
print_num(const json_t *obj, const char *key)
{
	return json_number_value(json_object_get(obj, key));
}

void
print_add(struct buf *out, const char *s)
{
	str_add_printable(out, s, strlen(s));
}

static void
print_not_examined(const struct module *m, const json_t *result,
    const char *prefix, bool all, struct buf *out)
{
	json_t *reasons = json_object_get(
		   json_object_get(result, "statistics"), "notexamined"),
	       *v;
	const char *reason;
	bool first = true;

	json_object_foreach (reasons, reason, v) {
		if (!all && module_is_ordinary(m, reason))
			continue;
		if (first)
			buf_add_fmt(out, "%snot examined:", prefix);
		buf_add_fmt(
		    out, "%s %.0f ", first ? "" : ",", json_number_value(v));
		print_add(out, reason);
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
		print_add(out, s != NULL ? s : "");
		buf_add_str(out, "\n");
	}
}

/* What the policy or the agent's privacy setting took away: said where there
 * is something to be missed. */
static void
print_narrowed(
    const json_t *result, const char *prefix, bool all, struct buf *out)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "statistics"), "narrowed");
	const char *s;
	size_t i;

	if (!all && !json_is_true(json_object_get(result, "foundanything")))
		return;
	for (i = 0; i < json_array_size(list); i++) {
		s = json_string_value(json_array_get(list, i));
		buf_add_fmt(out, "%snote: ", prefix);
		print_add(out, s != NULL ? s : "?");
		buf_add_str(out, "\n");
	}
}

/* How far it came before a limit. */
static void
print_ended_at(const json_t *result, const char *prefix, struct buf *out)
{
	const json_t *statistics = json_object_get(result, "statistics");
	const char *at = print_str(statistics, "endedat");
	bool processes = json_object_get(statistics, "processcount") != NULL;

	if (*at == '\0')
		return;
	buf_add_fmt(out, "%snote: ended after %.0f %s, at ", prefix,
	    print_num(statistics, processes ? "processcount" : "filescount"),
	    processes ? "processes" : "files");
	print_add(out, at);
	buf_add_str(out, "\n");
}

int
print_end(const struct module *m, const json_t *result, const char *prefix,
    enum print_show show, struct buf *out, struct err *e)
{
	print_ended_at(result, prefix, out);
	/* those of what failed are summed up by the caller otherwise */
	if (show == SHOW_ALL)
		print_errors(out, prefix, result);
	print_not_examined(m, result, prefix, show == SHOW_ALL, out);
	print_narrowed(result, prefix, show == SHOW_ALL, out);
	return out->error != 0
	    ? err_set(e, out->error, "the answer is too long to print")
	    : 0;
}

void
csv_add(struct buf *out, const char *s)
{
	csv_field(out, s);
}

int
csv_end(struct buf *out, struct err *e)
{
	return out->error != 0 ? err_code(e, out->error, "the answer") : 0;
}

int
mask_str(json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	if (s == NULL || *s == '\0')
		return 0;
	return json_object_set_new(obj, key, json_string("masked")) == 0
	    ? 0
	    : ERR_NOMEM;
}

int
mask_errors(json_t *result)
{
	json_t *errors = json_object_get(result, "errors");
	size_t i;

	for (i = 0; i < json_array_size(errors); i++) {
		if (json_array_set_new(errors, i, json_string("masked")) != 0)
			return ERR_NOMEM;
	}
	return 0;
}
