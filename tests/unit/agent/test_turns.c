/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t *
person(unsigned int number)
{
	static uint8_t fpr[4][PGP_FPR_LEN];
	static unsigned int at;
	uint8_t *p = fpr[at++ % 4];

	memset(p, 0, PGP_FPR_LEN);
	p[0] = (uint8_t)(number >> 8);
	p[PGP_FPR_LEN - 1] = (uint8_t)number;
	return p;
}

/* Serves a queue of people (letters) as the job queue does; the order out. */
static void
serve(struct turns *t, const char *queue, char *out)
{
	char left[64];
	size_t i, best, n = strlen(queue), k = 0;

	snprintf(left, sizeof(left), "%s", queue);
	for (; k < n; k++) {
		best = n;
		for (i = 0; i < n; i++) {
			if (left[i] == '.')
				continue;
			if (best == n ||
			    turns_before(t, person((unsigned)left[i]),
				person((unsigned)left[best])))
				best = i;
		}
		turns_served(t, person((unsigned)left[best]));
		out[k] = left[best];
		left[best] = '.';
	}
	out[k] = '\0';
}

static void
test_round_robin(void **state)
{
	static const struct {
		const char *queue, *want;
	} cases[] = {
		{ "aaaa", "aaaa" },
		{ "aaaab", "abaaa" },
		{ "aaaabbc", "abcabaa" },
		{ "abcabc", "abcabc" },
		{ "baaa", "baaa" },
		{ "bbaac", "bacba" },
		{ "aaaaaaaabcd", "abcdaaaaaaa" },
	};
	struct turns t;
	char out[64];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&t, 0, sizeof(t));
		serve(&t, cases[i].queue, out);
		assert_string_equal(out, cases[i].want);
	}
}

/* Who was served before is not first again when new work comes. */
static void
test_remembers(void **state)
{
	struct turns t;
	char out[64];

	memset(&t, 0, sizeof(t));
	serve(&t, "aaa", out);
	serve(&t, "aab", out);
	assert_string_equal(out, "baa");
	serve(&t, "ba", out);
	assert_string_equal(out, "ba");
	assert_false(turns_before(&t, person('a'), person('a')));
}

/* More people than are remembered: the memory stays bounded and who was
 * served longest ago is as good as new. */
static void
test_many_people(void **state)
{
	struct turns t;
	unsigned int i;

	memset(&t, 0, sizeof(t));
	for (i = 1; i <= TURNS_PEOPLE + 10; i++)
		turns_served(&t, person(i));
	assert_true(turns_before(&t, person(1), person(11)));
	assert_true(turns_before(&t, person(10), person(11)));
	assert_true(turns_before(&t, person(11), person(12)));
	assert_true(turns_before(&t, person(12), person(TURNS_PEOPLE + 10)));
	assert_false(turns_before(&t, person(1), person(1000)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_remembers),
		cmocka_unit_test(test_many_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
