/* SPDX-License-Identifier: MPL-2.0 */
/* Order of versions by hand; tests/integration/test_pkg.py asks dpkg and rpm
 * about these and thousands of others. */
#include "modules/pkg/version.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int
sign(int v)
{
	return (v > 0) - (v < 0);
}

static void
test_order(void **state)
{
	static const struct {
		const char *a, *b;
		int dpkg, rpm;
	} table[] = {
		{ "1.0", "1.0", 0, 0 },
		{ "1.0", "1.1", -1, -1 },
		{ "1.10", "1.9", 1, 1 },
		{ "1.0", "1.00", 0, 0 },
		{ "1.0~rc1", "1.0", -1, -1 },
		{ "1.0~~", "1.0~", -1, -1 },
		{ "1.0^git1", "1.0", 1, 1 },
		{ "1.0^git1", "1.0.1", 1, -1 },
		{ "1.0^", "1.0~", 1, 1 },
		{ "1:1.0", "2.0", 1, 1 },
		{ "0:1.0", "1.0", 0, 0 },
		{ "10:1", "9:2", 1, 1 },
		{ "1.0-1", "1.0-2", -1, -1 },
		{ "1.0", "1.0-1", -1, -1 },
		{ "1.0-0", "1.0", 0, 1 },
		{ "1.0a", "1.0", 1, 1 },
		{ "1.0a", "1.0.1", -1, -1 },
		{ "1.a", "1.1", 1, -1 },
		{ "1.0+b1", "1.0.1", -1, -1 },
		{ "2a", "2.0", -1, -1 },
		{ "1_0", "1.0", 1, 0 },
		{ "99999999999999999999999", "100000000000000000000000", -1,
		    -1 },
		{ "", "0", 0, -1 },
		{ "a-1-2", "a-1-3", -1, -1 },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(
		    sign(version_compare(PKG_DPKG, table[i].a, table[i].b)),
		    table[i].dpkg);
		assert_int_equal(
		    sign(version_compare(PKG_DPKG, table[i].b, table[i].a)),
		    -table[i].dpkg);
		assert_int_equal(
		    sign(version_compare(PKG_RPM, table[i].a, table[i].b)),
		    table[i].rpm);
		assert_int_equal(
		    sign(version_compare(PKG_RPM, table[i].b, table[i].a)),
		    -table[i].rpm);
	}
}

static void
test_operators(void **state)
{
	static const struct {
		const char *text;
		bool below, equal, above; /* 1.0-1, 1.0-2, 1.0-3 */
	} table[] = {
		{ "<1.0-2", true, false, false },
		{ "<< 1.0-2", true, false, false },
		{ "<=1.0-2", true, true, false },
		{ "=1.0-2", false, true, false },
		{ "==\t1.0-2", false, true, false },
		{ ">= 1.0-2", false, true, true },
		{ ">1.0-2", false, false, true },
		{ ">>1.0-2", false, false, true },
		{ "!=1.0-2", true, false, true },
		{ "<>1.0-2", true, false, true },
	};
	struct version_test t;
	struct err e;
	size_t i;
	int type;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(version_is_test(table[i].text));
		assert_int_equal(version_test_parse(table[i].text, &t, &e), 0);
		for (type = 0; type < PKG_TYPES; type++) {
			assert_int_equal(version_test_holds(&t, type, "1.0-1"),
			    table[i].below);
			assert_int_equal(version_test_holds(&t, type, "1.0-2"),
			    table[i].equal);
			assert_int_equal(version_test_holds(&t, type, "1.0-3"),
			    table[i].above);
		}
	}
}

static bool
exclude(const char *a, const char *b)
{
	struct version_test ta, tb;
	bool yes;

	assert_int_equal(version_test_parse(a, &ta, NULL), 0);
	assert_int_equal(version_test_parse(b, &tb, NULL), 0);
	yes = version_tests_exclude(&ta, &tb);
	assert_int_equal(version_tests_exclude(&tb, &ta), yes);
	return yes;
}

