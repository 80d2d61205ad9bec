/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a module is. One folder a module: spec.c (table, checks, printer,
 * mask) is linked everywhere, run.c into mig-worker only. modules.def lists
 * them; its numbers are the ones verdicts carry.
 */
#ifndef MIG_MODULES_MODULE_H
#define MIG_MODULES_MODULE_H

#include "base/buf.h"

#include <jansson.h>

struct err;

/* Rights a module's worker needs: they choose its sandbox. */
#define NEED_READ_FILES 0x1u /* read any file (CAP_DAC_READ_SEARCH) */
#define NEED_PROCESSES 0x2u  /* look into other processes */
#define NEED_NETWORK                                       \
	0x4u /* ask other hosts; reads only what names and \
		clock settings need */
#define NEED_SOCKETS                                             \
	0x8u /* ask the kernel about the sockets, neighbours and \
		interfaces of every network, and whose they are */
#define NEED_ANY 0xfu
/* What a worker must open before it can be a worker that only reads. */
#define NEEDS_OPENER (NEED_SOCKETS | NEED_PROCESSES | NEED_NETWORK)

enum module_number {
	MODULE_NONE = 0,
#define MODULE(number, name, needs) MODULE_##name = (number),
#include "modules/modules.def"
#undef MODULE
};

enum param_type {
	PARAM_STR,  /* repeatable flag, JSON array of strings */
	PARAM_ONE,  /* flag with a value, JSON string */
	PARAM_NUM,  /* flag with a decimal number, JSON number */
	PARAM_BOOL, /* flag without value: JSON true */
	PARAM_NOT,  /* flag without value: JSON false in a PARAM_BOOL's field */
	PARAM_WORD, /* flag without value: arg as JSON string */
};

/* One parameter: JSON field, command line flag, help, man page. params.h says
 * what is made of a table of them. */
struct param {
	const char *flag;  /* "name" for -name and --name; NULL: JSON only */
	const char *field; /* JSON field; "options.maxdepth" for nested ones */
	enum param_type type;
	const char *arg;  /* "REGEX", for help; NULL: takes no value */
	const char *help; /* one line */
	/* Of strings, one by one; NULL: anything goes. The error need not name
	 * the field. */
	int (*check)(const char *value, struct err *e);
	int64_t min, max; /* PARAM_NUM; max 0: PARAMS_NUMBER_MAX */
	bool hex;         /* PARAM_NUM: the flag takes 0x..., too */
};

/* Flags of a command line, already split: flag[i] (without dashes) and
 * value[i] (NULL for booleans). */
struct module_flags {
	size_t n;
	const char *const *flag;
	const char *const *value;
};

enum print_show { SHOW_FOUND, SHOW_NOTFOUND, SHOW_ALL };

struct module {
	const char *name, *summary;
	unsigned int number;
	uint32_t needs;
	const struct param *params; /* ends with .help == NULL */
	/* Checks parameters completely, regular expressions included as far
	 * as no engine is needed; the error names the field's path. */
	int (*check)(const json_t *params, struct err *e);
	/* Parameters from the command line; owned by the caller. */
	json_t *(*from_flags)(const struct module_flags *f, struct err *e);
	/* Appends lines of text, each "prefix" + text + newline, made safe
	 * for a terminal. result is the module's answer, from outside. */
	int (*print)(const json_t *result, const char *prefix,
	    enum print_show show, struct buf *out, struct err *e);
	/* CSV: header line without host columns; then rows. */
	const char *csv_header;
	int (*csv)(const json_t *result, const char *prefix, struct buf *out,
	    struct err *e);
	/* Privacy setting of the agent: masks in place what tells of people and
	 * what they keep (print.h). NULL only with the reason in unmasked. */
	int (*mask)(json_t *result);
	const char *unmasked;
	/* The policy's detail "metadata": removes in place what was read out of
	 * files or memory and what is computed from it; names and figures stay.
	 * NULL: under such a policy only whether something was found is
	 * answered. narrow_no_content: there is no content in the answers. */
	int (*reduce)(json_t *result);
	/* Elements are {KEY: [ENTRY, ...] or null, ...}, or objects of such,
	 * and entries objects, of which mask and reduce change each by itself
	 * and in its place: one at a time is narrowed (narrowing.h). */
	bool by_entry;
	/* Where its work begins: the paths of params, which passed the check,
	 * as an array of clean ones (base/path.h), owned by the caller; NULL:
	 * no memory. Its run then opens what it opens by a path through
	 * run_context.fence. NULL: it takes no path, and the policy cannot set
	 * paths for it. */
	json_t *(*paths)(const json_t *params);
	/* Directories that its run reads when no path was asked for: the
	 * policy's paths, held by the kernel, leave them open. At most
	 * MODULE_UNASKED_MAX, ends with NULL; NULL: none. */
	const char *const *unasked;
	/* Words of statistics.notexamined that leave no doubt about an answer:
	 * met on every healthy host, or wished for by the one who asks. Ends
	 * with NULL; NULL: every word leaves doubt. */
	const char *const *ordinary;
	/* The one of them that says that a place asked for is not there:
	 * nothing hides in it, but it may be misspelt, which a person is told.
	 * NULL: none. */
	const char *absent;
	const char *platforms; /* comma separated; NULL: MODULE_EVERYWHERE */
};

#define MODULE_UNASKED_MAX 8

/* What agents there are for at all. */
#define MODULE_EVERYWHERE "linux"
#define MODULE_PLATFORMS(m) \
	((m)->platforms != NULL ? (m)->platforms : MODULE_EVERYWHERE)

/* Does its flag take a value? */
bool param_takes_value(const struct param *p);

/* Is this reason for not examining something an ordinary one? */
bool module_is_ordinary(const struct module *m, const char *reason);

/* NULL when there is none. */
const struct module *module_find(const char *name);
const struct module *module_by_number(unsigned int number);
/* All of them, *ret_n in number; static storage. */
const struct module *const *module_all(size_t *ret_n);

/* --- for programs that link no JSON (the monitor): module_needs.c -------- */
/* Rights and name by number; 0/NULL when unknown. */
uint32_t module_needs(unsigned int number);
const char *module_name(unsigned int number);

#endif
