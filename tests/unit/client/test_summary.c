/* SPDX-License-Identifier: MPL-2.0 */
/* Exit codes, grouping, the last lines. */
#include "client/trust/seen.h"
#include "client/print/summary.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct {
	const char *name;
	struct summary s;
	int want;
} exits[] = {
	{ "found", { .expected = 1, .done = 1, .found = 1 }, EXIT_FOUND },
	{ "found, others failed",
	    { .expected = 2, .done = 1, .found = 1, .failed = 1 },
	    EXIT_INCOMPLETE },
	{ "found, one silent", { .expected = 2, .done = 1, .found = 1 },
	    EXIT_INCOMPLETE },
	{ "found, not everything seen",
	    { .expected = 1, .done = 1, .found = 1, .partial = 1 },
	    EXIT_FOUND },
	{ "not found", { .expected = 2, .done = 2 }, EXIT_NOTFOUND },
	{ "expected unknown", { .expected = -1, .done = 2 }, EXIT_NOTFOUND },
	{ "one failed", { .expected = 2, .done = 1, .failed = 1 },
	    EXIT_INCOMPLETE },
	{ "one refused", { .expected = 2, .done = 1, .refused = 1 },
	    EXIT_INCOMPLETE },
	{ "one silent", { .expected = 2, .done = 1 }, EXIT_INCOMPLETE },
	{ "not everything seen", { .expected = 1, .done = 1, .partial = 1 },
	    EXIT_INCOMPLETE },
	{ "a forged answer", { .expected = 1, .done = 1, .forged = 1 },
	    EXIT_INCOMPLETE },
	{ "interrupted", { .expected = 1, .done = 1, .interrupted = true },
	    EXIT_INCOMPLETE },
	{ "nobody", { .expected = 0 }, EXIT_INCOMPLETE },
	{ "found by one that failed",
	    { .expected = 1, .failed = 1, .found = 1 }, EXIT_INCOMPLETE },
};

static void
test_exit(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		if (summary_exit(&exits[i].s) != exits[i].want)
			fail_msg("%s: %d, not %d", exits[i].name,
			    summary_exit(&exits[i].s), exits[i].want);
}

static void
test_text(void **state)
{
	struct summary s;
	struct buf out;

	summary_init(&s);
	s.expected = 6;
	s.done = 2;
	s.found = 1;
	s.failed = 1;
	s.refused = 2;
	s.absent = 2;
	summary_add(&s.failures, "file: no room", "db7");
	summary_add(&s.refusals, "this agent is not targeted", "web10");
	summary_add(&s.refusals, "this agent is not targeted", "web9");
	summary_add(&s.missing, "offline", "old1 since 2026-01-01T00:00:00Z");
	buf_init(&out, 4096);
	assert_int_equal(summary_text(&s, 10, &out), 0);
	assert_string_equal(buf_str(&out),
	    "6 agents asked, 2 done, 1 found, 1 failed, 1 not answered, 2 "
	    "refused, 2 without a path asked for\n"
	    "  failed: file: no room: 1 (db7)\n"
	    "  refused: this agent is not targeted: 2 (web9, web10)\n"
	    "  not answered: offline: 1 (old1 since 2026-01-01T00:00:00Z)\n");
	buf_clear(&out);
	assert_int_equal(summary_json(&s, "ab", &out), 0);
	assert_non_null(strstr(buf_str(&out), "\"unanswered\":1"));
	assert_non_null(strstr(buf_str(&out), "\"absent\":2"));
	assert_non_null(strstr(buf_str(&out), "\"exitcode\":3"));
	assert_non_null(strstr(buf_str(&out),
	    "\"agents\":[\"web9\",\"web10\""
	    "]"));
	buf_release(&out);
	summary_release(&s);
}

