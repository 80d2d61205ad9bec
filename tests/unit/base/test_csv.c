/* SPDX-License-Identifier: MPL-2.0 */
#include "base/csv.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
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

/* A field as long as an agent's answer may make it, and each way of having no
 * room for it. */
static void
test_long_field(void **state)
{
	const size_t len = (size_t)3 * 512 * 1024;
	char *text = malloc(len + 1);
	struct buf b;

	assert_non_null(text);
	memset(text, 'a', len);
	text[0] = '=';
	text[len] = '\0';
	buf_init(&b, 2 * len);
	assert_int_equal(csv_field(&b, text), 0);
	assert_int_equal(b.len, len + 3);
	assert_memory_equal(b.data, "\"'=aa", 5);
	buf_release(&b);

	/* its printable form is longer than all that may be written */
	buf_init(&b, len / 2);
	assert_int_equal(csv_field(&b, text), ERR_TOOBIG);
	assert_int_equal(b.error, ERR_TOOBIG);
	assert_int_equal(b.len, 0);
	buf_release(&b);

	/* only the quotes have no room */
	buf_init(&b, len + 1);
	assert_int_equal(csv_field(&b, text), ERR_TOOBIG);
	buf_release(&b);

	/* what failed before stays what failed */
	buf_init(&b, 64);
	b.error = ERR_NOMEM;
	assert_int_equal(csv_field(&b, text), ERR_NOMEM);
	buf_release(&b);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_field),
		cmocka_unit_test(test_long_field) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
