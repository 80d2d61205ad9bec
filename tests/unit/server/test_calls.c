/* SPDX-License-Identifier: MPL-2.0 */
/* Roles, the calls of API keys, and how often somebody may call. */
#include "server/calls.h"
#include "server/ratelimit.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_roles(void **state)
{
	enum person_role r;
	struct err e;

	assert_true(call_allowed(CALL_AGENTS, PERSON_READER, 0));
	assert_false(call_allowed(CALL_ACTIONS_LAUNCH, PERSON_READER, 0));
	assert_true(call_allowed(CALL_ACTIONS_LAUNCH, PERSON_INVESTIGATOR, 0));
	assert_false(call_allowed(CALL_KEYS, PERSON_INVESTIGATOR, 0));
	assert_true(call_allowed(CALL_KEYS, PERSON_ADMIN, 0));
	/* nobody, and what is no call */
	assert_false(call_allowed(CALL_STATUS, 0, 0));
	assert_false(call_allowed(CALL_OPEN, PERSON_ADMIN, UINT64_MAX));
	assert_false(
	    call_allowed((enum server_call)63, PERSON_ADMIN, UINT64_MAX));
	for (r = PERSON_READER; r <= PERSON_ADMIN; r++) {
		enum person_role same;

		assert_int_equal(
		    person_role_parse(person_role_text(r), &same, &e), 0);
		assert_int_equal(r, same);
	}
	assert_int_equal(person_role_parse("root", &r, &e), ERR_INVALID);
	assert_int_equal(person_role_parse("", &r, &e), ERR_INVALID);
}

static void
test_keys(void **state)
{
	static const char *const bad[] = { "", ",", "status,", ",status",
		"nonsense", "STATUS", "status, agents", "apikeys", "sessions",
		"investigators:change", "session", "status;results" };
	char text[CALLS_TEXT_MAX];
	uint64_t calls = 7;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(calls_parse(bad[i], &calls, &e), ERR_INVALID);
	assert_int_equal(calls, 7);
	assert_int_equal(
	    calls_parse("results,status,actions:read,status", &calls, &e), 0);
	calls_text(calls, text);
	assert_string_equal(text, "status,actions:read,results");
	assert_true(call_allowed(CALL_RESULTS, 0, calls));
	assert_false(call_allowed(CALL_AGENTS, 0, calls));
	/* whatever bits there are: a key never says who may do what */
	assert_false(call_allowed(CALL_KEYS, 0, UINT64_MAX));
	assert_false(call_allowed(CALL_PEOPLE_CHANGE, 0, UINT64_MAX));
	assert_false(call_allowed(CALL_SESSIONS, 0, UINT64_MAX));
	assert_false(call_allowed(CALL_OWN_SESSION, 0, UINT64_MAX));
}

/* Everything a key may do fits into its text. */
static void
test_text_fits(void **state)
{
	char text[CALLS_TEXT_MAX], why[CALL_WHY_MAX];
	int i;

	calls_text(UINT64_MAX, text);
	assert_true(strlen(text) < CALLS_TEXT_MAX - 1);
	for (i = 0; i < 20; i++) {
		call_why_not((enum server_call)i, PERSON_READER, why);
		assert_true(strlen(why) > 10);
		call_why_not((enum server_call)i, 0, why);
		assert_true(strlen(why) > 10);
	}
}

static const uint8_t seed[16] = "0123456789abcde";

static void
test_rate(void **state)
{
	struct rate *r = malloc(sizeof(*r));
	unsigned int i, wait;

	assert_non_null(r);
	rate_init(r, 60, seed);
	for (i = 0; i < 60; i++)
		assert_int_equal(rate_take(r, "alice", 5, 1000), 0);
	wait = rate_take(r, "alice", 5, 1000);
	assert_in_range(wait, 1, 2);
	/* others are not touched by it; nor does asking make it longer */
	assert_int_equal(rate_take(r, "bob", 3, 1000), 0);
	assert_int_equal(rate_take(r, "alice", 5, 1000), wait);
	/* who waits as long as he was told may go on, once */
	assert_int_equal(rate_take(r, "alice", 5, 1000 + wait * 1000), 0);
	assert_int_not_equal(rate_take(r, "alice", 5, 1001 + wait * 1000), 0);
	/* a clock that goes back gives nothing away */
	assert_int_not_equal(rate_take(r, "alice", 5, 0), 0);
	/* after a minute all of it is there again */
	for (i = 0; i < 60; i++)
		assert_int_equal(rate_take(r, "alice", 5, 100000), 0);
	rate_init(r, 0, seed);
	for (i = 0; i < 1000; i++)
		assert_int_equal(rate_take(r, "alice", 5, 1000), 0);
	free(r);
}

/* Many strangers do not push out one who uses what he may: bounded memory
 * costs the quiet ones their count. */
static void
test_rate_many(void **state)
{
	struct rate *r = malloc(sizeof(*r));
	size_t refused = 0;
	char name[16];
	int i;

	assert_non_null(r);
	rate_init(r, 100, seed);
	for (i = 0; i < 100; i++)
		assert_int_equal(rate_take(r, "flood", 5, 1), 0);
	for (i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		rate_take(r, name, strlen(name), 1);
	}
	assert_int_not_equal(rate_take(r, "flood", 5, 1), 0);
	/* short of the places: nobody is refused who was not seen often */
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "new %d", i);
		refused += rate_take(r, name, strlen(name), 1) != 0;
	}
	assert_int_equal(refused, 0);
	free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_text_fits),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