static void
test_exclude(void **state)
{
	static const struct {
		const char *a, *b;
		bool want;
	} table[] = {
		{ ">=2:2.0", "<2:2.0", true },
		{ ">=2.0", "<=2.0", false },
		{ ">2.0", "<2.0", true },
		{ ">2.0", "<2.0.1", false },
		{ "=2.0", "=2.0", false },
		{ "=2.0", "=3.0", true },
		{ "=2.0", "!=2.0", true },
		{ "!=2.0", "!=2.0", false },
		{ "<2.0", "!=3.0", false },
		{ ">1:1.0", "<2.0", true },
		{ "<3", "<2", false },
		{ ">=2.0~rc1", "<2.0", false },
		{ ">=2.0", "<2.0~rc1", true },
		/* one of the two orders has room between */
		{ ">=1.0.1", "<1.0^git1", false },
		{ "<=1.0.1", ">1.0^git1", false },
		/* rpm leaves the release open */
		{ "=2.0", ">2.0-3", false },
		{ "<2.0", ">=2.0-3", false },
		{ "<2.0", ">=2.1-3", true },
		{ "=2.0", "=2.1-1", true },
		{ "=2.0-1", "!=2.0", false },
		{ ">2.0-2", "<2.0-2", true },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (exclude(table[i].a, table[i].b) != table[i].want)
			fail_msg("%s and %s", table[i].a, table[i].b);
	}
}

/* Whatever excludes each other: nothing installed passes both. */
static void
test_exclude_is_certain(void **state)
{
	static const char *const ops[] = { "<", "<=", "=", ">=", ">", "!=" };
	static const char *const versions[] = { "1", "1.0", "1.0-1", "1.0-2",
		"1.0~a", "1.0~a-1", "1.0^a", "1.0^a-3", "1.0.1", "1.0a", "1.a",
		"0:1.0", "1:0.9", "1:0.9-1", "2", "2-0", "1_0", "1.0-1-1" };
	const size_t n = sizeof(versions) / sizeof(versions[0]);
	char a[32], b[32];
	struct version_test ta, tb;
	size_t i, k, v, excluded = 0;
	int type;

	for (i = 0; i < n * 6; i++) {
		snprintf(a, sizeof(a), "%s%s", ops[i % 6], versions[i / 6]);
		assert_int_equal(version_test_parse(a, &ta, NULL), 0);
		for (k = 0; k < n * 6; k++) {
			snprintf(
			    b, sizeof(b), "%s%s", ops[k % 6], versions[k / 6]);
			assert_int_equal(version_test_parse(b, &tb, NULL), 0);
			if (!version_tests_exclude(&ta, &tb))
				continue;
			excluded++;
			for (v = 0; v < n * PKG_TYPES; v++) {
				type = v % PKG_TYPES;
				if (version_test_holds(
					&ta, type, versions[v / PKG_TYPES]) &&
				    version_test_holds(
					&tb, type, versions[v / PKG_TYPES]))
					fail_msg("%s and %s: %s", a, b,
					    versions[v / PKG_TYPES]);
			}
		}
	}
	assert_true(excluded > 1000);
}

/* rpm's dependencies leave open what is not said; dpkg's do not. */
static void
test_release_left_open(void **state)
{
	struct version_test t;

	assert_int_equal(version_test_parse("=1.0", &t, NULL), 0);
	assert_true(version_test_holds(&t, PKG_RPM, "1.0-5"));
	assert_false(version_test_holds(&t, PKG_DPKG, "1.0-5"));
	assert_int_equal(version_test_parse("<=1.0", &t, NULL), 0);
	assert_true(version_test_holds(&t, PKG_RPM, "1.0-5"));
	assert_int_equal(version_test_parse(">1.0", &t, NULL), 0);
	assert_false(version_test_holds(&t, PKG_RPM, "1.0-5"));
	assert_true(version_test_holds(&t, PKG_DPKG, "1.0-5"));
}

static void
test_epoch_decides(void **state)
{
	struct version_test t;

	assert_int_equal(version_test_parse("<3.0.7", &t, NULL), 0);
	assert_true(version_epoch_decides(&t, "1:3.0.1-2"));
	assert_false(version_epoch_decides(&t, "0:3.0.1-2"));
	assert_false(version_epoch_decides(&t, "3.0.1-2"));
	assert_int_equal(version_test_parse("<0:3.0.7", &t, NULL), 0);
	assert_false(version_epoch_decides(&t, "1:3.0.1-2"));
}

static void
test_bad(void **state)
{
	static const struct {
		const char *text, *error;
	} table[] = {
		{ "1.0", "does not begin with" },
		{ "", "does not begin with" },
		{ "<", "expected a version" },
		{ "<  ", "expected a version" },
		{ "=1.0 2", "place 4" },
		{ ">=1.0\n", "place 4" },
		{ "<\xc3\xa4", "place 1" },
		{ "=<1", "place 1" },
	};
	char text[VERSION_MAX + 8];
	struct version_test t;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(
		    version_test_parse(table[i].text, &t, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, table[i].error));
	}
	memset(text, '1', sizeof(text));
	text[0] = '<';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(version_test_parse(text, &t, &e), ERR_TOOBIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_exclude),
		cmocka_unit_test(test_exclude_is_certain),
		cmocka_unit_test(test_release_left_open),
		cmocka_unit_test(test_epoch_decides),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
