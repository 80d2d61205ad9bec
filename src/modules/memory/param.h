/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the memory module, from JSON to numbers, for the check and for
 * the work.
 *
 *   {"searches": {label: {description, names[], libraries[], bytes[],
 *     contents[], options{offset, maxlength, matchall, logfailures,
 *     residentonly}}}}
 */
#ifndef MIG_MODULES_MEMORY_PARAM_H
#define MIG_MODULES_MEMORY_PARAM_H

#include "modules/module.h"
#include "modules/searches.h"

#define MEMORY_CHECKS_MAX 32768 /* of all searches together */
#define MEMORY_BYTES_MAX 4096   /* of one byte string */
/* Different pairs of offset and maxlength: each is one pass over a process. */
#define MEMORY_WINDOWS_MAX 16

enum memory_kind {
	MEMORY_NAME,
	MEMORY_LIBRARY,
	MEMORY_BYTES,
	MEMORY_CONTENT,
	MEMORY_KINDS
};

extern const struct search_kind memory_kind_names[MEMORY_KINDS];

struct memory_check {
	enum memory_kind kind;
	const char *value; /* as asked; borrowed from the JSON */
};

struct memory_search {
	const char *label;           /* borrowed from the JSON */
	const json_t *json;          /* borrowed */
	struct memory_check *checks; /* owned; ordered by kind */
	size_t nchecks;
	uint32_t window; /* see windows */
	bool matchall, logfailures, residentonly;
};

/* Which addresses of a process are looked at. */
struct memory_window {
	uint64_t offset;
	uint64_t maxlength; /* bytes; UINT64_MAX: all */
	bool residentonly;
};

struct memory_params {
	struct memory_search *searches; /* owned */
	size_t n;
	struct memory_window windows[MEMORY_WINDOWS_MAX];
	size_t nwindows;
	uint64_t cost; /* of all expressions */
};

extern const struct param memory_param_table[];

/* Complete: everything run.c relies on. Expressions are checked only. The error
 * names the field: "searches.s1.names[0]: ...". */
int memory_params_parse(
    const json_t *json, struct memory_params *ret, struct err *e);
void memory_params_release(struct memory_params *p);

/* The bytes of a bytes check; their number. */
size_t
memory_check_bytes(const struct memory_check *c, uint8_t out[MEMORY_BYTES_MAX]);

#endif
