/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/param.h"

#include "base/err.h"
#include "base/hex.h"
#include "json/json.h"
#include "modules/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_MAX 512
#define NUMBER_MAX ((int64_t)1 << 50)

const struct file_kind_name file_kind_names[FILE_KINDS] = {
	[FILE_NAME] = { "names", "name" },
	[FILE_SIZE] = { "sizes", "size" },
	[FILE_MODE] = { "modes", "mode" },
	[FILE_MTIME] = { "mtimes", "mtime" },
	[FILE_CONTENT] = { "contents", "content" },
	[FILE_MD5] = { "md5", "md5" },
	[FILE_SHA1] = { "sha1", "sha1" },
	[FILE_SHA2] = { "sha2", "sha2" },
	[FILE_SHA3] = { "sha3", "sha3" },
};

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

void
file_path_clean(char *path)
{
	char *in = path, *out = path, *end;
	size_t n;

	while (*in != '\0') {
		while (*in == '/')
			in++;
		end = strchr(in, '/');
		n = end != NULL ? (size_t)(end - in) : strlen(in);
		if (n == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && in[0] == '.')) {
			*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

static const char *
digits(const char *p, uint64_t *ret, bool *ret_ok)
{
	uint64_t v = 0;

	*ret_ok = *p >= '0' && *p <= '9';
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (uint64_t)INT64_MAX / 10)
			*ret_ok = false;
		else
			v = v * 10 + (uint64_t)(*p - '0');
	}
	if (v > (uint64_t)INT64_MAX)
		*ret_ok = false;
	*ret = v;
	return p;
}

static int
parse_size(const char *s, struct file_check *c, struct err *e)
{
	static const char units[] = "kmgt";
	const char *p = s, *u;
	unsigned int shift = 0;
	uint64_t v;
	bool ok;

	if (*p == '<' || *p == '>')
		p++;
	p = digits(p, &v, &ok);
	u = *p != '\0' ? strchr(units, *p) : NULL;
	if (u != NULL) {
		shift = 10 * (unsigned int)(u - units + 1);
		p++;
	}
	if (!ok || *p != '\0' || v > (uint64_t)INT64_MAX >> shift)
		return err_set(e, ERR_INVALID,
		    "'%.64s' is not a size: "
		    "expected [<|>]NUMBER[k|m|g|t] below 2^63",
		    s);
	v <<= shift;
	c->min = *s == '<' ? 0 : (int64_t)v;
	c->max = *s == '>' ? INT64_MAX : (int64_t)v;
	return 0;
}

static int
parse_mtime(const char *s, struct file_check *c, struct err *e)
{
	const char *p = s;
	int64_t unit = 0;
	uint64_t v = 0;
	bool ok = false;

	if (*p == '<' || *p == '>')
		p = digits(p + 1, &v, &ok);
	if (*p == 'd')
		unit = 86400;
	else if (*p == 'h')
		unit = 3600;
	else if (*p == 'm')
		unit = 60;
	if (!ok || unit == 0 || p[1] != '\0' ||
	    v > (uint64_t)(NUMBER_MAX / unit))
		return err_set(e, ERR_INVALID,
		    "'%.64s' is not an age: "
		    "expected <NUMBER or >NUMBER followed by d, h or m",
		    s);
	c->newer = *s == '<';
	c->min = (int64_t)v * unit;
	return 0;
}