static void
test_many_reasons(void **state)
{
	struct summary s;
	char reason[32];
	size_t i, sum = 0;

	summary_init(&s);
	for (i = 0; i < 1000; i++) {
		snprintf(reason, sizeof(reason), "reason %zu", i);
		summary_add(&s.failures, reason, "a");
	}
	assert_true(s.failures.n <= 65);
	for (i = 0; i < s.failures.n; i++)
		sum += s.failures.list[i].count;
	assert_int_equal(sum, 1000);
	summary_release(&s);
}

static void
test_groups(void **state)
{
	static const struct {
		size_t max;
		const char *want;
	} rows[] = {
		{ 0, "h1, h2, h3, h10" },
		{ 2, "h1, h2 and 2 more" },
		{ 3, "h1, h2, h3, h10" }, /* not "and 1 more" */
		{ 4, "h1, h2, h3, h10" },
	};
	struct groups g;
	struct buf out;
	size_t i;

	groups_init(&g, 2, 10);
	assert_int_equal(groups_add(&g, "same", 4, "h10"), 0);
	assert_int_equal(groups_add(&g, "other", 5, "x"), 0);
	assert_int_equal(groups_add(&g, "third", 5, "y"), ERR_TOOBIG);
	assert_int_equal(groups_add(&g, "same", 4, "h2"), 0);
	assert_int_equal(groups_add(&g, "same", 4, "h3"), 0);
	assert_int_equal(groups_add(&g, "same", 4, "h1"), 0);
	groups_sort(&g);
	assert_int_equal(g.n, 2);
	assert_string_equal(g.list[0].text, "same");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&out, 4096);
		assert_int_equal(group_names(&g.list[0], rows[i].max, &out), 0);
		assert_string_equal(buf_str(&out), rows[i].want);
		buf_release(&out);
	}
	groups_release(&g);
}

static void
test_groups_bytes(void **state)
{
	struct groups g;

	groups_init(&g, 100, 8);
	assert_int_equal(groups_add(&g, "12345", 5, "a"), 0);
	assert_int_equal(groups_add(&g, "1234", 4, "a"), ERR_TOOBIG);
	assert_int_equal(groups_add(&g, "123", 3, "a"), 0);
	/* prefixes and NUL bytes are different texts */
	assert_int_equal(groups_add(&g, "12\0", 3, "a"), ERR_TOOBIG);
	groups_release(&g);
}

/* As many as -group keeps, each twice, and again once they are sorted: looked
 * at one after the other they took seconds. */
static void
test_groups_many(void **state)
{
	const size_t many = 100000;
	struct groups g;
	char text[32];
	size_t i, round;
	clock_t start = clock();
	int len;

	groups_init(&g, many, SIZE_MAX);
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < many; i++) {
			len = snprintf(text, sizeof(text), "answer %zu", i);
			assert_int_equal(
			    groups_add(&g, text, (size_t)len, "h"), 0);
		}
		assert_int_equal(g.n, many);
		assert_int_equal(g.list[many - 1].count, round);
		groups_sort(&g);
	}
	assert_string_equal(g.list[0].text, "answer 0");
	assert_int_equal(groups_add(&g, "another", 7, "h"), ERR_TOOBIG);
	assert_true(clock() - start < 4 * CLOCKS_PER_SEC);
	groups_release(&g);
}

static void
test_seen(void **state)
{
	struct id key = { { 0 } }, a = { { 1 } }, b = { { 2 } };
	struct seen s;
	uint32_t i;

	seen_init(&s);
	assert_false(seen_has(&s, &key));
	for (i = 0; i < 5000; i++) {
		/* many share their first bytes: probing must still find */
		memcpy(key.b, &(uint32_t){ i % 7 }, 4);
		memcpy(key.b + 20, &i, 4);
		assert_int_equal(seen_add(&s, &key, &a), SEEN_NEW);
		assert_int_equal(seen_add(&s, &key, &a), SEEN_SAME);
		assert_int_equal(seen_add(&s, &key, &b), SEEN_DIFFERENT);
		assert_true(seen_has(&s, &key));
	}
	assert_int_equal(s.n, 5000);
	seen_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_many_reasons),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_groups_bytes),
		cmocka_unit_test(test_groups_many),
		cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
