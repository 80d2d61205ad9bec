/* SPDX-License-Identifier: MPL-2.0 */
/* The queue of answers over a real spool and journal and a net that only
 * notes what it is given. */
#include "agent/monitor/sender.h"

#include "agentfiles.h"
#include "agent/monitor/answer.h"

#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#define NOW 1000000
#define BIG (WIRE_FIRST_PART_MAX + 2 * WIRE_PART_MAX) /* three parts */

static struct {
	unsigned int n;
	struct id id;
	uint16_t part, of;
	size_t len;
	uint8_t first; /* byte */
	unsigned int idle_checks;
	unsigned int checks; /* whether net runs */
	int64_t house_ms;    /* when there is something to clean */
} net;

void
netlink_part(struct netlink *n, const struct id *id, uint16_t part, uint16_t of,
    const void *data, size_t len)
{
	net.n++;
	net.id = *id;
	net.part = part;
	net.of = of;
	net.len = len;
	net.first = len > 0 ? *(const uint8_t *)data : 0;
}

void
netlink_check(struct netlink *n)
{
	net.checks++;
}

/* --- what the disk did to answers: the ids that are damaged --- */

static struct id damaged_id;
static unsigned int looked;

bool
answer_intact(struct agent *a, const struct id *id)
{
	looked++;
	return !id_equal(id, &damaged_id);
}

void
answer_damaged(struct agent *a, const struct id *id)
{
	struct id is = *id;
	struct err e;

	memset(&damaged_id, 0, sizeof(damaged_id));
	assert_int_equal(
	    spool_put(a->spool, &is, NOW + 600, "refused", 7, &e), 0);
	sender_add(a->sender, &is);
}

void
agent_idle_check(struct agent *a)
{
	net.idle_checks++;
}

void
agent_disk_error(struct agent *a, int rc)
{
}

void
agent_must_restart(struct agent *a)
{
}

void
agent_house(struct agent *a, int64_t ms)
{
	net.house_ms = ms;
}

struct fixture {
	struct agent a;
	struct sender *s;
	char dir[64];
};

static struct id
number(uint8_t n)
{
	struct id id;

	memset(id.b, n, ID_LEN);
	return id;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(&net, 0, sizeof(net));
	f->a.base = event_base_new();
	files_open(&f->a, f->dir, FILE_SPOOL | FILE_JOURNAL, NOW);
	f->s = f->a.sender = sender_new(&f->a);
	memset(&damaged_id, 0, sizeof(damaged_id));
	looked = 0;
	assert_non_null(f->s);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sender_free(f->s);
	files_close(&f->a, f->dir);
	event_base_free(f->a.base);
	free(f);
	return 0;
}

/* An answer in spool and journal, and queued. */
static struct id
answer(struct fixture *f, uint8_t n, size_t len)
{
	struct journal_action ja = { .expires = NOW + 600, .signed_at = NOW };
	static uint8_t data[BIG];
	struct id id = number(n);
	struct err e;

	err_clear(&e);
	memset(data, n, sizeof(data));
	ja.id = id;
	ja.verdict = "v";
	ja.verdict_len = 1;
	ja.doc = "d";
	ja.doc_len = 1;
	assert_int_equal(journal_accept(f->a.journal, &ja, true, &e), 0);
	assert_int_equal(
	    spool_put(f->a.spool, &id, NOW + 600, data, len, &e), 0);
	assert_int_equal(journal_answer(f->a.journal, &id, &e), 0);
	sender_add(f->s, &id);
	return id;
}

static void
test_waits_for_the_relay(void **state)
{
	struct fixture *f = *state;
	struct id id = answer(f, 1, 100);

	assert_int_equal(net.n, 0);
	assert_false(sender_idle(f->s));
	sender_up(f->s, true);
	assert_int_equal(net.n, 1);
	assert_true(id_equal(&net.id, &id));
	assert_int_equal(net.len, 100);
	assert_int_equal(net.first, 1);
	/* sent, but not yet there: it stays */
	assert_false(sender_idle(f->s));
	sender_acked(f->s, &id, 0, 1, true);
	assert_true(sender_idle(f->s));
	assert_true(spool_find(f->a.spool, &id)->acked);
	assert_int_equal(journal_find(f->a.journal, &id)->state, JOURNAL_ACKED);
	assert_true(net.idle_checks > 0);
}

