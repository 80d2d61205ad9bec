/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static double
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Busy until it has used so much CPU time; how much of a core that was. */
static double
share(uint32_t percent, double cpu_seconds)
{
	double wall = now(CLOCK_MONOTONIC);
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	struct throttle t;

	throttle_begin(&t, percent);
	while (now(CLOCK_PROCESS_CPUTIME_ID) < cpu + cpu_seconds)
		throttle_pause(&t);
	return (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) /
	    (now(CLOCK_MONOTONIC) - wall);
}

static void
test_share(void **state)
{
	assert_true(share(50, 1) <= 0.55);
	assert_true(share(10, 0.2) <= 0.15);
}

/* What is cheap is not slowed down: it never sleeps. */
static void
test_burst(void **state)
{
	struct throttle t;
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	throttle_begin(&t, 1);
	while ((now(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 <
	    0.8 * THROTTLE_BURST_NS)
		throttle_pause(&t);
	assert_int_equal(t.slept_ns, 0);
	(void)share(0, 0.1);
}

/* Time spent waiting for a disk is not saved up to be spent at once: after an
 * hour of it there is one burst, not the 36 s that a hundredth of it would be.
 */
static void
test_no_credit(void **state)
{
	struct throttle t;
	double cpu;

	throttle_begin(&t, 1);
	t.wall_ns -= 3600 * (int64_t)1000000000;
	throttle_pause(&t);
	assert_true(t.left_ns <= THROTTLE_BURST_NS);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	while (t.slept_ns == 0) {
		throttle_pause(&t);
		/* far more than a burst, as one look may come late */
		assert_true(now(CLOCK_PROCESS_CPUTIME_ID) - cpu < 3);
	}
}

/* What others used while it was not asked was earned by then. */
static void
test_no_debt(void **state)
{
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	struct throttle t;

	throttle_begin(&t, 1000);
	while (now(CLOCK_PROCESS_CPUTIME_ID) < cpu + 0.2)
		;
	throttle_pause(&t);
	assert_int_equal(t.slept_ns, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_no_credit),
		cmocka_unit_test(test_no_debt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
