/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/keyring.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/hex.h"
#include "crypto/keymaterial.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVECTORS (sizeof(vectors) / sizeof(vectors[0]))
#define HEAD "mig-keyring 3\n"
#define P1 "person 1111111111111111111111111111111111111111 "
#define P2 "person 2222222222222222222222222222222222222222 "

static int
parse(const char *text, struct keyring *k, struct err *e)
{
	err_clear(e);
	return keyring_parse(text, strlen(text), k, e);
}

static void
test_good(void **state)
{
	struct buf b;
	struct keyring k;
	struct err e;
	uint8_t none[PGP_FPR_LEN] = { 0 };
	size_t i;

	buf_init(&b, 1 << 20);
	buf_add_str(&b, HEAD "# a comment\n\n");
	for (i = 0; i < NVECTORS; i++)
		buf_add_fmt(&b, "person %s Gr\xc3\xbc\xc3\x9f %zu\n%s\n",
		    vectors[i].fpr, i, vectors[i].line);
	assert_int_equal(parse(buf_str(&b), &k, &e), 0);
	assert_int_equal(k.npersons, NVECTORS);
	assert_int_equal(k.nkeys, NVECTORS);
	assert_string_equal(k.persons[1].name, "Gr\xc3\xbc\xc3\x9f 1");
	for (i = 0; i < NVECTORS; i++) {
		assert_ptr_equal(keyring_find(&k, k.keys[i].fpr), &k.keys[i]);
		assert_int_equal(k.keys[i].person, i);
		assert_int_equal(k.keys[i].created, VECTOR_TIME);
	}
	assert_null(keyring_find(&k, none));
	keyring_release(&k);
	/* No end of the last line; nobody at all. */
	buf_clear(&b);
	buf_add_fmt(&b, HEAD P1 "a\n%s", vectors[0].line);
	assert_int_equal(parse(buf_str(&b), &k, &e), 0);
	keyring_release(&k);
	assert_int_equal(parse(HEAD, &k, &e), 0);
	assert_int_equal(k.nkeys, 0);
	keyring_release(&k);
	buf_release(&b);
}

static void
expect(const char *text, const char *want)
{
	struct keyring k = { 0 };
	struct err e;

	if (parse(text, &k, &e) == 0)
		fail_msg("accepted: %.200s", text);
	if (strstr(e.msg, want) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", want, e.msg);
	assert_null(k.keys);
}

static void
test_structure(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "line 1: \"mig-keyring 3\"" },
		{ "mig-keyring 2\n", "line 1" },
		{ "mig-keyring 3\r\n", "line 1" },
		{ HEAD "persn x\n", "line 2: unknown word \"persn\"" },
		{ HEAD " person\n", "line 2: unknown word" },
		{ HEAD P1 "a\n", "last person has no key" },
		{ HEAD P1 "a\n" P2 "b\n", "line 3: the person before" },
		{ HEAD "person 1111 a\n", "line 2: person: 40" },
		{ HEAD P1 "\n", "printable name" },
		{ HEAD P1 "a\tb\n", "printable name" },
		{ HEAD P1 "a\xff\n", "printable name" },
		{ HEAD P1 "\xe2\x80\xae"
			  "a\n",
		    "printable name" },
		{ HEAD "key x\n", "needs a person" },
		{ HEAD P1 "a\nkey 22 rsa 1 0 00\n", "line 3: key: 40" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].text, rows[i].want);
}

static void
test_repeated(void **state)
{
	char text[8192];

	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n%s\n", vectors[0].line,
	    vectors[0].line);
	expect(text, "line 4: the same key stands twice");
	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n" P2 "b\n%s\n",
	    vectors[4].line, vectors[4].line);
	expect(text, "line 5: the same key stands twice");
	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n" P1 "b\n%s\n",
	    vectors[0].line, vectors[1].line);
	expect(text, "line 4: person");
}

/* A line with the fingerprint that its numbers really have, so that only
 * their weakness is left to refuse. created makes the same numbers another
 * fingerprint. */
