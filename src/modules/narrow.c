/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/narrow.h"

#include "base/err.h"
#include "modules/print.h"

#include <string.h>

static const char *const words[DETAILS] = {
	[DETAIL_FULL] = "full",
	[DETAIL_METADATA] = "metadata",
	[DETAIL_FOUND_ONLY] = "found-only",
};

static const char *const sentences[DETAILS] = {
	[DETAIL_METADATA] = "detail limited to metadata by the policy",
	[DETAIL_FOUND_ONLY] = "detail limited to found-only by the policy",
};
static const char names_masked[] =
    "names masked by the agent's privacy setting";

const char *
detail_word(unsigned int d)
{
	return d < DETAILS ? words[d] : "unknown";
}

int
detail_find(const char *word, enum detail *ret)
{
	unsigned int d;

	for (d = 0; d < DETAILS; d++) {
		if (strcmp(words[d], word) == 0) {
			*ret = (enum detail)d;
			return 0;
		}
	}
	return ERR_INVALID;
}

int
narrow_no_content(json_t *result)
{
	return 0;
}

/* Numbers say how much was looked at; texts and lists may name it. */
static void
keep_numbers(json_t *obj)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(obj, next, key, v)
	{
		if (json_is_object(v))
			keep_numbers(v);
		else if (!json_is_number(v) && !json_is_boolean(v) &&
		    strcmp(key, "exectime") != 0)
			json_object_del(obj, key);
	}
}

static int
found_only(json_t *result)
{
	static const char *const kept[] = { "foundanything", "success",
		"elements", "statistics", "errors" };
	json_t *statistics = json_object_get(result, "statistics");
	const char *key;
	void *next;
	json_t *v;
	size_t i;

	json_object_foreach_safe(result, next, key, v)
	{
		for (i = 0; i < 5 && strcmp(key, kept[i]) != 0; i++)
			;
		if (i == 5)
			json_object_del(result, key);
	}
	/* labels and regular expressions are the question's; counts by them
	 * would say which of its parts was met */
	json_object_del(statistics, "unmatched");
	keep_numbers(statistics);
	if (json_object_set_new(result, "elements", json_object()) != 0)
		return ERR_NOMEM;
	return mask_errors(result);
}

static int
add_note(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0 ? 0
								   : ERR_NOMEM;
}

static int
say(json_t *result, enum detail d, bool privacy)
{
	json_t *statistics = json_object_get(result, "statistics");
	json_t *list = json_array();
	int rc = list == NULL ? ERR_NOMEM : 0;

	if (!json_is_object(statistics)) {
		statistics = json_object();
		if (json_object_set_new(result, "statistics", statistics) != 0)
			rc = ERR_NOMEM;
	}
	if (rc == 0 && sentences[d] != NULL)
		rc = add_note(list, sentences[d]);
	if (rc == 0 && privacy)
		rc = add_note(list, names_masked);
	if (rc != 0) {
		json_decref(list);
		return rc;
	}
	return json_object_set_new(statistics, "narrowed", list) == 0
	    ? 0
	    : ERR_NOMEM;
}

enum detail
narrow_detail(const struct module *m, enum detail d)
{
	return d == DETAIL_METADATA && m->reduce == NULL ? DETAIL_FOUND_ONLY
							 : d;
}

static bool
is_masked(const struct module *m, enum detail d, bool privacy)
{
	return privacy && m->mask != NULL && d != DETAIL_FOUND_ONLY;
}

int
narrow_entry(
    const struct module *m, enum detail d, bool privacy, json_t *result)
{
	int rc = 0;

	d = narrow_detail(m, d);
	if (d == DETAIL_METADATA)
		rc = m->reduce(result);
	else if (d == DETAIL_FOUND_ONLY)
		rc = found_only(result);
	return rc == 0 && is_masked(m, d, privacy) ? m->mask(result) : rc;
}

int
narrow_answer(
    const struct module *m, enum detail d, bool privacy, json_t *result)
{
	int rc = narrow_entry(m, d, privacy, result);
	bool masked;

	d = narrow_detail(m, d);
	masked = is_masked(m, d, privacy);
	if (rc == 0 && (d != DETAIL_FULL || masked))
		rc = say(result, d, masked);
	return rc;
}

/* --- showing ---------------------------------------------------------------*/

static bool
is_found_only(const json_t *result)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "statistics"), "narrowed");
	const char *s;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		s = json_string_value(json_array_get(list, i));
		if (s != NULL && strcmp(s, sentences[DETAIL_FOUND_ONLY]) == 0)
			return true;
	}
	return false;
}

int
narrow_print(const struct module *m, const json_t *result, const char *prefix,
    enum print_show show, struct buf *out, struct err *e)
{
	bool found = json_is_true(json_object_get(result, "foundanything"));

	if (!is_found_only(result))
		return m->print(result, prefix, show, out, e);
	if (show == SHOW_ALL || found == (show == SHOW_FOUND))
		buf_add_fmt(out, "%sfound %s\n", prefix,
		    found ? "something" : "nothing");
	return print_end(m, result, prefix, show, out, e);
}

int
narrow_csv(const struct module *m, const json_t *result, const char *prefix,
    struct buf *out, struct err *e)
{
	const char *p;

	if (!is_found_only(result) ||
	    !json_is_true(json_object_get(result, "foundanything")))
		return m->csv(result, prefix, out, e);
	/* a row of its own: no row would be "nothing found" */
	buf_add_fmt(
	    out, "%s\"found: %s\"", prefix, sentences[DETAIL_FOUND_ONLY]);
	for (p = m->csv_header; (p = strchr(p, ',')) != NULL; p++)
		buf_add_str(out, ",");
	buf_add_str(out, "\n");
	return csv_end(out, e);
}
