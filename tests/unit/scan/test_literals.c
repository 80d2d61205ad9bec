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

static void
on_found(uint32_t number, void *arg)
{
	struct seen *s = arg;

	if (number == s->number)
		s->times++;
	else
		s->others++;
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everywhere),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
