/* SPDX-License-Identifier: MPL-2.0 */
/* What is put into little memory comes out again as it was. */
#include "base/err.h"
#include "modules/common/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define FIELDS 3

static const char *const samples[][FIELDS] = {
	{ "", "", "" },
	{ "libc6", "2.36-9+deb12u14", "amd64" },
	{ "libc6", "2.36-9+deb12u14", "i386" },
	{ "libc6-dev", "2.36-9+deb12u14", "i386" },
	{ "lib", "2.36-9", "i386" },
	{ "", "2.36-9", "" },
	{ "other\n\xff", "3", "all" },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
fill(struct rows_field *row, const char *const *texts)
{
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		row[i].len = strlen(texts[i]);
		row[i].p = row[i].len > 0 ? texts[i] : NULL;
	}
}

static int
add(struct rows *r, const char *const *texts)
{
	struct rows_field row[FIELDS];

	fill(row, texts);
	return rows_add(r, row);
}

static void
assert_next(struct rows *r, const char *const *texts)
{
	struct rows_field row[FIELDS];
	size_t i;

	assert_true(rows_next(r, row));
	for (i = 0; i < FIELDS; i++) {
		assert_non_null(row[i].p);
		assert_int_equal(row[i].len, strlen(texts[i]));
		assert_memory_equal(row[i].p, texts[i], row[i].len);
	}
}

static void
assert_end(struct rows *r)
{
	struct rows_field row[FIELDS];

	assert_false(rows_next(r, row));
}

/* Each after each other, as what a row shares depends on that. */
static void
test_comes_out_as_it_went_in(void **state)
{
	struct rows list;
	size_t i, j, k;

	rows_init(&list, FIELDS, 100000);
	rows_rewind(&list);
	assert_end(&list);
	for (i = 0; i < SAMPLES * SAMPLES; i++) {
		assert_int_equal(add(&list, samples[i / SAMPLES]), 0);
		assert_int_equal(add(&list, samples[i % SAMPLES]), 0);
	}
	assert_int_equal(list.n, 2 * SAMPLES * SAMPLES);
	for (k = 0; k < 2; k++) {
		rows_rewind(&list);
		for (i = 0; i < SAMPLES; i++) {
			for (j = 0; j < SAMPLES; j++) {
				assert_next(&list, samples[i]);
				assert_next(&list, samples[j]);
			}
		}
		assert_end(&list);
	}
	rows_release(&list);
}

/* As when a database is read once more: whatever stood there before and
 * comes after. */
static void
test_taken_back(void **state)
{
	struct rows_mark mark;
	struct rows list;
	size_t i, j, k;

	for (i = 0; i < SAMPLES * SAMPLES * SAMPLES; i++) {
		rows_init(&list, FIELDS, 100000);
		j = i / SAMPLES % SAMPLES;
		k = i % SAMPLES;
		mark = rows_mark(&list);
		assert_int_equal(add(&list, samples[j]), 0);
		rows_take_back(&list, mark);
		assert_int_equal(list.n, 0);
		assert_int_equal(add(&list, samples[i / SAMPLES / SAMPLES]), 0);
		mark = rows_mark(&list);
		assert_int_equal(add(&list, samples[j]), 0);
		assert_int_equal(add(&list, samples[k]), 0);
		rows_take_back(&list, mark);
		rows_take_back(&list, mark);
		assert_int_equal(list.n, 1);
		assert_int_equal(add(&list, samples[k]), 0);
		assert_int_equal(add(&list, samples[j]), 0);
		rows_rewind(&list);
		assert_next(&list, samples[i / SAMPLES / SAMPLES]);
		assert_next(&list, samples[k]);
		assert_next(&list, samples[j]);
		assert_end(&list);
		rows_release(&list);
	}
}

static void
test_no_room(void **state)
{
	static const char *const one[FIELDS] = { "a", "b", "c" };
	static const char many[] = "0123456789012345678901234567890123456789"
				   "0123456789012345678901234567890123456789";
	static const char *const long_one[FIELDS] = { "a", many, "c" };
	struct rows list;

	rows_init(&list, FIELDS, 80);
	assert_int_equal(add(&list, one), 0);
	assert_int_equal(add(&list, long_one), ERR_TOOBIG);
	assert_int_equal(add(&list, long_one), ERR_TOOBIG);
	assert_int_equal(list.n, 1);
	rows_rewind(&list);
	assert_next(&list, one);
	assert_end(&list);
	rows_release(&list);
}

/* 100,000 packages in a few megabytes. */
static void
test_is_small(void **state)
{
	char name[64], version[64];
	struct rows_field row[FIELDS] = { { name, 0 }, { version, 0 },
		{ "amd64", 5 } };
	struct rows list;
	int i;

	rows_init(&list, FIELDS, 1 << 24);
	for (i = 0; i < 100000; i++) {
		row[0].len = (size_t)snprintf(
		    name, sizeof(name), "a-package-with-a-long-name-%06d", i);
		row[1].len = (size_t)snprintf(
		    version, sizeof(version), "1:%d.%d-1", i % 7, i % 31);
		assert_int_equal(rows_add(&list, row), 0);
	}
	assert_true(list.records.len < 100000 * 16);
	rows_release(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_out_as_it_went_in),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
