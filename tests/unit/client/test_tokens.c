/* SPDX-License-Identifier: MPL-2.0 */
/* Enrolment tokens: their file, and what of an agent they prove. */
#include "client/trust/tokens.h"

#include "base/err.h"
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ONE                                          \
	"mig-token-000102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f"
#define TWO                                          \
	"mig-token-ff0102030405060708090a0b0c0d0e0f" \
	"101112131415161718191a1b1c1d1e1f"

#define AUTH_OF_ONE                        \
	"583e7a0abb9e9cfaa8f9173f7381b11d" \
	"448bda5284661ca46560812004811b95"
#define HASH_OF_ONE                        \
	"f55d3601116fa1d1af4c9160fbc95c8b" \
	"afb065bd97806e7ba2a1f691f4385101"
#define PROOF_OF_ONE                       \
	"009eb58f6465dd5f5644391baec6e722" \
	"102fa9a6c6251df716c685e13dc4f755"

static struct id
id_of(const char *hex)
{
	struct id id;

	assert_int_equal(id_parse(hex, &id), 0);
	return (id);
}

/* Computed by another implementation of HMAC (Python's). */
static void
test_derived(void **state)
{
	uint8_t secret[ENROL_TOKEN_LEN], auth[ENROL_TOKEN_LEN], pub[32];
	char text[ENROL_TOKEN_TEXT_LEN + 1], hex[65];
	struct id id;
	size_t i;

	assert_int_equal(enrol_token_parse(ONE, secret), 0);
	enrol_token_text(secret, text);
	assert_string_equal(text, ONE);
	enrol_token_auth(secret, auth);
	hex_encode(auth, sizeof(auth), hex);
	assert_string_equal(hex, AUTH_OF_ONE);
	enrol_token_hash(secret, &id);
	assert_string_equal(id_hex(&id).s, HASH_OF_ONE);
	for (i = 0; i < sizeof(pub); i++)
		pub[i] = (uint8_t)(255 - i);
	enrol_token_proof(secret, pub, &id);
	assert_string_equal(id_hex(&id).s, PROOF_OF_ONE);
}

static void
test_texts(void **state)
{
	static const char *const bad[] = { "", "mig-token-", ONE "0", "x" ONE,
		"000102030405060708090a0b0c0d0e0f"
		"101112131415161718191a1b1c1d1e1f",
		"MIG-TOKEN-000102030405060708090a0b0c0d0e0f"
		"101112131415161718191a1b1c1d1e1f",
		"mig-key-000102030405060708090a0b0c0d0e0f"
		"101112131415161718191a1b1c1d1e1f" };
	uint8_t secret[ENROL_TOKEN_LEN];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    enrol_token_parse(bad[i], secret), ERR_INVALID);
}

static void
test_check(void **state)
{
	static const char text[] = TWO " 7\n" ONE " 5\n";
	uint8_t pub[32] = { 1, 2, 3 }, other[32] = { 1, 2, 4 };
	struct id one = id_of(HASH_OF_ONE), stranger = one, proof;
	struct tokens t;
	struct err e;

	assert_int_equal(tokens_parse(text, strlen(text), &t, &e), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(tokens_find(&t, &one)->made, 5);
	enrol_token_proof(tokens_find(&t, &one)->secret, pub, &proof);
	assert_int_equal(tokens_check(&t, &one, &proof, pub), TOKEN_CHECKED);
	/* another's proof; the digest or what the server was shown as one */
	assert_int_equal(tokens_check(&t, &one, &proof, other), TOKEN_FORGED);
	assert_int_equal(tokens_check(&t, &one, &one, pub), TOKEN_FORGED);
	proof.b[31] ^= 1;
	assert_int_equal(tokens_check(&t, &one, &proof, pub), TOKEN_FORGED);
	stranger.b[0] ^= 1;
	assert_int_equal(
	    tokens_check(&t, &stranger, &proof, pub), TOKEN_UNCHECKED);
	memset(&stranger, 0, sizeof(stranger));
	assert_int_equal(
	    tokens_check(&t, &stranger, &stranger, pub), TOKEN_UNCHECKED);
	tokens_release(&t);
	assert_int_equal(tokens_check(&t, &one, &proof, pub), TOKEN_UNCHECKED);
}

/* A changed bit makes no other token, which agents could not be checked with.
 */
static void
test_flips(void **state)
{
	struct id one = id_of(HASH_OF_ONE);
	struct tokens t;
	struct buf b;
	struct err e;
	size_t bit;
	uint8_t secret[ENROL_TOKEN_LEN];

	assert_int_equal(enrol_token_parse(ONE, secret), 0);
	buf_init(&b, 4096);
	assert_int_equal(tokens_write(&b, secret, 1234), 0);
	assert_int_equal(tokens_parse(b.data, b.len, &t, &e), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(tokens_find(&t, &one)->made, 1234);
	tokens_release(&t);
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		assert_int_equal(
		    tokens_parse(b.data, b.len, &t, &e), ERR_INVALID);
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	buf_release(&b);
}

static void
test_bad_files(void **state)
{
	static const char *const bad[] = { "\n", ONE, ONE "\n", ONE " 5",
		ONE " x\n", ONE " -1\n", ONE " 5 \n",
		ONE " 5 0123456789abcdef\n", "x " ONE " 5\n", ONE " 5\n\n",
		ONE " 18446744073709551616\n" };
	struct tokens t;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&e);
		assert_int_equal(
		    tokens_parse(bad[i], strlen(bad[i]), &t, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, "line "));
	}
	assert_int_equal(tokens_parse("", 0, &t, &e), 0);
	tokens_release(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derived),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_bad_files),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
