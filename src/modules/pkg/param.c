/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/param.h"

#include "base/err.h"
#include "modules/params.h"
#include "modules/regex.h"

#include <stdlib.h>
#include <string.h>

static int
is_compare(const char *value, struct err *e)
{
	struct version_test t;

	return version_test_parse(value, &t, e);
}

static int
is_version(const char *value, struct err *e)
{
	if (version_is_test(value))
		return is_compare(value, e);
	return params_is_not_regex(value, e);
}

static int
is_root(const char *value, struct err *e)
{
	if (value[0] != '/')
		return err_set(e, ERR_INVALID,
		    "'%.128s' is not an absolute path: expected one that "
		    "begins with /",
		    value);
	if (strlen(value) > PKG_ROOT_MAX)
		return err_set(
		    e, ERR_TOOBIG, "a path may have %d bytes", PKG_ROOT_MAX);
	return 0;
}

const struct param pkg_param_table[] = {
	{ "name", "pkgmatch.matches", PARAM_STR, "REGEX",
	    "name of the package matches", params_is_regex },
	{ "version", "vermatch", PARAM_ONE, "REGEX",
	    "version matches; !REGEX: does not; <1.2-3 as -vercmp",
	    is_version },
	{ "vercmp", "vercmp", PARAM_STR, "OPVERSION",
	    "version is <1:2.0-1, <=..., =..., >=..., >... or !=..., by the "
	    "rules of dpkg or rpm; all that are given must hold",
	    is_compare },
	{ "root", "roots", PARAM_STR, "PATH",
	    "packages of the system below this directory, as an image or a "
	    "container has it (/)",
	    is_root },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL },
};

/* A list of the JSON as an array of its strings; NULL and 0 when empty. */
static int
take_list(const json_t *json, const char *field, size_t max, const char ***ret,
    size_t *ret_n, struct err *e)
{
	const json_t *list = params_get(json, field);
	size_t n = json_array_size(list), i;

	if (n > max)
		return err_set(e, ERR_TOOBIG,
		    "%s: %zu of them, at most %zu in one question: split it",
		    field, n, max);
	if (n == 0)
		return 0;
	*ret = calloc(n, sizeof(**ret));
	if (*ret == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++)
		(*ret)[i] = json_string_value(json_array_get(list, i));
	*ret_n = n;
	return 0;
}

/* Thousands of honest expressions are cheap, one that explodes is not. */
static int
check_cost(const struct pkg_params *p, struct err *e)
{
	uint64_t cost, sum = 0;
	size_t i;
	int rc;

	for (i = 0; i < p->nmatches; i++) {
		if ((rc = regex_check(p->matches[i], &cost, e)) != 0)
			return rc;
		sum += cost;
		if (sum > PARAMS_COST_MAX)
			return err_set(e, ERR_TOOBIG,
			    "pkgmatch.matches[%zu]: the expressions up to "
			    "here ask for more than one question may (large "
			    "classes, large repeats): use smaller classes and "
			    "repeats, or split it",
			    i);
	}
	return 0;
}

static const char *
test_text(const json_t *json, size_t i)
{
	const json_t *list = params_get(json, "vercmp");

	return i < json_array_size(list)
	    ? json_string_value(json_array_get(list, i))
	    : params_str(json, "vermatch");
}

/* No package has a version that passes both: the answer would read as if there
 * were none. */
static int
check_tests(const json_t *json, const struct pkg_params *p, struct err *e)
{
	bool listed;
	size_t i, k;

	for (i = 1; i < p->ntests; i++) {
		for (k = 0; k < i; k++) {
			if (!version_tests_exclude(&p->tests[k], &p->tests[i]))
				continue;
			err_set(e, ERR_INVALID,
			    "no version passes both '%.100s' and '%.100s', and "
			    "all that are given must hold",
			    test_text(json, k), test_text(json, i));
			listed =
			    i < json_array_size(params_get(json, "vercmp"));
			return listed ? err_wrap(e, "vercmp[%zu]", i)
				      : err_wrap(e, "vermatch");
		}
	}
	return 0;
}

static int
take_version(const json_t *json, struct pkg_params *p, struct err *e)
{
	const char *version = params_str(json, "vermatch"), **texts = NULL;
	size_t n = 0, i;
	int rc;

	rc = take_list(json, "vercmp", PKG_COMPARES_MAX, &texts, &n, e);
	if (rc != 0)
		return rc;
	p->tests = calloc(n + 1, sizeof(*p->tests));
	if (p->tests == NULL) {
		free(texts);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	for (i = 0; i < n && rc == 0; i++)
		rc = version_test_parse(texts[i], &p->tests[p->ntests++], e);
	free(texts);
	if (rc == 0 && version != NULL && version_is_test(version))
		rc = version_test_parse(version, &p->tests[p->ntests++], e);
	else if (rc == 0 && version != NULL)
		p->version = params_regex(version, &p->version_not);
	return rc == 0 ? check_tests(json, p, e) : rc;
}

int
pkg_params_parse(const json_t *json, struct pkg_params *ret, struct err *e)
{
	struct pkg_params p = { 0 };
	int rc;

	/* counted before anything is parsed: a refusal costs nothing */
	rc = json_is_object(json)
	    ? take_list(json, "pkgmatch.matches", PKG_MATCHES_MAX, &p.matches,
		  &p.nmatches, e)
	    : 0;
	if (rc == 0)
		rc = params_check(pkg_param_table, json, "", e);
	if (rc == 0 && p.nmatches == 0)
		rc = err_set(e, ERR_INVALID,
		    "pkgmatch.matches: expected at least one expression for "
		    "names (\".\" is any)");
	if (rc == 0)
		rc = check_cost(&p, e);
	if (rc == 0)
		rc = take_version(json, &p, e);
	if (rc == 0)
		rc = take_list(
		    json, "roots", PKG_ROOTS_MAX, &p.roots, &p.nroots, e);
	if (rc != 0)
		pkg_params_release(&p);
	else
		*ret = p;
	return rc;
}

void
pkg_params_release(struct pkg_params *p)
{
	free(p->matches);
	free(p->tests);
	free(p->roots);
	memset(p, 0, sizeof(*p));
}
