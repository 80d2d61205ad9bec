/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the file module, from JSON to numbers: used by the check
 * (spec.c) and by the work (run.c), so that both understand the same.
 *
 *   {"searches": {label: {description, paths[], names[], sizes[], modes[],
 *     mtimes[], contents[], md5[], sha1[], sha2[], sha3[], options{}}}}
 */
#ifndef MIG_MODULES_FILE_PARAM_H
#define MIG_MODULES_FILE_PARAM_H

#include "modules/module.h"
#include "modules/searches.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define FILE_PATH_MAX 4096    /* bytes */
#define FILE_DIGEST_MAX 64    /* bytes of the longest digest */
#define FILE_CHECKS_MAX 32768 /* of all searches together */

enum file_kind {
	FILE_NAME,
	FILE_SIZE,
	FILE_MODE,
	FILE_MTIME,
	FILE_CONTENT,
	FILE_MD5,
	FILE_SHA1,
	FILE_SHA2,
	FILE_SHA3,
	FILE_KINDS
};

extern const struct param file_param_table[];

/* The word is also that of mismatch. */
extern const struct search_kind file_kind_names[FILE_KINDS];

struct file_check {
	enum file_kind kind;
	const char *value; /* as asked; borrowed from the JSON */
	bool inverse;      /* "!" of names and contents */
	bool newer;        /* mtimes: "<" */
	int64_t min, max;  /* sizes: bytes, both included; mtimes: min is
			      the age in seconds */
	uint8_t digest[FILE_DIGEST_MAX];
	size_t digest_len;
	uint64_t cost; /* of an expression */
};

struct file_options {
	int64_t maxdepth, maxerrors, matchlimit; /* 0: no limit */
	bool matchall, macroal, returnsha256, decompress, remotefs;
	bool mismatch[FILE_KINDS];
};

struct file_search {
	const char *label;  /* borrowed from the JSON */
	const json_t *json; /* borrowed */
	char **paths;       /* owned; absolute, cleaned */
	size_t npaths;
	struct file_check *checks; /* owned; ordered by kind */
	size_t nchecks;
	uint64_t cost; /* of the expressions up to here, earlier searches too */
	struct file_options options;
};

struct file_params {
	struct file_search *searches; /* owned */
	size_t n;
};

/* Complete: everything run.c relies on. Expressions are checked only. The error
 * names the field: "searches.s1.names[0]: ...". */
int
file_params_parse(const json_t *json, struct file_params *ret, struct err *e);
void file_params_release(struct file_params *p);

/* The expression of a names, modes or contents check without its "!". */
const char *file_check_regex(const struct file_check *c);

#endif
