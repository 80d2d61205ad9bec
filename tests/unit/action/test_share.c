/* SPDX-License-Identifier: MPL-2.0 */
/* Share documents: made and read, held against fixed bytes. */
#include "action/share.h"

#include "base/err.h"
#include "crypto/purpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <cmocka.h>

#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define FPR "abababababababababababababababababababab"
#define NONCE "\"nonce\":\"000102030405060708090a0b0c0d0e0f\""
#define UPPER                              \
	"ABABABABABABABABABABABABABABABAB" \
	"ABABABABABABABABABABABABABABABAB"
#define ACTION "\"action\":\"" ID "\""
#define TO "\"to\":\"" FPR "\""
#define KEY                                           \
	"\"key\":\"-----BEGIN PGP MESSAGE-----\\n\\n" \
	"YWJj\\n-----END PGP MESSAGE-----\\n\""
#define TIME "\"time\":\"2026-11-23T03:44:11Z\""
#define HEAD "{\"syntaxversion\":3," NONCE ","
#define KNOWN HEAD ACTION "," TO "," KEY "," TIME "}"

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

/* The nonce is 00 01 02 ... */
ssize_t
__wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)i;
	return (ssize_t)len;
}

static int
parse(const char *text, struct share *s, struct err *e)
{
	err_clear(e);
	return share_parse(text, strlen(text), s, e);
}

/* Written by hand from doc/protocol.md; the digest is by Python's hashlib, of
 * "MIG share v3\n289\n" and the text. */
static void
test_known(void **state)
{
	struct share s;
	struct id hash;
	struct buf out;
	struct err e;

	if (parse(KNOWN, &s, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(id_hex(&s.action).s, ID);
	assert_string_equal(s.to, FPR);
	assert_string_equal(s.key,
	    "-----BEGIN PGP MESSAGE-----\n\nYWJj\n"
	    "-----END PGP MESSAGE-----\n");
	assert_int_equal(s.time_s, 1795405451);
	buf_init(&out, SHARE_DOC_MAX);
	assert_int_equal(
	    share_build(&s.action, s.to, s.key, s.time_s, &out, &e), 0);
	assert_string_equal(buf_str(&out), KNOWN);
	purpose_hash(PURPOSE_SHARE, out.data, out.len, &hash);
	assert_string_equal(id_hex(&hash).s,
	    "e9122c69693b51b99cbcdfe4951e9630"
	    "26969a10cf7993dccfa8dc8e7fa1af46");
	buf_release(&out);
	share_release(&s);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} tests[] = {
		{ "[]", "expected a JSON object" },
		{ "{\"syntaxversion\":2," NONCE "," ACTION "," TO "," KEY
		  "," TIME "}",
		    "syntaxversion" },
		{ HEAD TO "," KEY "," TIME "}", "action" },
		{ HEAD "\"action\":\"11\"," TO "," KEY "," TIME "}", "action" },
		{ HEAD ACTION ",\"to\":\"" ID "\"," KEY "," TIME "}", "to" },
		{ HEAD ACTION ",\"to\":\"ABABABABABABABABABABABABABABABABAB"
			      "ABABAB\"," KEY "," TIME "}",
		    "to" },
		{ HEAD ACTION "," TO ",\"key\":\"YWJj\"," TIME "}", "key" },
		{ HEAD ACTION "," TO "," KEY ",\"time\":\"now\"}", "time" },
		{ HEAD ACTION "," TO "," KEY
			      ",\"time\":\"2026-11-23T03:44:11.5Z\"}",
		    "time" },
		{ HEAD "\"action\":\"" UPPER "\"," TO "," KEY "," TIME "}",
		    "action: expected 64 lower-case" },
		{ HEAD ACTION "," TO "," KEY "," TIME ",\"more\":1}", "more" },
		{ HEAD ACTION "," ACTION "," TO "," KEY "," TIME "}",
		    "action" },
	};
	struct share s;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		assert_int_equal(parse(tests[i].text, &s, &e), ERR_INVALID);
		if (strstr(e.msg, tests[i].want) == NULL)
			fail_msg("%s: %s", tests[i].text, e.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
