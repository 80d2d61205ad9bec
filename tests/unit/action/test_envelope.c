/* SPDX-License-Identifier: MPL-2.0 */
/* Envelopes: binary and JSON. */
#include "action/envelope.h"

#include "../known.h"
#include "base/err.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DOC "{\"a\":\"\xc3\xa9\"}"

static void
make(struct buf *out)
{
	static const uint8_t one[] = { 1, 2, 3 }, two[] = { 9 };
	struct envelope env = { .doc = (const uint8_t *)DOC,
		.doc_len = sizeof(DOC) - 1,
		.sigs = { { one, 3 }, { two, 1 } },
		.nsigs = 2 };

	assert_int_equal(envelope_write(&env, out, NULL), 0);
}

static void
test_round_trip(void **state)
{
	struct envelope env;
	struct buf out;

	buf_init(&out, 4096);
	make(&out);
	assert_string_equal(hex_of(out.data, out.len),
	    "4d494733"
	    "02000000"
	    "0000000a"
	    "7b2261223a22c3a9227d"
	    "0003"
	    "010203"
	    "0001"
	    "09");
	assert_int_equal(envelope_parse(out.data, out.len, &env, NULL), 0);
	assert_int_equal(env.doc_len, sizeof(DOC) - 1);
	assert_memory_equal(env.doc, DOC, env.doc_len);
	assert_int_equal(env.nsigs, 2);
	assert_int_equal(env.sigs[0].len, 3);
	assert_int_equal(env.sigs[1].data[0], 9);
	buf_release(&out);
}

/* Each prefix and each extended one is refused; flips of the frame too. */
static void
test_mutations(void **state)
{
	struct envelope env, before;
	struct buf out;
	size_t n, bit, frame = 12;

	memset(&env, 0x5a, sizeof(env));
	before = env;
	buf_init(&out, 4096);
	make(&out);
	for (n = 0; n < out.len; n++)
		assert_int_not_equal(
		    envelope_parse(out.data, n, &env, NULL), 0);
	buf_add_u8(&out, 0);
	assert_int_not_equal(envelope_parse(out.data, out.len, &env, NULL), 0);
	out.len--;
	for (n = 0; n < frame; n++) {
		for (bit = 0; bit < 8; bit++) {
			out.data[n] ^= (uint8_t)(1 << bit);
			assert_int_not_equal(
			    envelope_parse(out.data, out.len, &env, NULL), 0);
			out.data[n] ^= (uint8_t)(1 << bit);
		}
	}
	assert_memory_equal(&env, &before, sizeof(env));
	buf_release(&out);
}

static void
test_binary_table(void **state)
{
	static const struct {
		const char *name, *in;
		size_t len;
		int code;
		const char *want;
	} rows[] = {
		{ "empty", "", 0, ERR_INVALID, "too short" },
		{ "magic", "MIG2\0\0\0\0\0\0\0\1x", 13, ERR_INVALID, "MIG3" },
		{ "reserved", "MIG3\0\0\1\0\0\0\0\1x", 13, ERR_INVALID,
		    "MIG3" },
		{ "no signature", "MIG3\0\0\0\0\0\0\0\1x", 13, 0, "" },
		{ "empty document", "MIG3\0\0\0\0\0\0\0\0", 12, ERR_INVALID,
		    "empty document" },
		{ "large", "MIG3\0\0\0\0\0\x10\0\1x", 13, ERR_TOOBIG,
		    "at most 1048576" },
		{ "17 signatures", "MIG3\x11\0\0\0\0\0\0\1x", 13, ERR_INVALID,
		    "17 signatures" },
		{ "empty signature", "MIG3\1\0\0\0\0\0\0\1x\0\0", 15,
		    ERR_INVALID, "has 0 bytes" },
		{ "large signature", "MIG3\1\0\0\0\0\0\0\1x\x10\1", 15,
		    ERR_INVALID, "has 4097 bytes" },
		{ "missing signature", "MIG3\1\0\0\0\0\0\0\1x", 13, ERR_INVALID,
		    "within signature 1" },
	};
	struct envelope env;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		rc = envelope_parse(rows[i].in, rows[i].len, &env, &e);
		if (rc != rows[i].code || strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%s: %d %s", rows[i].name, rc, e.msg);
	}
}

