/* SPDX-License-Identifier: MPL-2.0 */
/* Ids. */
#include "base/id.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
test_round(void **state)
{
	struct id a, b, zero;

	memset(&zero, 0, sizeof(zero));
	assert_int_equal(id_parse(HEX, &a), 0);
	assert_string_equal(id_hex(&a).s, HEX);
	assert_string_equal(id_short(&a).s, "001122334455");
	b = a;
	assert_true(id_equal(&a, &b));
	b.b[ID_LEN - 1] ^= 1;
	assert_false(id_equal(&a, &b));
	assert_false(id_is_zero(&a));
	assert_true(id_is_zero(&zero));
}

static void
test_bad(void **state)
{
	static const char *const t[] = { "", "00", HEX "0", HEX "00",
		"g0112233445566778899aabbccddeeff"
		"00112233445566778899aabbccddeeff",
		" 0112233445566778899aabbccddeeff"
		"00112233445566778899aabbccddeeff" };
	struct id a;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(id_parse(t[i], &a), ERR_INVALID);
}

static void
test_lower(void **state)
{
	static const char upper[] = "A"
				    "0112233445566778899aabbccddeeff"
				    "00112233445566778899aabbccddeeff";
	struct id a, b, before;

	assert_int_equal(id_parse(HEX, &a), 0);
	assert_int_equal(id_parse_lower(HEX, &b), 0);
	assert_true(id_equal(&a, &b));
	before = b;
	assert_int_equal(id_parse(upper, &a), 0);
	assert_int_equal(id_parse_lower(upper, &b), ERR_INVALID);
	assert_int_equal(id_parse_lower(HEX "0", &b), ERR_INVALID);
	assert_true(id_equal(&b, &before));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
