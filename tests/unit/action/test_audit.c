/* SPDX-License-Identifier: MPL-2.0 */
/* The chain of the audit log, as audit.h describes it. */
#include "action/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Computed by another program (Python's hashlib). */
static void
test_known(void **state)
{
	struct audit_head h = { 0 };

	audit_next(&h, "{\"a\":1}", 7);
	assert_int_equal(h.n, 1);
	assert_string_equal(id_hex(&h.chain).s,
	    "06cbbbc4d86d49fbd9dcad9ddf363ebc"
	    "f6015adac804544fe6ff1c5f07053d33");
	audit_next(&h, "", 0);
	assert_int_equal(h.n, 2);
	assert_string_equal(id_hex(&h.chain).s,
	    "a0a12a80b5f5bf54c25408c4340cd27f"
	    "7d40f184437372ed8a26f955d4321a9a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