static void
test_part_by_part(void **state)
{
	struct fixture *f = *state;
	struct id id;

	sender_up(f->s, true);
	id = answer(f, 1, BIG);
	assert_int_equal(net.of, 3);
	assert_int_equal(net.len, WIRE_FIRST_PART_MAX);
	/* an acknowledgement of another part moves nothing */
	sender_acked(f->s, &id, 2, 3, false);
	assert_int_equal(net.n, 1);
	sender_acked(f->s, &id, 0, 3, false);
	assert_int_equal(net.part, 1);
	assert_int_equal(net.len, WIRE_PART_MAX);
	sender_acked(f->s, &id, 1, 3, false);
	assert_int_equal(net.part, 2);
	/* the last part is there, but the server has lost one */
	sender_acked(f->s, &id, 2, 3, false);
	assert_int_equal(net.part, 0);
	assert_int_equal(net.n, 4);
	assert_false(spool_find(f->a.spool, &id)->acked);
	sender_acked(f->s, &id, 0, 3, true);
	assert_true(sender_idle(f->s));
}

static void
test_one_on_the_wire(void **state)
{
	struct fixture *f = *state;
	struct id first, second;

	sender_up(f->s, true);
	first = answer(f, 1, 10);
	second = answer(f, 2, 10);
	assert_int_equal(net.n, 1);
	sender_acked(f->s, &first, 0, 1, true);
	assert_int_equal(net.n, 2);
	assert_true(id_equal(&net.id, &second));
}

/* A new connection begins again with the first part: what the server has
 * still is not known. */
static void
test_reconnect(void **state)
{
	struct fixture *f = *state;
	struct id id;

	sender_up(f->s, true);
	id = answer(f, 1, BIG);
	sender_acked(f->s, &id, 0, 3, false);
	assert_int_equal(net.n, 2);
	sender_up(f->s, false);
	sender_acked(f->s, &id, 1, 3, false);
	assert_int_equal(net.n, 2);
	assert_int_equal(net.checks, 0);
	sender_up(f->s, true);
	assert_int_equal(net.n, 3);
	assert_int_equal(net.part, 0);
	/* nobody answered to the last one: does net run? */
	assert_int_equal(net.checks, 1);
}

/* How many parts there are is not the server's to say. */
static void
test_lies_about_parts(void **state)
{
	static const struct {
		uint16_t part, of;
		bool complete;
	} lies[] = {
		{ 0, 2, false },
		{ 0, 4, false },
		{ 0, 0, false },
		{ 0, 65535, false },
		{ 3, 3, false },
		{ 0, 1, true },
		{ 3, 3, true },
		{ 65535, 3, true },
	};
	struct fixture *f = *state;
	struct id id;
	size_t i;

	sender_up(f->s, true);
	id = answer(f, 1, BIG);
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		sender_acked(
		    f->s, &id, lies[i].part, lies[i].of, lies[i].complete);
		assert_int_equal(net.n, 1);
		assert_false(spool_find(f->a.spool, &id)->acked);
	}
	sender_acked(f->s, &id, 0, 3, false);
	assert_int_equal(net.part, 1);
}

/* Without acknowledgement the wire is another's after a while. */
static void
test_silence_does_not_hold_up_others(void **state)
{
	struct fixture *f = *state;
	int64_t end = clock_mono_ms() + 8000;
	struct id second;

	sender_up(f->s, true);
	answer(f, 1, 10);
	second = answer(f, 2, 10);
	while (net.n < 2 && clock_mono_ms() < end)
		assert_int_equal(event_base_loop(f->a.base, EVLOOP_ONCE), 0);
	assert_int_equal(net.n, 2);
	assert_true(id_equal(&net.id, &second));
}

static void
test_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct id id, none = number(9);

	sender_up(f->s, true);
	id = answer(f, 1, 10);
	/* on its way already */
	sender_again(f->s, &id);
	assert_int_equal(net.n, 1);
	sender_acked(f->s, &id, 0, 1, true);
	sender_again(f->s, &id);
	assert_int_equal(net.n, 2);
	/* acknowledged twice, or never known: nothing happens */
	sender_acked(f->s, &id, 0, 1, true);
	sender_acked(f->s, &id, 0, 1, true);
	sender_acked(f->s, &none, 0, 1, true);
	sender_acked(f->s, &none, 0, 1, false);
	assert_true(sender_idle(f->s));
	/* what is not in the spool is not queued for good */
	sender_add(f->s, &none);
	assert_true(sender_idle(f->s));
	assert_int_equal(net.n, 2);
}

/* As often as the platform likes it would be read and hashed without end: later
 * then, whatever else happens meanwhile. */
