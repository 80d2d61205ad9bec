/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The strict reader. A first look over the raw text bounds nesting and the
 * number of values before Jansson allocates anything: "[[],[],..." would
 * otherwise cost fifty times its own size in memory.
 */
#include "json/json.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_INT_MAX ((int64_t)1 << 53)
#define JSON_PATH_MAX 256
#define JSON_WORD_MAX 64 /* of a foreign word shown in a message */

/* Most containers and values a text of that length may hold. */
#define JSON_CONTAINERS(len) (4096 + (len) / 16)
#define JSON_VALUES(len) (65536 + (len) / 8)

struct scan {
	const uint8_t *text;
	size_t len, at;
	size_t depth, containers, values;
};

static int
scan_error(const struct scan *s, int code, const char *what, struct err *e)
{
	size_t i, line = 1, start = 0;

	for (i = 0; i < s->at && i < s->len; i++) {
		if (s->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	return err_set(
	    e, code, "line %zu, column %zu: %s", line, s->at - start + 1, what);
}

/* s->at stands on the opening quote; leaves it on the closing one (or at the
 * end, where Jansson will complain). */
static void
scan_string(struct scan *s)
{
	for (s->at++; s->at < s->len && s->text[s->at] != '"'; s->at++) {
		if (s->text[s->at] == '\\')
			s->at++;
	}
}

static int
scan_bounds(struct scan *s, struct err *e)
{
	for (; s->at < s->len; s->at++) {
		switch (s->text[s->at]) {
		case '"':
			scan_string(s);
			break;
		case '{':
		case '[':
			if (++s->depth > JSON_DEPTH)
				return scan_error(s, ERR_INVALID,
				    "nested too deeply (at most 32 levels)", e);
			s->containers++;
			break;
		case '}':
		case ']':
			if (s->depth > 0)
				s->depth--;
			break;
		case ',':
		case ':':
			s->values++;
			break;
		default:
			break;
		}
		if (s->containers > JSON_CONTAINERS(s->len) ||
		    s->values > JSON_VALUES(s->len))
			return scan_error(s, ERR_TOOBIG,
			    "too many values for a text of this size", e);
	}
	return 0;
}

/* JSON texts are exchanged with readers that hold numbers as doubles. */
static int
check_numbers(const json_t *v, const char *key, struct err *e)
{
	const char *k;
	json_t *sub;
	size_t i;
	int rc;

	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);

		if (n >= -JSON_INT_MAX && n <= JSON_INT_MAX)
			return 0;
		return err_set(e, ERR_INVALID,
		    "%.64s: integer %" JSON_INTEGER_FORMAT
		    " is out of range (+-2^53)",
		    key, n);
	}
	if (json_is_array(v)) {
		json_array_foreach (v, i, sub) {
			rc = check_numbers(sub, key, e);
			if (rc != 0)
				return rc;
		}
	} else if (json_is_object(v)) {
		void *iter = json_object_iter((json_t *)(uintptr_t)v);

		for (; iter != NULL; iter = json_object_iter_next(
					 (json_t *)(uintptr_t)v, iter)) {
			k = json_object_iter_key(iter);
			rc = check_numbers(json_object_iter_value(iter), k, e);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* Jansson quotes the text near an error: made safe and short here. */
static void
printable(const char *s, char *out, size_t size)
{
	struct buf b;
	const char *text;
	size_t len = strlen(s);

	buf_init(&b, 16 * 1024);
	str_add_printable(&b, s, len < 512 ? len : 512);
	text = buf_str(&b);
	str_copy(out, size, text == NULL ? "?" : text);
	buf_release(&b);
}

json_t *
json_strict(const void *text, size_t len, size_t max, struct err *e)
{
	struct scan s = { .text = text, .len = len };
	json_error_t je;
	char what[160];
	json_t *v;

	if (len > max) {
		err_set(
		    e, ERR_TOOBIG, "%zu bytes of JSON, at most %zu", len, max);
		return NULL;
	}
	if (len == 0) {
		err_set(e, ERR_INVALID, "empty, expected JSON");
		return NULL;
	}
	if (scan_bounds(&s, e) != 0)
		return NULL;
	v = json_read(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (v == NULL && json_no_memory()) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (v == NULL) {
		printable(je.text, what, sizeof(what));
		err_set(e, ERR_INVALID, "line %d, column %d: %s", je.line,
		    je.column, what);
		return NULL;
	}
	if (check_numbers(v, "value", e) != 0) {
		json_decref(v);
		return NULL;
	}
	return v;
}

static void
scan_blank(struct scan *s)
{
	while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]) != NULL &&
	    s->text[s->at] != '\0')
		s->at++;
}

/* s->at stands on a quote of the outermost object; leaves it on the closing
 * one. true: it was the key, and *cut is its value. */
static bool
cut_here(struct scan *s, struct json_cut *cut)
{
	size_t from = s->at + 1, n;
	struct scan value;

	scan_string(s);
	n = s->at - from;
	if (s->at >= s->len || n != strlen(cut->key) ||
	    memcmp(s->text + from, cut->key, n) != 0)
		return false;
	value = *s;
	value.at++;
	scan_blank(&value);
	if (value.at >= value.len || value.text[value.at++] != ':')
		return false;
	scan_blank(&value);
	from = value.at + 1;
	if (value.at >= value.len || value.text[value.at] != '"')
		return false;
	scan_string(&value);
	if (value.at >= value.len ||
	    memchr(value.text + from, '\\', value.at - from) != NULL)
		return false;
	cut->text = (const char *)value.text + from;
	cut->len = value.at - from;
	return true;
}

static void
cut_find(const char *text, size_t len, struct json_cut *cut)
{
	struct scan s = { .text = (const uint8_t *)text, .len = len };

	for (; s.at < s.len; s.at++) {
		switch (s.text[s.at]) {
		case '"':
			if (s.depth != 1)
				scan_string(&s);
			else if (cut_here(&s, cut))
				return;
			break;
		case '{':
		case '[':
			s.depth++;
			break;
		case '}':
		case ']':
			if (s.depth-- <= 1)
				return;
			break;
		default:
			break;
		}
	}
}

json_t *
json_strict_cut(const char *text, size_t len, size_t max, struct json_cut *cut,
    struct err *e)
{
	size_t before, after;
	json_t *v;
	char *rest;

	cut->text = NULL;
	cut->len = 0;
	if (len <= max)
		cut_find(text, len, cut);
	if (cut->len == 0)
		return json_strict(text, len, max, e);
	before = (size_t)(cut->text - text);
	after = len - before - cut->len;
	rest = malloc(before + after);
	if (rest == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	memcpy(rest, text, before);
	memcpy(rest + before, cut->text + cut->len, after);
	v = json_strict(rest, before + after, max, e);
	free(rest);
	return v;
}

/* "where.key", or key alone; points into buf. */
static const char *
path_of(const char *where, const char *key, char buf[JSON_PATH_MAX])
{
	int n;

	n = snprintf(buf, JSON_PATH_MAX, "%s%s%s", where,
	    where[0] == '\0' ? "" : ".", key);
	if (n >= JSON_PATH_MAX)
		memcpy(buf + JSON_PATH_MAX - 4, "...", 4);
	return buf;
}

static const char *
type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

/* The field, or NULL: *ret_rc is 0 when it may be absent and is. */
static json_t *
field_get(const json_t *obj, const char *where, const char *key, bool need,
    int *ret_rc, struct err *e)
{
	char path[JSON_PATH_MAX];
	json_t *v;

	*ret_rc = 0;
	if (!json_is_object(obj)) {
		*ret_rc =
		    err_set(e, ERR_INVALID, "%s: expected an object, got %s",
			where[0] == '\0' ? "document" : where,
			obj == NULL ? "nothing" : type_name(obj));
		return NULL;
	}
	v = json_object_get(obj, key);
	if (v == NULL && need)
		*ret_rc = err_set(
		    e, ERR_INVALID, "%s: missing", path_of(where, key, path));
	if (v != NULL && json_is_null(v) && !need)
		return NULL;
	return v;
}

static int
field_wrong(const json_t *v, const char *where, const char *key,
    const char *want, struct err *e)
{
	char path[JSON_PATH_MAX];

	return err_set(e, ERR_INVALID, "%s: expected %s, got %s",
	    path_of(where, key, path), want, type_name(v));
}

static int
field_str(const json_t *obj, const char *where, const char *key, bool need,
    const char **ret, struct err *e)
{
	json_t *v;
	int rc;

	v = field_get(obj, where, key, need, &rc, e);
	if (v == NULL)
		return rc;
	if (!json_is_string(v))
		return field_wrong(v, where, key, "a string", e);
	*ret = json_string_value(v);
	return 0;
}

struct int_range {
	int64_t min, max;
};

static int
field_int(const json_t *obj, const char *where, const char *key, bool need,
    struct int_range range, int64_t *ret, struct err *e)
{
	char path[JSON_PATH_MAX];
	json_t *v;
	int64_t n;
	int rc;

	v = field_get(obj, where, key, need, &rc, e);
	if (v == NULL)
		return rc;
	if (!json_is_integer(v))
		return field_wrong(v, where, key, "a whole number", e);
	n = json_integer_value(v);
	if (n < range.min || n > range.max)
		return err_set(e, ERR_INVALID,
		    "%s: %" PRId64 " is not within %" PRId64 " and %" PRId64,
		    path_of(where, key, path), n, range.min, range.max);
	*ret = n;
	return 0;
}

static int
field_object(const json_t *obj, const char *where, const char *key, bool need,
    json_t **ret, struct err *e)
{
	json_t *v;
	int rc;

	v = field_get(obj, where, key, need, &rc, e);
	if (v == NULL)
		return rc;
	if (!json_is_object(v))
		return field_wrong(v, where, key, "an object", e);
	*ret = v;
	return 0;
}

static int
field_array(const json_t *obj, const char *where, const char *key, bool need,
    json_t **ret, struct err *e)
{
	json_t *v;
	int rc;

	v = field_get(obj, where, key, need, &rc, e);
	if (v == NULL)
		return rc;
	if (!json_is_array(v))
		return field_wrong(v, where, key, "an array", e);
	*ret = v;
	return 0;
}

int
json_need_str(const json_t *obj, const char *where, const char *key,
    const char **ret, struct err *e)
{
	return field_str(obj, where, key, true, ret, e);
}

int
json_opt_str(const json_t *obj, const char *where, const char *key,
    const char **ret, struct err *e)
{
	return field_str(obj, where, key, false, ret, e);
}

int
json_need_int(const json_t *obj, const char *where, const char *key,
    int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	struct int_range range = { min, max };

	return field_int(obj, where, key, true, range, ret, e);
}

int
json_opt_int(const json_t *obj, const char *where, const char *key, int64_t min,
    int64_t max, int64_t *ret, struct err *e)
{
	struct int_range range = { min, max };

	return field_int(obj, where, key, false, range, ret, e);
}

int
json_need_time(const json_t *obj, const char *where, const char *key,
    int64_t *ret, struct err *e)
{
	char path[JSON_PATH_MAX];
	const char *text;
	int64_t t = 0;
	int rc;

	if ((rc = field_str(obj, where, key, true, &text, e)) != 0)
		return rc;
	if (rfc3339_parse(text, &t) != 0 || strchr(text, '.') != NULL)
		return err_set(e, ERR_INVALID,
		    "%s: expected a time like 2026-11-23T03:44:11Z",
		    path_of(where, key, path));
	if (t < 0)
		return err_set(e, ERR_INVALID, "%s: before 1970",
		    path_of(where, key, path));
	*ret = t;
	return 0;
}

int
json_need_id(const json_t *obj, const char *where, const char *key,
    struct id *ret, struct err *e)
{
	char path[JSON_PATH_MAX];
	const char *text;
	struct id id;
	int rc;

	if ((rc = field_str(obj, where, key, true, &text, e)) != 0)
		return rc;
	if (id_parse_lower(text, &id) != 0)
		return err_set(e, ERR_INVALID,
		    "%s: expected %d lower-case hex digits",
		    path_of(where, key, path), ID_HEX_LEN);
	*ret = id;
	return 0;
}

int
json_need_object(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e)
{
	return field_object(obj, where, key, true, ret, e);
}

int
json_opt_object(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e)
{
	return field_object(obj, where, key, false, ret, e);
}

int
json_need_array(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e)
{
	return field_array(obj, where, key, true, ret, e);
}

int
json_opt_array(const json_t *obj, const char *where, const char *key,
    json_t **ret, struct err *e)
{
	return field_array(obj, where, key, false, ret, e);
}

int
json_opt_bool(const json_t *obj, const char *where, const char *key, bool *ret,
    struct err *e)
{
	json_t *v;
	int rc;

	v = field_get(obj, where, key, false, &rc, e);
	if (v == NULL)
		return rc;
	if (!json_is_boolean(v))
		return field_wrong(v, where, key, "true or false", e);
	*ret = json_is_true(v);
	return 0;
}

static bool
key_known(const char *key, const char *const *keys)
{
	for (; *keys != NULL; keys++) {
		if (strcmp(key, *keys) == 0)
			return true;
	}
	return false;
}

static int
key_unknown(
    const char *where, const char *key, const char *const *keys, struct err *e)
{
	char path[JSON_PATH_MAX], word[JSON_WORD_MAX];
	const char *near = NULL;

	for (; *keys != NULL; keys++)
		near = str_nearer(key, near, *keys);
	printable(key, word, sizeof(word));
	path_of(where, word, path);
	if (near == NULL)
		return err_set(e, ERR_INVALID, "%s: unknown field", path);
	return err_set(e, ERR_INVALID,
	    "%s: unknown field (did you mean \"%s\"?)", path, near);
}

int
json_only_keys(const json_t *obj, const char *where, const char *const *keys,
    struct err *e)
{
	json_t *o = (json_t *)(uintptr_t)obj; /* the iterator wants it so */
	void *iter;
	const char *key;

	if (!json_is_object(obj))
		return err_set(e, ERR_INVALID, "%s: expected an object, got %s",
		    where[0] == '\0' ? "document" : where,
		    obj == NULL ? "nothing" : type_name(obj));
	for (iter = json_object_iter(o); iter != NULL;
	     iter = json_object_iter_next(o, iter)) {
		key = json_object_iter_key(iter);
		if (!key_known(key, keys))
			return key_unknown(where, key, keys, e);
	}
	return 0;
}

int
json_no_nulls(const json_t *obj, const char *where, const char *const *keys,
    struct err *e)
{
	char path[JSON_PATH_MAX];

	for (; *keys != NULL; keys++) {
		if (json_is_null(json_object_get(obj, *keys)))
			return err_set(e, ERR_INVALID,
			    "%s: null says nothing: give a value or leave the "
			    "field out",
			    path_of(where, *keys, path));
	}
	return 0;
}
