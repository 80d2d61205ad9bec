/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/identity.h"

#include "../known.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_sign(void **state)
{
	struct identity a, b;
	uint8_t sig[IDENTITY_SIG_LEN], bad[IDENTITY_SIG_LEN];
	size_t i;

	identity_new(&a);
	identity_new(&b);
	assert_memory_not_equal(a.pub, b.pub, sizeof(a.pub));
	identity_sign(&a, PURPOSE_RESULT, "hello", 5, sig);
	assert_int_equal(
	    identity_check(a.pub, PURPOSE_RESULT, "hello", 5, sig), 0);
	assert_int_equal(
	    identity_check(b.pub, PURPOSE_RESULT, "hello", 5, sig), ERR_AUTH);
	assert_int_equal(
	    identity_check(a.pub, PURPOSE_HELLO, "hello", 5, sig), ERR_AUTH);
	assert_int_equal(
	    identity_check(a.pub, PURPOSE_RESULT, "hellp", 5, sig), ERR_AUTH);
	assert_int_equal(
	    identity_check(a.pub, PURPOSE_RESULT, "hello", 4, sig), ERR_AUTH);
	for (i = 0; i < 8 * sizeof(sig); i++) {
		memcpy(bad, sig, sizeof(sig));
		bad[i / 8] ^= (uint8_t)(1 << (i % 8));
		assert_int_equal(
		    identity_check(a.pub, PURPOSE_RESULT, "hello", 5, bad),
		    ERR_AUTH);
	}
	identity_sign(&a, PURPOSE_HELLO, NULL, 0, sig);
	assert_int_equal(identity_check(a.pub, PURPOSE_HELLO, NULL, 0, sig), 0);
}

/* Under a point of small order a signature of zeros fits many messages. */
static void
test_small_order(void **state)
{
	static const char *const points[] = {
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"01000000000000000000000000000000000000000000000000000000000000"
		"00",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
		"7a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
		"05",
	};
	uint8_t pub[IDENTITY_PUB_LEN], sig[IDENTITY_SIG_LEN];
	size_t i, j;
	char m;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		assert_int_equal(hex_decode(points[i], pub, sizeof(pub)), 0);
		memset(sig, 0, sizeof(sig));
		sig[0] = 1; /* R: the neutral element */
		for (j = 0; j < 64; j++) {
			m = (char)j;
			assert_int_equal(
			    identity_check(pub, PURPOSE_RESULT, &m, 1, sig),
			    ERR_AUTH);
		}
	}
}

/* RFC 8032 section 7.1, test 1. */
#define HEAD "mig-identity 3\n"
#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define SEED_ID                            \
	"21fe31dfa154a261626bf854046fd227" \
	"1b7bed4b6abe45aa58877ef47f9721b9"

static const char good[] = HEAD SEED "\nid " SEED_ID "\n";

static void
test_parse(void **state)
{
	static const char *const bad[] = {
		"",
		HEAD,
		HEAD SEED "\n",
		HEAD SEED "\nid " SEED_ID,
		HEAD SEED "\nid " SEED_ID "\n\n",
		HEAD SEED "\nid " SEED "\n",
		"mig-identity 2\n" SEED "\nid " SEED_ID "\n",
	};
	struct identity i;
	struct id id;
	struct err e;
	char hex[65];
	size_t n;

	assert_int_equal(identity_parse(good, sizeof(good) - 1, &i, &e), 0);
	/* RFC 8032 section 7.1, test 1. */
	hex_encode(i.pub, IDENTITY_PUB_LEN, hex);
	assert_string_equal(hex,
	    "d75a980182b10ab7d54bfed3c964073a"
	    "0ee172f3daa62325af021a68f707511a");
	identity_id(i.pub, &id);
	assert_true(id_equal(&i.id, &id));
	for (n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		struct identity out = { .seed = { 42 } };

		err_clear(&e);
		assert_int_equal(
		    identity_parse(bad[n], strlen(bad[n]), &out, &e),
		    ERR_INVALID);
		assert_int_equal(out.seed[0], 42); /* untouched */
		assert_int_not_equal(e.msg[0], 0);
	}
}

/* The signature of "MIG result v3\n5\nhello" by another implementation of
 * Ed25519. */
static void
test_known(void **state)
{
	static const char want[] =
	    "8c2caca4ff4151a74f829fa11b360d4257c0e50803de9210fc537beba7eb6e32"
	    "35f50d3537e2478c74d2d325b4736f8e51282c4c73c037c15bed46aecff2cf0a";
	uint8_t sig[IDENTITY_SIG_LEN];
	struct identity i;

	assert_int_equal(identity_parse(good, sizeof(good) - 1, &i, NULL), 0);
	identity_sign(&i, PURPOSE_RESULT, "hello", 5, sig);
	assert_string_equal(hex_of(sig, sizeof(sig)), want);
	assert_int_equal(hex_decode(want, sig, sizeof(sig)), 0);
	assert_int_equal(
	    identity_check(i.pub, PURPOSE_RESULT, "hello", 5, sig), 0);
}

/* No changed bit makes another agent. */
static void
test_flips(void **state)
{
	struct identity want, got;
	char text[sizeof(good)];
	struct err e;
	size_t bit;

	assert_int_equal(identity_parse(good, sizeof(good) - 1, &want, &e), 0);
	for (bit = 0; bit < 8 * (sizeof(good) - 1); bit++) {
		memcpy(text, good, sizeof(good));
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
		err_clear(&e);
		if (identity_parse(text, sizeof(good) - 1, &got, &e) == 0)
			/* a digit of the seed became upper case */
			assert_memory_equal(&got, &want, sizeof(got));
		else
			assert_non_null(strstr(e.msg, "identity file"));
	}
}

static void
test_file(void **state)
{
	char dir[] = "/tmp/mig-identity.XXXXXX", path[64], link[64];
	struct identity a, b;
	struct stat st;
	struct err e;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/identity", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(identity_load(path, &b, &e), ERR_NOTFOUND);
	identity_new(&a);
	assert_int_equal(identity_save(path, &a, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(identity_load(path, &b, &e), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(identity_load(path, &b, &e), ERR_DENIED);
	assert_non_null(strstr(e.msg, "0640"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_int_not_equal(identity_load(link, &b, &e), 0);
	assert_int_not_equal(identity_load(dir, &b, &e), 0);
	assert_int_equal(file_write(path, "mig-identity 3\n", 15, 0600, &e), 0);
	assert_int_equal(identity_load(path, &b, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, path));
	unlink(link);
	unlink(path);
	rmdir(dir);
	identity_wipe(&a);
	assert_true(id_is_zero(&a.id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_small_order),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
