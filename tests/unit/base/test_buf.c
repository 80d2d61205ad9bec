/* SPDX-License-Identifier: MPL-2.0 */
/* Growing buffers and the reading cursor. */
#include "base/buf.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void
test_add_and_take(void **state)
{
	struct buf b;
	uint8_t *data;
	size_t len;

	buf_init(&b, 1000);
	assert_int_equal(buf_add(&b, "ab", 2), 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_add_str(&b, "cd"), 0);
	assert_int_equal(buf_add_fmt(&b, "-%d-", 42), 0);
	assert_string_equal(buf_str(&b), "abcd-42-");
	assert_int_equal(b.len, 8);
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "cd-42-");
	buf_take(&b, &data, &len);
	assert_int_equal(len, 6);
	assert_memory_equal(data, "cd-42-", 6);
	assert_int_equal(b.len, 0);
	assert_null(b.data);
	free(data);
	assert_int_equal(buf_add_str(&b, "again"), 0);
	assert_string_equal(buf_str(&b), "again");
	buf_release(&b);
	assert_null(b.data);
}

static void
test_maximum(void **state)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 100, 4096 };
	struct buf b;
	size_t i, j;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buf_init(&b, sizes[i]);
		for (j = 0; j < sizes[i]; j++)
			assert_int_equal(buf_add_u8(&b, 'x'), 0);
		assert_int_equal(buf_add_u8(&b, 'x'), ERR_TOOBIG);
		assert_int_equal(b.len, sizes[i]);
		/* remembered, even by an addition of nothing */
		assert_int_equal(buf_add(&b, "", 0), ERR_TOOBIG);
		assert_null(buf_str(&b));
		buf_clear(&b);
		assert_int_equal(buf_add(&b, "", 0), 0);
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

struct handed {
	struct buf all;
	size_t calls;
	size_t most; /* bytes it takes */
};

static int
take_handed(const void *data, size_t len, void *arg)
{
	struct handed *h = arg;

	h->calls++;
	if (h->all.len + len > h->most)
		return ERR_IO;
	return buf_add(&h->all, data, len);
}

/* In pieces of any size: handed on in order, and never more than max held. */
static void
test_sink(void **state)
{
	static const size_t sizes[] = { 1, 7, 99, 100, 101, 250, 0, 3 };
	struct handed h = { .most = SIZE_MAX };
	struct buf b, want;
	char piece[250];
	size_t i, j;

	buf_init(&h.all, 100000);
	buf_init(&want, 100000);
	buf_init_sink(&b, 100, take_handed, &h);
	for (i = 0; i < 200; i++) {
		for (j = 0; j < sizes[i % 8]; j++)
			piece[j] = (char)('a' + (i + j) % 26);
		assert_int_equal(buf_add(&b, piece, sizes[i % 8]), 0);
		buf_add(&want, piece, sizes[i % 8]);
		assert_true(b.len <= 100 && b.cap <= 100);
		assert_int_equal(h.all.len + b.len, want.len);
	}
	assert_int_equal(buf_add_fmt(&b, "%090d", 1), 0);
	buf_add_fmt(&want, "%090d", 1);
	assert_int_equal(buf_hand_on(&b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(h.all.len, want.len);
	assert_memory_equal(h.all.data, want.data, want.len);
	/* nothing to hand on is not handed on */
	i = h.calls;
	assert_int_equal(buf_hand_on(&b), 0);
	assert_int_equal(h.calls, i);
	assert_null(buf_reserve(&b, 101));
	assert_int_equal(b.error, ERR_TOOBIG);
	buf_release(&b);
	buf_release(&h.all);
	buf_release(&want);
}

static void
test_sink_fails(void **state)
{
	struct handed h = { .most = 150 };
	struct buf b;
	size_t i;

	buf_init(&h.all, 1000);
	buf_init_sink(&b, 100, take_handed, &h);
	for (i = 0; i < 20 && buf_add_str(&b, "0123456789") == 0; i++)
		;
	assert_int_equal(i, 20);
	assert_int_equal(buf_add_u8(&b, 'x'), ERR_IO);
	/* remembered, and nothing comes after what is missing */
	i = h.calls;
	assert_int_equal(buf_add(&b, &h, 120), ERR_IO);
	assert_int_equal(buf_hand_on(&b), ERR_IO);
	assert_int_equal(h.calls, i);
	assert_int_equal(h.all.len, 100);
	buf_release(&b);
	buf_release(&h.all);
}

static void
test_impossible_sizes(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	buf_add_str(&b, "0123456789");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(b.error, ERR_TOOBIG);
	buf_clear(&b);
	assert_int_equal(
	    buf_add_field(&b, "", (size_t)UINT32_MAX + 1), ERR_TOOBIG);
	buf_release(&b);
}

static void
test_format_long(void **state)
{
	char text[3000];
	struct buf b;

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_init(&b, 10000);
	assert_int_equal(buf_add_fmt(&b, "<%s>", text), 0);
	assert_int_equal(b.len, sizeof(text) + 1);
	assert_int_equal(b.data[0], '<');
	assert_int_equal(b.data[b.len - 1], '>');
	buf_release(&b);
}

static void
test_numbers_round(void **state)
{
	static const uint8_t want[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
		0x07, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0, 0, 0,
		3, 'a', 'b', 'c' };
	struct buf b;
	struct rd r;
	const uint8_t *p;
	size_t len;

	buf_init(&b, 100);
	buf_add_u8(&b, 1);
	buf_add_u16(&b, 0x0203);
	buf_add_u32(&b, 0x04050607);
	buf_add_u64(&b, 0xf1f2f3f4f5f6f7f8);
	buf_add_field(&b, "abc", 3);
	assert_int_equal(b.error, 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));

	rd_init(&r, b.data, b.len);
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == 0xf1f2f3f4f5f6f7f8);
	p = rd_field(&r, 3, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(p, "abc", 3);
	assert_true(rd_done(&r));
	buf_release(&b);
}

/* Every truncation of a valid input is noticed, and nothing is read past it. */
static void
test_truncations(void **state)
{
	struct buf b;
	struct rd r;
	char text[8];
	size_t cut;

	buf_init(&b, 100);
	buf_add_u32(&b, 7);
	buf_add_field(&b, "abcd", 4);
	buf_add_u64(&b, 9);
	for (cut = 0; cut <= b.len; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, b.data, cut);
		rd_init(&r, copy, cut);
		rd_u32(&r);
		rd_field_str(&r, text, sizeof(text));
		rd_u64(&r);
		assert_int_equal(rd_done(&r), cut == b.len);
		assert_int_equal(r.bad, cut < b.len);
		free(copy);
	}
	buf_release(&b);
}

