/* SPDX-License-Identifier: MPL-2.0 */
/* The file module's table: parameters, check, flags, privacy mask. What the
 * investigator sees of it; the work is in run.c. */
#include "modules/module.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/file/param.h"
#include "modules/file/print.h"

#include <string.h>

static const struct param file_params[] = {
	{ "path", "paths", PARAM_STR, "PATH",
	    "file or directory to search (absolute)" },
	{ "name", "names", PARAM_STR, "REGEX",
	    "base name of the file matches; !REGEX: does not" },
	{ "size", "sizes", PARAM_STR, "SIZE",
	    "size: <10m at most, >1k at least, 512 exactly (k, m, g, t)" },
	{ "mode", "modes", PARAM_STR, "REGEX",
	    "type and permissions match, as -rw-r--r-- (setuid: u)" },
	{ "mtime", "mtimes", PARAM_STR, "AGE",
	    "modified <90d: within, >12h: before (d, h, m)" },
	{ "content", "contents", PARAM_STR, "REGEX",
	    "a line of the file matches; !REGEX: none does" },
	{ "md5", "md5", PARAM_STR, "HEX", "MD5 of the content" },
	{ "sha1", "sha1", PARAM_STR, "HEX", "SHA-1 of the content" },
	{ "sha2", "sha2", PARAM_STR, "HEX",
	    "SHA-256, SHA-384 or SHA-512, by the number of digits" },
	{ "sha3", "sha3", PARAM_STR, "HEX",
	    "SHA3-224, -256, -384 or -512, by the number of digits" },
	{ "mismatch", "options.mismatch", PARAM_STR, "KIND",
	    "turn around the checks of a kind: name, size, mode, mtime, "
	    "content, md5, sha1, sha2, sha3" },
	{ "maxdepth", "options.maxdepth", PARAM_NUM, "N",
	    "levels of directories to enter, the path itself is 1 (1000)" },
	{ "maxerrors", "options.maxerrors", PARAM_NUM, "N",
	    "errors to return (30; 0: all)" },
	{ "matchlimit", "options.matchlimit", PARAM_NUM, "N",
	    "matches to return, then stop (1000; 0: all)" },
	{ "matchall", "options.matchall", PARAM_BOOL, NULL,
	    "a file must pass all checks (the default)" },
	{ "matchany", NULL, PARAM_BOOL, NULL,
	    "a file must pass one check; each is answered by itself" },
	{ "macroal", "options.macroal", PARAM_BOOL, NULL,
	    "content must match every line" },
	{ "returnsha256", "options.returnsha256", PARAM_BOOL, NULL,
	    "return the SHA-256 of files that match" },
	{ "decompress", "options.decompress", PARAM_BOOL, NULL,
	    "look into gzip, bzip2, xz and zstd files" },
	{ "remotefs", "options.remotefs", PARAM_BOOL, NULL,
	    "enter network file systems as well" },
	{ "verbose", "options.debug", PARAM_BOOL, NULL,
	    "accepted for compatibility" },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL },
};

static int
file_check(const json_t *params, struct err *e)
{
	struct file_params p;
	int rc = file_params_parse(params, &p, e);

	if (rc == 0)
		file_params_release(&p);
	return rc;
}

static const struct param *
param_by_flag(const char *flag)
{
	const struct param *p;

	for (p = file_params; p->help != NULL; p++) {
		if (strcmp(p->flag, flag) == 0)
			return p;
	}
	return NULL;
}

