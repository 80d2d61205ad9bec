/* SPDX-License-Identifier: MPL-2.0 */
/* Writing JSON. */
#include "base/jsonw.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static void
test_document(void **state)
{
	struct jsonw w;
	struct buf b;

	buf_init(&b, 1000);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "empty");
	jsonw_object_end(&w);
	jsonw_array(&w, "list");
	jsonw_i64(&w, NULL, INT64_MIN);
	jsonw_u64(&w, NULL, UINT64_MAX);
	jsonw_array(&w, NULL);
	jsonw_array_end(&w);
	jsonw_bool(&w, NULL, true);
	jsonw_null(&w, NULL);
	jsonw_array_end(&w);
	jsonw_bool(&w, "no", false);
	jsonw_raw(&w, "raw", "[1]", 3);
	jsonw_str(&w, "text", "x");
	jsonw_object_end(&w);
	assert_string_equal(buf_str(&b),
	    "{\"empty\":{},\"list\":[-9223372036854775808,"
	    "18446744073709551615,[],true,null],\"no\":false,\"raw\":[1],"
	    "\"text\":\"x\"}");
	buf_release(&b);
}

static void
test_strings(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} t[] = {
		{ "", 0, "\"\"" },
		{ "plain", 5, "\"plain\"" },
		{ "q\"b\\s/", 6, "\"q\\\"b\\\\s/\"" },
		{ "\n\t\r\b", 4, "\"\\n\\t\\u000d\\u0008\"" },
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "\x7f", 1, "\"\\u007f\"" },
		{ "\xc3\xa9", 2, "\"\xc3\xa9\"" },
		{ "\xe2\x82\xac!", 4, "\"\xe2\x82\xac!\"" },
		{ "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"" },
		{ "\xe2\x80\xae", 3, "\"\\u202e\"" },
		{ "\xc2\x9b", 2, "\"\\u009b\"" },
		{ "\xf3\xa0\x81\x81", 4, "\"\\udb40\\udc41\"" },
		{ "\xff", 1, "\"\\ufffd\"" },
		{ "\xc3", 1, "\"\\ufffd\"" },
		{ "\xc3(", 2, "\"\\ufffd(\"" },
		{ "\xe2\x82", 2, "\"\\ufffd\\ufffd\"" },
		{ "\xc0\x80", 2, "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	};
	struct jsonw w;
	struct buf b;
	size_t i;

	buf_init(&b, 1000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		jsonw_init(&w, &b);
		jsonw_strn(&w, NULL, t[i].in, t[i].len);
		assert_string_equal(buf_str(&b), t[i].want);
	}
	/* keys are escaped like values */
	buf_clear(&b);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "k\"\n", "v");
	jsonw_object_end(&w);
	assert_string_equal(buf_str(&b), "{\"k\\\"\\n\":\"v\"}");
	buf_release(&b);
}

static void
test_too_long(void **state)
{
	struct jsonw w;
	struct buf b;

	buf_init(&b, 10);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "key", "longer than ten");
	jsonw_object_end(&w);
	assert_int_equal(b.error, ERR_TOOBIG);
	assert_true(b.len <= 10);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
