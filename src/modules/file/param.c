/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/param.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/path.h"
#include "json/json.h"
#include "modules/file/possible.h"
#include "modules/params.h"
#include "modules/regex.h"

#include <stdlib.h>
#include <string.h>

const struct search_kind file_kind_names[FILE_KINDS] = {
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
is_kind(const char *word, struct err *e)
{
	size_t k;

	for (k = 0; k < FILE_KINDS; k++) {
		if (strcmp(word, file_kind_names[k].word) == 0)
			return 0;
	}
	return err_set(e, ERR_INVALID,
	    "expected name, size, mode, mtime, content, md5, sha1, sha2 or "
	    "sha3");
}

const struct param file_param_table[] = {
	{ NULL, "description", PARAM_ONE, NULL, "for people" },
	{ "path", "paths", PARAM_STR, "PATH",
	    "file or directory to search (absolute)" },
	{ "name", "names", PARAM_STR, "REGEX",
	    "base name of the file matches; !REGEX: does not" },
	{ "size", "sizes", PARAM_STR, "SIZE",
	    "size: <10m at most, >1k at least, 512 exactly (k, m, g, t)" },
	{ "mode", "modes", PARAM_STR, "REGEX",
	    "type and permissions match, as -rw-r--r-- (4755: urwxr-xr-x)" },
	{ "mtime", "mtimes", PARAM_STR, "AGE",
	    "modified <90d: within, >12h: before (d, h, m)" },
	{ "content", "contents", PARAM_STR, "REGEX",
	    "a line of the file matches; !REGEX: none does" },
	{ "md5", "md5", PARAM_STR, "HEX", "MD5 of the content" },
	{ "sha1", "sha1", PARAM_STR, "HEX", "SHA-1 of the content" },
	{ "sha2", "sha2", PARAM_STR, "HEX",
	    "SHA-256, SHA-384 or SHA-512, by the number of digits" },
	{ "sha3", "sha3", PARAM_STR, "HEX",
	    "SHA3-224, -256, -384 or -512, by the number of digits" },
	{ "mismatch", "options.mismatch", PARAM_STR, "KIND",
	    "turn around the checks of a kind: name, size, mode, mtime, "
	    "content, md5, sha1, sha2, sha3",
	    is_kind },
	{ "maxdepth", "options.maxdepth", PARAM_NUM, "N",
	    "levels of directories to enter, the path itself is 1 (1000)" },
	{ "maxerrors", "options.maxerrors", PARAM_NUM, "N",
	    "errors to return (30; 0: all)" },
	{ "matchlimit", "options.matchlimit", PARAM_NUM, "N",
	    "matches to return, then stop (1000; 0: all)" },
	{ "matchall", "options.matchall", PARAM_BOOL, NULL,
	    "a file must pass all checks (the default)" },
	{ "matchany", "options.matchall", PARAM_NOT, NULL,
	    "a file must pass one check; each is answered by itself" },
	{ "macroal", "options.macroal", PARAM_BOOL, NULL,
	    "content must match every line" },
	{ "returnsha256", "options.returnsha256", PARAM_BOOL, NULL,
	    "return the SHA-256 of files that match" },
	{ "decompress", "options.decompress", PARAM_BOOL, NULL,
	    "look into gzip, bzip2, xz and zstd files" },
	{ "remotefs", "options.remotefs", PARAM_BOOL, NULL,
	    "enter network file systems as well" },
	{ "verbose", "options.debug", PARAM_WORD, "print",
	    "accepted for compatibility" },
	{ .help = NULL },
};

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
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
	    v > (uint64_t)(PARAMS_NUMBER_MAX / unit))
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
	if (c->kind != FILE_MODE)
		(void)params_regex(s, &c->inverse);
	rc = regex_check(file_check_regex(c), &c->cost, e);
	if (rc != 0)
		return err_wrap(e, "'%.256s' is not a regular expression", s);
	return c->kind == FILE_MODE ? file_mode_possible(s, e) : 0;
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
	const json_t *list[FILE_KINDS], *value;
	size_t k, i, total = 0;
	int rc;

	for (k = 0; k < FILE_KINDS; k++) {
		list[k] = params_get(json, file_kind_names[k].field);
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
			rc = parse_check((enum file_kind)k,
			    json_string_value(value), &s->checks[s->nchecks],
			    e);
			if (rc != 0)
				return bad_element(where, field, i, e);
			s->cost += s->checks[s->nchecks].cost;
			if (s->cost > PARAMS_COST_MAX)
				return too_dear(where, field, i, e);
			s->nchecks++;
		}
	}
	return 0;
}

static int
parse_path(const char *path, char **ret, struct err *e)
{
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
	path_clean(*ret);
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
		rc = parse_path(json_string_value(json_array_get(list, i)),
		    &s->paths[i], e);
		if (rc != 0)
			return bad_element(where, "paths", i, e);
		s->npaths++;
	}
	return 0;
}

/* The table has checked them. */
static void
parse_options(const json_t *json, struct file_options *o)
{
	const json_t *list = params_get(json, "options.mismatch");
	const char *word;
	size_t i, k;

	o->maxdepth = params_num(json, "options.maxdepth", 0);
	o->maxerrors = params_num(json, "options.maxerrors", 0);
	o->matchlimit = params_num(json, "options.matchlimit", 0);
	o->matchall = params_bool(json, "options.matchall");
	o->macroal = params_bool(json, "options.macroal");
	o->returnsha256 = params_bool(json, "options.returnsha256");
	o->decompress = params_bool(json, "options.decompress");
	o->remotefs = params_bool(json, "options.remotefs");
	for (i = 0; i < json_array_size(list); i++) {
		word = json_string_value(json_array_get(list, i));
		for (k = 0; k < FILE_KINDS; k++)
			o->mismatch[k] = o->mismatch[k] ||
			    strcmp(word, file_kind_names[k].word) == 0;
	}
}

static int
parse_search(const char *label, const json_t *json, const char *where,
    void *arg, struct err *e)
{
	struct file_params *p = arg;
	struct file_search *s = &p->searches[p->n++];
	int rc;

	s->label = label;
	s->json = json;
	s->cost = p->n > 1 ? s[-1].cost : 0;
	if ((rc = params_check(file_param_table, json, where, e)) != 0 ||
	    (rc = parse_paths(json, where, s, e)) != 0 ||
	    (rc = parse_checks(json, where, s, e)) != 0)
		return rc;
	parse_options(json, &s->options);
	return file_search_possible(s, where, e);
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
	struct file_params p = { 0 };
	json_t *searches = json_object_get(json, "searches");
	int rc;

	if ((rc = check_total(searches, e)) != 0)
		return rc;
	p.searches =
	    calloc(json_object_size(searches) + 1, sizeof(*p.searches));
	if (p.searches == NULL)
		return no_memory(e);
	rc = params_searches(json, parse_search, &p, e);
	if (rc != 0)
		file_params_release(&p);
	else
		*ret = p;
	return rc;
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