static void
test_write_refuses(void **state)
{
	struct envelope env = { .doc = (const uint8_t *)"x", .doc_len = 1 };
	struct buf out;

	buf_init(&out, 12);
	assert_int_equal(envelope_write(&env, &out, NULL), ERR_TOOBIG);
	assert_int_equal(out.len, 0);
	buf_clear(&out);
	env.nsigs = SIGS_MAX + 1;
	assert_int_equal(envelope_write(&env, &out, NULL), ERR_INVALID);
	env.nsigs = 1; /* of no bytes */
	assert_int_equal(envelope_write(&env, &out, NULL), ERR_INVALID);
	env.nsigs = 0;
	env.doc_len = 0;
	assert_int_equal(envelope_write(&env, &out, NULL), ERR_INVALID);
	buf_release(&out);
}

static void
test_json_round_trip(void **state)
{
	struct envelope env;
	struct buf out, back;
	struct err e;
	json_t *v;
	char *text;

	buf_init(&out, 4096);
	buf_init(&back, 4096);
	make(&out);
	assert_int_equal(envelope_parse(out.data, out.len, &env, &e), 0);
	v = envelope_to_json(&env, &e);
	assert_non_null(v);
	text = json_dumps(v, 0);
	assert_int_equal(envelope_from_json(text, strlen(text), &back, &e), 0);
	assert_int_equal(back.len, out.len);
	assert_memory_equal(back.data, out.data, out.len);
	free(text);
	json_decref(v);
	/* bytes that are no text have no JSON form */
	env.doc = (const uint8_t *)"\xff";
	env.doc_len = 1;
	assert_null(envelope_to_json(&env, &e));
	env.doc = (const uint8_t *)"a\0b";
	env.doc_len = 3;
	assert_null(envelope_to_json(&env, &e));
	buf_release(&out);
	buf_release(&back);
}

#define SIG                                            \
	"\"-----BEGIN PGP SIGNATURE-----\\n\\nAQID\\n" \
	"-----END PGP SIGNATURE-----\\n\""
#define SIG4 SIG "," SIG "," SIG "," SIG
#define SIG16 SIG4 "," SIG4 "," SIG4 "," SIG4

static void
test_json_table(void **state)
{
	static const struct {
		const char *in;
		int code;
		const char *want;
	} rows[] = {
		{ "{\"document\":\"x\",\"signatures\":[" SIG "]}", 0, "" },
		{ "{\"document\":\"x\",\"signatures\":[]}", 0, "" },
		{ "{\"document\":\"x\",\"signatures\":[" SIG16 "]}", 0, "" },
		{ "{\"document\":\"x\",\"signatures\":[" SIG16 "," SIG "]}",
		    ERR_INVALID, "signatures: 17" },
		{ "{\"document\":\"\",\"signatures\":[]}", ERR_INVALID,
		    "document: 0 bytes" },
		{ "{\"document\":\"x\"}", ERR_INVALID, "signatures: missing" },
		{ "{\"signatures\":[]}", ERR_INVALID, "document: missing" },
		{ "{\"document\":{},\"signatures\":[]}", ERR_INVALID,
		    "document: expected a string" },
		{ "{\"document\":\"x\",\"signatures\":[1]}", ERR_INVALID,
		    "signatures[0]" },
		{ "{\"document\":\"x\",\"signatures\":[" SIG ",\"x\"]}",
		    ERR_INVALID, "signatures[1]: armour: line 1" },
		{ "{\"document\":\"x\",\"signatures\":[],\"delivery\":1}",
		    ERR_INVALID, "delivery: unknown field" },
		{ "{\"document\":\"x\",\"document\":\"y\",\"signatures\":[]}",
		    ERR_INVALID, "duplicate" },
		{ "[]", ERR_INVALID, "expected an object" },
		{ "{", ERR_INVALID, "line 1" },
	};
	struct buf out;
	struct err e;
	size_t i;
	int rc;

	buf_init(&out, ENVELOPE_MAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		err_clear(&e);
		rc = envelope_from_json(
		    rows[i].in, strlen(rows[i].in), &out, &e);
		if (rc != rows[i].code || strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%zu: %d %s", i, rc, e.msg);
		assert_int_equal(rc == 0, out.len > 0);
	}
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_binary_table),
		cmocka_unit_test(test_write_refuses),
		cmocka_unit_test(test_json_round_trip),
		cmocka_unit_test(test_json_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
