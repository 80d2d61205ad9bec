/* SPDX-License-Identifier: MPL-2.0 */
/* Answers that the disk does not take, over a real journal, record and spool;
 * what net is given is only counted. */
#include "agent/monitor/answer.h"

#include "agentfiles.h"
#include "action/refusal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/monitor/sender.h"
#include "agent/store/journal.h"
#include "agent/store/spool.h"
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
#include <event2/event.h>

#define NOW 1000000
#define WAIT_COUNT 256 /* answer.c */

static struct {
	unsigned int parts, queued, restarts;
	uint8_t status; /* of the answer that net was given */
} said;

bool
netlink_up(const struct netlink *n)
{
	return true;
}

void
netlink_part(struct netlink *n, const struct id *id, uint16_t part, uint16_t of,
    const void *data, size_t len)
{
	said.parts++;
	said.status = ((const uint8_t *)data)[1];
}

void
sender_add(struct sender *s, const struct id *id)
{
	said.queued++;
}

void
agent_house(struct agent *a, int64_t ms)
{
}

void
agent_disk_error(struct agent *a, int rc)
{
}

void
agent_must_restart(struct agent *a)
{
	said.restarts++;
}

struct fixture {
	struct agent a;
	char dir[64], spool[96], away[96];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&said, 0, sizeof(said));
	f->a.base = event_base_new();
	f->a.conf.quota = FILES_QUOTA;
	identity_new(&f->a.state.who);
	files_open(&f->a, f->dir, FILE_SPOOL | FILE_JOURNAL | FILE_RECORD, NOW);
	snprintf(f->spool, sizeof(f->spool), "%s/spool", f->dir);
	snprintf(f->away, sizeof(f->away), "%s/away", f->dir);
	f->a.answers = answers_new(&f->a);
	assert_non_null(f->a.answers);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	files_close(&f->a, f->dir);
	event_base_free(f->a.base);
	free(f);
	return 0;
}

static struct id
number(unsigned int n)
{
	struct id id = { { (uint8_t)n, (uint8_t)(n >> 8), 1 } };

	return id;
}

static void
no_disk(struct fixture *f)
{
	assert_int_equal(rename(f->spool, f->away), 0);
}

static void
disk_again(struct fixture *f)
{
	assert_int_equal(rename(f->away, f->spool), 0);
}

/* What waits is stored when the disk takes it, the same that was made. */
static void
test_waits_for_the_disk(void **state)
{
	struct fixture *f = *state;
	struct id id = number(1);

	no_disk(f);
	answer_refuse(&f->a, &id, REFUSAL_BUSY, NOW);
	assert_int_equal(answers_waiting(f->a.answers), 1);
	assert_int_equal(record_position(f->a.record), 0);
	assert_null(spool_find(f->a.spool, &id));
	disk_again(f);
	answers_free(f->a.answers);
	assert_int_equal(record_position(f->a.record), 1);
	assert_non_null(spool_find(f->a.spool, &id));
	assert_true(answer_intact(&f->a, &id));
	assert_int_equal(said.parts, 0);
}

/* There is room neither on the disk nor in memory: of an action that the
 * journal has as open nobody would speak again, but for another start. */
static void
test_nothing_of_it_is_kept(void **state)
{
	struct journal_action ja = { .id = number(1000), .expires = NOW };
	struct judge_verdict v = { .id = ja.id,
		.noperations = 1,
		.result_bytes = 4096,
		.expire_after = NOW };
	struct fixture *f = *state;
	struct err e;
	struct id id;
	unsigned int i;

	err_clear(&e);
	assert_int_equal(journal_accept(f->a.journal, &ja, true, &e), 0);
	memset(v.seal_public, 9, sizeof(v.seal_public));
	no_disk(f);
	for (i = 0; i < WAIT_COUNT; i++) {
		id = number(i);
		answer_refuse(&f->a, &id, REFUSAL_BUSY, NOW);
	}
	assert_int_equal(answers_waiting(f->a.answers), WAIT_COUNT);
	/* judged again when it is asked again */
	id = number(i);
	answer_refuse(&f->a, &id, REFUSAL_BUSY, NOW);
	assert_int_equal(said.parts, 1);
	assert_int_equal(said.restarts, 0);
	answer_interrupted(&f->a, &v, NULL);
	assert_int_equal(said.parts, 2);
	assert_int_equal(said.status, RESULT_REFUSED);
	assert_int_equal(said.restarts, 1);
	assert_int_equal(
	    journal_find(f->a.journal, &ja.id)->state, JOURNAL_STARTED);
	assert_int_equal(answers_waiting(f->a.answers), WAIT_COUNT);
	disk_again(f);
	answers_free(f->a.answers);
	assert_int_equal(spool_waiting(f->a.spool), WAIT_COUNT);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_waits_for_the_disk),
		T(test_nothing_of_it_is_kept),
	};

	log_init("test", LOG_LEVEL_ERROR, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
