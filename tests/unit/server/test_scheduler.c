/* SPDX-License-Identifier: MPL-2.0 */
/* The scheduler with a made-up clock and operations that only take notes. */
#include "server/core/scheduler.h"

#include "base/err.h"
#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#define NOW (INT64_C(1000000) * 1000) /* ms */

struct notes {
	size_t broadcasts, singles, added, sent, cancels, cancelled_all;
	int status;
	const struct agent *last, *kept;
};

static void
note_broadcast(struct run *r, void *arg)
{
	((struct notes *)arg)->broadcasts++;
}

static void
note_single(struct run *r, struct agent *a, void *arg)
{
	((struct notes *)arg)->singles++;
	((struct notes *)arg)->last = a;
}

static void
note_cancel(struct run *r, struct agent *a, void *arg)
{
	struct notes *n = arg;

	if (a == NULL)
		n->cancelled_all++;
	else
		n->cancels++;
	n->last = a;
}

static void
note_expect(struct run *r, struct agent *a, bool sent, void *arg)
{
	struct notes *n = arg;

	if (sent)
		n->sent++;
	else
		n->added++;
}

static void
note_status(struct run *r, int status, void *arg)
{
	((struct notes *)arg)->status = status;
}

static bool
keeps(const struct agent *a, int64_t now, void *arg)
{
	return (a == ((struct notes *)arg)->kept);
}

static const struct sched_ops ops = { note_broadcast, note_single, note_cancel,
	note_expect, note_status, keeps };

struct fixture {
	struct registry reg;
	struct sched s;
	struct notes n;
};

static struct agent *
add_agent(struct fixture *f, int i, const char *tag, bool online)
{
	char name[32];
	struct target_row row = { NULL, name, "linux", "amd64", "Debian", "1",
		"daemon", "{}", tag, "[]" };
	struct agent *a;
	struct id id;
	bool changed;

	snprintf(name, sizeof(name), "host%d", i);
	sha256(name, strlen(name), &id);
	a = registry_add(&f->reg, &id, i + 1, name);
	assert_non_null(a);
	assert_int_equal(agent_set_row(a, &row, &changed), 0);
	if (online)
		registry_presence(&f->reg, a, true, 1, NOW);
	return (a);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	registry_init(&f->reg);
	assert_int_equal(
	    sched_init(&f->s, &f->reg, &ops, &f->n, NOW - 1000, &e), 0);
	sched_relay_up(&f->s, true, NOW);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sched_release(&f->s);
	registry_release(&f->reg);
	free(f);
	return (0);
}

static struct run *
add_run(struct fixture *f, const char *target, int64_t from, int64_t until,
    bool online_only)
{
	struct store_action a = { .n = 1,
		.name = "x",
		.target = target,
		.valid_from = from,
		.expire_after = until,
		.online_only = online_only,
		.envelope = (const uint8_t *)"env",
		.envelope_len = 3 };
	struct run_entry *entries;
	size_t n, expected;
	struct run *r;
	struct err e;

	sha256(target, strlen(target), &a.id);
	assert_int_equal(sched_match(&f->s, target, online_only, &entries, &n,
			     &expected, &e),
	    0);
	r = sched_run_new(&f->s, &a, entries, n, &e);
	assert_non_null(r);
	sched_add(&f->s, r, 1);
	assert_int_equal(r->expected, expected);
	return (r);
}

#define S(n) (NOW / 1000 + (n))

static struct run *
new_run(struct fixture *f, const char *by, size_t bytes)
{
	struct store_action a = { .name = "x",
		.target = "all",
		.investigators = by,
		.valid_from = S(-1),
		.expire_after = S(60),
		.envelope = (const uint8_t *)"env",
		.envelope_len = 3 };
	struct err e;
	struct run *r = sched_run_new(&f->s, &a, NULL, 0, &e);

	assert_non_null(r);
	assert_true(r->bytes > 3);
	r->bytes += bytes;
	return (r);
}

