/* SPDX-License-Identifier: MPL-2.0 */
/* The journal: states, restarts, floor, damage, cutting anywhere. */
#include "agent/journal.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1700000000

static char dir[64], path[128];

static int
make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test-journal-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/journal", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	char name[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while ((de = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", dir, de->d_name);
		unlink(name);
	}
	closedir(d);
	return rmdir(dir);
}

static struct journal *
open_journal(size_t max, int64_t now)
{
	struct journal *j = NULL;
	struct err e;

	err_clear(&e);
	assert_int_equal(journal_open(path, max, now, &j, &e), 0);
	return j;
}

static struct journal_action
action(uint32_t number, int64_t expires)
{
	struct journal_action a = { .expires = expires,
		.signed_at = NOW + number,
		.verdict = "verdict",
		.verdict_len = 7,
		.doc = "document",
		.doc_len = 8 };

	a.id.b[0] = (uint8_t)(number >> 8);
	a.id.b[1] = (uint8_t)number;
	a.id.b[31] = 1;
	return a;
}

static int
state_of(const struct journal *j, const struct id *id)
{
	const struct journal_entry *en = journal_find(j, id);

	return en == NULL ? 0 : en->state;
}

static void
states_survive(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a[5];
	size_t i;

	assert_true(journal_was_new(j));
	assert_int_equal(journal_not_before(j), NOW);
	for (i = 0; i < 5; i++)
		a[i] = action((uint32_t)i, NOW + 1000);
	assert_int_equal(journal_accept(j, &a[0], false, NULL), 0);
	assert_int_equal(journal_accept(j, &a[1], true, NULL), 0);
	assert_int_equal(journal_accept(j, &a[2], false, NULL), 0);
	assert_int_equal(journal_start(j, &a[2].id, NULL), 0);
	assert_int_equal(journal_answer(j, &a[2].id, NULL), 0);
	assert_int_equal(journal_refuse(j, &a[3], 4, NULL), 0);
	assert_int_equal(journal_accept(j, &a[4], true, NULL), 0);
	assert_int_equal(journal_answer(j, &a[4].id, NULL), 0);
	assert_int_equal(journal_ack(j, &a[4].id, NULL), 0);
	assert_int_equal(journal_accept(j, &a[0], false, NULL), ERR_EXISTS);
	assert_int_equal(journal_refuse(j, &a[4], 1, NULL), ERR_EXISTS);
	for (i = 0; i < 2; i++) {
		assert_int_equal(state_of(j, &a[0].id), JOURNAL_ACCEPTED);
		assert_int_equal(state_of(j, &a[1].id), JOURNAL_STARTED);
		assert_int_equal(state_of(j, &a[2].id), JOURNAL_ANSWERED);
		assert_int_equal(state_of(j, &a[3].id), JOURNAL_REFUSED);
		assert_int_equal(journal_find(j, &a[3].id)->reason, 4);
		assert_int_equal(state_of(j, &a[4].id), JOURNAL_ACKED);
		assert_int_equal(journal_newest(j), NOW + 4);
		journal_free(j);
		j = open_journal(JOURNAL_MAX, NOW + 50);
		assert_false(journal_was_new(j));
		assert_int_equal(journal_not_before(j), NOW);
	}
	journal_free(j);
}

struct seen {
	size_t n;
	int states[8];
};

static int
on_open(
    const struct journal_entry *en, const struct journal_action *a, void *arg)
{
	struct seen *s = arg;

	assert_true(id_equal(&en->id, &a->id));
	assert_int_equal(a->doc_len, 8);
	assert_memory_equal(a->doc, "document", 8);
	assert_memory_equal(a->verdict, "verdict", a->verdict_len);
	s->states[s->n++] = en->state;
	return 0;
}

static void
open_ones_come_back_with_their_document(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a = action(1, NOW + 10), b = action(2, NOW + 10);
	struct journal_action c = action(3, NOW + 10);
	struct seen s = { 0 };

	assert_int_equal(journal_accept(j, &a, false, NULL), 0);
	assert_int_equal(journal_accept(j, &b, true, NULL), 0);
	assert_int_equal(journal_accept(j, &c, true, NULL), 0);
	assert_int_equal(journal_answer(j, &c.id, NULL), 0);
	journal_free(j);
	j = open_journal(JOURNAL_MAX, NOW);
	assert_int_equal(journal_each_open(j, on_open, &s, NULL), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.states[0], JOURNAL_ACCEPTED);
	assert_int_equal(s.states[1], JOURNAL_STARTED);
	journal_free(j);
}

static void
floor_rises(void **state)
{
	struct journal *j = open_journal(10, NOW);
	struct journal_action a;
	uint32_t i;
	int round;

	for (i = 0; i < 30; i++) {
		a = action(i, NOW + 100 + i);
		assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
	}
	for (round = 0; round < 2; round++) {
		assert_int_equal(journal_count(j), 10);
		/* the twenty with the oldest end are gone */
		assert_int_equal(journal_floor(j), NOW + 119);
		assert_int_equal(journal_newest(j), NOW + 29);
		a = action(19, 0);
		assert_null(journal_find(j, &a.id));
		a = action(20, 0);
		assert_non_null(journal_find(j, &a.id));
		journal_free(j);
		j = open_journal(10, NOW);
	}
	journal_free(j);
}

