/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers, UTF-8, text for a terminal. */
#include "base/str.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static void
test_copy(void **state)
{
	char out[4];

	assert_true(str_copy(out, sizeof(out), "abc"));
	assert_string_equal(out, "abc");
	assert_false(str_copy(out, sizeof(out), "abcd"));
	assert_string_equal(out, "abc");
	assert_true(str_copy(out, sizeof(out), ""));
	assert_string_equal(out, "");
	assert_false(str_copy(out, 1, "x"));
	assert_string_equal(out, "");
	assert_true(str_starts("mig-agent", "mig-"));
	assert_true(str_starts("x", ""));
	assert_false(str_starts("mi", "mig"));
}

static void
test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		size_t want;
	} rows[] = { { "", "", 0 }, { "relay", "relay", 0 },
		{ "relai", "relay", 1 }, { "rely", "relay", 1 },
		{ "", "abc", 3 }, { "kitten", "sitting", 3 },
		{ "file", "fiel", 2 } };
	char longer[66] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    str_distance(rows[i].a, rows[i].b), rows[i].want);
		assert_int_equal(
		    str_distance(rows[i].b, rows[i].a), rows[i].want);
	}
	memset(longer, 'x', 65);
	assert_true(str_distance(longer, "x") == SIZE_MAX);
	longer[64] = '\0';
	assert_int_equal(str_distance(longer, "x"), 63);
}

static void
test_nearer(void **state)
{
	/* the first of two that are as near; three edits are too far */
	assert_null(str_nearer("file", NULL, "netstat"));
	assert_null(str_nearer("abc", NULL, "xyz"));
	assert_string_equal(str_nearer("fiel", NULL, "file"), "file");
	assert_string_equal(str_nearer("fiel", "file", "fill"), "fill");
	assert_string_equal(str_nearer("fil", "file", "fill"), "file");
	assert_string_equal(str_nearer("file", "file", "netstat"), "file");
}

static void
test_u64(void **state)
{
	static const struct {
		const char *in;
		uint64_t min, max;
		int rc;
		uint64_t want;
	} t[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "007", 0, 10, 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, ERR_INVALID, 0 },
		{ "99999999999999999999999", 0, UINT64_MAX, ERR_INVALID, 0 },
		{ "11", 0, 10, ERR_INVALID, 0 },
		{ "4", 5, 10, ERR_INVALID, 0 },
		{ "", 0, 10, ERR_INVALID, 0 },
		{ "-1", 0, 10, ERR_INVALID, 0 },
		{ "+1", 0, 10, ERR_INVALID, 0 },
		{ " 1", 0, 10, ERR_INVALID, 0 },
		{ "1 ", 0, 10, ERR_INVALID, 0 },
		{ "0x1", 0, 10, ERR_INVALID, 0 },
		{ "1e1", 0, 10, ERR_INVALID, 0 },
	};
	uint64_t got;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		got = 77;
		if (str_u64(t[i].in, t[i].min, t[i].max, &got) != t[i].rc ||
		    got != (t[i].rc == 0 ? t[i].want : 77))
			fail_msg("'%s'", t[i].in);
	}
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} t[] = {
		{ "", true },
		{ "plain", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xc0\xaf", false },
		{ "\xc1\xbf", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "a\xc2", false },
		{ "a\xe2\x82", false },
		{ "a\xf0\x9f\x98", false },
		{ "\xc2"
		  "a",
		    false },
		{ "\xe2\x82"
		  "a",
		    false },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (str_is_utf8(t[i].in, strlen(t[i].in)) != t[i].want)
			fail_msg("row %zu", i);
	}
	assert_true(str_is_utf8("a\0b", 3));
}

