/* SPDX-License-Identifier: MPL-2.0 */
/* Cancels that are remembered: whose hold for what, for how long, how many,
 * and across restarts in the journal. */
#include "agent/store/journal.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000
#define ALICE 1
#define BOB 2

static struct signed_by
by(uint8_t who)
{
	struct signed_by s = { .n = 1 };

	memset(s.persons[0], who, PGP_FPR_LEN);
	return s;
}

static struct id
number(uint32_t n, uint8_t kind)
{
	struct id id = { { (uint8_t)(n >> 8), (uint8_t)n, kind } };

	return id;
}

/* Cancel n is of action n. */
static struct cancelled
cancel(uint32_t n, uint8_t who, bool right, int64_t expires)
{
	struct cancelled c = { .id = number(n, 1),
		.action = number(n, 2),
		.expires = expires,
		.right = right,
		.by = by(who),
		.text = "cancelled by somebody: why" };

	return c;
}

static bool
holds(const struct cancels *t, uint32_t n, uint8_t signer, int64_t now)
{
	struct signed_by s = by(signer);
	struct id id = number(n, 2);

	return cancels_find(t, &id, &s, now) != NULL;
}

static void
enter(struct cancels *t, const struct cancelled *c, int64_t now)
{
	size_t dead;

	assert_int_equal(cancels_enter(t, c, 100, now, &dead), 0);
}

static void
who_may(void **state)
{
	struct cancelled mine = cancel(1, ALICE, false, NOW + 10);
	struct cancelled any = cancel(2, BOB, true, NOW + 10);
	struct signed_by both = by(BOB), nobody = { .n = 0 };
	struct cancels t;
	struct id id = number(1, 2);

	cancels_init(&t);
	enter(&t, &mine, NOW);
	enter(&t, &any, NOW);
	assert_true(holds(&t, 1, ALICE, NOW));
	assert_false(holds(&t, 1, BOB, NOW));
	assert_true(holds(&t, 2, ALICE, NOW));
	assert_false(holds(&t, 3, ALICE, NOW));
	/* one of several signers suffices; nobody is not somebody */
	both.persons[both.n++][0] = 99;
	memset(both.persons[1], ALICE, PGP_FPR_LEN);
	assert_non_null(cancels_find(&t, &id, &both, NOW));
	assert_null(cancels_find(&t, &id, &nobody, NOW));
	/* until the end */
	assert_true(holds(&t, 1, ALICE, NOW + 9));
	assert_false(holds(&t, 1, ALICE, NOW + 10));
	cancels_release(&t);
}

static void
bounded(void **state)
{
	struct cancelled c;
	struct cancels t;
	size_t dead;
	uint32_t i;

	cancels_init(&t);
	c = cancel(1, ALICE, false, NOW + 50);
	enter(&t, &c, NOW);
	/* of one person only the newest stay */
	for (i = 100; i < 100 + 3 * CANCELS_EACH; i++) {
		c = cancel(i, BOB, false, NOW + 50);
		enter(&t, &c, NOW);
	}
	assert_int_equal(t.n, 1 + CANCELS_EACH);
	assert_true(holds(&t, 1, ALICE, NOW));
	assert_true(holds(&t, i - 1, BOB, NOW));
	assert_false(holds(&t, 100, BOB, NOW));
	/* those with the right push out what may never hold, not each other */
	for (i = 1000; i < 1000 + CANCELS_MAX; i++) {
		c = cancel(i, BOB, true, NOW + 50);
		enter(&t, &c, NOW);
	}
	assert_int_equal(t.n, CANCELS_MAX);
	assert_true(holds(&t, 1000, ALICE, NOW));
	assert_true(holds(&t, i - 1, ALICE, NOW));
	assert_false(holds(&t, 1, ALICE, NOW));
	/* known ones are not taken again */
	assert_int_equal(cancels_enter(&t, &c, 77, NOW, &dead), 0);
	assert_int_equal(dead, 77);
	assert_int_equal(t.n, CANCELS_MAX);
	/* what has ended makes room before what has not */
	c = cancel(6, BOB, true, NOW + 500);
	assert_int_equal(cancels_enter(&t, &c, 77, NOW + 50, &dead), 0);
	assert_int_equal(dead, 100 * CANCELS_MAX);
	assert_int_equal(t.n, 1);
	cancels_release(&t);
	assert_int_equal(t.n, 0);
}

