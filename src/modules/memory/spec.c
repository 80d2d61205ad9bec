/* SPDX-License-Identifier: MPL-2.0 */
/* The memory module's table: parameters, check, flags, privacy mask. What the
 * investigator sees of it; the work is in run.c. */
#include "modules/module.h"

#include "base/err.h"
#include "modules/memory/param.h"
#include "modules/memory/print.h"
#include "modules/params.h"
#include "modules/print.h"

static int
memory_check(const json_t *params, struct err *e)
{
	struct memory_params p;
	int rc = memory_params_parse(params, &p, e);

	if (rc == 0)
		memory_params_release(&p);
	return rc;
}

static bool
has_filter(const struct module_flags *f)
{
	size_t k;

	for (k = 0; k < MEMORY_KINDS; k++) {
		if (params_has_flag(f, memory_kind_names[k].word))
			return true;
	}
	return false;
}

static json_t *
memory_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *defaults, *root;

	if (!has_filter(f)) {
		err_set(e, ERR_INVALID,
		    "-name, -lib, -bytes or -content is needed: what to look "
		    "for");
		return NULL;
	}
	if (params_exclude(f, "matchall", "matchany", e) != 0)
		return NULL;
	defaults = json_pack("{s:{s:b}}", "options", "matchall", 1);
	root = params_search_from_flags(memory_param_table, f, defaults, e);
	if (root != NULL && memory_check(root, e) != 0) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* Programs run from people's homes, and files they have mapped, bear names;
 * where in memory something lies tells nobody anything. */
static int
mask_match(json_t *match)
{
	json_t *process = json_object_get(match, "process"), *v;
	json_t *places = json_object_get(match, "matches");
	size_t i;
	int rc;

	json_object_del(process, "namehex");
	rc = mask_str(process, "name");
	json_array_foreach (places, i, v) {
		if (rc == 0)
			rc = mask_str(v, "mapping");
	}
	return rc;
}

static int
memory_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	json_t *statistics = json_object_get(result, "statistics");
	const char *label;
	size_t i;
	int rc = 0;

	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (rc == 0)
				rc = mask_match(v);
		}
	}
	list = json_object_get(statistics, "failures");
	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		if (json_array_set_new(list, i, json_string("masked")) != 0)
			rc = ERR_NOMEM;
	}
	if (rc == 0)
		rc = mask_str(statistics, "endedat");
	return rc == 0 ? mask_errors(result) : rc;
}

/* Where in memory a byte sequence or an expression matched tells what is there;
 * which libraries are mapped does not. */
static int
memory_reduce(json_t *result)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	json_t *places, *place;
	const char *label;
	size_t i, k;

	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			places = json_object_get(v, "matches");
			for (k = json_array_size(places); k-- > 0;) {
				place = json_array_get(places, k);
				if (json_object_get(place, "bytes") != NULL ||
				    json_object_get(place, "content") != NULL)
					json_array_remove(places, k);
			}
		}
	}
	return 0;
}

extern const struct module module_memory;
const struct module module_memory = {
	.name = "memory",
	.summary = "processes by name, libraries and what is in their memory",
	.number = MODULE_memory,
	.needs = NEED_PROCESSES,
	.params = memory_param_table,
	.check = memory_check,
	.from_flags = memory_from_flags,
	.print = memory_print,
	.csv_header = "search,process,pid,matches,checks",
	.csv = memory_csv,
	.mask = memory_mask,
	.reduce = memory_reduce,
	.by_entry = true,
	.ordinary = memory_ordinary,
};
