/* SPDX-License-Identifier: MPL-2.0 */
/* What a start makes of actions that are still open, over a real journal and
 * spool; answers are only noted, and stored when the disk takes them. */
#include "action/refusal.h"
#include "agent/monitor/answer.h"

#include "agentfiles.h"
#include "agent/monitor/job.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/sender.h"
#include "agent/store/journal.h"
#include "agent/store/spool.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1000000
#define DOC "a document"

static struct {
	bool disk_full;
	unsigned int refused, interrupted, resumed, restarts;
	unsigned int reason;
	int64_t expires;
	struct id id;
} said;

int64_t
agent_now(const struct agent *a)
{
	return NOW;
}

void
agent_must_restart(struct agent *a)
{
	said.restarts++;
}

void
sender_again(struct sender *s, const struct id *id)
{
}

/* As answer.c: the journal hears of it when it is stored. */
static void
answered(struct agent *a, const struct id *id)
{
	struct err e;

	said.id = *id;
	if (!said.disk_full)
		assert_int_equal(journal_answer(a->journal, id, &e), 0);
}

void
answer_refuse(
    struct agent *a, const struct id *id, unsigned int reason, int64_t expires)
{
	said.refused++;
	said.reason = reason;
	said.expires = expires;
	answered(a, id);
}

void
answer_interrupted(
    struct agent *a, const struct judge_verdict *v, const char *cancelled)
{
	said.interrupted++;
	answered(a, &v->id);
}

void
jobs_add(struct jobs *j, const struct judge_verdict *v,
    const struct signed_by *by, const void *doc, size_t len, bool started)
{
	said.resumed++;
	said.id = v->id;
}

struct fixture {
	struct agent a;
	char dir[64], journal[96];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&said, 0, sizeof(said));
	files_open(&f->a, f->dir, FILE_SPOOL | FILE_JOURNAL, NOW);
	snprintf(f->journal, sizeof(f->journal), "%s/journal", f->dir);
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

/* An open action, its verdict without the last cut bytes. */
static struct id
open_action(struct fixture *f, int64_t expires, bool started, size_t cut)
{
	struct journal_action ja = { .expires = expires, .signed_at = NOW };
	struct judge_verdict v = { .noperations = 1,
		.expire_after = expires,
		.seconds = 1,
		.result_bytes = 4096 };
	struct signed_by by = { .n = 1 };
	static const uint8_t zero[64];
	struct buf verdict;
	struct err e;

	err_clear(&e);
	purpose_hash(PURPOSE_ACTION, DOC, strlen(DOC), &v.id);
	buf_init(&verdict, 8192);
	judge_verdict_write(&v, &verdict);
	buf_add(&verdict, zero, PGP_FPR_LEN);
	buf_add(&verdict, zero, ID_LEN);
	signed_by_write(&by, &verdict);
	assert_int_equal(verdict.error, 0);
	ja.id = v.id;
	ja.verdict = verdict.data;
	ja.verdict_len = verdict.len - cut;
	ja.doc = DOC;
	ja.doc_len = strlen(DOC);
	assert_int_equal(journal_accept(f->a.journal, &ja, started, &e), 0);
	buf_release(&verdict);
	return v.id;
}

static void
recover(struct fixture *f)
{
	struct err e;

	err_clear(&e);
	assert_int_equal(agent_recover(&f->a, &e), 0);
	assert_int_equal(said.restarts, 0);
}

static unsigned int
state_of(const struct fixture *f, const struct id *id)
{
	return journal_find(f->a.journal, id)->state;
}

static void
test_still_valid(void **state)
{
	struct fixture *f = *state;
	struct id id = open_action(f, NOW + 600, false, 0);

	recover(f);
	assert_int_equal(said.resumed, 1);
	assert_true(id_equal(&said.id, &id));
	assert_int_equal(state_of(f, &id), JOURNAL_ACCEPTED);
}

static void
test_started(void **state)
{
	struct fixture *f = *state;
	struct id id = open_action(f, NOW + 600, true, 0);

	recover(f);
	assert_int_equal(said.interrupted, 1);
	assert_int_equal(state_of(f, &id), JOURNAL_ANSWERED);
}

/* Its refusal is not on the disk: after one more start it is made again. */
static void
test_a_refusal_that_waits_for_the_disk(void **state)
{
	struct fixture *f = *state;
	struct id id = open_action(f, NOW, false, 0);

	said.disk_full = true;
	recover(f);
	assert_int_equal(said.refused, 1);
	assert_int_equal(said.reason, REFUSAL_EXPIRED);
	assert_int_equal(state_of(f, &id), JOURNAL_ACCEPTED);
	said.disk_full = false;
	recover(f);
	assert_int_equal(said.refused, 2);
	assert_int_equal(state_of(f, &id), JOURNAL_ANSWERED);
}

/* As another version of the agent wrote it: not open for ever. */
static void
test_a_verdict_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	struct id id =
	    open_action(f, NOW + 600, true, PGP_FPR_LEN * 2 + ID_LEN + 2);

	recover(f);
	assert_int_equal(said.refused, 1);
	assert_int_equal(said.reason, REFUSAL_INTERNAL);
	assert_int_equal(said.expires, NOW + 600);
	assert_true(id_equal(&said.id, &id));
	assert_int_equal(state_of(f, &id), JOURNAL_ANSWERED);
}

/* Nobody else would look at what is open before the next start. */
static void
test_a_journal_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	struct err e;

	err_clear(&e);
	open_action(f, NOW + 600, true, 0);
	assert_int_equal(unlink(f->journal), 0);
	assert_int_equal(agent_recover(&f->a, &e), ERR_NOTFOUND);
	assert_int_equal(said.interrupted, 0);
	assert_int_equal(said.restarts, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_still_valid),
		T(test_started),
		T(test_a_refusal_that_waits_for_the_disk),
		T(test_a_verdict_that_cannot_be_read),
		T(test_a_journal_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