static void
line_make(const char *alg, const char *material, unsigned int created,
    char *out, size_t size)
{
	struct keymaterial m;
	uint8_t fpr[PGP_FPR_LEN];
	char hex[2 * PGP_FPR_LEN + 1];
	struct err e;

	err_clear(&e);
	if (keymaterial_parse(alg, material, &m, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(keymaterial_fpr(&m, created, fpr, &e), 0);
	hex_encode(fpr, sizeof(fpr), hex);
	snprintf(out, size, "key %s %s %u 0 %s", hex, alg, created, material);
}

/* n digits c, then tail. */
static char *
digits(size_t n, char first, char c, const char *tail)
{
	static char out[8192];

	memset(out, c, n);
	out[0] = first;
	snprintf(out + n, sizeof(out) - n, "%s", tail);
	return out;
}

static void
expect_weak(const char *alg, const char *material, const char *want)
{
	static char line[9000], text[9216];

	line_make(alg, material, VECTOR_TIME, line, sizeof(line));
	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n", line);
	expect(text, want);
}

static void
test_weak(void **state)
{
	static const char *const ed[] = {
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"00000000000000000000000000000000000000000000000000000000000000"
		"80",
		"01000000000000000000000000000000000000000000000000000000000000"
		"00",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ff",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
		"7a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
		"fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
		"05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
		"85",
	};
	size_t i;

	for (i = 0; i < sizeof(ed) / sizeof(ed[0]); i++)
		expect_weak("ed25519", ed[i], "small order");
	/* p, p + 1: second forms of 0 and 1; 2: off the curve. */
	expect_weak("ed25519",
	    "edffffffffffffffffffffffffffffffffffffffffffffff"
	    "ffffffffffffff7f",
	    "not a point");
	expect_weak("ed25519",
	    "eeffffffffffffffffffffffffffffffffffffffffffffff"
	    "ffffffffffffff7f",
	    "not a point");
	expect_weak("ed25519",
	    "020000000000000000000000000000000000000000000000"
	    "0000000000000000",
	    "not a point");
	expect_weak("p256", digits(130, '0', '1', ""), "04...");
	expect_weak("rsa", digits(510, 'f', 'f', ":010001"), "2040 bits");
	expect_weak("rsa", digits(512, '7', 'f', ":010001"), "2047 bits");
	expect_weak("rsa", digits(511, 'f', 'f', "e:010001"), "even");
	expect_weak("rsa", digits(512, 'f', 'f', ":03"), "exponent 3");
	expect_weak("rsa", digits(512, 'f', 'f', ":010002"), "exponent 65538");
	expect_weak("rsa", digits(512, 'f', 'f', ":8000"), "exponent 32768");
}

static void
test_key_line(void **state)
{
	static const struct {
		const char *rest, *want;
	} rows[] = {
		{ "dsa 1 0 00", "unknown key algorithm \"dsa\"" },
		{ "ed25519 0 0 00", "creation time" },
		{ "ed25519 x 0 00", "creation time" },
		{ "ed25519 4294967296 0 00", "creation time" },
		{ "ed25519 5 x 00", "expiry" },
		{ "ed25519 5 5 00", "expires before" },
		{ "ed25519 5 0 00", "64 hexadecimal digits" },
		{ "ed25519 5 0", "64 hexadecimal digits" },
		{ "p256 5 0 04zz", "130 hexadecimal digits" },
		{ "rsa 5 0 00", "<modulus>:<exponent>" },
		{ "rsa 5 0 :", "modulus" },
		{ "rsa 5 0 ff:", "exponent" },
		{ "rsa 5 0 00ff:010001", "without leading zeros" },
		{ "rsa 5 0 ff:00010001", "without leading zeros" },
		{ "rsa 5 0 ff:010203040506070809", "exponent" },
	};
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
		    HEAD P1 "a\nkey 33333333333333333"
			    "33333333333333333333333 %s\n",
		    rows[i].rest);
		expect(text, rows[i].want);
	}
	/* Good numbers, off the curve by one bit, under their own fingerprint;
	 * then right numbers under a wrong one. */
	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n", vectors[1].line);
	text[strlen(HEAD P1 "a\n") + 4] ^= 1;
	expect(text, "belong to fingerprint");
}

static void
test_off_curve(void **state)
{
	char material[256], *last = strrchr(vectors[1].line, ' ');

	snprintf(material, sizeof(material), "%s", last + 1);
	material[129] = material[129] == '0' ? '1' : '0';
	expect_weak("p256", material, "not a point of the curve");
}

static void
test_limits(void **state)
{
	char *big = calloc(1, KEYRING_TEXT_MAX + 2);
	struct keyring k;
	struct err e;

	assert_non_null(big);
	assert_int_equal(
	    keyring_parse(big, KEYRING_TEXT_MAX + 1, &k, &e), ERR_TOOBIG);
	assert_int_equal(
	    keyring_parse("mig-keyring 3\n\0", 15, &k, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "zero byte"));
	assert_int_equal(keyring_parse(NULL, 0, &k, &e), ERR_INVALID);
	free(big);
}

/* Two good ones, one of them twice, an unknown one, garbage. */
static void
test_verify_set(void **state)
{
	static const size_t order[] = { 0, 4, 0, 1 };
	struct sig_bytes sigs[5];
	struct signer who[5];
	uint8_t raw[5][1024];
	char text[8192];
	struct keyring k;
	struct err e;
	size_t i, len;

	snprintf(text, sizeof(text), HEAD P1 "a\n%s\n" P2 "b\n%s\n",
	    vectors[0].line, vectors[4].line);
	assert_int_equal(parse(text, &k, &e), 0);
	for (i = 0; i < 4; i++) {
		len = strlen(vectors[order[i]].sig) / 2;
		assert_int_equal(
		    hex_decode(vectors[order[i]].sig, raw[i], len), 0);
		sigs[i] = (struct sig_bytes){ raw[i], len };
	}
	sigs[4] = (struct sig_bytes){ (const uint8_t *)"junk", 4 };
	assert_int_equal(keyring_verify(&k, PURPOSE_ACTION, VECTOR_DATA,
			     strlen(VECTOR_DATA), sigs, 5, VECTOR_TIME, who),
	    2);
	assert_int_equal(who[0].verdict, SIG_GOOD);
	assert_memory_equal(who[0].person, k.persons[0].fpr, PGP_FPR_LEN);
	assert_int_equal(who[1].verdict, SIG_GOOD);
	assert_int_equal(who[2].verdict, SIG_REPEATED);
	assert_int_equal(who[3].verdict, SIG_UNKNOWN_KEY);
	assert_int_equal(who[4].verdict, SIG_MALFORMED);
	for (i = 0; i <= SIG_REPEATED + 1; i++)
		assert_non_null(sig_verdict_text((enum sig_verdict)i));
	keyring_release(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_key_line),
		cmocka_unit_test(test_off_curve),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_verify_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
