/* SPDX-License-Identifier: MPL-2.0 */
/* The pkg module as the investigator sees it; the work is in run.c. */
#include "modules/module.h"

#include "base/err.h"
#include "modules/narrow.h"
#include "modules/params.h"
#include "modules/pkg/param.h"
#include "modules/pkg/system.h"
#include "modules/print.h"

static int
pkg_check(const json_t *params, struct err *e)
{
	struct pkg_params p;
	int rc = pkg_params_parse(params, &p, e);

	if (rc == 0)
		pkg_params_release(&p);
	return rc;
}

static json_t *
pkg_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *params;

	if (!params_has_flag(f, "name")) {
		err_set(e, ERR_INVALID,
		    "-name is needed: which packages (-name . for all)");
		return NULL;
	}
	params = params_from_flags(pkg_param_table, f, NULL, e);
	if (params != NULL && pkg_check(params, e) != 0) {
		json_decref(params);
		params = NULL;
	}
	return params;
}

static void
add_word(struct buf *out, const json_t *p, const char *word, const char *key)
{
	const char *value = print_str(p, key);

	buf_add_fmt(out, " %s=", word);
	print_add(out, value);
}

static void
print_package(struct buf *out, const char *prefix, const json_t *p)
{
	buf_add_fmt(out, "%spkgmatch", prefix);
	add_word(out, p, "name", "name");
	add_word(out, p, "version", "version");
	add_word(out, p, "type", "type");
	add_word(out, p, "arch", "arch");
	if (*print_str(p, "state") != '\0')
		add_word(out, p, "state", "state");
	if (*print_str(p, "root") != '\0')
		add_word(out, p, "root", "root");
	buf_add_str(out, "\n");
}

extern const struct module module_pkg;

static int
pkg_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "packages");
	const json_t *statistics = json_object_get(result, "statistics");
	double epochs = print_num(statistics, "epochdecided");
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	for (i = 0; show != SHOW_NOTFOUND && i < json_array_size(list); i++)
		print_package(out, prefix, json_array_get(list, i));
	if (show != SHOW_FOUND && json_array_size(list) == 0)
		buf_add_fmt(out, "%s0 packages match of %.0f examined\n",
		    prefix, print_num(statistics, "packages"));
	if (epochs > 0)
		buf_add_fmt(out,
		    "%snote: %.0f packages have an epoch and the version "
		    "asked for has none: any epoch makes a version newer\n",
		    prefix, epochs);
	return print_end(&module_pkg, result, prefix, show, out, e);
}

static int
pkg_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	static const char *const columns[] = { "name", "version", "type",
		"arch", "state", "root" };
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "packages");
	size_t i, k;

	for (i = 0; i < json_array_size(list); i++) {
		buf_add_str(out, prefix);
		for (k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
			if (k > 0)
				buf_add_u8(out, ',');
			csv_add(out,
			    print_str(json_array_get(list, i), columns[k]));
		}
		buf_add_u8(out, '\n');
	}
	return csv_end(out, e);
}

/* Names and versions of packages tell nothing of people; where the root of a
 * system lies in somebody's home does. */
static int
pkg_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements");
	json_t *list = json_object_get(elements, "packages");
	json_t *databases =
	    json_object_get(json_object_get(result, "statistics"), "databases");
	size_t i;
	int rc = mask_errors(result);

	for (i = 0; i < json_array_size(list) && rc == 0; i++)
		rc = mask_str(json_array_get(list, i), "root");
	for (i = 0; i < json_array_size(databases) && rc == 0; i++)
		rc = mask_str(json_array_get(databases, i), "path");
	return rc;
}

static const char *const pkg_unasked[] = {
#define PKG_DIRECTORY(path, type) path,
	PKG_DIRECTORIES(PKG_DIRECTORY)
#undef PKG_DIRECTORY
	    NULL
};

/* Without roots it looks where packages are registered, and that is no path
 * that anybody asked for. */
static json_t *
pkg_paths(const json_t *params)
{
	return params_paths(params_get(params, "roots"));
}

static const char *const pkg_ordinary[] = { "rootmissing", NULL };

const struct module module_pkg = {
	.name = "pkg",
	.summary = "installed packages of dpkg and rpm, by name and version",
	.number = MODULE_pkg,
	.needs = NEED_READ_FILES,
	.params = pkg_param_table,
	.check = pkg_check,
	.from_flags = pkg_from_flags,
	.print = pkg_print,
	.csv_header = "package,version,type,arch,state,root",
	.csv = pkg_csv,
	.mask = pkg_mask,
	.reduce = narrow_no_content,
	.by_entry = true,
	.paths = pkg_paths,
	.unasked = pkg_unasked,
	.ordinary = pkg_ordinary,
	.absent = "rootmissing",
};
