/* SPDX-License-Identifier: MPL-2.0 */
/* Command lines: every way to write an option, and what is refused. */
#include "client/cli.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct opt first[] = {
	{ "name", NULL, "REGEX", "a name" },
	{ "path", NULL, "PATH", "where" },
	{ "matchall", NULL, NULL, "all" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt second[] = {
	{ "t", "target", "TARGET", "whom" },
	{ "y", "yes", NULL, "do it" },
	{ "name", NULL, NULL, "hidden by the first table" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt *const tables[] = { first, second, NULL };

/* want: "opt=value opt ..." then " | words"; an error starts with '!'. */
static const struct {
	const char *argv[8];
	const char *want;
} cases[] = {
	{ { "-path", "/etc" }, "path=/etc" },
	{ { "--path", "/etc" }, "path=/etc" },
	{ { "-path=/etc" }, "path=/etc" },
	{ { "--path=/etc" }, "path=/etc" },
	{ { "--path=" }, "path=" },
	{ { "-path=a=b" }, "path=a=b" },
	{ { "-name", "-rw" }, "name=-rw" },
	{ { "-name", "--" }, "name=--" },
	{ { "-t", "all", "-y" }, "t=all y" },
	{ { "--target", "all", "--yes" }, "t=all y" },
	{ { "-path", "a", "-path", "b" }, "path=a path=b" },
	{ { "x", "-y", "z" }, "y | x z" },
	{ { "--", "-y" }, " | -y" },
	{ { "-" }, " | -" },
	{ { "-help" }, " help" },
	{ { "--help" }, " help" },
	{ { "-h" }, " help" },
	{ { "-path" }, "!-path needs a value: -path PATH" },
	{ { "-matchall=yes" }, "!-matchall takes no value" },
	{ { "-nmae", "x" }, "!unknown option -nmae, did you mean -name?" },
	{ { "--tarqet=x" }, "!unknown option -tarqet, did you mean -target?" },
	{ { "-q" }, "!unknown option -q" },
	{ { "-=x" }, "!unknown option -" },
	{ { "-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" },
	    "!unknown option -zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" },
};

static void
render(const struct opts *o, struct buf *out)
{
	size_t i;

	for (i = 0; i < o->n; i++) {
		buf_add_fmt(
		    out, "%s%s", i > 0 ? " " : "", o->values[i].opt->name);
		if (o->values[i].opt->arg != NULL)
			buf_add_fmt(out, "=%s", o->values[i].value);
	}
	if (o->help)
		buf_add_str(out, " help");
	if (o->nwords > 0)
		buf_add_str(out, " |");
	for (i = 0; i < o->nwords; i++)
		buf_add_fmt(out, " %s", o->words[i]);
}

static void
test_parse(void **state)
{
	struct err e;
	struct opts o;
	struct buf got;
	size_t i;
	int argc, r;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (argc = 0; cases[i].argv[argc] != NULL; argc++)
			;
		err_clear(&e);
		buf_init(&got, 4096);
		r = opts_parse(tables, argc,
		    (char *const *)(uintptr_t)cases[i].argv, &o, &e);
		if (r == 0) {
			render(&o, &got);
			opts_release(&o);
		} else {
			buf_add_fmt(&got, "!%s", e.msg);
		}
		assert_string_equal(
		    got.len > 0 ? buf_str(&got) : "", cases[i].want);
		buf_release(&got);
	}
}

static void
test_get(void **state)
{
	const char *argv[] = { "-path", "a", "-path", "b", "-y" }, *v = "";
	struct opts o;

	assert_int_equal(
	    opts_parse(tables, 5, (char *const *)(uintptr_t)argv, &o, NULL), 0);
	assert_string_equal(opts_get(&o, "path"), "b");
	assert_null(opts_get(&o, "name"));
	assert_null(opts_get(&o, "y"));
	assert_true(opts_has(&o, "y"));
	assert_false(opts_has(&o, "t"));
	assert_int_equal(opts_once(&o, "path", &v, NULL), ERR_INVALID);
	assert_int_equal(opts_once(&o, "y", &v, NULL), 0);
	assert_null(v);
	opts_release(&o);
}

static void
test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		size_t max, want;
	} rows[] = {
		{ "", "", 3, 0 },
		{ "path", "path", 3, 0 },
		{ "paht", "path", 3, 1 },
		{ "pth", "path", 3, 1 },
		{ "paath", "path", 3, 1 },
		{ "pash", "path", 3, 1 },
		{ "abc", "xyz", 3, 3 },
		{ "abcd", "wxyz", 3, 4 },
		{ "kitten", "sitting", 5, 3 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", 3,
		    4 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    cli_distance(rows[i].a, rows[i].b, rows[i].max),
		    rows[i].want);
		assert_int_equal(
		    cli_distance(rows[i].b, rows[i].a, rows[i].max),
		    rows[i].want);
	}
}