/* A clock that was ahead for a while has ended nothing. */
static void
clock_that_was_ahead(void **state)
{
	struct cancelled c = cancel(1, ALICE, false, NOW + 50);
	struct cancels t;
	uint32_t i;

	cancels_init(&t);
	enter(&t, &c, NOW);
	for (i = 2; i < 2 + CANCELS_EACH; i++) {
		c = cancel(i, BOB, false, NOW + 2000);
		enter(&t, &c, NOW + 1000);
	}
	assert_false(holds(&t, 1, ALICE, NOW + 1000));
	assert_true(holds(&t, 1, ALICE, NOW + 1));
	/* what needs room needs it then */
	c = cancel(i, BOB, false, NOW + 2000);
	enter(&t, &c, NOW + 1000);
	assert_false(holds(&t, 1, ALICE, NOW + 1));
	assert_int_equal(t.n, CANCELS_EACH);
	cancels_release(&t);
}

static void
written_and_read(void **state)
{
	struct cancelled c = cancel(7, ALICE, true, NOW), got;
	struct rd r;
	struct buf b;
	size_t cut;

	buf_init(&b, 2 * sizeof(c));
	assert_int_equal(cancelled_write(&c, &b), 0);
	rd_init(&r, b.data, b.len);
	assert_int_equal(cancelled_read(&r, &got), 0);
	assert_memory_equal(&got, &c, sizeof(c));
	for (cut = 0; cut < b.len; cut++) {
		rd_init(&r, b.data, cut);
		assert_int_equal(cancelled_read(&r, &got), ERR_INVALID);
	}
	b.data[2 * ID_LEN + 8] = 2; /* neither with nor without the right */
	rd_init(&r, b.data, b.len);
	assert_int_equal(cancelled_read(&r, &got), ERR_INVALID);
	b.data[2 * ID_LEN + 8] = 1;
	b.data[2 * ID_LEN + 9] = SIGS_MAX + 1;
	rd_init(&r, b.data, b.len);
	assert_int_equal(cancelled_read(&r, &got), ERR_INVALID);
	buf_release(&b);
}

static struct journal *
open_at(const char *path, int64_t now)
{
	struct journal *j = NULL;
	struct err e;

	err_clear(&e);
	assert_int_equal(
	    journal_open(path, JOURNAL_MAX, now, false, &j, &e), 0);
	assert_false(journal_was_damaged(j));
	return j;
}

static void
journal_remembers(void **state)
{
	char path[] = "/tmp/test-cancels-XXXXXX";
	struct cancelled c = cancel(1, ALICE, false, NOW + 100);
	struct journal_action a = { .id = number(9, 2),
		.expires = NOW + 100,
		.signed_at = NOW,
		.verdict = "v",
		.verdict_len = 1,
		.doc = "d",
		.doc_len = 1 };
	const struct cancelled *got;
	struct signed_by alice = by(ALICE);
	struct journal *j;
	int fd = mkstemp(path);

	close(fd);
	unlink(path);
	j = open_at(path, NOW);
	assert_int_equal(journal_cancel(j, &c, NOW, NULL), 0);
	assert_int_equal(journal_cancel(j, &c, NOW, NULL), ERR_EXISTS);
	assert_int_equal(journal_accept(j, &a, true, NULL), 0);
	c = cancel(2, BOB, true, NOW + 5);
	assert_int_equal(journal_cancel(j, &c, NOW, NULL), 0);
	journal_free(j);

	j = open_at(path, NOW + 1);
	assert_int_equal(journal_cancels(j), 2);
	assert_int_equal(journal_count(j), 1);
	assert_true(journal_has_cancel(j, &c.id));
	c.action = number(1, 2);
	got = journal_cancelled(j, &c.action, &alice, NOW + 1);
	assert_non_null(got);
	assert_string_equal(got->text, "cancelled by somebody: why");
	journal_free(j);

	/* nor does a start by a clock that is ahead forget any */
	j = open_at(path, NOW + 86400);
	journal_free(j);
	j = open_at(path, NOW + 1);
	assert_int_equal(journal_cancels(j), 2);
	assert_non_null(journal_cancelled(j, &c.action, &alice, NOW + 1));
	journal_free(j);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may),
		cmocka_unit_test(bounded),
		cmocka_unit_test(clock_that_was_ahead),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(journal_remembers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
