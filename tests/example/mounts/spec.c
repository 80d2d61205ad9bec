/* SPDX-License-Identifier: MPL-2.0 */
/* The mounts module: which file systems are mounted where. */
#include "base/err.h"
#include "modules/narrow.h"
#include "modules/params.h"
#include "modules/print.h"

static int
is_path(const char *value, struct err *e)
{
	return value[0] == '/'
	    ? 0
	    : err_set(e, ERR_INVALID,
		  "'%.128s' is not an absolute path: expected one that begins "
		  "with /",
		  value);
}

static const struct param table[] = {
	{ "type", "types", PARAM_STR, "TYPE", "file systems of this type" },
	{ "below", "below", PARAM_STR, "PATH",
	    "mounted at this path or below it", is_path },
	{ "limit", "options.matchlimit", PARAM_NUM, "N",
	    "mounts to return (1000; 0: all)" },
	{ .help = NULL },
};

static int
mounts_check(const json_t *params, struct err *e)
{
	return params_check(table, params, "", e);
}

static json_t *
mounts_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *defaults =
	    json_pack("{s:{s:i}}", "options", "matchlimit", 1000);

	return params_from_flags(table, f, defaults, e);
}

extern const struct module module_mounts;

static int
mounts_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "mounts");
	const json_t *m;
	size_t i;

	for (i = 0; i < json_array_size(list) && show != SHOW_NOTFOUND; i++) {
		m = json_array_get(list, i);
		buf_add_str(out, prefix);
		print_add(out, print_str(m, "point"));
		buf_add_str(out, " [");
		print_add(out, print_str(m, "type"));
		buf_add_str(out, " of ");
		print_add(out, print_str(m, "source"));
		buf_add_str(out, "]\n");
	}
	return print_end(&module_mounts, result, prefix, show, out, e);
}

static int
mounts_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "mounts");
	const json_t *m;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		m = json_array_get(list, i);
		buf_add_str(out, prefix);
		csv_add(out, print_str(m, "point"));
		buf_add_str(out, ",");
		csv_add(out, print_str(m, "type"));
		buf_add_str(out, ",");
		csv_add(out, print_str(m, "source"));
		buf_add_str(out, "\n");
	}
	return csv_end(out, e);
}

/* A server's name and a home directory tell of people; a type does not. */
static int
mounts_mask(json_t *result)
{
	json_t *list =
	    json_object_get(json_object_get(result, "elements"), "mounts");
	size_t i;
	int rc = 0;

	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		rc = mask_str(json_array_get(list, i), "point");
		if (rc == 0)
			rc = mask_str(json_array_get(list, i), "source");
	}
	return rc == 0 ? mask_errors(result) : rc;
}

const struct module module_mounts = {
	.name = "mounts",
	.summary = "mounted file systems by type and place",
	.number = MODULE_mounts,
	.needs = 0,
	.params = table,
	.check = mounts_check,
	.from_flags = mounts_from_flags,
	.print = mounts_print,
	.csv_header = "point,type,source",
	.csv = mounts_csv,
	.mask = mounts_mask,
	.reduce = narrow_no_content,
	.by_entry = true,
};
