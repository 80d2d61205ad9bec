/* SPDX-License-Identifier: MPL-2.0 */
#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FULL 3000000 /* three seconds */
#define PRICE 500000

static void
test_burst_and_wait(void **state)
{
	struct bucket b = { 0 };
	int64_t now = 1000000;
	int i;

	for (i = 0; i < 6; i++)
		assert_int_equal(bucket_take(&b, FULL, PRICE, now), 0);
	assert_int_equal(bucket_used(&b, now), FULL);
	/* asking takes nothing; who waits as long as he is told may go on */
	for (i = 0; i < 3; i++)
		assert_int_equal(bucket_take(&b, FULL, PRICE, now), 500);
	assert_int_equal(bucket_take(&b, FULL, PRICE, now + 499), 1);
	assert_int_equal(bucket_take(&b, FULL, PRICE, now + 500), 0);
	assert_int_equal(bucket_take(&b, FULL, PRICE, now + 500), 500);
	/* it never holds more than it does */
	now += 1000000;
	assert_int_equal(bucket_used(&b, now), 0);
	for (i = 0; i < 6; i++)
		assert_int_equal(bucket_take(&b, FULL, PRICE, now), 0);
	assert_int_not_equal(bucket_take(&b, FULL, PRICE, now), 0);
}

static void
test_parts_of_milliseconds(void **state)
{
	struct bucket b = { 0 };
	int64_t now = 5, taken = 0;

	/* 7 in a minute: 60 s / 7, rounded down */
	for (; now < 5 + 600000; now++)
		taken += bucket_take(&b, 60000000, 60000000 / 7, now) == 0;
	assert_in_range(taken, 7 + 69, 7 + 70);
	/* what costs nothing is always to be had */
	assert_int_equal(bucket_take(&b, 60000000, 0, now), 0);
	assert_int_equal(bucket_take(&b, 1000, 1000, INT64_MAX), 0);
}

static void
test_a_clock_that_goes_back(void **state)
{
	struct bucket b = { 0 };

	assert_int_equal(bucket_take(&b, FULL, FULL - PRICE, 10000), 0);
	assert_int_equal(bucket_take(&b, FULL, PRICE, 0), 0);
	/* the ten seconds have not passed once more */
	assert_int_equal(bucket_take(&b, FULL, FULL, 10000), 3000);
	assert_int_equal(bucket_used(&b, 10000), FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_wait),
		cmocka_unit_test(test_parts_of_milliseconds),
		cmocka_unit_test(test_a_clock_that_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