static int
append_string(json_t *obj, const char *key, const char *value, struct err *e)
{
	json_t *list = json_object_get(obj, key), *s;

	if (list == NULL) {
		list = json_array();
		if (json_object_set_new(obj, key, list) != 0)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	s = json_string(value);
	if (s == NULL)
		return err_set(
		    e, ERR_INVALID, "-%s: the value is not UTF-8", key);
	if (json_array_append_new(list, s) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static int
flag_add(json_t *search, json_t *options, const struct param *p,
    const char *value, struct err *e)
{
	static const char prefix[] = "options.";
	const char *key = p->field;
	json_t *obj = search, *v = NULL;
	uint64_t n;

	if (key != NULL && str_starts(key, prefix)) {
		obj = options;
		key += sizeof(prefix) - 1;
	}
	if (p->type != PARAM_BOOL && value == NULL)
		return err_set(
		    e, ERR_INVALID, "-%s needs a value (%s)", p->flag, p->arg);
	if (p->type == PARAM_STR)
		return append_string(obj, key, value, e);
	if (p->type == PARAM_NUM) {
		if (str_u64(value, 0, (uint64_t)1 << 50, &n) != 0)
			return err_set(e, ERR_INVALID,
			    "-%s: '%.64s' is not "
			    "a number from 0 to 2^50",
			    p->flag, value);
		v = json_integer((json_int_t)n);
	} else if (strcmp(p->flag, "matchany") == 0) {
		obj = options;
		key = "matchall";
		v = json_false();
	} else {
		v = strcmp(p->flag, "verbose") == 0 ? json_string("print")
						    : json_true();
	}
	if (v == NULL || json_object_set_new(obj, key, v) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static bool
has_flag(const struct module_flags *f, const char *flag)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (strcmp(f->flag[i], flag) == 0)
			return true;
	}
	return false;
}

/* {"searches": {"s1": search}} */
static json_t *
flags_build(const struct module_flags *f, json_t *search, json_t *options,
    struct err *e)
{
	const struct param *p;
	json_t *root;
	size_t i;

	for (i = 0; i < f->n; i++) {
		p = param_by_flag(f->flag[i]);
		if (p == NULL) {
			err_set(
			    e, ERR_INVALID, "unknown flag -%.64s", f->flag[i]);
			return NULL;
		}
		if (flag_add(search, options, p, f->value[i], e) != 0)
			return NULL;
	}
	root = json_pack("{s:{s:O}}", "searches", "s1", search);
	if (root == NULL || json_object_set(search, "options", options) != 0) {
		err_set(e, ERR_NOMEM, "out of memory");
		json_decref(root);
		return NULL;
	}
	return root;
}

static json_t *
file_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *search, *options, *root = NULL;

	if (!has_flag(f, "path")) {
		err_set(e, ERR_INVALID, "-path is needed: where to search");
		return NULL;
	}
	if (has_flag(f, "matchall") && has_flag(f, "matchany")) {
		err_set(e, ERR_INVALID,
		    "-matchall and -matchany exclude each "
		    "other");
		return NULL;
	}
	search = json_object();
	options = json_pack("{s:i,s:i,s:i,s:b}", "maxdepth", 1000, "maxerrors",
	    30, "matchlimit", 1000, "matchall", 1);
	if (search == NULL || options == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else
		root = flags_build(f, search, options, e);
	json_decref(search);
	json_decref(options);
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
	if (json_object_set_new(match, "file", json_string("masked")) != 0)
		return ERR_NOMEM;
	return 0;
}

static int
file_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements"), *list, *v;
	json_t *errors = json_object_get(result, "errors");
	const char *label;
	size_t i;
	int rc = 0;

	json_object_foreach (elements, label, list) {
		json_array_foreach (list, i, v) {
			if (rc == 0)
				rc = mask_match(v);
		}
	}
	for (i = 0; i < json_array_size(errors) && rc == 0; i++) {
		if (json_array_set_new(errors, i, json_string("masked")) != 0)
			rc = ERR_NOMEM;
	}
	return rc;
}

extern const struct module module_file;
const struct module module_file = {
	.name = "file",
	.summary = "files by name, metadata, content and hashes",
	.number = MODULE_file,
	.needs = NEED_READ_FILES,
	.params = file_params,
	.check = file_check,
	.from_flags = file_from_flags,
	.print = file_print,
	.csv_header = "search,file,size,mode,lastmodified,sha256,checks",
	.csv = file_csv,
	.mask = file_mask,
	.ordinary = file_ordinary,
};