static void
test_asked_for_without_end(void **state)
{
	struct fixture *f = *state;
	struct id id, lossy, other;
	unsigned int i;

	sender_up(f->s, true);
	id = answer(f, 1, 10);
	sender_acked(f->s, &id, 0, 1, true);
	for (i = 0; i < 100; i++) {
		sender_again(f->s, &id);
		sender_acked(f->s, &id, 0, 1, true);
		if (i % 10 == 0)
			sender_up(f->s, true);
	}
	assert_int_equal(net.n, 1 + SPOOL_REPEATS);
	assert_int_equal(looked, SPOOL_REPEATS);
	/* the last one is owed */
	sender_again(f->s, &id);
	assert_false(sender_idle(f->s));
	/* others are not held up */
	other = answer(f, 2, 10);
	assert_int_equal(net.n, 2 + SPOOL_REPEATS);
	sender_acked(f->s, &other, 0, 1, true);
	/* a server that always loses a part */
	net.n = 0;
	lossy = answer(f, 3, BIG);
	for (i = 0; i < 300; i++)
		sender_acked(f->s, &lossy, net.part, 3, false);
	assert_int_equal(net.n, 3 * (1 + SPOOL_REPEATS));
	sender_acked(f->s, &lossy, 2, 3, true);
	sender_acked(f->s, &id, 0, 1, true);
	assert_true(sender_idle(f->s));
}

/* Nor by a relay that takes connection after connection. */
static void
test_looked_at_seldom(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	sender_up(f->s, true);
	answer(f, 1, BIG);
	for (i = 0; i < 100; i++) {
		sender_up(f->s, false);
		sender_up(f->s, true);
	}
	assert_int_equal(net.n, 101);
	assert_int_equal(looked, 1);
}

/* Long after its end, when nothing waited for the clock any more: it goes all
 * the same once a day has passed. */
static void
test_acknowledged_late(void **state)
{
	struct fixture *f = *state;
	struct id id = answer(f, 1, 10);
	int64_t late = NOW + 600 + SPOOL_KEEP_SECONDS,
		ms = clock_mono_ms() + SPOOL_KEEP_SECONDS * 1000LL, left;

	sender_up(f->s, true);
	assert_int_equal(spool_clean(f->a.spool, late, ms), 0);
	assert_int_equal(spool_clean_in_ms(f->a.spool, late, ms), -1);
	assert_int_equal(net.house_ms, 0);
	sender_acked(f->s, &id, 0, 1, true);
	left = spool_clean_in_ms(f->a.spool, late, clock_mono_ms());
	assert_true(left > 0);
	assert_true(net.house_ms >= left);
}

/* Its file was taken away: the others go on. */
static void
test_unreadable_answer(void **state)
{
	struct fixture *f = *state;
	struct id gone = answer(f, 1, BIG), good = answer(f, 2, 10);
	char path[192];

	snprintf(path, sizeof(path), "%s/spool/%s", f->dir, id_hex(&gone).s);
	assert_int_equal(unlink(path), 0);
	sender_up(f->s, true);
	assert_int_equal(net.n, 1);
	assert_true(id_equal(&net.id, &good));
	sender_acked(f->s, &good, 0, 1, true);
	assert_true(sender_idle(f->s));
}

/* What comes from the disk is looked at before it leaves; the refusal that
 * takes a damaged answer's place is sent, once, and the others go on. */
static void
test_damaged_answer(void **state)
{
	struct fixture *f = *state;
	struct id bad = number(1), good;

	answer(f, 1, BIG);
	good = answer(f, 2, 10);
	assert_int_equal(looked, 0);
	sender_up(f->s, true);
	sender_acked(f->s, &bad, 0, 3, true);
	sender_acked(f->s, &good, 0, 1, true);
	/* just made: nothing to look at */
	assert_int_equal(looked, 0);
	assert_true(sender_idle(f->s));
	net.n = 0;
	damaged_id = bad;
	sender_again(f->s, &bad);
	assert_int_equal(looked, 1);
	assert_int_equal(net.n, 1);
	assert_true(id_equal(&net.id, &bad));
	assert_int_equal(net.len, 7);
	assert_int_equal(net.of, 1);
	sender_again(f->s, &good);
	sender_acked(f->s, &bad, 0, 1, true);
	assert_int_equal(net.n, 2);
	assert_int_equal(looked, 2);
	assert_true(id_equal(&net.id, &good));
	sender_acked(f->s, &good, 0, 1, true);
	assert_true(sender_idle(f->s));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_waits_for_the_relay),
		T(test_part_by_part),
		T(test_one_on_the_wire),
		T(test_reconnect),
		T(test_lies_about_parts),
		T(test_silence_does_not_hold_up_others),
		T(test_asked_for_again),
		T(test_asked_for_without_end),
		T(test_looked_at_seldom),
		T(test_acknowledged_late),
		T(test_unreadable_answer),
		T(test_damaged_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
