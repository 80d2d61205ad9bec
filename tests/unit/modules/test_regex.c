/* SPDX-License-Identifier: MPL-2.0 */
/* modules/regex: what is accepted, what is refused and with which words, and
 * a few exact translations. What they match is in unit-scan-match. */
#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
test_accepts(void **state)
{
	static const char *const good[] = { "", "a", "a|", "^$", "a*?b+?c??",
		"(?i)x(?-i)y", "(?P<name>a)(?<other>b)", "(?i:a)(?s-m:.)",
		"[]a]", "[^]a]", "[a-]", "[[:word:][:^digit:]x]", "\\pN\\PL",
		"\\p{Greek}\\p{^Lu}", "[\\d\\pL-]", "\\Qa.b*\\E+", "\\Qopen",
		"\\x{10ffff}\\xff\\123\\0", "\\a\\f\\t\\n\\r\\v\\C",
		"\\A\\b\\B\\z", "a{2}b{2,}c{2,5}d{,3}e{x", "(?U)a+", "{", "}",
		"]", "(((((a)))))", "(?:a{2}){500}",
		("\xc3\xa9[\xc3\xa0-\xc3"
		 "\xbf]"),
		"\\.\\-\\_\\/\\~" };
	struct regex *re;
	uint64_t cost;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		err_clear(&e);
		if (regex_parse(good[i], &re, &e) != 0)
			fail_msg("%s: %s", good[i], e.msg);
		regex_free(re);
		cost = 0;
		assert_int_equal(regex_check(good[i], &cost, &e), 0);
		assert_true(cost > 0);
	}
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *in, *want;
	} bad[] = {
		{ "(?=a)", "look-ahead (?=...) is not supported" },
		{ "a(?!b)", "at byte 2: look-ahead (?!...)" },
		{ "(?<=a)", "look-behind (?<=...)" },
		{ "(?<!a)", "look-behind (?<!...)" },
		{ "(a)\\1", "backreferences" },
		{ "(?P=x)", "backreferences (?P=name)" },
		{ "\\k<x>", "named backreferences" },
		{ "(?>a)", "atomic groups" },
		{ "(?#x)", "comments" },
		{ "(?R)", "recursion" },
		{ "a++", "possessive" },
		{ "a**", "a repeat of a repeat" },
		{ "*a", "nothing to repeat" },
		{ "(?i)*", "nothing to repeat" },
		{ "(", "( without )" },
		{ "a)", ") without (" },
		{ "[a", "[ without ]" },
		{ "[z-a]", "ends before it begins" },
		{ "[[:nope:]]", "unknown class name" },
		{ "\\p{Nope}", "unknown Unicode class" },
		{ "\\p{L", "without }" },
		{ "\\Z", "use \\z" },
		{ "\\y", "unknown escape \\y" },
		{ "\\xg0", "\\x needs two" },
		{ "\\x{110000}", "not a character's number" },
		{ "a\\", "a backslash at the end" },
		{ "a{1001}", "max <= 1000" },
		{ "a{5,2}", "min <= max" },
		{ "(?:a{100}){100}", "more than 1000 copies" },
		{ "(?z)", "unknown kind of group" },
		{ "(?P<n", "a group's name" },
		{ "\xff", "not UTF-8" },
	};
	struct regex *re;
	struct err e, e2;
	uint64_t cost;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&e);
		if (regex_parse(bad[i].in, &re, &e) == 0)
			fail_msg("%s was accepted", bad[i].in);
		if (strstr(e.msg, bad[i].want) == NULL)
			fail_msg("%s: '%s', wanted '%s'", bad[i].in, e.msg,
			    bad[i].want);
		/* a mere check says the same */
		err_clear(&e2);
		assert_int_equal(regex_check(bad[i].in, &cost, &e2), e.code);
		assert_string_equal(e2.msg, e.msg);
	}
}

static void
test_limits(void **state)
{
	char *deep = malloc(REGEX_MAX + 2);
	struct regex *re;
	struct err e;

	memset(deep, '(', 1000);
	deep[1000] = '\0';
	assert_int_not_equal(regex_parse(deep, &re, &e), 0);
	assert_non_null(strstr(e.msg, "too deeply"));
	memset(deep, 'a', REGEX_MAX + 1);
	deep[REGEX_MAX + 1] = '\0';
	assert_int_equal(regex_parse(deep, &re, &e), ERR_TOOBIG);
	free(deep);
}