/* Nobody fills the memory that all need, and no few people have all of it. */
static void
test_room(void **state)
{
	static const size_t mib = 1024 * 1024;
	static const struct {
		const char *by;
		size_t mib;
		const char *refused; /* NULL: taken */
	} tests[] = {
		{ "[\"Alice\"]", 300, NULL },
		{ "[\"Alice\"]", 300, "of theirs" },
		{ "[\"Bob\"]", 300, NULL },
		{ "[\"Alice\"]", 200, NULL },
		{ "[\"Carol\"]", 300, "no new one is taken" },
		{ "[\"Carol\"]", 100, NULL },
	};
	struct fixture *f = *state;
	struct run *r;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		r = new_run(f, tests[i].by, tests[i].mib * mib);
		rc = sched_room(&f->s, r, &e);
		assert_int_equal(rc, tests[i].refused == NULL ? 0 : ERR_FULL);
		if (rc == 0) {
			sched_add(&f->s, r, (int64_t)i);
		} else {
			assert_non_null(strstr(e.msg, tests[i].refused));
			sched_run_free(r);
		}
	}
	assert_true(f->s.bytes >= 900 * mib);
	f->s.wall_ahead = INT64_C(61000);
	sched_tick(&f->s, NOW);
	assert_true(f->s.bytes >= 900 * mib);
	f->s.wall_ahead = INT64_C(1000) * 100000;
	sched_tick(&f->s, NOW);
	assert_int_equal(f->s.bytes, 0);
	assert_int_equal(f->s.nruns, 0);
}

static void
test_broadcast_or_single(void **state)
{
	static const struct {
		size_t targeted, online;
		bool want;
	} table[] = { { 0, 0, false }, { 1, 1, false }, { 3, 3, false },
		{ 4, 4, true }, { 4, 32, true }, { 4, 33, false },
		{ 1000, 1000, true }, { 1000, 20000, false },
		{ 2500, 20000, true } };
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(
		    sched_is_broadcast(table[i].targeted, table[i].online),
		    table[i].want);
}

static void
test_launch(void **state)
{
	struct fixture *f = *state;
	struct run *r;
	int i;

	for (i = 0; i < 10; i++)
		add_agent(f, i, i < 8 ? "{\"a\":\"1\"}" : "{}", i != 0);
	r = add_run(f, "tags->>'a' = '1'", S(-1), S(100), false);
	assert_int_equal(r->expected, 8);
	sched_tick(&f->s, NOW);
	assert_int_equal(f->n.broadcasts, 1);
	assert_int_equal(f->n.singles, 0);
	assert_int_equal(f->n.sent, 7);
	/* nothing twice */
	sched_tick(&f->s, NOW + 250);
	assert_int_equal(f->n.broadcasts, 1);
	/* a single one is asked alone */
	add_run(f, "name = 'host3'", S(-1), S(100), false);
	sched_tick(&f->s, NOW + 500);
	assert_int_equal(f->n.broadcasts, 1);
	assert_int_equal(f->n.singles, 1);
}

static void
test_not_before_its_time_nor_without_relay(void **state)
{
	struct fixture *f = *state;

	add_agent(f, 0, "{}", true);
	add_run(f, "all", S(5), S(100), false);
	sched_tick(&f->s, NOW);
	sched_tick(&f->s, NOW + 4999);
	assert_int_equal(f->n.singles, 0);
	sched_relay_up(&f->s, false, NOW);
	sched_tick(&f->s, NOW + 5000);
	assert_int_equal(f->n.singles, 0);
	sched_relay_up(&f->s, true, NOW + 5000);
	sched_tick(&f->s, NOW + 5250);
	assert_int_equal(f->n.singles, 1);
}

