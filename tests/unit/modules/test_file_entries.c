/* SPDX-License-Identifier: MPL-2.0 */
/* What is put into little memory comes out again as it was. */
#include "base/err.h"
#include "modules/file/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const uint8_t sha256[32] = { 0xe3, 0x80, 0x00, 0xff, [31] = 1 };

#define PATH(s) .path = (s), .path_len = sizeof(s) - 1
static const struct entry samples[] = {
	{ PATH("/usr/bin/a"), .check = ENTRY_EVERY },
	{ PATH("/usr/bin/a"), .check = 0, .mode = 0100644, .size = 1 },
	{ PATH("/usr/bin/ab"), .check = 63, .mode = 0104755, .size = 127 },
	{ PATH("/usr/bin"), .check = 64, .size = 128, .sha256 = sha256 },
	{ .check = 7 },
	{ .check = ENTRY_EVERY },
	{ PATH("/usr/bin/c\xff\x80"), .check = UINT32_MAX - 1,
	    .mtime = { 1, 999999999 } },
	{ PATH("/"), .check = 1, .size = INT64_MAX, .mtime = { -1, 1 } },
	{ PATH("other"), .check = 2, .mode = UINT32_MAX,
	    .mtime = { INT64_MIN, 0 }, .sha256 = sha256 },
	{ PATH("/usr"), .check = 3, .mtime = { INT64_MAX, 127 } },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
assert_same(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->path == NULL, b->path == NULL);
	assert_int_equal(a->path_len, b->path_len);
	if (a->path != NULL)
		assert_memory_equal(a->path, b->path, a->path_len);
	assert_int_equal(a->check, b->check);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->mtime.tv_sec, b->mtime.tv_sec);
	assert_int_equal(a->mtime.tv_nsec, b->mtime.tv_nsec);
	assert_int_equal(a->sha256 == NULL, b->sha256 == NULL);
	if (a->sha256 != NULL)
		assert_memory_equal(a->sha256, b->sha256, 32);
}

/* Each after each other, as what a path shares depends on that. */
static void
test_comes_out_as_it_went_in(void **state)
{
	struct entries list;
	struct entry en;
	size_t i, j;

	entries_init(&list, 100000);
	assert_false(entries_next(&list, &en));
	for (i = 0; i < SAMPLES; i++) {
		for (j = 0; j < SAMPLES; j++) {
			assert_int_equal(entries_add(&list, &samples[i]), 0);
			assert_int_equal(entries_add(&list, &samples[j]), 0);
		}
	}
	assert_int_equal(list.n, 2 * SAMPLES * SAMPLES);
	entries_rewind(&list);
	for (i = 0; i < SAMPLES * SAMPLES; i++) {
		assert_true(entries_next(&list, &en));
		assert_same(&en, &samples[i / SAMPLES]);
		assert_true(entries_next(&list, &en));
		assert_same(&en, &samples[i % SAMPLES]);
	}
	assert_false(entries_next(&list, &en));
	entries_release(&list);
}

static void
test_no_room(void **state)
{
	struct entry en = { .check = ENTRY_EVERY, .size = 12345 }, out;
	struct entries list;
	char path[64];
	size_t n, i;

	entries_init(&list, 2000);
	en.path = path;
	for (n = 0;; n++) {
		en.path_len = (size_t)snprintf(path, sizeof(path),
		    "/a/directory/of/some/length/file%03zu", n);
		if (entries_add(&list, &en) != 0)
			break;
	}
	assert_int_equal(entries_add(&list, &en), ERR_TOOBIG);
	assert_int_equal(list.n, n);
	/* the directory once */
	assert_true(n > 100);
	entries_rewind(&list);
	for (i = 0; i < n; i++) {
		assert_true(entries_next(&list, &out));
		snprintf(path, sizeof(path),
		    "/a/directory/of/some/length/file%03zu", i);
		assert_int_equal(out.path_len, strlen(path));
		assert_memory_equal(out.path, path, out.path_len);
	}
	assert_false(entries_next(&list, &out));
	entries_release(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_out_as_it_went_in),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
