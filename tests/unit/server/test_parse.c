/* SPDX-License-Identifier: MPL-2.0 */
/* The document of a login, held against fixed bytes. */
#include "server/parse.h"

#include "base/err.h"
#include "crypto/purpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define X8(b) b b b b b b b b
#define X64(b) X8(X8(b))
#define SERVER "\"server\":\"https://mig.example:8443\""
#define CA "\"ca\":\"" X64("a") "\""
#define NONCE "\"nonce\":\"" X64("b") "\""
#define TIME "\"time\":\"2026-11-23T03:44:11Z\""
#define HEAD "{\"syntaxversion\":3,"
#define KNOWN HEAD SERVER "," CA "," NONCE "," TIME "}"

/* Written by hand from doc/protocol.md; the digest is by Python's hashlib, of
 * "MIG session v3\n232\n" and the text. */
static void
test_login_known(void **state)
{
	struct login_doc d;
	struct id hash;
	struct err e;

	assert_int_equal(login_doc_parse(KNOWN, strlen(KNOWN), &d, &e), 0);
	assert_string_equal(d.server, "https://mig.example:8443");
	assert_true(d.ca_is_id);
	assert_string_equal(id_hex(&d.ca).s, X64("a"));
	assert_string_equal(id_hex(&d.nonce).s, X64("b"));
	assert_int_equal(d.time, 1795405451);
	purpose_hash(PURPOSE_SESSION, KNOWN, strlen(KNOWN), &hash);
	assert_string_equal(id_hex(&hash).s,
	    "28c3e0e582ce1de44de3b02822523b16"
	    "786410d6b0e248f2f83896cc79965dec");
}

static void
test_login_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} tests[] = {
		{ "[]", "expected" },
		{ "{\"syntaxversion\":2," SERVER "," CA "," NONCE "," TIME "}",
		    "syntaxversion" },
		{ HEAD CA "," NONCE "," TIME "}", "server" },
		{ HEAD SERVER "," NONCE "," TIME "}", "ca" },
		{ HEAD SERVER "," CA "," TIME "}", "nonce" },
		{ HEAD SERVER "," CA "," NONCE "}", "time" },
		{ HEAD SERVER "," CA ",\"nonce\":\"bb\"," TIME "}", "nonce" },
		{ HEAD SERVER "," CA "," NONCE ",\"time\":\"now\"}", "time" },
		{ HEAD SERVER "," CA "," NONCE
			      ",\"time\":\"2026-11-23T03:44:11.5Z\"}",
		    "time" },
		{ HEAD SERVER "," CA ",\"nonce\":\"" X64("B") "\"," TIME "}",
		    "nonce: expected 64 lower-case" },
		{ HEAD SERVER "," CA "," NONCE "," TIME ",\"more\":1}",
		    "more" },
		{ HEAD "\"server\":\"" X64("x") X64("x") X64("x")
			X64("x") "\"," CA "," NONCE "," TIME "}",
		    "server" },
	};
	struct login_doc d;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		err_clear(&e);
		assert_int_equal(login_doc_parse(tests[i].text,
				     strlen(tests[i].text), &d, &e),
		    ERR_INVALID);
		if (strstr(e.msg, tests[i].want) == NULL)
			fail_msg("%s: %s", tests[i].text, e.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_known),
		cmocka_unit_test(test_login_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