static int
parse_digest(const char *s, struct file_check *c, struct err *e)
{
	static const struct {
		enum file_kind kind;
		size_t digits[4];
		const char *expected;
	} table[] = {
		{ FILE_MD5, { 32 }, "32" },
		{ FILE_SHA1, { 40 }, "40" },
		{ FILE_SHA2, { 64, 96, 128 }, "64, 96 or 128" },
		{ FILE_SHA3, { 56, 64, 96, 128 }, "56, 64, 96 or 128" },
	};
	size_t len = strlen(s), i, k;

	for (i = 0; table[i].kind != c->kind; i++)
		;
	for (k = 0; k < 4 && (len == 0 || table[i].digits[k] != len); k++)
		;
	if (k == 4)
		return err_set(e, ERR_INVALID,
		    "'%.140s' has %zu digits: "
		    "expected %s hexadecimal digits",
		    s, len, table[i].expected);
	if (hex_decode(s, c->digest, len / 2) != 0)
		return err_set(
		    e, ERR_INVALID, "'%.140s' is not hexadecimal", s);
	c->digest_len = len / 2;
	return 0;
}

const char *
file_check_regex(const struct file_check *c)
{
	return c->inverse ? c->value + 1 : c->value;
}

static int
parse_regex(const char *s, struct file_check *c, struct err *e)
{
	int rc;

	if (*s == '\0')
		return err_set(e, ERR_INVALID,
		    "an empty expression: "
		    "expected a regular expression (\".\" is anything)");
	c->inverse = c->kind != FILE_MODE && s[0] == '!' && s[1] != '\0';
	rc = regex_check(file_check_regex(c), &c->cost, e);
	if (rc != 0)
		return err_wrap(e, "'%.256s' is not a regular expression", s);
	return 0;
}

static int
parse_check(
    enum file_kind kind, const char *value, struct file_check *c, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->value = value;
	switch (kind) {
	case FILE_NAME:
	case FILE_MODE:
	case FILE_CONTENT:
		return parse_regex(value, c, e);
	case FILE_SIZE:
		return parse_size(value, c, e);
	case FILE_MTIME:
		return parse_mtime(value, c, e);
	default:
		return parse_digest(value, c, e);
	}
}

static int
bad_element(const char *where, const char *field, size_t i, struct err *e)
{
	return err_wrap(e, "%s.%s[%zu]", where, field, i);
}

static int
too_dear(const char *where, const char *field, size_t i, struct err *e)
{
	return err_set(e, ERR_TOOBIG,
	    "%s.%s[%zu]: the expressions up to here ask for more than one "
	    "question may (large classes, large repeats): use smaller classes "
	    "and repeats, or split it",
	    where, field, i);
}

static int
parse_checks(
    const json_t *json, const char *where, struct file_search *s, struct err *e)
{
	const char *field;
	json_t *list[FILE_KINDS] = { NULL }, *value;
	size_t k, i, total = 0;
	int rc;

	for (k = 0; k < FILE_KINDS; k++) {
		rc = json_opt_array(
		    json, where, file_kind_names[k].field, &list[k], e);
		if (rc != 0)
			return rc;
		total += json_array_size(list[k]);
	}
	if (total == 0)
		return 0;
	s->checks = calloc(total, sizeof(*s->checks));
	if (s->checks == NULL)
		return no_memory(e);
	for (k = 0; k < FILE_KINDS; k++) {
		field = file_kind_names[k].field;
		for (i = 0; i < json_array_size(list[k]); i++) {
			value = json_array_get(list[k], i);
			if (!json_is_string(value))
				return err_set(e, ERR_INVALID,
				    "%s.%s[%zu]: expected a string", where,
				    field, i);
			rc = parse_check((enum file_kind)k,
			    json_string_value(value), &s->checks[s->nchecks],
			    e);
			if (rc != 0)
				return bad_element(where, field, i, e);
			s->cost += s->checks[s->nchecks].cost;
			if (s->cost > FILE_COST_MAX)
				return too_dear(where, field, i, e);
			s->nchecks++;
		}
	}
	return 0;
}

static int
parse_path(const json_t *value, char **ret, struct err *e)
{
	const char *path = json_string_value(value);

	if (path == NULL)
		return err_set(e, ERR_INVALID, "expected a string");
	if (path[0] != '/')
		return err_set(e, ERR_INVALID,
		    "'%.128s' is not an absolute "
		    "path: expected one that begins with /",
		    path);
	if (strlen(path) >= FILE_PATH_MAX)
		return err_set(e, ERR_TOOBIG, "a path may have %d bytes",
		    FILE_PATH_MAX - 1);
	*ret = strdup(path);
	if (*ret == NULL)
		return no_memory(e);
	file_path_clean(*ret);
	return 0;
}

