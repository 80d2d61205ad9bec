/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/params.h"

#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/regex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64
#define FLAGS_LABEL "s1" /* of the one search that flags make */

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

/* --- flags -----------------------------------------------------------------*/

bool
params_has_flag(const struct module_flags *f, const char *flag)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (strcmp(f->flag[i], flag) == 0)
			return true;
	}
	return false;
}

int
params_exclude(const struct module_flags *f, const char *one, const char *other,
    struct err *e)
{
	if (!params_has_flag(f, one) || !params_has_flag(f, other))
		return 0;
	return err_set(
	    e, ERR_INVALID, "-%s and -%s exclude each other", one, other);
}

static const struct param *
param_by_flag(const struct param *table, const char *flag)
{
	const struct param *p;

	for (p = table; p->help != NULL; p++) {
		if (p->flag != NULL && strcmp(p->flag, flag) == 0)
			return p;
	}
	return NULL;
}

static int
flag_number(const struct param *p, const char *value, uint64_t *ret)
{
	const uint64_t max = (uint64_t)PARAMS_NUMBER_MAX;
	const char *s = value + 2;

	if (!p->hex || value[0] != '0' || (value[1] | 0x20) != 'x')
		return str_u64(value, 0, max, ret);
	if (*s == '\0' || s[strspn(s, "0123456789abcdefABCDEF")] != '\0')
		return ERR_INVALID;
	errno = 0;
	*ret = strtoull(s, NULL, 16);
	return errno == 0 && *ret <= max ? 0 : ERR_INVALID;
}

static void
not_a_number(const struct param *p, const char *value, struct err *e)
{
	if (p->max != 0)
		err_set(e, ERR_INVALID,
		    "-%s: '%.64s' is not a number from %lld to %lld", p->flag,
		    value, p->min > 0 ? (long long)p->min : 0,
		    (long long)p->max);
	else
		err_set(e, ERR_INVALID,
		    "-%s: '%.64s' is not a number from 0 to 2^50%s", p->flag,
		    value, p->hex ? ", decimal or 0x and hex digits" : "");
}

static json_t *
flag_value(const struct param *p, const char *value, struct err *e)
{
	uint64_t n;
	json_t *v;

	switch (p->type) {
	case PARAM_NUM:
		if (flag_number(p, value, &n) != 0) {
			not_a_number(p, value, e);
			return NULL;
		}
		v = json_integer((json_int_t)n);
		break;
	case PARAM_BOOL:
		v = json_true();
		break;
	case PARAM_NOT:
		v = json_false();
		break;
	default:
		if (value == NULL)
			value = p->arg;
		if (!str_is_utf8(value, strlen(value))) {
			err_set(e, ERR_INVALID, "-%s: the value is not UTF-8",
			    p->flag);
			return NULL;
		}
		v = json_string(value);
	}
	if (v == NULL)
		no_memory(e);
	return v;
}

/* The object that holds the field, made if need be, and the field's own key. */
static json_t *
holder(json_t *obj, const char *field, const char **ret_key)
{
	const char *dot = strchr(field, '.');
	json_t *inner;
	char name[64];

	*ret_key = field;
	if (dot == NULL)
		return obj;
	*ret_key = dot + 1;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - field), field);
	inner = json_object_get(obj, name);
	if (inner == NULL) {
		inner = json_object();
		if (json_object_set_new(obj, name, inner) != 0)
			return NULL;
	}
	return inner;
}

static int
flag_add(const struct param *p, const char *value, json_t *obj, struct err *e)
{
	const char *key;
	json_t *v, *list;

	if (value == NULL && param_takes_value(p))
		return err_set(
		    e, ERR_INVALID, "-%s needs a value (%s)", p->flag, p->arg);
	if (p->type == PARAM_ONE && params_get(obj, p->field) != NULL)
		return err_set(e, ERR_INVALID,
		    "-%s is given twice: it takes one value", p->flag);
	if ((v = flag_value(p, value, e)) == NULL)
		return ERR_INVALID;
	obj = holder(obj, p->field, &key);
	if (p->type == PARAM_STR && obj != NULL) {
		list = json_object_get(obj, key);
		if (list == NULL) {
			list = json_array();
			if (json_object_set_new(obj, key, list) != 0)
				list = NULL;
		}
		return json_array_append_new(list, v) == 0 ? 0 : no_memory(e);
	}
	return json_object_set_new(obj, key, v) == 0 ? 0 : no_memory(e);
}

