/* SPDX-License-Identifier: MPL-2.0 */
/* purpose.c and sha256.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/purpose.h"
#include "crypto/sha256.h"

#include <string.h>

static void
test_prefix(void **state)
{
	static const struct {
		enum purpose p;
		size_t len;
		const char *want;
	} rows[] = {
		{ PURPOSE_ACTION, 0, "MIG action v3\n0\n" },
		{ PURPOSE_CANCEL, 9, "MIG cancel v3\n9\n" },
		{ PURPOSE_POLICY, 1048576, "MIG policy v3\n1048576\n" },
		{ PURPOSE_SESSION, 10, "MIG session v3\n10\n" },
		{ PURPOSE_ENROL, 1, "MIG enrol v3\n1\n" },
		{ PURPOSE_HELLO, 2, "MIG hello v3\n2\n" },
		{ PURPOSE_SHARE, 65536, "MIG share v3\n65536\n" },
		{ PURPOSE_RESULT, SIZE_MAX,
		    "MIG result v3\n18446744073709551615\n" },
	};
	char out[PURPOSE_PREFIX_MAX];
	size_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = purpose_prefix(rows[i].p, rows[i].len, out);
		assert_int_equal(n, strlen(rows[i].want));
		assert_memory_equal(out, rows[i].want, n);
	}
}

static void
test_hash(void **state)
{
	static const char whole[] = "MIG action v3\n3\nabc";
	struct id a, b, c;

	purpose_hash(PURPOSE_ACTION, "abc", 3, &a);
	sha256(whole, sizeof(whole) - 1, &b);
	purpose_hash(PURPOSE_CANCEL, "abc", 3, &c);
	assert_true(id_equal(&a, &b));
	assert_false(id_equal(&a, &c));
}

/* FIPS 180-4 examples, whole and in pieces. */
static void
test_sha256(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "",
		    "e3b0c44298fc1c149afbf4c8996fb924"
		    "27ae41e4649b934ca495991b7852b855" },
		{ "abc",
		    "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1" },
	};
	struct sha256 h;
	struct id id;
	size_t i, j;

	sha256_begin(&h);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sha256(rows[i].in, strlen(rows[i].in), &id);
		assert_string_equal(id_hex(&id).s, rows[i].want);
		for (j = 0; j < strlen(rows[i].in); j++)
			sha256_add(&h, rows[i].in + j, 1);
		sha256_final(&h, &id); /* and h starts anew */
		assert_string_equal(id_hex(&id).s, rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