static void
test_complete(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", true);
	struct agent *b = add_agent(f, 1, "{}", true);
	struct run *r = add_run(f, "all", S(-1), S(100), false);

	sched_tick(&f->s, NOW);
	sched_answered(&f->s, r, a, NOW);
	sched_answered(&f->s, r, a, NOW);
	assert_int_equal(r->status, ACTION_OPEN);
	assert_int_equal(f->s.nopen, 1);
	sched_answered(&f->s, r, b, NOW);
	assert_int_equal(r->status, ACTION_COMPLETE);
	assert_int_equal(f->s.nopen, 0);
	/* a late agent that matches opens it again */
	a = add_agent(f, 2, "{}", true);
	sched_hello(&f->s, a, true, NULL, 0, NOW + 1000);
	assert_int_equal(r->status, ACTION_OPEN);
	assert_int_equal(f->n.added, 1);
	assert_ptr_equal(f->n.last, a);
	sched_answered(&f->s, r, a, NOW + 2000);
	assert_int_equal(r->status, ACTION_COMPLETE);
	assert_int_equal(r->expected, 3);
}

static void
test_hello(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", false);
	struct agent *b = add_agent(f, 1, "{}", true);
	struct run *r = add_run(f, "tags->>'x' = '1'", S(-1), S(100), false);
	struct run *all = add_run(f, "all", S(-1), S(100), false);
	struct target_row row = a->row;
	bool changed;

	sched_tick(&f->s, NOW);
	f->n.singles = 0;
	registry_presence(&f->reg, a, true, 2, NOW);
	sched_hello(&f->s, a, false, NULL, 0, NOW);
	assert_int_equal(f->n.singles, 1);
	/* known ones are not sent again, but count as sent */
	sched_hello(&f->s, a, false, &all->id, 1, NOW);
	assert_int_equal(f->n.singles, 1);
	/* new tags are looked at anew */
	row.tags = "{\"x\":\"1\"}";
	assert_int_equal(agent_set_row(b, &row, &changed), 0);
	assert_true(changed);
	sched_hello(&f->s, b, changed, &all->id, 1, NOW);
	assert_int_equal(r->expected, 1);
	assert_int_equal(f->n.singles, 2);
	/* what has answered gets nothing */
	sched_answered(&f->s, r, b, NOW);
	sched_hello(&f->s, b, false, &all->id, 1, NOW);
	assert_int_equal(f->n.singles, 2);
}

/* Twenty hellos a second that say it knows nothing: it is sent what fits into a
 * burst and little more; the others what they lack, and what it was not sent
 * then it is sent in a while. */
/* Whether it is one of them nobody knows: it is looked at again, and not left
 * out of what is asked without a word. */
static void
test_no_memory_for_the_target(void **state)
{
	struct fixture *f = *state;
	char tags[30000];
	struct run_entry *entries = NULL;
	struct agent *a;
	struct run *r;
	size_t n, expected;
	struct err e;

	a = add_agent(f, 0, "{}", true);
	r = add_run(f, "tags->>'x' = 'y'", S(-1), S(60), false);
	memset(tags, ' ', sizeof(tags) - 1);
	tags[sizeof(tags) - 1] = '\0';
	memcpy(tags, "{\"x\":\"y\"", 8);
	tags[sizeof(tags) - 2] = '}';
	a->row.tags = tags;
	sqlite3_hard_heap_limit64(1);
	sched_hello(&f->s, a, true, NULL, 0, NOW);
	assert_int_equal(r->expected, 0);
	assert_int_not_equal(sched_match(&f->s, "name <> ''", false, &entries,
				 &n, &expected, &e),
	    0);
	assert_int_equal(e.code, ERR_NOMEM);
	sqlite3_hard_heap_limit64(INT64_C(256) << 20);
	sched_hello(&f->s, a, false, NULL, 0, NOW);
	assert_int_equal(r->expected, 1);
	assert_int_equal(sched_match(&f->s, "tags->>'x' = 'y'", false, &entries,
			     &n, &expected, &e),
	    0);
	assert_int_equal(expected, 1);
	free(entries);
}