static void
test_writes(void **state)
{
	static const struct {
		const char *in;
		enum regex_form form;
		const char *want; /* NULL: never matches */
	} table[] = {
		{ "^a$", REGEX_TEXT, "\\A\\x61\\z" },
		{ "^a$", REGEX_LINES, "^\\x61$" },
		{ "^a$", REGEX_WHOLE_LINES, "(?:^\\x61\\x0a)" },
		{ "(?m)^a", REGEX_TEXT, "(?m:^)\\x61" },
		{ "(?m)^$", REGEX_TEXT, "(?m:^)(?=)(?m:$)" },
		{ "(?m)^$", REGEX_LINES, "^$" },
		{ "(?i)k", REGEX_LINES, "[\\x4b\\x6b]" },
		{ "[^a]", REGEX_LINES,
		    "(?:[\\x00-\\x09\\x0b-\\x60"
		    "\\x62-\\xff]|[\\xc2-\\xdf][\\x80-\\xbf]|[\\xe0-\\xef]"
		    "[\\x80-\\xbf]{2}|[\\xf0-\\xf4][\\x80-\\xbf]{3})" },
		{ ".*", REGEX_LINES, "[\\x00-\\x09\\x0b-\\xff]*" },
		{ "\xc3\xa9", REGEX_LINES, "(?:\\xc3\\xa9)" },
		{ "\\xff", REGEX_LINES, "(?:\\xff|\\xc3\\xbf)" },
		{ "a\\nb", REGEX_LINES, NULL },
		{ "a\\nb", REGEX_TEXT, "\\x61\\x0a\\x62" },
		{ "a|\\n", REGEX_LINES, "(?:\\x61)" },
	};
	struct regex *re;
	struct buf out;
	size_t i;
	int rc;

	buf_init(&out, 65536);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		buf_clear(&out);
		assert_int_equal(regex_parse(table[i].in, &re, NULL), 0);
		rc = regex_write(re, table[i].form, &out);
		regex_free(re);
		if (table[i].want == NULL)
			assert_int_equal(rc, ERR_NOTFOUND);
		else
			assert_string_equal(buf_str(&out), table[i].want);
	}
	buf_release(&out);
}

static void
test_cost(void **state)
{
	static const struct {
		const char *in;
		uint64_t min, max;
	} table[] = {
		{ "abc", 3, 10 },
		{ "(?:abc){100}", 300, 1000 },
		{ "(?:a{10}){100}", 1000, 5000 },
		{ "\\pL", 648, 660 },
		{ "(?i)[^\\pL\\p{Greek}]", 684, 700 },
		{ "\\pL{1,1000}", 648000, 660000 },
		{ "(?i)[\\x{80}-\\x{10ffff}]", 4000, 4200 },
		{ "(?i)\xc3\xa9", 2, 10 },
	};
	uint64_t cost;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(regex_check(table[i].in, &cost, &e), 0);
		if (cost < table[i].min || cost > table[i].max)
			fail_msg("%s: %d", table[i].in, (int)cost);
	}
}

/* Named classes are kept: made, negated and folded ones are told apart, and
 * the second time says what the first did. */
