/* SPDX-License-Identifier: MPL-2.0 */
/* What a cancel has written where no job is: of an action that never comes, and
 * of one whose answer waits for the disk, so much of a person and day. */
#include "agent/monitor/cancel.h"

#include "agentfiles.h"
#include "agent/judged.h"
#include "agent/messages.h"
#include "agent/monitor/days.h"
#include "agent/monitor/job.h"
#include "agent/monitor/monitor.h"
#include "agent/store/journal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000

static struct job *running;
static unsigned int cancelled;

int64_t
agent_now(const struct agent *a)
{
	return NOW;
}

void
agent_disk_error(struct agent *a, int rc)
{
}

const struct job *
jobs_find(const struct jobs *j, const struct id *id)
{
	return running;
}

void
jobs_cancel(struct jobs *j, const struct id *id, const char *why)
{
	cancelled++;
}

bool
days_take(struct agent *a, enum day_of what, const struct signed_by *by,
    unsigned int most)
{
	const struct daybook_of *first;

	assert_int_equal(what, DAY_CANCELS);
	return daybook_take(&a->days[what], by, most, clock_mono_ms(), &first);
}

struct fixture {
	struct agent a;
	char dir[64];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	running = NULL;
	cancelled = 0;
	files_open(&f->a, f->dir, FILE_JOURNAL | FILE_RECORD, NOW);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	files_close(&f->a, f->dir);
	free(f);
	return 0;
}

static void
accept_one(struct fixture *f, const struct id *id)
{
	struct journal_action ja = { .id = *id,
		.expires = NOW + 600,
		.signed_at = NOW,
		.verdict = "v",
		.verdict_len = 1,
		.doc = "d",
		.doc_len = 1 };
	struct err e;

	err_clear(&e);
	assert_int_equal(journal_accept(f->a.journal, &ja, true, &e), 0);
}

/* Cancel n of the action, signed by the person. */
static void
cancel(struct fixture *f, const struct id *action, uint32_t n, uint8_t person)
{
	struct verify_verdict who = { .n = 1 };
	struct cancel_verdict v;

	memset(&v, 0, sizeof(v));
	v.id = (struct id){ { (uint8_t)(n >> 8), (uint8_t)n, 1 } };
	v.action = *action;
	v.expire_after = NOW + 600;
	who.signers[0].verdict = SIG_GOOD;
	memset(who.signers[0].person, person, PGP_FPR_LEN);
	cancel_take(&f->a, &v, &who);
}

static void
test_where_no_job_is(void **state)
{
	struct fixture *f = *state;
	struct id waits = { { 7 } }, never = { { 8 } };
	uint64_t end;
	uint32_t i;

	accept_one(f, &waits);
	for (i = 0; i < CANCELS_DAY + 100; i++)
		cancel(f, i % 2 == 0 ? &waits : &never, i, 1);
	end = record_position(f->a.record);
	assert_int_equal(end, CANCELS_DAY);
	cancel(f, &waits, i, 2);
	assert_int_equal(record_position(f->a.record), end + 1);
}

/* What runs is stopped, whatever else they have cancelled this day. */
static void
test_what_runs(void **state)
{
	struct fixture *f = *state;
	struct id id = { { 7 } };
	uint32_t i;

	accept_one(f, &id);
	for (i = 0; i < CANCELS_DAY + 100; i++)
		cancel(f, &id, i, 1);
	running = calloc(1, sizeof(*running));
	running->by.n = 1;
	memset(running->by.persons[0], 1, PGP_FPR_LEN);
	cancelled = 0;
	cancel(f, &id, i++, 1);
	assert_int_equal(cancelled, 1);
	cancel(f, &id, i++, 2);
	assert_int_equal(cancelled, 1);
	free(running);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_where_no_job_is),
		T(test_what_runs),
	};

	log_init("test", LOG_LEVEL_ERROR, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
