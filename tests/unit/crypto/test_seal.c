/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/seal.h"

#include "base/err.h"

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
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
