/* SPDX-License-Identifier: MPL-2.0 */
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_clean(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "/", "/" },
		{ "//", "/" },
		{ "/.", "/" },
		{ "/..", "/" },
		{ "/../../a", "/a" },
		{ "/a/", "/a" },
		{ "/a//b/./c", "/a/b/c" },
		{ "/a/b/..", "/a" },
		{ "/a/b/../..", "/" },
		{ "/a/..b/...", "/a/..b/..." },
	};
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(path, rows[i].in);
		path_clean(path);
		assert_string_equal(path, rows[i].want);
		assert_true(path_is_clean(path));
		assert_int_equal(path_is_clean(rows[i].in),
		    strcmp(rows[i].in, rows[i].want) == 0);
	}
	assert_false(path_is_clean(""));
	assert_false(path_is_clean("a"));
	assert_false(path_is_clean("a/b"));
}

static void
test_below(void **state)
{
	static const struct {
		const char *path, *dir;
		bool want;
	} rows[] = {
		{ "/a", "/a", true },
		{ "/a/b", "/a", true },
		{ "/ab", "/a", false },
		{ "/a", "/a/b", false },
		{ "/", "/a", false },
		{ "/a", "/", true },
		{ "/", "/", true },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    path_below(rows[i].path, rows[i].dir), rows[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