static int
parse_paths(
    const json_t *json, const char *where, struct file_search *s, struct err *e)
{
	json_t *list;
	size_t i, n;
	int rc;

	if ((rc = json_need_array(json, where, "paths", &list, e)) != 0)
		return rc;
	n = json_array_size(list);
	if (n == 0)
		return err_set(e, ERR_INVALID,
		    "%s.paths: expected at least "
		    "one path",
		    where);
	s->paths = calloc(n, sizeof(*s->paths));
	if (s->paths == NULL)
		return no_memory(e);
	for (i = 0; i < n; i++) {
		rc = parse_path(json_array_get(list, i), &s->paths[i], e);
		if (rc != 0)
			return bad_element(where, "paths", i, e);
		s->npaths++;
	}
	return 0;
}

static int
parse_mismatch(const json_t *json, const char *where, struct file_options *o,
    struct err *e)
{
	const char *word;
	json_t *list = NULL;
	size_t i, k;
	int rc;

	rc = json_opt_array(json, where, "mismatch", &list, e);
	if (rc != 0)
		return rc;
	for (i = 0; i < json_array_size(list); i++) {
		word = json_string_value(json_array_get(list, i));
		for (k = 0; word != NULL && k < FILE_KINDS; k++) {
			if (strcmp(word, file_kind_names[k].word) == 0)
				break;
		}
		if (word == NULL || k == FILE_KINDS)
			return err_set(e, ERR_INVALID,
			    "%s.mismatch[%zu]: "
			    "expected name, size, mode, mtime, content, md5, "
			    "sha1, sha2 or sha3",
			    where, i);
		o->mismatch[k] = true;
	}
	return 0;
}

/* A limit; the original wrote its numbers as floating point. */
static int
parse_limit(const json_t *json, const char *where, const char *key,
    int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(json, key);
	double d;

	if (v == NULL || json_is_null(v))
		return 0;
	d = json_is_number(v) ? json_number_value(v) : -1;
	if (!(d >= 0 && d <= (double)NUMBER_MAX) || (double)(int64_t)d != d)
		return err_set(e, ERR_INVALID,
		    "%s.%s: expected a whole "
		    "number from 0 (no limit) to 2^50",
		    where, key);
	*ret = (int64_t)d;
	return 0;
}

static int
parse_options(const json_t *json, const char *where, struct file_options *o,
    struct err *e)
{
	static const char *const keys[] = { "maxdepth", "maxerrors",
		"matchlimit", "matchall", "macroal", "mismatch", "returnsha256",
		"decompress", "remotefs", "debug", NULL };
	const struct {
		const char *key;
		int64_t *ret;
	} limits[] = {
		{ "maxdepth", &o->maxdepth },
		{ "maxerrors", &o->maxerrors },
		{ "matchlimit", &o->matchlimit },
	};
	const struct {
		const char *key;
		bool *ret;
	} bools[] = {
		{ "matchall", &o->matchall },
		{ "macroal", &o->macroal },
		{ "returnsha256", &o->returnsha256 },
		{ "decompress", &o->decompress },
		{ "remotefs", &o->remotefs },
	};
	const char *debug;
	size_t i;
	int rc;

	if ((rc = json_only_keys(json, where, keys, e)) != 0)
		return rc;
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		rc = parse_limit(json, where, limits[i].key, limits[i].ret, e);
		if (rc != 0)
			return rc;
	}
	for (i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
		rc = json_opt_bool(json, where, bools[i].key, bools[i].ret, e);
		if (rc != 0)
			return rc;
	}
	if ((rc = json_opt_str(json, where, "debug", &debug, e)) != 0)
		return rc;
	return parse_mismatch(json, where, o, e);
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

