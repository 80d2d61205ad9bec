/* SPDX-License-Identifier: MPL-2.0 */
/* Tables: what is cut, what marks it, and that no line is too wide. */
#include "client/print/table.h"

#include "base/err.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FPR "0123456789abcdef0123456789abcdef01234567"

static const char *const actions[] = { "ID", "STATUS", "CREATED", "ANSWERED",
	"BY", "NAME", NULL };
static const char *const agents[] = { "NAME", "ID", "STATE", "LAST SEEN",
	"SYSTEM", "VERSION", "ENROLMENT", "TAGS", NULL };

static void
fill(struct table *t, const char *const *head, const char *const *row)
{
	table_init(t, head);
	while (*row != NULL)
		table_cell(t, *row++);
}

static void
fill_actions(struct table *t)
{
	static const char *const row[] = { "89abcdef01234567", "complete",
		"2026-11-23T03:44:11Z", "3/3", FPR,
		"mig file -path /etc -name '^passwd$' -content '^root'", NULL };

	fill(t, actions, row);
}

static void
fill_agents(struct table *t)
{
	static const char *const row[] = { "web1.example.org",
		"89abcdef01234567", "online", "2026-11-23T03:44:11Z",
		"Debian GNU/Linux 13 (trixie)", "0.1.0", "unchecked",
		"operator=demo role=w\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
		NULL };

	fill(t, agents, row);
}

/* Columns of the widest line. */
static size_t
widest_line(struct buf *out)
{
	size_t most = 0, n = 0;
	const char *s;

	for (s = buf_str(out); *s != '\0'; s++) {
		if (*s == '\n')
			n = 0;
		else
			n += ((unsigned char)*s & 0xc0) != 0x80;
		most = n > most ? n : most;
	}
	return (most);
}

static void
print(const struct table *t, size_t width, const char *mark, struct buf *out,
    size_t want_left)
{
	size_t left = 99;

	buf_clear(out);
	assert_int_equal(table_print_width(t, width, mark, out, &left), 0);
	assert_int_equal(left, want_left);
	assert_true(widest_line(out) <= width);
}

static void
test_wide_is_whole(void **state)
{
	struct buf out, pipe;
	struct table t;

	buf_init(&out, 65536);
	buf_init(&pipe, 65536);
	fill_actions(&t);
	assert_int_equal(table_print(&t, &pipe), 0);
	print(&t, 200, "...", &out, 0);
	assert_string_equal(buf_str(&out), buf_str(&pipe));
	table_release(&t);
	buf_release(&pipe);
	buf_release(&out);
}

/* The id is what is copied; of the name and the time enough is left. */
static void
test_actions_in_80(void **state)
{
	struct buf out;
	struct table t;

	buf_init(&out, 65536);
	fill_actions(&t);
	print(&t, 80, "\u2026", &out, 0);
	assert_non_null(strstr(buf_str(&out),
	    "89abcdef01234567  complete  2026-11-23T03:44\u2026  3/3  "));
	assert_non_null(strstr(buf_str(&out), "  01234567\u2026  mig file "));
	assert_non_null(strstr(buf_str(&out), "\u2026\n"));
	print(&t, 80, "...", &out, 0);
	assert_non_null(strstr(buf_str(&out), "  012345...  mig file "));
	table_release(&t);
	buf_release(&out);
}

static void
test_agents_in_80(void **state)
{
	struct buf out;
	struct table t;

	buf_init(&out, 65536);
	fill_agents(&t);
	print(&t, 80, "\u2026", &out, 0);
	assert_non_null(strstr(buf_str(&out), "  TAGS\n"));
	assert_non_null(strstr(buf_str(&out), "  operato\u2026\n"));
	table_release(&t);
	buf_release(&out);
}

/* Columns at the end go, and are counted; the first stays. */
static void
test_narrower_than_any_cutting(void **state)
{
	struct buf out;
	struct table t;
	size_t width;

	buf_init(&out, 65536);
	fill_agents(&t);
	print(&t, 60, "\u2026", &out, 2);
	assert_null(strstr(buf_str(&out), "TAGS"));
	/* what stays has the room of what went, first the id */
	assert_non_null(strstr(buf_str(&out), "  89abcdef0\u2026  online"));
	print(&t, 9, "\u2026", &out, 7);
	assert_string_equal(buf_str(&out), "NAME\nweb1.exa\u2026\n");
	for (width = 0; width < 200; width++) {
		size_t left;

		buf_clear(&out);
		assert_int_equal(
		    table_print_width(&t, width, "...", &out, &left), 0);
		assert_true(widest_line(&out) <= width);
		assert_true(left < t.columns);
	}
	table_release(&t);
	buf_release(&out);
}

/* Wide characters take two columns, what is put on another none; no character
 * is torn and no line is too wide. */
static void
test_wide_characters(void **state)
{
	static const char *const head[] = { "NAME", "TAGS", NULL };
	static const char *const rows[] = { "\xe6\x9d\xb1\xe4\xba\xac",
		"a",               /* 4 columns */
		"e\xcc\x81z", "b", /* 2 */
		"\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac", "c", /* 8 */
		NULL };
	struct buf out;
	struct table t;
	size_t left;

	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	buf_init(&out, 65536);
	fill(&t, head, rows);
	assert_int_equal(table_print(&t, &out), 0);
	assert_string_equal(buf_str(&out),
	    "NAME      TAGS\n"
	    "\xe6\x9d\xb1\xe4\xba\xac      a\n"
	    "e\xcc\x81z        b\n"
	    "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac  c\n");
	buf_clear(&out);
	assert_int_equal(table_print_width(&t, 6, "+", &out, &left), 0);
	assert_string_equal(buf_str(&out),
	    "NAME\n"
	    "\xe6\x9d\xb1\xe4\xba\xac\n"
	    "e\xcc\x81z\n"
	    "\xe6\x9d\xb1\xe4\xba\xac+\n");
	table_release(&t);
	buf_release(&out);
	setlocale(LC_CTYPE, "C");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide_is_whole),
		cmocka_unit_test(test_actions_in_80),
		cmocka_unit_test(test_agents_in_80),
		cmocka_unit_test(test_narrower_than_any_cutting),
		cmocka_unit_test(test_wide_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
