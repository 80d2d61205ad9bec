/* SPDX-License-Identifier: MPL-2.0 */
/* What the own record says that ran, and the journal has lost: it stays known
 * whatever is refused afterwards, and raises the floor when it has to go. */
#include "agent/monitor/ran.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/store/journal.h"
#include "agent/store/ownrecord.h"
#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000
#define ROOM 8
#define RAN 3 /* actions that ran, with the ids 0, 1, 2 */

static char dir[64], journal_path[128], record_path[128];

static int
make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-ran-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(journal_path, sizeof(journal_path), "%s/journal", dir);
	snprintf(record_path, sizeof(record_path), "%s/record", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	unlink(journal_path);
	unlink(record_path);
	return rmdir(dir);
}

static struct id
number(unsigned int n)
{
	struct id id = { { 0 } };

	id.b[0] = (uint8_t)n;
	id.b[1] = (uint8_t)(n >> 8);
	id.b[31] = 1;
	return id;
}

/* Action n ends NOW + 1000 + n. Two ran and a refusal stands for what could
 * not be kept or made; one was refused before it ran; the last is not answered,
 * so that it cannot be told whether it ran. */
static void
write_record(void)
{
	static const uint16_t reasons[] = { REFUSAL_NONE, REFUSAL_NO_ROOM,
		REFUSAL_INTERNAL, REFUSAL_CANCELLED };
	struct own_answered ans = { .time_ms = 5 };
	struct judge_verdict v;
	struct verify_verdict by;
	struct record *r = NULL;
	unsigned int i;

	memset(&by, 0, sizeof(by));
	memset(&v, 0, sizeof(v));
	assert_int_equal(record_open(record_path, NULL, NULL, &r, NULL), 0);
	for (i = 0; i <= RAN + 1; i++) {
		v.id = number(i);
		v.expire_after = NOW + 1000 + i;
		assert_int_equal(own_add_asked(r, &v, &by, 4, NULL), 0);
		ans.id = v.id;
		if (i > RAN)
			continue;
		ans.reason = reasons[i];
		ans.status =
		    ans.reason == REFUSAL_NONE ? RESULT_DONE : RESULT_REFUSED;
		assert_int_equal(own_add_answered(r, &ans, NULL), 0);
	}
	record_free(r);
}

static struct journal *
open_journal(void)
{
	struct journal *j = NULL;

	assert_int_equal(
	    journal_open(journal_path, ROOM, NOW, false, &j, NULL), 0);
	return j;
}

static void
hold(struct journal *j, size_t want)
{
	struct ran *r = ran_new(NOW);
	size_t n = 99;

	assert_int_equal(record_scan(record_path, ran_note, r, NULL), 0);
	assert_int_equal(ran_hold(r, j, &n, NULL), 0);
	assert_int_equal(n, want);
	ran_free(r);
}

static void
check_held(const struct journal *j, unsigned int n)
{
	struct id id = number(n);
	const struct journal_entry *en = journal_find(j, &id);

	assert_non_null(en);
	assert_int_equal(en->state, JOURNAL_HELD);
	assert_int_equal(en->reason, REFUSAL_DAMAGED);
	assert_int_equal(en->expires, NOW + 1000 + n);
}

static void
what_ran_stays_known(void **state)
{
	struct journal_action a = { .expires = INT64_MAX };
	struct journal *j;
	struct id refused = number(RAN), unsure = number(RAN + 1);
	unsigned int i;

	write_record();
	j = open_journal();
	hold(j, RAN);
	assert_null(journal_find(j, &refused));
	assert_null(journal_find(j, &unsure));
	/* anybody in the keyring can have as much refused as they like */
	for (i = 100; i < 100 + 4 * ROOM; i++) {
		a.id = number(i);
		assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
	}
	for (i = 0; i < RAN; i++)
		check_held(j, i);
	journal_free(j);
	j = open_journal();
	assert_int_equal(journal_count(j), ROOM);
	assert_int_equal(journal_floor(j), 0);
	for (i = 0; i < RAN; i++)
		check_held(j, i);
	hold(j, 0);
	journal_free(j);
}

static void
what_goes_raises_the_floor(void **state)
{
	struct journal_action a = { .expires = NOW + 5000 };
	struct journal *j;
	struct id first = number(0);
	unsigned int i;

	write_record();
	j = open_journal();
	hold(j, RAN);
	for (i = 100; i < 100 + ROOM - RAN + 1; i++) {
		a.id = number(i);
		assert_int_equal(journal_accept(j, &a, true, NULL), 0);
		assert_int_equal(journal_answer(j, &a.id, NULL), 0);
	}
	assert_null(journal_find(j, &first));
	assert_int_equal(journal_floor(j), NOW + 1000);
	check_held(j, 1);
	/* and it is not entered once more */
	hold(j, 0);
	journal_free(j);
	j = open_journal();
	assert_int_equal(journal_floor(j), NOW + 1000);
	check_held(j, 1);
	journal_free(j);
}

/* Entering one can push out another that ran, too. */
static void
holding_raises_the_floor(void **state)
{
	struct journal_action a = { .expires = NOW + 10 };
	struct journal *j = open_journal();
	unsigned int i;

	for (i = 100; i < 100 + ROOM; i++) {
		a.id = number(i);
		a.expires++;
		assert_int_equal(journal_accept(j, &a, true, NULL), 0);
		assert_int_equal(journal_answer(j, &a.id, NULL), 0);
	}
	write_record();
	hold(j, RAN);
	for (i = 0; i < 2; i++) {
		assert_int_equal(journal_floor(j), NOW + 10 + RAN);
		check_held(j, 0);
		journal_free(j);
		j = open_journal();
	}
	journal_free(j);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_ran_stays_known),
		CASE(what_goes_raises_the_floor),
		CASE(holding_raises_the_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