static void
open_ones_are_never_forgotten(void **state)
{
	struct journal *j = open_journal(4, NOW);
	struct journal_action a;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		a = action(i, NOW + 100);
		assert_int_equal(journal_accept(j, &a, true, NULL), 0);
	}
	a = action(9, NOW + 100);
	assert_int_equal(journal_accept(j, &a, true, NULL), ERR_BUSY);
	assert_null(journal_find(j, &a.id));
	assert_int_equal(journal_count(j), 4);
	journal_free(j);
}

static void
documents_are_dropped_when_answered(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	uint8_t *doc = calloc(1, 1024 * 1024);
	struct journal_action a;
	struct buf b;
	uint32_t i;

	for (i = 0; i < 24; i++) {
		a = action(i, NOW + 100);
		a.doc = doc;
		a.doc_len = 1024 * 1024;
		assert_int_equal(journal_accept(j, &a, true, NULL), 0);
		assert_int_equal(journal_answer(j, &a.id, NULL), 0);
	}
	journal_free(j);
	buf_init(&b, 64 * 1024 * 1024);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_in_range(b.len, 1000, 12 * 1024 * 1024);
	buf_release(&b);
	j = open_journal(JOURNAL_MAX, NOW);
	assert_int_equal(journal_count(j), 24);
	assert_int_equal(journal_newest(j), NOW + 23);
	journal_free(j);
	free(doc);
}

static void
damage_starts_anew(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a = action(1, NOW + 10), c = action(2, NOW + 10);
	char aside[256];
	struct buf b;

	assert_int_equal(journal_accept(j, &a, true, NULL), 0);
	assert_int_equal(journal_accept(j, &c, true, NULL), 0);
	journal_free(j);
	buf_init(&b, 65536);
	assert_int_equal(file_read(path, &b, NULL), 0);
	b.data[70] ^= 0x40;
	assert_int_equal(file_write(path, b.data, b.len, 0600, NULL), 0);
	buf_release(&b);
	j = open_journal(JOURNAL_MAX, NOW + 77);
	assert_true(journal_was_damaged(j));
	assert_int_equal(journal_not_before(j), NOW + 77);
	assert_int_equal(journal_count(j), 0);
	journal_free(j);
	snprintf(aside, sizeof(aside), "%s.damaged-%d", path, NOW + 77);
	assert_int_equal(access(aside, F_OK), 0);
	j = open_journal(JOURNAL_MAX, NOW + 99);
	assert_false(journal_was_damaged(j));
	assert_int_equal(journal_not_before(j), NOW + 77);
	journal_free(j);
}

/* However a crash cuts the file: what was synced before is there, and an
 * entry is whole or unknown. */
static void
cut_anywhere(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a = action(1, NOW + 10), c = action(2, NOW + 10);
	size_t cut, safe;
	struct buf b;
	int s;

	assert_int_equal(journal_accept(j, &a, true, NULL), 0);
	buf_init(&b, 65536);
	assert_int_equal(file_read(path, &b, NULL), 0);
	safe = b.len;
	buf_release(&b);
	assert_int_equal(journal_accept(j, &c, true, NULL), 0);
	journal_free(j);
	buf_init(&b, 65536);
	assert_int_equal(file_read(path, &b, NULL), 0);
	for (cut = safe; cut <= b.len; cut++) {
		assert_int_equal(file_write(path, b.data, cut, 0600, NULL), 0);
		j = open_journal(JOURNAL_MAX, NOW);
		assert_false(journal_was_damaged(j));
		assert_int_equal(state_of(j, &a.id), JOURNAL_STARTED);
		s = state_of(j, &c.id);
		assert_true(
		    s == 0 || s == JOURNAL_ACCEPTED || s == JOURNAL_STARTED);
		if (cut == b.len)
			assert_int_equal(s, JOURNAL_STARTED);
		journal_free(j);
	}
	buf_release(&b);
}

static void
known_are_the_newest_that_still_count(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a;
	struct id known[4];
	uint32_t i;

	for (i = 0; i < 10; i++) {
		a = action(i, i == 8 ? NOW - 1 : NOW + 100);
		assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
	}
	assert_int_equal(journal_known(j, NOW, known, 4), 4);
	assert_int_equal(known[0].b[1], 9);
	assert_int_equal(known[1].b[1], 7);
	assert_int_equal(known[3].b[1], 5);
	assert_int_equal(journal_known(j, NOW + 100, known, 4), 0);
	journal_free(j);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(states_survive),
		CASE(open_ones_come_back_with_their_document),
		CASE(floor_rises),
		CASE(open_ones_are_never_forgotten),
		CASE(documents_are_dropped_when_answered),
		CASE(damage_starts_anew),
		CASE(cut_anywhere),
		CASE(known_are_the_newest_that_still_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
