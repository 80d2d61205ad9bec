/* SPDX-License-Identifier: MPL-2.0 */
/* The sshkey module as the investigator sees it; the work is in run.c. */
#include "modules/module.h"

#include "base/err.h"
#include "modules/params.h"
#include "modules/print.h"

#include <string.h>

#define PATHS_MAX 4096
#define PATH_MAX_BYTES 4095

static int
is_path(const char *value, struct err *e)
{
	if (value[0] != '/')
		return err_set(e, ERR_INVALID,
		    "'%.128s' is not an absolute path: expected one that "
		    "begins with /",
		    value);
	if (strlen(value) > PATH_MAX_BYTES)
		return err_set(
		    e, ERR_TOOBIG, "a path may have %d bytes", PATH_MAX_BYTES);
	return 0;
}

static const struct param sshkey_params[] = {
	{ "path", "paths", PARAM_STR, "PATH",
	    "file or directory to search (/root and /home)", is_path },
	{ .flag = "maxdepth",
	    .field = "maxdepth",
	    .type = PARAM_NUM,
	    .arg = "N",
	    .help = "levels of directories to enter, the path itself is 1 (8)",
	    .min = 0,
	    .max = 1000 },
	{ "remotefs", "remotefs", PARAM_BOOL, NULL,
	    "enter network file systems as well" },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL },
};

static int
sshkey_check(const json_t *params, struct err *e)
{
	int rc = params_check(sshkey_params, params, "", e);

	if (rc == 0 && json_array_size(params_get(params, "paths")) > PATHS_MAX)
		rc = err_set(e, ERR_TOOBIG,
		    "paths: more than %d in one question: split it", PATHS_MAX);
	return rc;
}

static json_t *
sshkey_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *params = params_from_flags(sshkey_params, f, NULL, e);

	if (params != NULL && sshkey_check(params, e) != 0) {
		json_decref(params);
		params = NULL;
	}
	return params;
}

static void
add_word(struct buf *out, const json_t *key, const char *word,
    const char *field, const char *fallback)
{
	const char *value = print_str(key, field);

	if (*value == '\0')
		value = fallback;
	if (value == NULL)
		return;
	buf_add_fmt(out, " %s=", word);
	print_add(out, value);
}

static void
print_key(struct buf *out, const char *prefix, const json_t *key)
{
	const json_t *cert = json_object_get(key, "certificate");

	buf_add_str(out, prefix);
	print_add(out, print_str(key, "path"));
	buf_add_str(out, " [");
	print_add(out, print_str(key, "type"));
	buf_add_str(out, "]");
	if (strcmp(print_str(key, "type"), "private") == 0)
		buf_add_fmt(out, " encrypted=%s",
		    json_is_true(json_object_get(key, "encrypted")) ? "true"
								    : "false");
	add_word(out, key, "md5fp", "fingerprint_md5", "unknown");
	add_word(out, key, "sha256fp", "fingerprint_sha256", "unknown");
	add_word(out, key, "keytype", "keytype", NULL);
	if (print_num(key, "bits") > 0)
		buf_add_fmt(out, " bits=%.0f", print_num(key, "bits"));
	add_word(out, key, "comment", "comment", NULL);
	add_word(out, key, "unknown", "unknown", NULL);
	if (json_is_object(cert)) {
		add_word(out, cert, "certificate", "keyid", "");
		add_word(out, cert, "ca", "ca", "unknown");
		add_word(out, cert, "validbefore", "validbefore", NULL);
	}
	buf_add_str(out, "\n");
}

extern const struct module module_sshkey;

static int
sshkey_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "keys");
	const json_t *statistics = json_object_get(result, "statistics");
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	for (i = 0; show != SHOW_NOTFOUND && i < json_array_size(list); i++)
		print_key(out, prefix, json_array_get(list, i));
	if (show != SHOW_FOUND && json_array_size(list) == 0)
		buf_add_fmt(out, "%s0 keys in %.0f files\n", prefix,
		    print_num(statistics, "filescount"));
	return print_end(&module_sshkey, result, prefix, show, out, e);
}

static int
sshkey_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	static const char *const columns[] = { "path", "type", "keytype",
		"fingerprint_sha256", "fingerprint_md5", "comment" };
	const json_t *list =
	    json_object_get(json_object_get(result, "elements"), "keys");
	const json_t *key;
	size_t i, k;

	for (i = 0; i < json_array_size(list); i++) {
		key = json_array_get(list, i);
		buf_add_str(out, prefix);
		for (k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
			csv_add(out, print_str(key, columns[k]));
			buf_add_u8(out, ',');
		}
		buf_add_fmt(out, "%.0f,%s\n", print_num(key, "bits"),
		    json_is_true(json_object_get(key, "encrypted")) ? "true"
								    : "false");
	}
	return csv_end(out, e);
}

/* Who has which key where, and by what name, is about people. */
static int
sshkey_mask(json_t *result)
{
	json_t *list =
	    json_object_get(json_object_get(result, "elements"), "keys");
	json_t *key;
	size_t i;
	int rc = mask_errors(result);

	if (rc == 0)
		rc = mask_str(json_object_get(result, "statistics"), "endedat");
	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		key = json_array_get(list, i);
		rc = mask_str(key, "path");
		if (rc == 0)
			rc = mask_str(key, "comment");
		if (rc == 0)
			rc = mask_str(
			    json_object_get(key, "certificate"), "keyid");
	}
	return rc;
}

/* Comments and key ids are text out of the files. */
static int
sshkey_reduce(json_t *result)
{
	json_t *list =
	    json_object_get(json_object_get(result, "elements"), "keys");
	json_t *key;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		key = json_array_get(list, i);
		json_object_del(key, "comment");
		json_object_del(json_object_get(key, "certificate"), "keyid");
	}
	return 0;
}

static json_t *
sshkey_paths(const json_t *params)
{
	const json_t *asked = params_get(params, "paths");

	return json_array_size(asked) == 0 ? json_pack("[ss]", "/root", "/home")
					   : params_paths(asked);
}

static const char *const sshkey_ordinary[] = { "special", "symlinkoutside",
	"symlinkbroken", "virtualfs", "loop", "vanished", "depthlimit",
	"toolarge", "notakey", "missing", NULL };

const struct module module_sshkey = {
	.name = "sshkey",
	.summary = "SSH keys: private, public, authorized, of known hosts",
	.number = MODULE_sshkey,
	.needs = NEED_READ_FILES,
	.params = sshkey_params,
	.check = sshkey_check,
	.from_flags = sshkey_from_flags,
	.print = sshkey_print,
	.csv_header = "path,type,keytype,fingerprint_sha256,fingerprint_md5,"
		      "comment,bits,encrypted",
	.csv = sshkey_csv,
	.mask = sshkey_mask,
	.reduce = sshkey_reduce,
	.by_entry = true,
	.paths = sshkey_paths,
	.ordinary = sshkey_ordinary,
	.absent = "missing",
};