static void
test_printable(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} t[] = {
		{ "", "" },
		{ "plain text/\\", "plain text/\\" },
		{ "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
		{ "a\nb\tc", "a\\x0ab\\x09c" },
		{ "\x1b[31m", "\\x1b[31m" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b"
		  "2J",
		    "\\u{9b}2J" },
		{ "\xe2\x80\xae"
		  "exe",
		    "\\u{202e}exe" },
		{ "\xe2\x81\xa6", "\\u{2066}" },
		{ "\xe2\x80\x8b", "\\u{200b}" },
		{ "\xef\xbb\xbf", "\\u{feff}" },
		{ "\xd8\x9c", "\\u{61c}" },
		{ "\xf3\xa0\x81\x81", "\\u{e0041}" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xe2\x82", "\\xe2\\x82" },
	};
	struct buf b;
	size_t i;

	buf_init(&b, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		assert_int_equal(
		    str_add_printable(&b, t[i].in, strlen(t[i].in)), 0);
		assert_string_equal(buf_str(&b), t[i].want);
	}
	buf_clear(&b);
	str_add_printable(&b, "a\0b", 3);
	assert_string_equal(buf_str(&b), "a\\x00b");
	buf_release(&b);
}

/* Lines and tabs stay, and what JSON would read as the same. */
static void
test_safe(void **state)
{
	static const struct {
		const char *in, *safe, *plain;
	} t[] = {
		{ "a\tb\n", "a\tb\n", "a\\x09b\\x0a" },
		{ "\x1b[2J\x7f", "\\u001b[2J\\u007f", "\\x1b[2J\\x7f" },
		{ "\xc2\x9b", "\\u009b", "\\u{9b}" },
		{ "\xe2\x80\xae", "\\u202e", "\\u{202e}" },
		{ "\xe3\x85\xa4\xc2\xad", "\\u3164\\u00ad",
		    "\\u{3164}\\u{ad}" },
		{ "\xf3\xa0\x81\x81", "\\udb40\\udc41", "\\u{e0041}" },
		{ "\xff", "\\ufffd", "\\xff" },
		/* a Cyrillic letter that looks like another */
		{ "p\xd0\xb0ypal", "p\xd0\xb0ypal", "p\\u{430}ypal" },
		{ "\xc3\xa4\xe6\xbc\xa2", "\xc3\xa4\xe6\xbc\xa2",
		    "\\u{e4}\\u{6f22}" },
	};
	struct buf b;
	size_t i;

	buf_init(&b, 1024);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		assert_int_equal(str_add_safe(&b, t[i].in, strlen(t[i].in)), 0);
		assert_string_equal(buf_str(&b), t[i].safe);
		buf_clear(&b);
		assert_int_equal(
		    str_add_plain(&b, t[i].in, strlen(t[i].in)), 0);
		assert_string_equal(buf_str(&b), t[i].plain);
	}
	buf_release(&b);
}

static void
test_marked(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: as it is */
	} rows[] = {
		{ "/etc/passwd 'web%' \\d+ ~", NULL },
		{ "M\u00fcller \u0141\u00f3d\u017a Vi\u1ec7t", NULL },
		{ "\u041c\u043e\u0441\u043a\u0432\u0430 \u65e5\u672c "
		  "\u05d0\u05d1",
		    NULL },
		{ "\u0391\u03b8\u03ae\u03bd\u03b1", NULL },
		/* one of them among Latin ones, or only such */
		{ "/et\u0441", "/et\\u{441}" },
		{ "p\u0430sswd x", "p\\u{430}sswd x" },
		{ "\u0441\u043e\u0441\u0430",
		    "\\u{441}\\u{43e}\\u{441}\\u{430}" },
		{ "\u039f\u039a", "\\u{39f}\\u{39a}" },
		{ "b\u03bfb.\u0438\u043c\u044f",
		    "b\\u{3bf}b.\u0438\u043c\u044f" },
		{ "\u0410\u0411c", "\\u{410}\\u{411}c" },
		/* another dress */
		{ "\uff41\uff42", "\\u{ff41}\\u{ff42}" },
		{ "\U0001d41a", "\\u{1d41a}" },
		{ "\u0131d", "\\u{131}d" },
		{ "e\u0301", "e\\u{301}" },
		/* signs and spaces */
		{ "a\u2044b\u00a0c\u2212d", "a\\u{2044}b\\u{a0}c\\u{2212}d" },
		{ "\u2018x\u2019", "\\u{2018}x\\u{2019}" },
		/* what moves others, or is not to be seen */
		{ "a\u202eb\u200bc", "a\\u{202e}b\\u{200b}c" },
		{ "a\x1b[2Jb\r\n\t\x7f", "a\\x1b[2Jb\\x0d\\x0a\\x09\\x7f" },
		{ "\xff\xc3", "\\xff\\xc3" },
		/* what could pose as the next line, or end unseen */
		{ " a b  c ", "\\x20a b \\x20c\\x20" },
		/* scripts that hold the shapes of Latin letters, of a slash */
		{ "\u15aainux", "\\u{15aa}inux" },
		{ "etc\u30cepasswd", "etc\\u{30ce}passwd" },
		{ "\u30ce\u30fc\u30c8", NULL },
		{ "\u01c9", "\\u{1c9}" },
		/* drawn as another path where letters turn the line round */
		{ "/\u05d0/1", "/\\u{5d0}/1" },
		{ "", NULL },
	};
	struct buf out;
	bool marked;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *want =
		    rows[i].want != NULL ? rows[i].want : rows[i].in;

		buf_init(&out, 4096);
		marked = false;
		assert_int_equal(str_add_marked(&out, rows[i].in,
				     strlen(rows[i].in), &marked),
		    0);
		assert_string_equal(buf_str(&out), want);
		assert_int_equal(marked, rows[i].want != NULL);
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marked),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearer),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
