/* SPDX-License-Identifier: MPL-2.0 */
/* Plain objects, member by member. */
#include "json/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "key=value key:number ... ." when all of it is plain, else "... !". */
static const char *
told(const char *text)
{
	static char out[512];
	struct json_member m;
	struct json_plain p;
	size_t n = 0;
	int more;

	json_plain_init(&p, text, strlen(text));
	while ((more = json_plain_next(&p, &m)) > 0) {
		n += (size_t)snprintf(
		    out + n, sizeof(out) - n, "%.*s", (int)m.key_len, m.key);
		n += m.string != NULL
		    ? (size_t)snprintf(out + n, sizeof(out) - n, "=%.*s ",
			  (int)m.len, m.string)
		    : (size_t)snprintf(out + n, sizeof(out) - n, ":%lld ",
			  (long long)m.number);
	}
	snprintf(out + n, sizeof(out) - n, "%s", more == 0 ? "." : "!");
	return out;
}

static void
test_plain(void **state)
{
	assert_string_equal(told("{}"), ".");
	assert_string_equal(told("{\"a\":\"b c\",\"\":\"\",\"n\":0,\"m\":-5,"
				 "\"long\":999999999999999}"),
	    "a=b c = n:0 m:-5 long:999999999999999 .");
}

static void
test_not_plain(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "1", "\"a\"", "{} ",
		" {}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}",
		"{\"a\":1}{", "{\"a\": 1}", "{\"a\" :1}", "{a:1}", "{\"a\":01}",
		"{\"a\":-0}", "{\"a\":-}", "{\"a\":+1}", "{\"a\":1.0}",
		"{\"a\":1e3}", "{\"a\":1000000000000000}", "{\"a\":true}",
		"{\"a\":null}", "{\"a\":{}}", "{\"a\":[1]}", "{\"a\":\"b}",
		"{\"a\":\"\\n\"}", "{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}",
		"{\"a\":\"\xc3\xa9\"}", "{\"a\\u0062\":1}",
		"{\"a\":\"b\"\"c\":1}" };
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		end = strchr(told(texts[i]), '!');
		if (end == NULL)
			fail_msg("taken: %s", texts[i]);
	}
}

/* Nothing behind the length is looked at. */
static void
test_length(void **state)
{
	const char text[] = "{\"a\":12}";
	struct json_member m;
	struct json_plain p;
	size_t len;

	for (len = 0; len < strlen(text); len++) {
		json_plain_init(&p, text, len);
		while (json_plain_next(&p, &m) > 0)
			assert_true(json_member_is(&m, "a"));
		assert_int_equal(json_plain_next(&p, &m), -1);
	}
	json_plain_init(&p, text, len);
	assert_int_equal(json_plain_next(&p, &m), 1);
	assert_int_equal(m.number, 12);
	assert_false(json_member_is(&m, "ab"));
	assert_int_equal(json_plain_next(&p, &m), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_not_plain),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests_name("json/plain", tests, NULL, NULL);
}
