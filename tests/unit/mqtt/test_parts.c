/* SPDX-License-Identifier: MPL-2.0 */
/* Cutting answers and putting parts together. */
#include "mqtt/wire.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	size_t len;
	uint16_t parts;
} cuts[] = {
	{ 1, 1 },
	{ WIRE_FIRST_PART_MAX, 1 },
	{ WIRE_FIRST_PART_MAX + 1, 2 },
	{ WIRE_FIRST_PART_MAX + WIRE_PART_MAX, 2 },
	{ WIRE_FIRST_PART_MAX + WIRE_PART_MAX + 1, 3 },
	{ 16 * 1024 * 1024 + 309, 138 },
};

static void
answers_are_cut_without_gaps(void **state)
{
	size_t i, at, off, len;
	uint16_t p;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		assert_int_equal(wire_answer_parts(cuts[i].len), cuts[i].parts);
		at = 0;
		for (p = 0; p < cuts[i].parts; p++) {
			wire_answer_part(cuts[i].len, p, &off, &len);
			assert_int_equal(off, at);
			assert_in_range(len, 1,
			    p == 0 ? WIRE_FIRST_PART_MAX : WIRE_PART_MAX);
			at += len;
		}
		assert_int_equal(at, cuts[i].len);
		wire_answer_part(cuts[i].len, cuts[i].parts, &off, &len);
		assert_int_equal(len, 0);
	}
}

static void
any_order_and_repeated(void **state)
{
	static const uint16_t order[] = { 2, 0, 2, 3, 0, 1 };
	static const char *const text[] = { "one", "two", "three", "four" };
	struct wire_parts *p = wire_parts_new(4, 100);
	uint8_t *whole;
	size_t i, len;

	assert_non_null(p);
	assert_int_equal(wire_parts_missing(p), 0);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_false(wire_parts_complete(p));
		assert_int_not_equal(wire_parts_take(p, &whole, &len), 0);
		assert_int_equal(wire_parts_add(p, order[i], 4, text[order[i]],
				     strlen(text[order[i]])),
		    0);
	}
	assert_true(wire_parts_complete(p));
	assert_int_equal(wire_parts_missing(p), 4);
	assert_int_equal(wire_parts_take(p, &whole, &len), 0);
	assert_int_equal(len, 15);
	assert_memory_equal(whole, "onetwothreefour", 15);
	free(whole);
	wire_parts_free(p);
}

static void
what_does_not_fit_is_refused(void **state)
{
	struct wire_parts *p = wire_parts_new(3, 10);
	uint8_t *big = calloc(1, WIRE_PART_MAX + 1);

	assert_null(wire_parts_new(0, 10));
	assert_null(wire_parts_new(65535, 1024));
	assert_int_equal(wire_parts_add(p, 0, 3, "12345", 5), 0);
	assert_int_equal(wire_parts_add(p, 0, 3, "12346", 5), ERR_INVALID);
	assert_int_equal(wire_parts_add(p, 0, 3, "1234", 4), ERR_INVALID);
	assert_int_equal(wire_parts_add(p, 1, 4, "x", 1), ERR_INVALID);
	assert_int_equal(wire_parts_add(p, 3, 3, "x", 1), ERR_INVALID);
	assert_int_equal(wire_parts_add(p, 1, 3, "", 0), ERR_INVALID);
	assert_int_equal(wire_parts_add(p, 1, 3, "123456", 6), ERR_TOOBIG);
	assert_int_equal(
	    wire_parts_add(p, 1, 3, big, WIRE_PART_MAX + 1), ERR_TOOBIG);
	assert_int_equal(wire_parts_add(p, 1, 3, "12345", 5), 0);
	assert_int_equal(wire_parts_missing(p), 2);
	wire_parts_free(p);
	wire_parts_free(NULL);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_cut_without_gaps),
		cmocka_unit_test(any_order_and_repeated),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
