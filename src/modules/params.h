/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What every module does with its table of parameters (struct param): JSON
 * from the flags of a command line, and the check of JSON that came from
 * anywhere. A module adds what a table cannot say.
 *
 * Two shapes are common:
 *
 *   {field: value, ..., "options": {...}}               params_from_flags
 *   {"searches": {LABEL: {the same}, ...}}              params_searches
 */
#ifndef MIG_MODULES_PARAMS_H
#define MIG_MODULES_PARAMS_H

#include "modules/module.h"

#define PARAMS_NUMBER_MAX ((int64_t)1 << 50)
#define PARAMS_LABEL_MAX 64 /* characters */
#define PARAMS_SEARCHES_MAX 4096
#define PARAMS_WHERE_MAX 512 /* of a path such as "searches.s1.options" */
/* Of all expressions of a question together, as regex_check counts: what one
 * worker may be asked to build. Thousands of honest ones stay far below. */
#define PARAMS_COST_MAX (16 * 1024 * 1024)

/* --- flags -----------------------------------------------------------------*/

bool params_has_flag(const struct module_flags *f, const char *flag);
/* Refuses two flags together: "-matchall and -matchany exclude each other". */
int params_exclude(const struct module_flags *f, const char *one,
    const char *other, struct err *e);
/* Puts the flags into obj, over what is there: obj holds the defaults. */
int params_add_flags(const struct param *table, const struct module_flags *f,
    json_t *obj, struct err *e);
/* An owned object from flags and defaults (taken; NULL: none), or NULL. */
json_t *params_from_flags(const struct param *table,
    const struct module_flags *f, json_t *defaults, struct err *e);
/* The same as {"searches": {"s1": object}}. */
json_t *params_search_from_flags(const struct param *table,
    const struct module_flags *f, json_t *defaults, struct err *e);

/* After the check of what the flags made has failed: the field that the error
 * begins with becomes the flag that was typed, and of numbers its value, too:
 * "searches.s1.options.maxdepth: why" becomes "-maxdepth 5000: why". */
void params_name_flags(
    const struct param *table, const struct module_flags *f, struct err *e);

/* --- the check ---------------------------------------------------------------
 */

/* Only known fields; each of its type (null is as if it were missing), numbers
 * whole and between min and max, strings as check() wants them. Errors begin
 * with the field's path: "searches.s1.names[3]: ...". where: the object's path,
 * "" for the outermost. */
int params_check(const struct param *table, const json_t *obj,
    const char *where, struct err *e);

/* One search: label and object are the JSON's. where: "searches.LABEL". */
typedef int params_search(const char *label, const json_t *search,
    const char *where, void *arg, struct err *e);
/* Calls each for every search of {"searches": {...}} in the order of the text,
 * ends with the first error. Labels have 1 to 64 characters. */
int params_searches(
    const json_t *params, params_search *each, void *arg, struct err *e);

/* --- reading what was checked ------------------------------------------------
 */

/* A field by its path ("options.matchall"); NULL when missing or null. */
const json_t *params_get(const json_t *obj, const char *field);
bool params_bool(const json_t *obj, const char *field);
/* fallback: when missing. */
int64_t params_num(const json_t *obj, const char *field, int64_t fallback);
const char *params_str(const json_t *obj, const char *field); /* or NULL */

/* For module->paths: clean copies of a list of absolute paths that was checked;
 * owned, NULL without memory. list NULL: an empty one. */
json_t *params_paths(const json_t *list);

/* --- checks of values for tables ---------------------------------------------
 */

int params_is_regex(const char *value, struct err *e);
/* "!REGEX" as well. */
int params_is_not_regex(const char *value, struct err *e);
/* The expression of a value that may begin with "!"; *ret_not when it does. A
 * "!" alone is an expression. */
const char *params_regex(const char *value, bool *ret_not);

#endif