static void
test_hellos_without_end(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", true);
	struct agent *b = add_agent(f, 1, "{}", true);
	struct run *r = add_run(f, "all", S(-1), S(100000), false), *late;
	int64_t t = NOW;
	int i;

	r->envelope_len = 65536;
	sched_tick(&f->s, t);
	f->n.singles = 0;
	for (i = 0; i < 20 * 60; i++, t += 50)
		sched_hello(&f->s, a, false, NULL, 0, t);
	assert_in_range(f->n.singles, 64, 2 * 64);
	f->n.singles = 0;
	sched_hello(&f->s, b, false, NULL, 0, t);
	assert_int_equal(f->n.singles, 1);
	late = add_run(f, "tags IS NOT NULL", S(-1), S(100000), false);
	late->launched = true;
	late->envelope_len = 65536;
	f->n.singles = 0;
	for (i = 0; i < 20; i++)
		sched_hello(&f->s, a, false, NULL, 0, t);
	assert_in_range(f->n.singles, 0, 2);
	sched_answered(&f->s, r, a, t);
	sched_answered(&f->s, r, b, t);
	f->n.singles = 0;
	for (i = 0; i < 12; i++, t += 250)
		sched_tick(&f->s, t);
	assert_in_range(f->n.singles, 1, 2);
	assert_int_equal(late->entries[a->slot].state, X_SENT);
}

/* Its first hello came while the action was on its way into the store. */
static void
test_hello_before_it_is_stored(void **state)
{
	struct fixture *f = *state;
	struct agent *old, *late;
	struct run *r;

	add_agent(f, 0, "{}", true);
	old = add_agent(f, 1, "{}", true);
	late = add_agent(f, 2, "{}", true);
	r = add_run(f, "tags->>'x' = '1'", S(-1), S(100), false);
	assert_int_equal(r->expected, 0);
	add_agent(f, 1, "{\"x\":\"1\"}", true);
	add_agent(f, 2, "{\"x\":\"1\"}", true);
	old->row_ms = NOW - 1;
	late->row_ms = NOW;
	sched_catch_up(&f->s, r, NOW);
	assert_int_equal(r->expected, 1);
	assert_int_equal(f->n.added, 1);
	sched_tick(&f->s, NOW);
	assert_int_equal(f->n.singles, 1);
	assert_ptr_equal(f->n.last, late);
}

/* One of many may not have it yet: the others get it, one by one. */
static void
test_kept_from_one(void **state)
{
	struct fixture *f = *state;
	struct agent *a = NULL;
	struct run *r;
	int64_t t = NOW;
	int i;

	for (i = 0; i < 300; i++)
		a = add_agent(f, i, "{}", true);
	f->n.kept = a;
	r = add_run(f, "all", S(-1), S(100000), false);
	r->careful = true;
	for (i = 0; i < 40; i++, t += 250)
		sched_tick(&f->s, t);
	assert_int_equal(f->n.broadcasts, 0);
	assert_in_range(f->n.singles, 299, 1200);
	assert_int_equal(f->n.sent, 299);
	assert_int_equal(r->entries[a->slot].state, X_WAITING);
	for (i = 0; i < 299; i++)
		sched_answered(&f->s, r, f->reg.slots[i], t);
	f->n.singles = 0;
	sched_hello(&f->s, a, false, NULL, 0, t);
	assert_int_equal(f->n.singles, 0);
	f->n.kept = NULL;
	sched_hello(&f->s, a, false, NULL, 0, t);
	assert_int_equal(f->n.singles, 1);
	assert_ptr_equal(f->n.last, a);
}

/* It does not say hello again, and its time is over. */
static void
test_kept_for_a_time(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", true);
	struct run *r = add_run(f, "all", S(-1), S(100000), false);
	int64_t t = NOW;

	r->careful = true;
	f->n.kept = a;
	for (; t < NOW + 60000; t += 250)
		sched_tick(&f->s, t);
	assert_int_equal(f->n.singles, 0);
	f->n.kept = NULL;
	for (; t < NOW + 63000; t += 250)
		sched_tick(&f->s, t);
	assert_int_equal(f->n.singles, 1);
	/* what is not careful is kept from nobody */
	f->n.kept = a;
	add_run(f, "all", S(-1), S(100000), false);
	sched_tick(&f->s, t);
	assert_int_equal(f->n.singles, 2);
}

