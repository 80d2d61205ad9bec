/* SPDX-License-Identifier: MPL-2.0 */
/* Hexadecimal and base64. */
#include "base/hex.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static void
test_hex(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		int rc;
	} t[] = {
		{ "", 0, 0 },
		{ "00ff", 2, 0 },
		{ "aBcD", 2, 0 },
		{ "0", 0, ERR_INVALID },
		{ "00f", 2, ERR_INVALID },
		{ "00ff0", 2, ERR_INVALID },
		{ "00ff00", 2, ERR_INVALID },
		{ "0g", 1, ERR_INVALID },
		{ "g0", 1, ERR_INVALID },
		{ " 0", 1, ERR_INVALID },
		{ "0x", 1, ERR_INVALID },
		{ "\xc3\xa9", 1, ERR_INVALID },
	};
	uint8_t out[4], untouched[4];
	char text[9];
	size_t i;

	memset(untouched, 0x5a, sizeof(untouched));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(out, 0x5a, sizeof(out));
		if (hex_decode(t[i].in, out, t[i].len) != t[i].rc)
			fail_msg("'%s'", t[i].in);
		if (t[i].rc != 0)
			assert_memory_equal(out, untouched, sizeof(out));
	}
	assert_int_equal(hex_decode("DEADbeef", out, 4), 0);
	hex_encode(out, 4, text);
	assert_string_equal(text, "deadbeef");
}

static void
test_base64_good(void **state)
{
	/* RFC 4648 section 10 */
	static const struct {
		const char *plain;
		const char *text;
	} t[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	struct buf b;
	size_t i;

	buf_init(&b, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		buf_add_str(&b, ">");
		assert_int_equal(
		    b64_encode(&b, t[i].plain, strlen(t[i].plain)), 0);
		assert_string_equal(buf_str(&b) + 1, t[i].text);
		buf_clear(&b);
		buf_add_str(&b, ">");
		assert_int_equal(
		    b64_decode(&b, t[i].text, strlen(t[i].text)), 0);
		assert_string_equal(buf_str(&b) + 1, t[i].plain);
	}
	buf_release(&b);
}

static void
test_base64_bad(void **state)
{
	static const char *const t[] = { "Z", "Zg", "Zg=", "Zg===", "====", "=",
		"==", "A===", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v\n", "Zm 9v",
		"Zm9v====", "-_-_", "Zm9\xc3", "=Zg=", "Z=g=" };
	struct buf b;
	size_t i;

	buf_init(&b, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		buf_add_str(&b, "kept");
		if (b64_decode(&b, t[i], strlen(t[i])) != ERR_INVALID)
			fail_msg("'%s' was accepted", t[i]);
		assert_string_equal(buf_str(&b), "kept");
	}
	/* a NUL among the digits is not the end */
	buf_clear(&b);
	assert_int_equal(b64_decode(&b, "Zm\0v", 4), ERR_INVALID);
	buf_release(&b);
}

static void
test_base64_all_bytes(void **state)
{
	uint8_t all[256];
	struct buf text, back;
	size_t i, len;

	for (i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	for (len = 0; len <= sizeof(all); len++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(b64_encode(&text, all, len), 0);
		assert_int_equal(text.len, (len + 2) / 3 * 4);
		assert_int_equal(
		    b64_decode(&back, (const char *)text.data, text.len), 0);
		assert_int_equal(back.len, len);
		if (len > 0)
			assert_memory_equal(back.data, all, len);
	}
	buf_release(&text);
	buf_release(&back);
}

static void
test_base64_no_room(void **state)
{
	struct buf b;

	buf_init(&b, 3);
	assert_int_equal(b64_encode(&b, "abc", 3), ERR_TOOBIG);
	buf_clear(&b);
	b.max = 2;
	assert_int_equal(b64_decode(&b, "Zm9v", 4), ERR_TOOBIG);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_base64_good),
		cmocka_unit_test(test_base64_bad),
		cmocka_unit_test(test_base64_all_bytes),
		cmocka_unit_test(test_base64_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
