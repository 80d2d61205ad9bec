/* SPDX-License-Identifier: MPL-2.0 */
/* The journal: states, restarts, floor, damage, cutting anywhere. */
#include "agent/store/journal.h"

#include "../known.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "record/record.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

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
	assert_int_equal(journal_open(path, max, now, false, &j, &e), 0);
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

static int
entry_known(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	const char *const *want = arg;
	char is[2 * KNOWN_MAX + 16];

	snprintf(is, sizeof(is), "%02x %s", type, hex_of(data, len));
	assert_non_null(want[position - 1]);
	assert_string_equal(is, want[position - 1]);
	return 0;
}

/* Written by hand from journal_file.c's description: an agent of the next
 * version reads what this one wrote. */
static void
entries_known(void **state)
{
#define KEY(id, sequence)                      \
	"00" id "00" X8("000000") "0000000001" \
				  "00000000000000" sequence
#define END "000000006553f4e8"
#define PERSON X8("0303") "03030303"
	static const char *const want[] = {
		"01 000000006553f100",
		"02 " KEY("05", "00") "0000000776657264696374"
				      "00000008646f63756d656e74",
		"03 " KEY("05", "00") END "000000006553f10500",
		"04 " KEY("05", "00"),
		"05 " KEY("05", "00"),
		"06 " KEY("05", "00"),
		"09 " X32("01") X32("02") END "0101" PERSON "000000026279",
		"07 " KEY("06", "01") END "0004",
		"0a " KEY("07", "02") END "000d",
		NULL,
	};
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a = action(5, NOW + 1000);
	struct journal_action refused = action(6, NOW + 1000);
	struct journal_action held = action(7, NOW + 1000);
	struct record_found found;
	struct cancelled c = { .expires = NOW + 1000,
		.right = true,
		.by = { .n = 1 },
		.text = "by" };

	memset(c.id.b, 1, ID_LEN);
	memset(c.action.b, 2, ID_LEN);
	memset(c.by.persons[0], 3, PGP_FPR_LEN);
	assert_int_equal(journal_accept(j, &a, false, NULL), 0);
	assert_int_equal(journal_start(j, &a.id, NULL), 0);
	assert_int_equal(journal_answer(j, &a.id, NULL), 0);
	assert_int_equal(journal_ack(j, &a.id, NULL), 0);
	assert_int_equal(journal_cancel(j, &c, NOW, NULL), 0);
	assert_int_equal(journal_refuse(j, &refused, 4, NULL), 0);
	assert_int_equal(journal_hold(j, &held, 13, NULL), 0);
	journal_free(j);
	assert_int_equal(record_verify(path, entry_known, NULL,
			     (void *)(uintptr_t)want, &found, NULL),
	    0);
	assert_int_equal(found.position, sizeof(want) / sizeof(want[0]) - 1);
}

static void
accept_and_close(struct journal *j, const struct journal_action *a)
{
	assert_int_equal(journal_accept(j, a, true, NULL), 0);
	assert_int_equal(journal_answer(j, &a->id, NULL), 0);
}

/* What was forgotten leaves its end as the floor, and the newest signature, in
 * a mark before what took its place. */