int
params_add_flags(const struct param *table, const struct module_flags *f,
    json_t *obj, struct err *e)
{
	const struct param *p;
	size_t i;
	int rc;

	for (i = 0; i < f->n; i++) {
		p = param_by_flag(table, f->flag[i]);
		if (p == NULL)
			return err_set(
			    e, ERR_INVALID, "unknown flag -%.64s", f->flag[i]);
		if ((rc = flag_add(p, f->value[i], obj, e)) != 0)
			return rc;
	}
	return 0;
}

json_t *
params_from_flags(const struct param *table, const struct module_flags *f,
    json_t *defaults, struct err *e)
{
	json_t *obj = defaults != NULL ? defaults : json_object();

	if (obj == NULL) {
		no_memory(e);
		return NULL;
	}
	if (params_add_flags(table, f, obj, e) != 0) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}

json_t *
params_search_from_flags(const struct param *table,
    const struct module_flags *f, json_t *defaults, struct err *e)
{
	json_t *search = params_from_flags(table, f, defaults, e), *root;

	if (search == NULL)
		return NULL;
	root = json_pack("{s:{s:o}}", "searches", FLAGS_LABEL, search);
	if (root == NULL)
		no_memory(e);
	return root;
}

/* "names[3]: why" is taken apart; false: it does not begin so. */
static bool
split_field(const char *msg, char field[static 64], size_t *ret_index,
    const char **ret_why)
{
	size_t len = strcspn(msg, "[: ");
	const char *s = msg + len;
	char *end;

	*ret_index = 0;
	if (len == 0 || len >= 64)
		return false;
	memcpy(field, msg, len);
	field[len] = '\0';
	if (*s == '[') {
		*ret_index = strtoul(s + 1, &end, 10);
		s = *end == ']' ? end + 1 : end;
	}
	*ret_why = s + 2;
	return s[0] == ':' && s[1] == ' ';
}

/* The flag of the field that was given as the index-th of those that make a
 * list, or last of others; one that was not given when there is none. NULL: no
 * flag sets it. */
static const struct param *
flag_of_field(const struct param *table, const struct module_flags *f,
    const char *field, size_t index, const char **ret_value)
{
	const struct param *p, *found = NULL;
	size_t i;

	*ret_value = NULL;
	for (p = table; p->help != NULL && found == NULL; p++) {
		if (p->flag != NULL && strcmp(p->field, field) == 0)
			found = p;
	}
	for (i = 0; i < f->n; i++) {
		p = param_by_flag(table, f->flag[i]);
		if (p == NULL || strcmp(p->field, field) != 0)
			continue;
		found = p;
		*ret_value = f->value[i];
		if (p->type == PARAM_STR && index-- == 0)
			break;
	}
	return found;
}

void
params_name_flags(
    const struct param *table, const struct module_flags *f, struct err *e)
{
	static const char search[] = "searches." FLAGS_LABEL;
	char msg[ERR_MSG_MAX], field[64];
	const char *s = msg, *value, *why;
	const struct param *p = NULL;
	size_t index;

	memcpy(msg, e->msg, sizeof(msg));
	if (str_starts(s, search))
		s += sizeof(search) - 1;
	if (str_starts(s, ": "))
		err_set(e, e->code, "%s", s + 2);
	s += *s == '.';
	if (split_field(s, field, &index, &why))
		p = flag_of_field(table, f, field, index, &value);
	if (p == NULL)
		return;
	if (p->type == PARAM_NUM && value != NULL)
		err_set(e, e->code, "-%s %s: %s", p->flag, value, why);
	else
		err_set(e, e->code, "-%s: %s", p->flag, why);
}

/* --- the check ---------------------------------------------------------------
 */

/* Is it of the group that the one before it is of? The fields of a group stand
 * together. */
static bool
is_same_group(const struct param *table, const struct param *p, size_t len)
{
	return p > table && p->field[len] == '.' &&
	    strncmp(p[-1].field, p->field, len + 1) == 0;
}

/* The table's fields below group ("options") or, with NULL, the outermost,
 * groups included. */