static void
test_named(void **state)
{
	static const struct {
		const char *a, *b; /* the same */
	} table[] = {
		{ "\\p{Me}",
		    "[\\x{488}\\x{489}\\x{1abe}\\x{20dd}-"
		    "\\x{20e0}\\x{20e2}-\\x{20e4}\\x{a670}-"
		    "\\x{a672}]" },
		{ "\\P{Me}", "[^\\p{Me}]" },
		{ "(?i)\\p{Lt}",
		    "(?i)[\\x{1c5}\\x{1c8}\\x{1cb}\\x{1f2}\\x{1f88}-"
		    "\\x{1f8f}\\x{1f98}-\\x{1f9f}\\x{1fa8}-\\x{1faf}"
		    "\\x{1fbc}\\x{1fcc}\\x{1ffc}]" },
		{ "(?i)[^\\p{Lt}]",
		    "[^\\x{1c4}-\\x{1cc}\\x{1f1}-\\x{1f3}"
		    "\\x{1f80}-\\x{1faf}\\x{1fb3}\\x{1fbc}"
		    "\\x{1fc3}\\x{1fcc}\\x{1ff3}\\x{1ffc}]" },
		{ "(?i)\\p{Lu}", "(?i)\\p{Lu}" },
		{ "\\p{Any}", "[\\x{0}-\\x{10ffff}]" },
		{ "(?i)[\\p{Greek}k]", "[Kk[:^ascii:]]" }, /* not the same */
		/* four that fold to one */
		{ "(?i)\\x{1c88}", "[\\x{1c88}\\x{a64a}\\x{a64b}]" },
		{ "(?i)\\x{3b8}", "[\\x{3b8}\\x{398}\\x{3d1}\\x{3f4}]" },
		{ "(?i)\\x{3f4}", "[\\x{3b8}\\x{398}\\x{3d1}\\x{3f4}]" },
		{ "(?i)\\x{212a}", "\\x{212a}" }, /* ASCII stays in ASCII */
	};
	struct buf out[2];
	struct regex *re;
	size_t i, k, round;

	for (k = 0; k < 2; k++)
		buf_init(&out[k], 1024 * 1024);
	for (i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
		round = i / 2;
		for (k = 0; k < 2; k++) {
			buf_clear(&out[k]);
			assert_int_equal(regex_parse(k == 0 ? table[round].a
							    : table[round].b,
					     &re, NULL),
			    0);
			assert_int_equal(
			    regex_write(re, REGEX_TEXT, &out[k]), 0);
			regex_free(re);
		}
		if (strstr(table[round].b, "ascii") != NULL)
			assert_string_not_equal(
			    buf_str(&out[0]), buf_str(&out[1]));
		else
			assert_string_equal(buf_str(&out[0]), buf_str(&out[1]));
	}
	for (k = 0; k < 2; k++)
		buf_release(&out[k]);
}

static void
test_longest(void **state)
{
	static const struct {
		const char *re;
		size_t want;
	} table[] = { { "", 0 }, { "^abc$", 3 }, { "a|bcd", 3 },
		{ "a{2,7}", 7 }, { "(ab?){3}", 6 }, { "a*", SIZE_MAX },
		{ "a.c", 6 }, { "\\xff", 2 }, { "caf\xc3\xa9", 5 },
		{ "x+|y", SIZE_MAX }, { "\\C{9}", 9 },
		{ "(?:a{1000})", 1000 } };
	struct regex *re;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(regex_parse(table[i].re, &re, &e), 0);
		if (regex_longest(re) != table[i].want)
			fail_msg("%s: %zu", table[i].re, regex_longest(re));
		regex_free(re);
	}
}

static void
test_trim(void **state)
{
	static const struct {
		const char *re, *want;
	} table[] = { { ".*needle.*", "needle" }, { "(?s).*needle", "needle" },
		{ "needle[0-9]+", "needle[0-9]" },
		{ "a{2,}b{3,7}", "a{2}b{3}" }, { "(?:(x*)needle)", "needle" },
		{ "a*", "" }, { ".*b.*c", "b.*c" }, { "a*|b", "a*|b" },
		{ "^a*", "^" }, { "a*$", "$" }, { "\\ba*b", "\\ba*b" },
		{ "a|b*", "a|b*" }, { "", "" } };
	struct regex *re, *want;
	struct buf got, wanted;
	struct err e;
	size_t i;

	buf_init(&got, 65536);
	buf_init(&wanted, 65536);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(regex_parse(table[i].re, &re, &e), 0);
		assert_int_equal(regex_parse(table[i].want, &want, &e), 0);
		regex_trim(re);
		buf_clear(&got);
		buf_clear(&wanted);
		assert_int_equal(regex_write(re, REGEX_TEXT, &got), 0);
		assert_int_equal(regex_write(want, REGEX_TEXT, &wanted), 0);
		if (strcmp(buf_str(&got), buf_str(&wanted)) != 0)
			fail_msg("%s: %s", table[i].re, buf_str(&got));
		assert_int_equal(regex_longest(re), regex_longest(want));
		regex_free(re);
		regex_free(want);
	}
	buf_release(&got);
	buf_release(&wanted);
}