static void
test_online_only(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", false);
	struct run *r;

	add_agent(f, 1, "{}", true);
	r = add_run(f, "all", S(-1), S(100), true);
	assert_int_equal(r->expected, 1);
	sched_tick(&f->s, NOW);
	registry_presence(&f->reg, a, true, 2, NOW);
	sched_hello(&f->s, a, true, NULL, 0, NOW);
	assert_int_equal(r->expected, 1);
	assert_int_equal(f->n.singles, 1);
}

static void
test_silent_ones_are_asked(void **state)
{
	struct fixture *f = *state;
	struct run *r;
	int64_t t;
	int i;

	for (i = 0; i < 500; i++)
		add_agent(f, i, "{}", true);
	r = add_run(f, "all", S(-1), S(100000), false);
	sched_tick(&f->s, NOW);
	assert_int_equal(f->n.broadcasts, 1);
	for (i = 1; i < 500; i += 2)
		sched_answered(&f->s, r, f->reg.slots[i], NOW + 100);
	sched_tick(&f->s, NOW + 1900);
	assert_int_equal(f->n.singles, 0);
	/* spread over ticks */
	sched_tick(&f->s, NOW + 2100);
	assert_int_equal(f->n.singles, 200);
	sched_tick(&f->s, NOW + 2350);
	assert_int_equal(f->n.singles, 250);
	/* less and less often, and not for ever */
	for (t = NOW + 2600; t < NOW + 3600 * 1000; t += 250)
		sched_tick(&f->s, t);
	assert_true(f->n.singles > 500);
	assert_true(f->n.singles <= 250 * 8);
}

static void
test_nobody_is_asked_in_a_storm(void **state)
{
	struct fixture *f = *state;
	struct run *r;
	int64_t t;
	int i;

	for (i = 0; i < 100; i++)
		add_agent(f, i, "{}", true);
	r = add_run(f, "all", S(-1), S(1000), false);
	sched_tick(&f->s, NOW);
	for (t = NOW, i = 0; t < NOW + 9000; t += 250) {
		sched_answered(&f->s, r, f->reg.slots[i++], t);
		sched_tick(&f->s, t);
	}
	assert_int_equal(f->n.singles, 0);
}

static void
test_expiry(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", true);
	struct run *r = add_run(f, "all", S(-1), S(10), false);
	struct id id = r->id;

	sched_tick(&f->s, NOW);
	sched_tick(&f->s, NOW + 10 * 1000);
	assert_int_equal(r->status, ACTION_EXPIRED);
	assert_int_equal(f->n.status, ACTION_EXPIRED);
	assert_null(r->envelope);
	/* late answers are taken for a day */
	sched_answered(&f->s, r, a, NOW + 11 * 1000);
	assert_int_equal(r->answered, 1);
	sched_hello(&f->s, a, true, NULL, 0, NOW + 12 * 1000);
	assert_int_equal(f->n.singles, 1);
	sched_tick(&f->s, NOW + INT64_C(100000) * 1000);
	assert_null(sched_find(&f->s, &id));
}

static void
test_bad_targets_and_revoked(void **state)
{
	struct fixture *f = *state;
	struct run_entry *entries;
	size_t n, expected;
	struct err e;

	registry_revoke(&f->reg, add_agent(f, 0, "{}", true));
	add_agent(f, 1, "{}", true);
	assert_int_not_equal(
	    sched_match(&f->s, "name =", false, &entries, &n, &expected, &e),
	    0);
	assert_int_equal(
	    sched_match(&f->s, "all", false, &entries, &n, &expected, &e), 0);
	assert_int_equal(expected, 1);
	free(entries);
	/* NULL for this row: not expected */
	assert_int_equal(sched_match(&f->s, "tags->>'no' = 'x'", false,
			     &entries, &n, &expected, &e),
	    0);
	assert_int_equal(expected, 0);
	free(entries);
}

