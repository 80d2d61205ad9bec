/* SPDX-License-Identifier: MPL-2.0 */
/* The file module's table: parameters, check, flags, privacy mask. What the
 * investigator sees of it; the work is in run.c. */
#include "modules/module.h"

#include "base/err.h"
#include "modules/file/param.h"
#include "modules/file/print.h"
#include "modules/params.h"
#include "modules/print.h"

#include <string.h>

static int
file_check(const json_t *params, struct err *e)
{
	struct file_params p;
	int rc = file_params_parse(params, &p, e);

	if (rc == 0)
		file_params_release(&p);
	return rc;
}

static bool
has_check(const struct module_flags *f)
{
	size_t k;

	for (k = 0; k < FILE_KINDS; k++) {
		if (params_has_flag(f, file_kind_names[k].word))
			return true;
	}
	return false;
}

static json_t *
file_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *defaults, *root;

	if (!params_has_flag(f, "path")) {
		err_set(e, ERR_INVALID, "-path is needed: where to search");
		return NULL;
	}
	if (!has_check(f)) {
		err_set(e, ERR_INVALID,
		    "-name, -size, -mode, -mtime, -content or a digest is "
		    "needed: what to look for (-name . for all files)");
		return NULL;
	}
	if (params_exclude(f, "matchall", "matchany", e) != 0)
		return NULL;
	defaults = json_pack("{s:{s:i,s:i,s:i,s:b}}", "options", "maxdepth",
	    1000, "maxerrors", 30, "matchlimit", 1000, "matchall", 1);
	root = params_search_from_flags(file_param_table, f, defaults, e);
	if (root != NULL && file_check(root, e) != 0) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

static int
mask_match(json_t *match)
{
	const char *file = json_string_value(json_object_get(match, "file"));
	json_t *search = json_object_get(match, "search");

	json_object_del(match, "filehex");
	if (file == NULL || *file == '\0')
		return 0;
	/* of a match-any search the paths are the file's directory */
	if (json_object_get(search, "paths") != NULL &&
	    !json_is_true(json_object_get(
		json_object_get(search, "options"), "matchall")) &&
	    json_object_set_new(search, "paths", json_pack("[s]", "masked")) !=
		0)
		return ERR_NOMEM;
	return mask_str(match, "file");
}

static int
file_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	size_t i;
	int rc = 0;

	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (rc == 0)
				rc = mask_match(v);
		}
	}
	if (rc == 0)
		rc = mask_str(json_object_get(result, "statistics"), "endedat");
	return rc == 0 ? mask_errors(result) : rc;
}

/* A digest tells of the content as the content does. */
static int
file_reduce(json_t *result)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	const char *label;
	size_t i;

	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v)
			json_object_del(
			    json_object_get(v, "fileinfo"), "sha256");
	}
	return 0;
}

static json_t *
file_paths(const json_t *params)
{
	json_t *list = json_array();
	struct file_params p;
	size_t i, k;
	int bad = 0;

	if (file_params_parse(params, &p, NULL) != 0) {
		json_decref(list);
		return NULL;
	}
	for (i = 0; i < p.n; i++) {
		for (k = 0; k < p.searches[i].npaths; k++)
			bad |= json_array_append_new(
			    list, json_string(p.searches[i].paths[k]));
	}
	file_params_release(&p);
	if (bad == 0)
		return list;
	json_decref(list);
	return NULL;
}

extern const struct module module_file;
const struct module module_file = {
	.name = "file",
	.summary = "files by name, metadata, content and hashes",
	.number = MODULE_file,
	.needs = NEED_READ_FILES,
	.params = file_param_table,
	.check = file_check,
	.from_flags = file_from_flags,
	.print = file_print,
	.csv_header = "search,file,size,mode,lastmodified,sha256,checks",
	.csv = file_csv,
	.mask = file_mask,
	.reduce = file_reduce,
	.by_entry = true,
	.paths = file_paths,
	.ordinary = file_ordinary,
	.absent = "missing",
};
