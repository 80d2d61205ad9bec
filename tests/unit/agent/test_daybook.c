/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/store/daybook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 256
#define DAY 86400000
#define ALICE 1
#define BOB 2

static struct signed_by
by(uint8_t person)
{
	struct signed_by s;

	memset(&s, 0, sizeof(s));
	s.n = 1;
	memset(s.persons[0], person, PGP_FPR_LEN);
	return s;
}

/* A day takes so many of a person, of some more; what more there is, is
 * counted. One who may still carries those who may not. */
static void
so_many_a_day(void **state)
{
	struct signed_by alice = by(ALICE), bob = by(BOB), both = alice;
	const struct daybook_of *first;
	struct daybook d = { .begun = false };
	int i;

	both.n = 2;
	memset(both.persons[1], BOB, PGP_FPR_LEN);
	assert_int_equal(daybook_left(&d, 5), -1);
	for (i = 0; i < MOST; i++)
		assert_true(daybook_take(&d, &alice, MOST, 5, &first));
	assert_false(d.over);
	assert_false(daybook_take(&d, &alice, MOST, 6, &first));
	assert_non_null(first);
	assert_true(first->kept == MOST && first->more == 1 && d.over);
	assert_false(daybook_take(&d, &alice, MOST, 6, &first));
	assert_null(first);
	assert_true(daybook_take(&d, &bob, MOST, 6, &first));
	assert_true(daybook_take(&d, &both, MOST, 6, &first));
	for (i = MOST + 1; i < 4 * MOST; i++)
		assert_true(daybook_take(&d, &alice, 4 * MOST, 6, &first));
	assert_false(daybook_take(&d, &alice, 4 * MOST, 6, &first));
	assert_true(d.n == 2 && d.of[0].more == 3 && d.of[1].kept == 2);
	assert_int_equal(daybook_left(&d, 6), DAY - 1);
	assert_int_equal(daybook_left(&d, DAY + 5), 0);
}

/* More people than there is room for share one count; starts begin no new day.
 */
static void
days_of_many(void **state)
{
	struct daybook d = { .begun = false };
	const struct daybook_of *first;
	struct signed_by s;
	int i, n = 0;

	for (i = 0; i < DAYBOOK_PERSONS - 1; i++) {
		s = by((uint8_t)(i + 1));
		daybook_count(&d, &s, 1000 + i, 500);
	}
	s = by(ALICE);
	daybook_count(&d, &s, DAY, 500); /* of the day before */
	daybook_count(&d, &s, -1, 500);  /* of a clock that went back */
	assert_true(d.n == DAYBOOK_PERSONS - 1 && d.of[0].kept == 1);
	assert_int_equal(d.began, 500 - 1000 - (DAYBOOK_PERSONS - 2));
	for (i = 0; i < 300; i++) {
		s = by((uint8_t)(100 + i % 2));
		n += daybook_take(&d, &s, MOST, 500, &first);
	}
	assert_int_equal(n, MOST);
	assert_int_equal(d.n, DAYBOOK_PERSONS);
	assert_int_equal(d.of[DAYBOOK_PERSONS - 1].more, 300 - MOST);
	s = by(5);
	assert_true(daybook_take(&d, &s, MOST, 500, &first));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_a_day),
		cmocka_unit_test(days_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
