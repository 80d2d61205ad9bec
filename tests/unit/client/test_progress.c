/* SPDX-License-Identifier: MPL-2.0 */
#include "client/print/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name;
	struct progress p;
	int width;
	const char *want;
} cases[] = {
	{ "start", { .expected = 3, .online = -1, .reconnecting = -1 }, 79,
	    "0/3 answered, 0 found" },
	{ "running",
	    { .expected = 1000,
		.answered = 412,
		.found = 3,
		.failed = 1,
		.online = 998,
		.rate = 213.4 },
	    79, "412/1000 answered, 3 found, 1 failed, 213/s, about 3s left" },
	{ "slow", { .expected = 10, .answered = 4, .online = 10, .rate = 0.5 },
	    79, "4/10 answered, 0 found, 0.5/s, about 13s left" },
	{ "only offline left",
	    { .expected = 10,
		.answered = 8,
		.online = 8,
		.expires_ms = 1000 + 90000 },
	    79, "8/10 answered, 0 found, 2 offline, may answer for 1m31s" },
	{ "reconnecting",
	    { .expected = 10, .answered = 1, .online = 4, .reconnecting = 6 },
	    79, "1/10 answered, 0 found, 6 reconnecting" },
	{ "note",
	    { .expected = 10,
		.answered = 1,
		.online = 4,
		.note = "connection lost, trying again",
		.rate = 9 },
	    79, "1/10 answered, 0 found, connection lost, trying again" },
	{ "complete",
	    { .expected = 3,
		.answered = 3,
		.found = 3,
		.online = 3,
		.rate = 2 },
	    79, "3/3 answered, 3 found" },
	{ "narrow",
	    { .expected = 1000,
		.answered = 412,
		.found = 3,
		.failed = 1,
		.online = 998,
		.rate = 213.4 },
	    32, "412/1000 answered, 3 found" },
	{ "very narrow", { .expected = 1000, .answered = 412 }, 10, "" },
	{ "no width", { .expected = 1000, .answered = 412 }, 0, "" },
	{ "more answers than expected",
	    { .expected = 3, .answered = 5, .online = 1, .rate = 1 }, 79,
	    "5/3 answered, 0 found" },
};

static void
test_format(void **state)
{
	struct buf out;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 4096);
		assert_int_equal(
		    progress_format(&cases[i].p, 1000, cases[i].width, &out),
		    0);
		assert_string_equal(
		    out.len > 0 ? buf_str(&out) : "", cases[i].want);
		assert_true(out.len <= (size_t)cases[i].width);
		buf_release(&out);
	}
}

static void
test_widths(void **state)
{
	struct progress p = cases[1].p;
	struct buf out;
	int w;

	for (w = 0; w < 120; w++) {
		buf_init(&out, 4096);
		progress_format(&p, 1000, w, &out);
		assert_true(out.len <= (size_t)w);
		assert_true(out.len == 0 ||
		    memchr(",", out.data[out.len - 1], 1) == NULL);
		buf_release(&out);
	}
}

static void
test_rate(void **state)
{
	struct progress p = { .expected = 1000 };

	p.answered = 100;
	progress_measure(&p, 100); /* too soon to say */
	assert_true(p.rate == 0);
	progress_measure(&p, 1000);
	assert_true(p.rate > 99 && p.rate < 101);
	p.answered = 300;
	progress_measure(&p, 2000);
	assert_true(p.rate > 149 && p.rate < 151);
	progress_measure(&p, 3000);
	progress_measure(&p, 4000);
	assert_true(p.rate < 50);
	p.answered = 0; /* never negative */
	progress_measure(&p, 5000);
	assert_true(p.rate >= 0);
	progress_measure(&p, 1000); /* a clock that stands still */
	assert_true(p.rate >= 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