static void
test_help(void **state)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(opts_help(second, &out), 0);
	assert_non_null(
	    strstr(buf_str(&out), "  -t, -target TARGET      whom"));
	assert_non_null(strstr(buf_str(&out), "  -y, -yes "));
	buf_release(&out);
}

/* Lines end before the 81st column and go on under the text; a word that is
 * longer than the line is whole. */
static void
test_help_is_wrapped(void **state)
{
	static const char text[] =
	    "one two three four five six seven eight nine ten eleven twelve "
	    "thirteen fourteen fifteen sixteen\u2026 seventeen";
	static const struct opt long_text[] = {
		{ "x", NULL, "ARG", text },
		{ "a-name-that-leaves-no-place", NULL, NULL, text },
		{ NULL, NULL, NULL, NULL },
	};
	static const char want[] =
	    "one two three four five six seven eight nine ten\n"
	    "                          eleven twelve thirteen fourteen fifteen "
	    "sixteen\u2026\n"
	    "                          seventeen\n";
	char word[2 * CLI_WIDTH + 1];
	struct buf out;
	const char *p;

	buf_init(&out, 4096);
	assert_int_equal(opts_help(long_text, &out), 0);
	p = strstr(buf_str(&out), want);
	assert_non_null(p);
	assert_non_null(strstr(p + 1, want));
	buf_clear(&out);
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(cli_wrap(&out, 4, word), 0);
	assert_int_equal(out.len, sizeof(word));
	buf_release(&out);
}

static void
test_segment(void **state)
{
	static const struct {
		const char *argv[8];
		int want;
	} t[] = {
		{ { NULL }, 0 },
		{ { "+", "x" }, 0 },
		{ { "-path", "/etc", "-y", "+", "x" }, 3 },
		{ { "-path", "+", "+" }, 2 },
		{ { "--path=+", "+" }, 1 },
		{ { "-path", "-y", "+", "+" }, 2 },
		{ { "-nosuch", "+" }, 1 },
		{ { "--", "+" }, 2 },
		{ { "-path" }, 1 },
	};
	size_t i;
	int argc;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (argc = 0; t[i].argv[argc] != NULL; argc++)
			;
		assert_int_equal(opts_segment(tables, argc,
				     (char *const *)(uintptr_t)t[i].argv),
		    t[i].want);
	}
}

static void
test_collect(void **state)
{
	const char *a[] = { "-path", "/", "-t", "x" };
	const char *b[] = { "-t", "y", "-matchall", "-y" };
	struct opts one, other, all = { 0 };

	assert_int_equal(
	    opts_parse(tables, 4, (char *const *)(uintptr_t)a, &one, NULL), 0);
	assert_int_equal(
	    opts_parse(tables, 4, (char *const *)(uintptr_t)b, &other, NULL),
	    0);
	assert_int_equal(opts_collect(&one, tables, 1, &all, NULL), 0);
	assert_int_equal(opts_collect(&other, tables, 1, &all, NULL), 0);
	assert_int_equal(all.n, 3);
	assert_string_equal(opts_get(&all, "t"), "y");
	assert_true(opts_has(&all, "y"));
	assert_false(opts_has(&all, "path") || opts_has(&all, "matchall"));
	opts_release(&one);
	opts_release(&other);
	opts_release(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_is_wrapped),
		cmocka_unit_test(test_segment),
		cmocka_unit_test(test_collect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