static uint8_t *
some_bytes(void)
{
	uint8_t *p = malloc(1);

	assert_non_null(p);
	*p = 1;
	return (p);
}

/* Once to all; again to who was sent it and stays silent; to who comes before
 * the end; to nobody else, and nobody is sent the action any more. */
static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	struct agent *there = add_agent(f, 0, "{\"r\":\"a\"}", true);
	struct agent *away = add_agent(f, 1, "{\"r\":\"a\"}", false);
	struct agent *other = add_agent(f, 2, "{\"r\":\"b\"}", false);
	struct run *r = add_run(f, "tags->>'r' = 'a'", S(-1), S(600), false);
	size_t sent;

	sched_tick(&f->s, NOW);
	sent = f->n.singles + f->n.broadcasts;
	sched_cancel(&f->s, r, some_bytes(), 1);
	assert_int_equal(r->status, ACTION_CANCELLED);
	assert_int_equal(f->s.nopen, 0);
	sched_tick(&f->s, NOW + 10);
	sched_tick(&f->s, NOW + 20);
	assert_int_equal(f->n.cancelled_all, 1);
	assert_int_equal(f->n.cancels, 0);
	sched_tick(&f->s, NOW + 3000);
	assert_int_equal(f->n.cancels, 1);
	assert_ptr_equal(f->n.last, there);
	/* it answers, and is left alone */
	sched_answered(&f->s, r, there, NOW + 3100);
	assert_int_equal(r->answered, 1);
	assert_int_equal(r->status, ACTION_CANCELLED);
	sched_tick(&f->s, NOW + 30000);
	assert_int_equal(f->n.cancels, 1);
	/* who comes later */
	registry_presence(&f->reg, away, true, 1, NOW);
	sched_hello(&f->s, away, false, NULL, 0, NOW + 31000);
	assert_int_equal(f->n.cancels, 2);
	assert_ptr_equal(f->n.last, away);
	registry_presence(&f->reg, other, true, 1, NOW);
	sched_hello(&f->s, other, true, NULL, 0, NOW + 31000);
	assert_int_equal(f->n.cancels, 2);
	assert_int_equal(f->n.singles + f->n.broadcasts, sent);
	/* after the end nothing is said */
	sched_tick(&f->s, NOW + 700000);
	assert_null(r->cancel);
	sched_hello(&f->s, away, false, NULL, 0, NOW + 700000);
	assert_int_equal(f->n.cancels, 2);
	assert_int_equal(r->status, ACTION_CANCELLED);
}

/* Without a relay it waits; after a restart it is said once more. */
static void
test_cancel_waits_for_the_relay(void **state)
{
	struct fixture *f = *state;
	struct agent *a = add_agent(f, 0, "{}", true);
	struct run *r = add_run(f, "all", S(-1), S(600), false);

	sched_relay_up(&f->s, false, NOW);
	sched_cancel(&f->s, r, some_bytes(), 1);
	sched_tick(&f->s, NOW);
	sched_hello(&f->s, a, false, NULL, 0, NOW);
	assert_int_equal(f->n.cancelled_all + f->n.cancels, 0);
	sched_relay_up(&f->s, true, NOW + 10);
	sched_tick(&f->s, NOW + 10);
	assert_int_equal(f->n.cancelled_all, 1);
	assert_int_equal(f->n.singles + f->n.broadcasts, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_room),
		T(test_broadcast_or_single),
		T(test_cancel),
		T(test_cancel_waits_for_the_relay),
		T(test_launch),
		T(test_not_before_its_time_nor_without_relay),
		T(test_complete),
		T(test_hello),
		T(test_no_memory_for_the_target),
		T(test_hellos_without_end),
		T(test_hello_before_it_is_stored),
		T(test_kept_for_a_time),
		T(test_kept_from_one),
		T(test_online_only),
		T(test_silent_ones_are_asked),
		T(test_nobody_is_asked_in_a_storm),
		T(test_expiry),
		T(test_bad_targets_and_revoked),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
