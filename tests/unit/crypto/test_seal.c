/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/seal.h"

#include "../counting.h"
#include "../known.h"
#include "base/err.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>

struct keys {
	uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];
};

static void
keys_new(struct keys *k)
{
	assert_int_equal(seal_keypair(k->pub, k->sec), 0);
}

static uint8_t *
pattern(size_t n)
{
	uint8_t *p = malloc(n + 1);
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	return p;
}

static void
test_padme(void **state)
{
	static const struct {
		size_t in, want;
	} rows[] = {
		{ 0, 1024 },
		{ 1, 1024 },
		{ 1024, 1024 },
		{ 1025, 1088 },
		{ 1088, 1088 },
		{ 65536, 65536 },
		{ 65537, 67584 },
		{ 1048577, 1081344 },
		{ SIZE_MAX, SIZE_MAX },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(seal_padme(rows[i].in), rows[i].want);
	for (i = 1024; i < 3000000; i = i * 5 / 4 + 1) {
		assert_true(seal_padme(i) >= i);
		assert_true(seal_padme(i) <= i + i / 8);
	}
}

static void
test_round(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 1023, 1024, 1025, 65519,
		65527, 65528, 65529, 65536, 200000, 3 << 20 };
	struct buf sealed, back;
	struct keys k;
	uint8_t *p;
	size_t i;

	keys_new(&k);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = pattern(sizes[i]);
		buf_init(&sealed, 8 << 20);
		buf_init(&back, sizes[i] + 3); /* what fits must be enough */
		buf_add(&back, "abc", 3);
		assert_int_equal(
		    seal_make(k.pub, p, sizes[i], &sealed, NULL), 0);
		assert_int_equal(sealed.len, seal_size(sizes[i]));
		assert_int_equal(seal_open(k.pub, k.sec, sealed.data,
				     sealed.len, &back, NULL),
		    0);
		assert_int_equal(back.len, sizes[i] + 3);
		assert_memory_equal(back.data + 3, p, sizes[i]);
		buf_release(&sealed);
		buf_release(&back);
		free(p);
	}
}

/* Made of the format's description (seal.h, libsodium's documents) by a program
 * that shares nothing with ours: for the secret key 00 01 ... 1f, with random
 * bytes that count, which are asked for in this order: key, ephemeral key,
 * header. */
static void
test_known(void **state)
{
	static const struct {
		size_t in, size;
		const char *sha256;
	} rows[] = {
		{ 0, 1153,
		    "9d2b9d4310a715e612a94ddc56a19d4a"
		    "204ff1121e88d2b66f032e743ffa9009" },
		{ 5, 1153,
		    "5a4d7320a167951f0151ab20c2aeea34"
		    "4504afc44592d9f40fd578c344f66fb4" },
		{ 1024, 1153,
		    "8fa81de37882c83596fd6763651606e0"
		    "9027940cb1d77c2471d38d6fa8ded196" },
		{ 65528, 65682,
		    "3b4e70ff4041b3866856ba3c5f2641a1"
		    "8c39befcde47009ed94b6ffd0267db9c" },
		{ 150000, 151715,
		    "0e1ebb5c1eeaf63d80742cf5248ed591"
		    "b5b0fb3babd316af54144232e34432df" },
	};
	struct buf sealed, back;
	struct keys k;
	struct id id;
	uint8_t *p;
	size_t i;

	for (i = 0; i < SEAL_KEY_LEN; i++)
		k.sec[i] = (uint8_t)i;
	assert_int_equal(crypto_scalarmult_base(k.pub, k.sec), 0);
	assert_string_equal(hex_of(k.pub, SEAL_KEY_LEN),
	    "8f40c5adb68f25624ae5b214ea767a6e"
	    "c94d829d3d7b5e1ad1ba6f3e2138285f");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = pattern(rows[i].in);
		buf_init(&sealed, 1 << 20);
		buf_init(&back, 1 << 20);
		counting_begin();
		assert_int_equal(
		    seal_make(k.pub, p, rows[i].in, &sealed, NULL), 0);
		counting_end();
		assert_int_equal(sealed.len, rows[i].size);
		sha256(sealed.data, sealed.len, &id);
		assert_string_equal(id_hex(&id).s, rows[i].sha256);
		assert_int_equal(seal_open(k.pub, k.sec, sealed.data,
				     sealed.len, &back, NULL),
		    0);
		assert_int_equal(back.len, rows[i].in);
		assert_memory_equal(back.data, p, back.len);
		buf_release(&sealed);
		buf_release(&back);
		free(p);
	}
}

static void
expect_refused(const struct keys *k, const void *data, size_t len)
{
	struct buf back;
	struct err e;

	err_clear(&e);
	buf_init(&back, 8 << 20);
	assert_int_equal(
	    seal_open(k->pub, k->sec, data, len, &back, &e), ERR_AUTH);
	assert_int_equal(back.len, 0);
	assert_int_not_equal(e.msg[0], 0);
	buf_release(&back);
}

static void
test_changed(void **state)
{
	struct buf sealed;
	struct keys k, other;
	uint8_t *p = pattern(150000);
	size_t i, two = SEAL_OVERHEAD_FIXED + 2 * (SEAL_PIECE + 17);

	keys_new(&k);
	keys_new(&other);
	buf_init(&sealed, 1 << 20);
	assert_int_equal(seal_make(k.pub, p, 150000, &sealed, NULL), 0);
	expect_refused(&other, sealed.data, sealed.len);
	for (i = 0; i < sealed.len; i += i < 300 ? 1 : 4099) {
		sealed.data[i] ^= 0x20;
		expect_refused(&k, sealed.data, sealed.len);
		sealed.data[i] ^= 0x20;
	}
	for (i = 0; i < sealed.len; i += i < 300 ? 1 : 4099)
		expect_refused(&k, sealed.data, i);
	/* Whole pieces gone: a shorter stream without its end. */
	expect_refused(&k, sealed.data, two);
	/* The first two pieces exchanged. */
	for (i = 0; i < SEAL_PIECE + 17; i++) {
		uint8_t *a = sealed.data + SEAL_OVERHEAD_FIXED + i;
		uint8_t c = *a;

		*a = a[SEAL_PIECE + 17];
		a[SEAL_PIECE + 17] = c;
	}
	expect_refused(&k, sealed.data, sealed.len);
	buf_add(&sealed, "x", 1);
	expect_refused(&k, sealed.data, sealed.len);
	buf_release(&sealed);
	free(p);
}

static void
test_bounds(void **state)
{
	struct buf sealed, back;
	struct keys k;
	struct err e;
	uint8_t zero[SEAL_KEY_LEN] = { 0 };

	keys_new(&k);
	buf_init(&sealed, 100);
	assert_int_equal(seal_make(k.pub, "x", 1, &sealed, &e), ERR_TOOBIG);
	buf_release(&sealed);
	buf_init(&sealed, 1 << 20);
	/* A key that would give everybody the same shared secret. */
	assert_int_equal(seal_make(zero, "x", 1, &sealed, &e), ERR_INVALID);
	assert_int_equal(sealed.len, 0);
	assert_int_equal(seal_make(k.pub, "0123456789", 10, &sealed, &e), 0);
	buf_init(&back, 9);
	assert_int_equal(
	    seal_open(k.pub, k.sec, sealed.data, sealed.len, &back, &e),
	    ERR_TOOBIG);
	assert_int_equal(back.len, 0);
	buf_release(&back);
	buf_release(&sealed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padme),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