static void
fields_of(const struct param *table, const char *group,
    char names[FIELDS_MAX][64], const char *keys[FIELDS_MAX + 1])
{
	size_t skip = group != NULL ? strlen(group) + 1 : 0, n = 0, len;
	const struct param *p;

	for (p = table; p->help != NULL; p++) {
		if (group != NULL &&
		    (strncmp(p->field, group, skip - 1) != 0 ||
			p->field[skip - 1] != '.'))
			continue;
		len = strcspn(p->field + skip, ".");
		if (is_same_group(table, p, skip + len))
			continue;
		BUG_ON(n == FIELDS_MAX || len >= sizeof(names[n]));
		memcpy(names[n], p->field + skip, len);
		names[n][len] = '\0';
		keys[n] = names[n];
		n++;
	}
	keys[n] = NULL;
}

static int
check_keys(const struct param *table, const json_t *obj, const char *group,
    const char *where, struct err *e)
{
	char names[FIELDS_MAX][64];
	const char *keys[FIELDS_MAX + 1];

	fields_of(table, group, names, keys);
	return json_only_keys(obj, where, keys, e);
}

/* The original wrote its numbers as floating point. */
static int
check_number(const struct param *p, const json_t *v, struct err *e)
{
	int64_t max = p->max != 0 ? p->max : PARAMS_NUMBER_MAX;
	double d = json_number_value(v);

	if (json_is_number(v) && d >= (double)p->min && d <= (double)max &&
	    (double)(int64_t)d == d)
		return 0;
	if (p->min == 0 && p->max == 0)
		return err_set(e, ERR_INVALID,
		    "expected a whole number from 0 (no limit) to 2^50");
	return err_set(e, ERR_INVALID,
	    "expected a whole number from %lld to %lld", (long long)p->min,
	    (long long)max);
}

static int
check_string(const struct param *p, const json_t *v, struct err *e)
{
	if (!json_is_string(v))
		return err_set(e, ERR_INVALID, "expected a string");
	return p->check != NULL ? p->check(json_string_value(v), e) : 0;
}

static int
check_list(
    const struct param *p, const json_t *list, const char *where, struct err *e)
{
	size_t i;
	int rc;

	if (!json_is_array(list))
		return err_set(e, ERR_INVALID, "%s: expected an array", where);
	for (i = 0; i < json_array_size(list); i++) {
		rc = check_string(p, json_array_get(list, i), e);
		if (rc != 0) {
			err_wrap(e, "%s[%zu]", where, i);
			return rc;
		}
	}
	return 0;
}

static int
check_value(
    const struct param *p, const json_t *v, const char *where, struct err *e)
{
	int rc = 0;

	switch (p->type) {
	case PARAM_STR:
		return check_list(p, v, where, e);
	case PARAM_ONE:
	case PARAM_WORD:
		rc = check_string(p, v, e);
		break;
	case PARAM_NUM:
		rc = check_number(p, v, e);
		break;
	case PARAM_BOOL:
	case PARAM_NOT:
		if (!json_is_boolean(v))
			rc = err_set(e, ERR_INVALID, "expected true or false");
		break;
	}
	if (rc != 0)
		err_wrap(e, "%s", where);
	return rc;
}

/* The objects of nested fields exist as objects or not at all. */
static int
check_groups(const struct param *table, const json_t *obj, const char *where,
    struct err *e)
{
	char group[64], path[PARAMS_WHERE_MAX + 80];
	const struct param *p;
	const json_t *inner;
	const char *dot;
	int rc;

	for (p = table; p->help != NULL; p++) {
		if ((dot = strchr(p->field, '.')) == NULL ||
		    is_same_group(table, p, (size_t)(dot - p->field)))
			continue;
		snprintf(group, sizeof(group), "%.*s", (int)(dot - p->field),
		    p->field);
		inner = json_object_get(obj, group);
		if (inner == NULL || json_is_null(inner))
			continue;
		snprintf(path, sizeof(path), "%s%s%s", where,
		    *where != '\0' ? "." : "", group);
		if (!json_is_object(inner))
			return err_set(
			    e, ERR_INVALID, "%s: expected an object", path);
		if ((rc = check_keys(table, inner, group, path, e)) != 0)
			return rc;
	}
	return 0;
}

