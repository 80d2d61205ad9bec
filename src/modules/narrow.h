/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How much of an answer leaves its host: the policy's detail for the module and
 * the agent's privacy setting, both applied by the worker, before anybody else
 * has the answer. What was taken away is said in the answer itself:
 *
 *   "statistics": {"narrowed": [SENTENCE, ...], ...}
 *
 *   full         everything
 *   metadata     without what was read out of files and memory, and what is
 *                computed from it (module->reduce)
 *   found-only   foundanything, success, numbers of statistics, and how many
 *                errors there were
 */
#ifndef MIG_MODULES_NARROW_H
#define MIG_MODULES_NARROW_H

#include "modules/module.h"

enum detail { /* numbers of orders; more is narrower */
	DETAIL_FULL = 0,
	DETAIL_METADATA = 1,
	DETAIL_FOUND_ONLY = 2,
	DETAILS
};

/* "full", "metadata", "found-only"; never NULL. */
const char *detail_word(unsigned int d);
/* ERR_INVALID for any other word. */
int detail_find(const char *word, enum detail *ret);

/* In place; result is an object. ERR_NOMEM: it is not narrow enough, and may
 * not be used. */
int narrow_answer(
    const struct module *m, enum detail d, bool privacy, json_t *result);

/* What d comes to for this module: who does not say what is content may not
 * answer with any. */
enum detail narrow_detail(const struct module *m, enum detail d);

/* As narrow_answer, for an entry of an answer: result is {"elements": {...}}
 * with nothing else in it, and nothing is said in it. */
int narrow_entry(
    const struct module *m, enum detail d, bool privacy, json_t *result);

/* module->reduce of modules whose answers hold nothing that was read out of
 * files or memory. */
int narrow_no_content(json_t *result);

/* The answer of a module as lines of text and CSV, however narrow it is: what
 * callers use instead of module->print and module->csv. */
int narrow_print(const struct module *m, const json_t *result,
    const char *prefix, enum print_show show, struct buf *out, struct err *e);
int narrow_csv(const struct module *m, const json_t *result, const char *prefix,
    struct buf *out, struct err *e);

#endif