static void
mark_known(void **state)
{
	static const char *const want[] = {
		"01 000000006553f100",
		"02 " KEY("05", "00") "0000000776657264696374"
				      "00000008646f63756d656e74",
		"03 " KEY("05", "00") END "000000006553f10501",
		"05 " KEY("05", "00"),
		"08 " END "000000006553f105",
		"02 " KEY("06", "01") "0000000776657264696374"
				      "00000008646f63756d656e74",
		"03 " KEY("06", "01") "000000006553f4e9"
				      "000000006553f10600",
		NULL,
	};
	struct journal *j = open_journal(1, NOW);
	struct journal_action a = action(5, NOW + 1000);
	struct journal_action b = action(6, NOW + 1001);
	struct record_found found;

	accept_and_close(j, &a);
	assert_int_equal(journal_accept(j, &b, false, NULL), 0);
	journal_free(j);
	j = open_journal(1, NOW);
	assert_int_equal(journal_floor(j), NOW + 1000);
	journal_free(j);
	assert_int_equal(record_verify(path, entry_known, NULL,
			     (void *)(uintptr_t)want, &found, NULL),
	    0);
	assert_int_equal(found.position, sizeof(want) / sizeof(want[0]) - 1);
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
		accept_and_close(j, &a);
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

/* Whoever is in the keyring can have anything refused, with any end and any
 * signature time: nothing of it may count against what comes later. */
static void
refused_ones_do_no_harm(void **state)
{
	struct journal *j = open_journal(10, NOW);
	struct journal_action a, ran[4];
	uint32_t i;
	int round;

	for (i = 0; i < 4; i++) {
		ran[i] = action(i, NOW + 100 + i);
		accept_and_close(j, &ran[i]);
	}
	for (i = 100; i < 200; i++) {
		a = action(i, INT64_MAX);
		assert_int_equal(journal_refuse(j, &a, i % 2 ? 4 : 3, NULL), 0);
		if (i % 3 == 0)
			assert_int_equal(journal_ack(j, &a.id, NULL), 0);
	}
	for (round = 0; round < 2; round++) {
		assert_int_equal(journal_count(j), 10);
		assert_int_equal(journal_floor(j), 0);
		assert_int_equal(journal_newest(j), NOW + 3);
		for (i = 0; i < 4; i++)
			assert_int_equal(
			    state_of(j, &ran[i].id), JOURNAL_ANSWERED);
		a = action(193, 0);
		assert_int_equal(state_of(j, &a.id), 0);
		a = action(194, 0);
		assert_int_equal(state_of(j, &a.id), JOURNAL_REFUSED);
		journal_free(j);
		j = open_journal(10, NOW);
	}
	/* what runs pushes out what never ran, and leaves the floor */
	for (i = 10; i < 16; i++) {
		a = action(i, NOW + 50);
		accept_and_close(j, &a);
	}
	assert_int_equal(journal_floor(j), 0);
	/* and where all ran, a refused one finds no room */
	a = action(300, INT64_MAX);
	assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
	assert_null(journal_find(j, &a.id));
	assert_int_equal(journal_floor(j), 0);
	assert_int_equal(journal_count(j), 10);
	journal_free(j);
}

static void
end_of_refused_is_capped(void **state)
{
	struct journal *j = open_journal(10, NOW);
	int64_t now = clock_wall_ms() / 1000;
	struct journal_action a = action(1, INT64_MAX);
	struct journal_action c = action(2, now + 60);
	int round;

	assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
	assert_int_equal(journal_refuse(j, &c, 4, NULL), 0);
	for (round = 0; round < 2; round++) {
		assert_in_range(journal_find(j, &a.id)->expires,
		    now + JOURNAL_REFUSED_MAX, now + JOURNAL_REFUSED_MAX + 60);
		assert_int_equal(journal_find(j, &c.id)->expires, now + 60);
		journal_free(j);
		j = open_journal(10, NOW);
	}
	journal_free(j);
}

static size_t
file_len(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* The file stays in proportion to the table, whatever comes and goes; the
 * same ids again and again too. */
static void
file_stays_bounded(void **state)
{
	struct journal *j = open_journal(10, NOW);
	struct journal_action a;
	size_t largest = 0;
	uint32_t i;

	for (i = 0; i < 200000; i++) {
		a = action(i % 40000, NOW + 100 + i);
		a.id.b[5] = (uint8_t)(i % 3);
		assert_int_equal(journal_refuse(j, &a, 4, NULL), 0);
		assert_int_equal(journal_ack(j, &a.id, NULL), 0);
		assert_int_equal(journal_ack(j, &a.id, NULL), 0);
		if (i % 1000 == 0 && file_len() > largest)
			largest = file_len();
	}
	assert_in_range(largest, 1024 * 1024, 9 * 1024 * 1024);
	assert_int_equal(state_of(j, &a.id), JOURNAL_ACKED);
	journal_free(j);
	j = open_journal(10, NOW);
	assert_in_range(file_len(), 100, 1300 * 1024);
	assert_int_equal(journal_count(j), 10);
	assert_int_equal(state_of(j, &a.id), JOURNAL_ACKED);
	journal_free(j);
}

static void
set_file_limit(rlim_t bytes)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* Wherever the disk is full: an action whose acceptance failed is not found
 * at the next start, and can be accepted later, once. */
static void
failed_accept_leaves_nothing(void **state)
{
	struct journal *j = open_journal(JOURNAL_MAX, NOW);
	struct journal_action a;
	size_t room, refused = 0;
	struct seen s;
	uint32_t i;
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	for (room = 0, i = 0; room < 400; room += 7, i++) {
		a = action(i, NOW + 100);
		/* without the room that it has made */
		journal_free(j);
		j = open_journal(JOURNAL_MAX, NOW);
		set_file_limit(file_len() + room);
		rc = journal_accept(j, &a, true, NULL);
		set_file_limit(RLIM_INFINITY);
		assert_int_equal(
		    state_of(j, &a.id), rc == 0 ? JOURNAL_STARTED : 0);
		journal_free(j);
		j = open_journal(JOURNAL_MAX, NOW);
		assert_int_equal(
		    state_of(j, &a.id), rc == 0 ? JOURNAL_STARTED : 0);
		if (rc != 0) {
			refused++;
			assert_int_equal(journal_accept(j, &a, true, NULL), 0);
		}
		memset(&s, 0, sizeof(s));
		assert_int_equal(journal_each_open(j, on_open, &s, NULL), 0);
		assert_int_equal(s.n, 1);
		assert_int_equal(journal_answer(j, &a.id, NULL), 0);
	}
	assert_in_range(refused, 10, 50);
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

/* Flips a bit in the last entry but one, which ends at the entry of the last
 * accepted; the file's time is then mtime. */
static void
damage(size_t from_end, time_t mtime)
{
	struct utimbuf times = { mtime, mtime };
	struct buf b;

	buf_init(&b, 65536);
	assert_int_equal(file_read(path, &b, NULL), 0);
	b.data[b.len - from_end] ^= 0x40;
	assert_int_equal(file_write(path, b.data, b.len, 0600, NULL), 0);
	buf_release(&b);
	assert_int_equal(utime(path, &times), 0);
}

static void
damage_starts_anew(void **state)
{
	static const struct {
		int64_t signed_at, now, mtime, not_before;
	} cases[] = {
		{ NOW + 2, NOW + 77, NOW + 70, NOW + 77 + 301 },
		/* signed in the future before the damage */
		{ NOW + 300, NOW + 1, NOW, NOW + 300 + 301 },
		/* the clock was set back */
		{ NOW + 2, NOW - 9999, NOW + 5, NOW + 5 + 301 },
	};
	struct journal_action a;
	struct journal *j;
	char aside[256];
	size_t i;
	uint32_t n;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlink(path);
		j = open_journal(3, NOW);
		for (n = 0; n < 6; n++) {
			a = action(n, NOW + 100 + n);
			a.signed_at = cases[i].signed_at;
			accept_and_close(j, &a);
		}
		assert_int_equal(journal_floor(j), NOW + 102);
		journal_free(j);
		/* in the last accepted one; its answered follows */
		damage(100, (time_t)cases[i].mtime);
		j = open_journal(3, cases[i].now);
		assert_true(journal_was_damaged(j));
		assert_int_equal(journal_count(j), 0);
		snprintf(aside, sizeof(aside), "%s.damaged-%lld", path,
		    (long long)cases[i].now);
		assert_int_equal(access(aside, F_OK), 0);
		for (n = 0; n < 2; n++) {
			assert_int_equal(
			    journal_not_before(j), cases[i].not_before);
			assert_int_equal(journal_floor(j), NOW + 102);
			assert_int_equal(journal_newest(j), cases[i].signed_at);
			assert_int_equal(journal_accept(j, &a, true, NULL),
			    n == 0 ? 0 : ERR_EXISTS);
			journal_free(j);
			j = open_journal(3, NOW + 99999);
			assert_false(journal_was_damaged(j));
		}
		journal_free(j);
	}
}

/* Where something may have run before, a signature that may have counted then
 * does not count; where nothing can have, one of now does. */
static void
missing_starts_anew(void **state)
{
	struct journal *j = NULL;
	int64_t begins;
	size_t i;

	for (i = 0; i < 2; i++) {
		unlink(path);
		begins = NOW + (i == 1 ? 301 : 0);
		assert_int_equal(
		    journal_open(path, 3, NOW, i == 1, &j, NULL), 0);
		assert_true(journal_was_new(j));
		assert_int_equal(journal_was_lost(j), i == 1);
		assert_int_equal(journal_not_before(j), begins);
		journal_free(j);
		/* one that is there is not lost */
		assert_int_equal(
		    journal_open(path, 3, NOW + 5, true, &j, NULL), 0);
		assert_false(journal_was_lost(j));
		assert_int_equal(journal_not_before(j), begins);
		journal_free(j);
	}
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
		CASE(entries_known),
		CASE(mark_known),
		CASE(states_survive),
		CASE(open_ones_come_back_with_their_document),
		CASE(floor_rises),
		CASE(refused_ones_do_no_harm),
		CASE(end_of_refused_is_capped),
		CASE(file_stays_bounded),
		CASE(failed_accept_leaves_nothing),
		CASE(open_ones_are_never_forgotten),
		CASE(documents_are_dropped_when_answered),
		CASE(damage_starts_anew),
		CASE(missing_starts_anew),
		CASE(cut_anywhere),
		CASE(known_are_the_newest_that_still_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