static void
test_fields(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
		size_t room;
		bool bad;
		const char *want;
	} t[] = {
		{ "plain", "\0\0\0\2hi", 6, 8, false, "hi" },
		{ "empty", "\0\0\0\0", 4, 8, false, "" },
		{ "just fits", "\0\0\0\2hi", 6, 3, false, "hi" },
		{ "one too long", "\0\0\0\2hi", 6, 2, true, "" },
		{ "room for the end only", "\0\0\0\1h", 5, 1, true, "" },
		{ "NUL inside", "\0\0\0\3a\0b", 7, 8, true, "" },
		{ "length lies", "\0\0\0\4hi", 6, 8, true, "" },
		{ "length huge", "\xff\xff\xff\xffhi", 6, 8, true, "" },
		{ "no length", "\0\0", 2, 8, true, "" },
	};
	char text[8];
	struct rd r;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(text, 'Z', sizeof(text));
		rd_init(&r, t[i].bytes, t[i].len);
		rd_field_str(&r, text, t[i].room);
		if (r.bad != t[i].bad || strcmp(text, t[i].want) != 0)
			fail_msg(
			    "%s: bad %d text '%s'", t[i].name, r.bad, text);
	}
}

static void
test_bad_stays_bad(void **state)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	size_t len = 5;
	struct rd r;

	rd_init(&r, "\1\2\3", 3);
	assert_int_equal(rd_u32(&r), 0);
	assert_int_equal(rd_u8(&r), 0);
	assert_null(rd_bytes(&r, 1));
	assert_null(rd_field(&r, 10, &len));
	assert_int_equal(len, 0);
	rd_copy(&r, out, sizeof(out));
	assert_memory_equal(out, "\0\0\0\0", 4);
	assert_false(rd_done(&r));
}

static void
test_read_nothing(void **state)
{
	struct rd r;

	rd_init(&r, NULL, 0);
	assert_true(rd_done(&r));
	assert_null(rd_bytes(&r, 0));
	assert_true(rd_done(&r));
	rd_u8(&r);
	assert_false(rd_done(&r));
}

static void
test_varint(void **state)
{
	static const struct {
		uint64_t v;
		size_t len;
	} t[] = { { 0, 1 }, { 127, 1 }, { 128, 2 }, { 16383, 2 }, { 16384, 3 },
		{ UINT32_MAX, 5 }, { INT64_MAX, 9 }, { UINT64_MAX, 10 } };
	uint8_t room[VARINT_MAX];
	struct rd r;
	size_t i, len;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		len = (size_t)(put_varint(room, t[i].v) - room);
		assert_int_equal(len, t[i].len);
		rd_init(&r, room, len);
		assert_true(rd_varint(&r) == t[i].v && rd_done(&r));
		rd_init(&r, room, len - 1);
		assert_true(rd_varint(&r) == 0 && r.bad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_take),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_sink),
		cmocka_unit_test(test_sink_fails),
		cmocka_unit_test(test_impossible_sizes),
		cmocka_unit_test(test_format_long),
		cmocka_unit_test(test_numbers_round),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_stays_bad),
		cmocka_unit_test(test_read_nothing),
		cmocka_unit_test(test_varint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