static int
parse_search(
    const char *label, const json_t *json, struct file_search *s, struct err *e)
{
	static const char *const keys[] = { "description", "paths", "names",
		"sizes", "modes", "mtimes", "contents", "md5", "sha1", "sha2",
		"sha3", "options", NULL };
	char where[WHERE_MAX], owhere[WHERE_MAX + 16];
	const char *description;
	json_t *options = NULL;
	int rc;

	if (*label == '\0' || characters(label) > FILE_LABEL_MAX)
		return err_set(e, ERR_INVALID,
		    "searches: a label must have "
		    "1 to %d characters, '%.80s' does not",
		    FILE_LABEL_MAX, label);
	snprintf(where, sizeof(where), "searches.%s", label);
	snprintf(owhere, sizeof(owhere), "%s.options", where);
	if (!json_is_object(json))
		return err_set(e, ERR_INVALID, "%s: expected an object", where);
	s->label = label;
	s->json = json;
	if ((rc = json_only_keys(json, where, keys, e)) != 0 ||
	    (rc = json_opt_str(json, where, "description", &description, e)) !=
		0 ||
	    (rc = parse_paths(json, where, s, e)) != 0 ||
	    (rc = parse_checks(json, where, s, e)) != 0 ||
	    (rc = json_opt_object(json, where, "options", &options, e)) != 0)
		return rc;
	if (options == NULL)
		return 0;
	return parse_options(options, owhere, &s->options, e);
}

/* Counted before anything is parsed: a refusal costs nothing. */
static int
check_total(json_t *searches, struct err *e)
{
	size_t k, total = 0;
	const char *label;
	json_t *value;

	json_object_foreach (searches, label, value) {
		for (k = 0; k < FILE_KINDS; k++)
			total += json_array_size(
			    json_object_get(value, file_kind_names[k].field));
	}
	if (total > FILE_CHECKS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "searches: %zu checks, at most %d in one question: split "
		    "it",
		    total, FILE_CHECKS_MAX);
	return 0;
}

int
file_params_parse(const json_t *json, struct file_params *ret, struct err *e)
{
	static const char *const keys[] = { "searches", NULL };
	struct file_params p = { 0 };
	json_t *searches, *value;
	const char *label;
	uint64_t cost = 0;
	int rc;

	if (!json_is_object(json))
		return err_set(e, ERR_INVALID,
		    "expected an object with "
		    "\"searches\"");
	if ((rc = json_only_keys(json, "", keys, e)) != 0 ||
	    (rc = json_need_object(json, "", "searches", &searches, e)) != 0)
		return rc;
	if (json_object_size(searches) == 0 ||
	    json_object_size(searches) > FILE_SEARCHES_MAX)
		return err_set(e, ERR_INVALID,
		    "searches: expected 1 to %d "
		    "searches",
		    FILE_SEARCHES_MAX);
	if ((rc = check_total(searches, e)) != 0)
		return rc;
	p.searches = calloc(json_object_size(searches), sizeof(*p.searches));
	if (p.searches == NULL)
		return no_memory(e);
	json_object_foreach (searches, label, value) {
		p.searches[p.n].cost = cost;
		p.n++;
		rc = parse_search(label, value, &p.searches[p.n - 1], e);
		cost = p.searches[p.n - 1].cost;
		if (rc != 0) {
			file_params_release(&p);
			return rc;
		}
	}
	*ret = p;
	return 0;
}

void
file_params_release(struct file_params *p)
{
	struct file_search *s;
	size_t i, k;

	for (i = 0; i < p->n; i++) {
		s = &p->searches[i];
		for (k = 0; k < s->npaths; k++)
			free(s->paths[k]);
		free(s->paths);
		free(s->checks);
	}
	free(p->searches);
	memset(p, 0, sizeof(*p));
}
