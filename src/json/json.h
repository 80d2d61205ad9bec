/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Strict JSON from outside, over Jansson: one value, no duplicate keys, at
 * most JSON_DEPTH levels, at most the stated size, valid UTF-8, no NUL in
 * strings, integers within +-2^53. And readers of an object's fields that
 * name the field in the error and refuse what is not expected.
 */
#ifndef MIG_JSON_JSON_H
#define MIG_JSON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct id;

#define JSON_DEPTH 32

/* Returns an owned value (json_decref), or NULL with the place ("line 3,
 * column 7: duplicate object key") in e. */
json_t *json_strict(const void *text, size_t len, size_t max, struct err *e);
/* A string of the outermost object that is not to be read with the rest, for
 * a large one of which each byte would cost a hundred instructions. */
struct json_cut {
	const char *key;
	const char *text; /* out: in the text that was read, not terminated;
			     NULL: key is not there, or is no string, or one
			     with escapes, and is in the value */
	size_t len;       /* out */
};

/* json_strict() where cut->key has "" for its value if cut->text is set. What
 * that points to is not looked at: not even whether it is UTF-8. */
json_t *json_strict_cut(const char *text, size_t len, size_t max,
    struct json_cut *cut, struct err *e);
/* json_loadb() for what is not to be read strictly, safe when there is no
 * memory (json/memory.c). */
json_t *
json_read(const void *text, size_t len, size_t flags, json_error_t *ret_error);
/* Why the last of these three returned NULL. */
bool json_no_memory(void);
/* json_dumps(), but NULL and never a text that lacks something when there is no
 * memory. Owned (free). */
char *json_text(const json_t *v, size_t flags);

/*
 * Fields of an object. where is the path of the object for messages ("" for
 * the outermost): errors read "operations[0].module: expected a string".
 * The json_need_* functions return ERR_INVALID when the field is missing or
 * of another type; the json_opt_* ones leave *ret alone when it is missing or
 * null. Returned values are borrowed from the object.
 */
int json_need_str(const json_t *obj, const char *where, const char *key,
    const char **ret, struct err *e);
int json_need_int(const json_t *obj, const char *where, const char *key,
    int64_t min, int64_t max, int64_t *ret, struct err *e);
/* Unix s, from RFC 3339 in whole seconds; not before 1970. */
int json_need_time(const json_t *obj, const char *where, const char *key,
    int64_t *ret, struct err *e);
/* An id in its one form: lower-case hex. */
int json_need_id(const json_t *obj, const char *where, const char *key,
    struct id *ret, struct err *e);
int json_need_object(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e);
int json_need_array(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e);
int json_opt_str(const json_t *obj, const char *where, const char *key,
    const char **ret, struct err *e);
int json_opt_int(const json_t *obj, const char *where, const char *key,
    int64_t min, int64_t max, int64_t *ret, struct err *e);
int json_opt_bool(const json_t *obj, const char *where, const char *key,
    bool *ret, struct err *e);
int json_opt_object(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e);
int json_opt_array(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e);
/* Refuses keys that are not in the NULL-terminated list, naming the first
 * unknown one and the nearest known one. */
int json_only_keys(const json_t *obj, const char *where,
    const char *const *keys, struct err *e);
/* Refuses nulls in these fields: for what narrows, where one could be taken for
 * "none" as well as for "any". */
int json_no_nulls(const json_t *obj, const char *where, const char *const *keys,
    struct err *e);

#endif
