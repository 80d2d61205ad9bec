/* SPDX-License-Identifier: MPL-2.0 */
#include "base/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
test_field(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "", "\"\"" },
		{ "plain, text", "\"plain, text\"" },
		{ "a\"b", "\"a\"\"b\"" },
		{ "=1+1", "\"'=1+1\"" },
		{ "+1", "\"'+1\"" },
		{ "-1", "\"'-1\"" },
		{ "@A1", "\"'@A1\"" },
		{ "  =1", "\"'  =1\"" },
		{ "\xef\xbc\x9d"
		  "1",
		    "\"'\xef\xbc\x9d"
		    "1\"" },
		{ "\t=1", "\"\\x09=1\"" },
		{ "a\r\nb", "\"a\\x0d\\x0ab\"" },
		{ "\x1b[2J", "\"\\x1b[2J\"" },
		{ "1=1", "\"1=1\"" },
	};
	struct buf b;
	size_t i;

	buf_init(&b, 1024);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		assert_int_equal(csv_field(&b, t[i].in), 0);
		assert_string_equal(buf_str(&b), t[i].want);
	}
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_field) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