static void
test_literal(void **state)
{
	static const struct {
		const char *source, *want;
	} cases[] = {
		{ "needle", "needle" },
		{ "^needle$", "needle" },
		{ "ab[0-9]cdefg", "cdefg" },
		{ "ab(cd)ef", "abcdef" },
		{ "ab(cd)?ef", "ab" },
		{ "ab(cdef)+gh", "cdef" },
		{ "ab(cdef)*g", "ab" },
		{ "abcd|efgh", "" },
		{ "x(abcd|efgh)yz", "yz" },
		{ "(?i)abcd12", "12" },
		{ "abcd?", "abc" },
		{ "ab\\.cd", "ab.cd" },
		{ "\\x41B[C]D", "ABCD" },
		{ "ab\\ncdef", "cdef" },
		{ "a\\bbcd", "bcd" },
		{ "k\u00e9abc", "abc" },
		{ ".*", "" },
		{ "", "" },
		{ "0123456789012345678901234567890123456789",
		    "01234567890123456789012345678901" },
	};
	uint8_t got[REGEX_LITERAL_MAX];
	struct regex *re;
	struct err e;
	size_t i, len;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(regex_parse(cases[i].source, &re, &e), 0);
		len = regex_literal(re, got);
		if (len != strlen(cases[i].want) ||
		    memcmp(got, cases[i].want, len) != 0)
			fail_msg("%s: '%.*s'", cases[i].source, (int)len,
			    (const char *)got);
		regex_free(re);
	}
}

/* As "text text ... before". */
static void
write_needles(const struct regex_needles *n, char *out, size_t size)
{
	size_t i, at = 0;

	out[0] = '\0';
	for (i = 0; i < n->n; i++)
		at += (size_t)snprintf(out + at, size - at, "%.*s ",
		    n->list[i].len, (const char *)n->list[i].bytes);
	if (n->n > 0)
		snprintf(out + at, size - at, "%s",
		    n->before == SIZE_MAX ? "any"
			: n->before == 0  ? "0"
			: n->before == 4  ? "4"
					  : "more");
}

static void
test_needles(void **state)
{
	static const struct {
		const char *source, *want;
	} cases[] = {
		{ "needle", "needle 0" },
		{ "mozilla|firefox", "mozilla firefox 0" },
		{ "abcd|x", "" },
		{ "abcd|[xy]efgh", "abcd xefgh yefgh 0" },
		{ "https?://evil[0-9]", "http://evil https://evil 0" },
		{ "[ab]{1,4}needle", "needle 4" },
		{ ".*needle", "needle any" },
		{ ".*needle|abcd", "needle abcd any" },
		{ "(?:x*needle)+", "needle any" },
		{ "(?:ab|cd)efgh{2}", "abefghh cdefghh 0" },
		{ "(?i)ab12", "AB12 Ab12 aB12 ab12 0" },
		{ "(?i)k[12]x3", "K1X3 K1x3 K2X3 K2x3 k1X3 k1x3 k2X3 k2x3 0" },
		{ "needle(?:abcd)?", "needle 0" },
		{ "needle\\n", "needle 0" },
		{ "^\\bneedle$", "needle 0" },
		{ "a{6}", "aaaaaa 0" },
		{ "(?:abcd){0}efgh", "efgh 0" },
		{ "(?:abcdef|)x", "" },
		{ "abc", "" },
		{ "[^a]bcd", "" },
		{ "", "" },
	};
	struct regex_needles n;
	struct regex *re;
	struct err e;
	char got[1024];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(regex_parse(cases[i].source, &re, &e), 0);
		regex_needles(re, &n);
		write_needles(&n, got, sizeof(got));
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: '%s'", cases[i].source, got);
		regex_free(re);
	}
	/* a character and a byte that stands for itself */
	assert_int_equal(regex_parse("ab\\xe9c", &re, &e), 0);
	regex_needles(re, &n);
	assert_int_equal(n.n, 2);
	assert_memory_equal(n.list[0].bytes,
	    "ab\xe9"
	    "c",
	    4);
	assert_memory_equal(n.list[1].bytes,
	    "ab\xc3\xa9"
	    "c",
	    5);
	regex_free(re);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_literal),
		cmocka_unit_test(test_needles),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