int
params_check(const struct param *table, const json_t *obj, const char *where,
    struct err *e)
{
	char path[PARAMS_WHERE_MAX + 80];
	const struct param *p;
	const json_t *v;
	int rc;

	if (!json_is_object(obj))
		return err_set(e, ERR_INVALID, "%s%sexpected an object", where,
		    *where != '\0' ? ": " : "");
	if ((rc = check_keys(table, obj, NULL, where, e)) != 0 ||
	    (rc = check_groups(table, obj, where, e)) != 0)
		return rc;
	for (p = table; p->help != NULL; p++) {
		if ((v = params_get(obj, p->field)) == NULL)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", where,
		    *where != '\0' ? "." : "", p->field);
		if ((rc = check_value(p, v, path, e)) != 0)
			return rc;
	}
	return 0;
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

int
params_searches(
    const json_t *params, params_search *each, void *arg, struct err *e)
{
	static const char *const keys[] = { "searches", NULL };
	char where[PARAMS_WHERE_MAX];
	json_t *searches, *value;
	const char *label;
	int rc;

	if (!json_is_object(params))
		return err_set(
		    e, ERR_INVALID, "expected an object with \"searches\"");
	if ((rc = json_only_keys(params, "", keys, e)) != 0 ||
	    (rc = json_need_object(params, "", "searches", &searches, e)) != 0)
		return rc;
	if (json_object_size(searches) == 0 ||
	    json_object_size(searches) > PARAMS_SEARCHES_MAX)
		return err_set(e, ERR_INVALID,
		    "searches: expected 1 to %d searches", PARAMS_SEARCHES_MAX);
	json_object_foreach (searches, label, value) {
		if (*label == '\0' || characters(label) > PARAMS_LABEL_MAX)
			return err_set(e, ERR_INVALID,
			    "searches: a label must have 1 to %d characters, "
			    "'%.80s' does not",
			    PARAMS_LABEL_MAX, label);
		snprintf(where, sizeof(where), "searches.%s", label);
		if (!json_is_object(value))
			return err_set(
			    e, ERR_INVALID, "%s: expected an object", where);
		if ((rc = each(label, value, where, arg, e)) != 0)
			return rc;
	}
	return 0;
}

/* --- reading what was checked ------------------------------------------------
 */

const json_t *
params_get(const json_t *obj, const char *field)
{
	const char *dot;
	const json_t *v;

	while ((dot = strchr(field, '.')) != NULL) {
		obj = json_object_getn(obj, field, (size_t)(dot - field));
		field = dot + 1;
	}
	v = json_object_get(obj, field);
	return json_is_null(v) ? NULL : v;
}

bool
params_bool(const json_t *obj, const char *field)
{
	return json_is_true(params_get(obj, field));
}

int64_t
params_num(const json_t *obj, const char *field, int64_t fallback)
{
	const json_t *v = params_get(obj, field);

	return v != NULL ? (int64_t)json_number_value(v) : fallback;
}

const char *
params_str(const json_t *obj, const char *field)
{
	return json_string_value(params_get(obj, field));
}

json_t *
params_paths(const json_t *list)
{
	json_t *out = json_array();
	char *path;
	size_t i;
	int rc = out == NULL ? -1 : 0;

	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		path = strdup(json_string_value(json_array_get(list, i)));
		if (path != NULL)
			path_clean(path);
		rc = json_array_append_new(out, json_string(path));
		free(path);
	}
	if (rc == 0)
		return out;
	json_decref(out);
	return NULL;
}

/* --- checks of values for tables ---------------------------------------------
 */

int
params_is_regex(const char *value, struct err *e)
{
	uint64_t cost;
	int rc;

	if (*value == '\0')
		return err_set(e, ERR_INVALID,
		    "an empty expression: expected a regular expression "
		    "(\".\" is anything)");
	if ((rc = regex_check(value, &cost, e)) != 0)
		err_wrap(e, "'%.256s' is not a regular expression", value);
	return rc;
}

const char *
params_regex(const char *value, bool *ret_not)
{
	*ret_not = value[0] == '!' && value[1] != '\0';
	return *ret_not ? value + 1 : value;
}

int
params_is_not_regex(const char *value, struct err *e)
{
	bool inverse;

	return params_is_regex(params_regex(value, &inverse), e);
}
