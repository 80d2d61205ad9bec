/* SPDX-License-Identifier: MPL-2.0 */
/* The sieve: literals of every length, at every place of a text, a few and
 * very many of them. */
#include "scan/literals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT 96

struct seen {
	uint32_t number; /* looked for */
	unsigned int times, others;
};

static bool
on_found(uint32_t number, size_t at, void *arg)
{
	struct seen *s = arg;

	if (number == s->number)
		s->times++;
	else
		s->others++;
	return true;
}

static void
test_everywhere(void **state)
{
	static const char alphabet[] = "abcdefghijklmnopqrst";
	struct literal list[20];
	struct literals *l;
	uint8_t text[TEXT];
	struct seen s;
	size_t n = 0, len, at;

	/* each a beginning of the same text: they share their windows */
	for (len = LITERAL_MIN; len <= 20; len++) {
		list[n].bytes = (const uint8_t *)alphabet;
		list[n++].len = len;
	}
	l = literals_new(list, n);
	assert_non_null(l);
	for (s.number = 0; s.number < n; s.number++) {
		for (at = 0; at + list[s.number].len <= TEXT; at++) {
			memset(text, '-', sizeof(text));
			memcpy(text + at, alphabet, list[s.number].len);
			s.times = s.others = 0;
			literals_scan(l, text, sizeof(text), on_found, &s);
			assert_int_equal(s.times, 1);
			/* those that are shorter, and no longer one */
			assert_int_equal(s.others, s.number);
			/* the end of the text cuts it */
			s.times = s.others = 0;
			literals_scan(
			    l, text, at + list[s.number].len - 1, on_found, &s);
			assert_int_equal(s.times, 0);
			assert_int_equal(s.others, s.number);
		}
	}
	literals_free(l);
}

static void
test_many(void **state)
{
	enum { N = 6000 };
	struct literal *list = calloc(N, sizeof(*list));
	char(*texts)[24] = calloc(N, sizeof(*texts));
	uint8_t text[TEXT];
	struct literals *l;
	struct seen s;
	size_t at;

	assert_true(list != NULL && texts != NULL);
	for (s.number = 0; s.number < N; s.number++) {
		/* short and long ones by turns, no two of them the same */
		snprintf(texts[s.number], sizeof(texts[0]),
		    s.number % 2 == 0 ? "%05x" : "%05x/indicator",
		    s.number * 7919u % 0xfffff);
		list[s.number].bytes = (const uint8_t *)texts[s.number];
		list[s.number].len = strlen(texts[s.number]);
	}
	l = literals_new(list, N);
	assert_non_null(l);
	for (s.number = 0; s.number < N; s.number++) {
		at = s.number % (TEXT - sizeof(texts[0]));
		memset(text, '.', sizeof(text));
		memcpy(text + at, list[s.number].bytes, list[s.number].len);
		s.times = s.others = 0;
		literals_scan(l, text, sizeof(text), on_found, &s);
		assert_int_equal(s.times, 1);
	}
	literals_free(l);
	free(list);
	free(texts);
}

/* What the processor can at best, less, and nothing: the same places. */
static bool
on_place(uint32_t number, size_t at, void *arg)
{
	uint64_t *sum = arg;

	sum[0]++;
	sum[1] += (at + 1) * 0x9e3779b97f4a7c15u + number * 31u;
	return true;
}

static void
test_processors(void **state)
{
	enum { N = 300, SIZE = 20000 };
	static const enum sift_cpu cpus[] = { SIFT_NONE, SIFT_AVX2,
		SIFT_AVX512 };
	struct literal list[N];
	uint8_t *text = malloc(SIZE + 1);
	uint64_t sums[3][2];
	struct literals *l;
	uint32_t seed = 5, turn;
	size_t i, k, n, len;

	for (turn = 0; turn < 40; turn++) {
		for (i = 0; i < SIZE; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = (uint8_t)("abcdefgh"[seed >> 29] +
			    (turn % 2 == 0 ? 0 : 0x80));
		}
		/* few and many, taken from the text itself */
		n = turn % 3 == 0 ? 9 : N;
		for (i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			list[i].bytes = text + (seed >> 8) % (SIZE - 40);
			list[i].len = LITERAL_MIN +
			    (seed >> 24) % (turn % 4 == 1 ? 3 : 20);
		}
		len = SIZE - turn * 7u;
		for (k = 0; k < 3; k++) {
			literals_limit(cpus[k]);
			l = literals_new(list, n);
			assert_non_null(l);
			sums[k][0] = sums[k][1] = 0;
			literals_scan(l, text + turn % 5, len - turn % 5,
			    on_place, sums[k]);
			literals_free(l);
		}
		assert_true(sums[0][0] > n / 2);
		assert_memory_equal(sums[0], sums[1], sizeof(sums[0]));
		assert_memory_equal(sums[0], sums[2], sizeof(sums[0]));
	}
	literals_limit(SIFT_AVX512);
	free(text);
}

static void
test_none(void **state)
{
	struct literals *l = literals_new(NULL, 0);
	struct seen s = { 0 };

	assert_non_null(l);
	literals_scan(l, "some text", 9, on_found, &s);
	assert_int_equal(s.times + s.others, 0);
	literals_free(l);
}

static bool
first_three(uint32_t number, size_t at, void *arg)
{
	return ++*(int *)arg < 3;
}

static void
test_enough(void **state)
{
	const struct literal one = { (const uint8_t *)"abcd", 4 };
	struct literals *l = literals_new(&one, 1);
	char text[4000];
	int times = 0;
	size_t i;

	for (i = 0; i < sizeof(text); i += 4)
		memcpy(text + i, "abcd", 4);
	assert_non_null(l);
	literals_scan(l, text, sizeof(text), first_three, &times);
	assert_int_equal(times, 3);
	literals_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everywhere),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_processors),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
