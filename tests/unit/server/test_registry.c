/* SPDX-License-Identifier: MPL-2.0 */
/* Agents in memory: finding, presence, counters. */
#include "server/core/registry.h"

#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct agent *
add(struct registry *r, int i)
{
	struct id id;

	sha256(&i, sizeof(i), &id);
	return (registry_add(r, &id, i + 1, "x"));
}

static void
test_many(void **state)
{
	struct registry r;
	struct agent *a;
	struct id id;
	int i;

	registry_init(&r);
	memset(&id, 0, sizeof(id));
	assert_null(registry_find(&r, &id));
	for (i = 0; i < 5000; i++) {
		a = add(&r, i);
		assert_non_null(a);
		assert_int_equal(a->slot, i);
	}
	for (i = 0; i < 5000; i++) {
		sha256(&i, sizeof(i), &id);
		a = registry_find(&r, &id);
		assert_non_null(a);
		assert_int_equal(a->n, i + 1);
		assert_ptr_equal(add(&r, i), a);
	}
	assert_int_equal(r.n, 5000);
	registry_release(&r);
}

static void
test_presence(void **state)
{
	/* after a hello of connection 5 */
	static const struct {
		bool online;
		uint64_t connection;
		bool taken, then;
	} steps[] = {
		{ true, 5, true, true },
		{ false, 4, false, true }, /* the will of an older one */
		{ true, 4, false, true },
		{ false, 5, true, false },
		{ true, 6, true, true },
		{ true, 6, true, true },
		{ false, 7, true, false }, /* its beginning was lost */
		/* whoever wrote it: nobody is locked out by it */
		{ false, UINT64_MAX, true, false },
		{ true, 5, true, true },
	};
	struct registry r;
	struct agent *a;
	size_t i;

	registry_init(&r);
	a = add(&r, 1);
	assert_true(registry_hello(&r, a, 5, 100, 1, 1));
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(registry_presence(&r, a, steps[i].online,
				     steps[i].connection, (int64_t)i),
		    steps[i].taken);
		assert_int_equal(a->online, steps[i].then);
		assert_int_equal(r.online, steps[i].then);
		assert_int_equal(a->connection, 5);
	}
	registry_release(&r);
}

static void
test_hello(void **state)
{
	static const struct {
		uint64_t connection;
		int64_t time_ms;
		uint64_t position;
		bool taken;
	} steps[] = {
		{ 5, 100, 10, true },
		{ 5, 200, 10, true },
		{ 4, 150, 9, false }, /* an old one, sent again */
		{ 4, 200, 10, false },
		{ 900, 9000, 11, true }, /* the clock was wrong */
		{ 6, 300, 11, false },
		{ 6, 300, 12, true }, /* but its record went on */
		{ 3, 301, 2, true },  /* or its clock */
		{ 7, 10, 1, true },
	};
	struct registry r;
	struct agent *a;
	uint64_t was;
	size_t i;

	registry_init(&r);
	a = add(&r, 1);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		was = a->connection;
		assert_int_equal(registry_hello(&r, a, steps[i].connection,
				     steps[i].time_ms, steps[i].position, 1),
		    steps[i].taken);
		assert_int_equal(
		    a->connection, steps[i].taken ? steps[i].connection : was);
	}
	assert_int_equal(r.online, 1);
	registry_release(&r);
}

static void
test_relay_lost(void **state)
{
	struct registry r;
	struct agent *a, *b;

	registry_init(&r);
	a = add(&r, 1);
	b = add(&r, 2);
	registry_presence(&r, a, true, 1, 1);
	registry_presence(&r, b, true, 1, 1);
	registry_relay_lost(&r);
	assert_int_equal(r.online, 0);
	assert_int_equal(r.lost, 2);
	registry_presence(&r, a, true, 2, 2);
	assert_int_equal(r.online, 1);
	assert_int_equal(r.lost, 1);
	registry_revoke(&r, b);
	assert_int_equal(r.lost, 0);
	registry_relay_lost(&r);
	registry_forget_lost(&r);
	assert_int_equal(r.lost, 0);
	registry_release(&r);
}

static void
test_rows(void **state)
{
	struct target_row row = { NULL, "n", "o", "a", "i", "v", "m", "{}",
		"{}", "[]" };
	struct registry r;
	struct agent *a;
	bool changed;

	registry_init(&r);
	a = add(&r, 1);
	assert_int_equal(agent_set_row(a, &row, &changed), 0);
	assert_true(changed);
	assert_string_equal(a->row.id, id_hex(&a->id).s);
	assert_int_equal(agent_set_row(a, &row, &changed), 0);
	assert_false(changed);
	/* from its own row, too */
	row = a->row;
	row.tags = "{\"x\":\"y\"}";
	assert_int_equal(agent_set_row(a, &row, &changed), 0);
	assert_true(changed);
	assert_string_equal(a->row.tags, "{\"x\":\"y\"}");
	assert_string_equal(a->row.name, "n");
	registry_release(&r);
}

/* An honest one asks again when what it was given is lost; one that asks
 * without end is given little. */
static void
test_renewals(void **state)
{
	const int64_t day = INT64_C(86400000), life = 365 * day;
	struct agent a = { .renewed = 0 };
	int64_t now;

	assert_true(agent_may_renew(&a, life, 1));
	assert_false(agent_may_renew(&a, life, 2000));
	/* nothing was given */
	assert_true(agent_may_renew(&a, life, 5000));
	for (now = 5000; now < life; now += 5000)
		a.renewals += agent_may_renew(&a, life, now);
	assert_in_range(a.renewals, 64, 64 + 20);
	assert_true(agent_may_renew(&a, life, life + 6 * day));
	/* the same of enrolments, of which many may be repeated at once */
	for (now = 1; now < life; now += now < 1000 ? 1 : 5000)
		(void)agent_may_enrol(&a, life, now);
	assert_in_range(a.enrolments, 128, 128 + 20);
	/* a certificate of a minute is renewed as often as it has to be */
	a = (struct agent){ .renewals = 1000, .renewed = 1 };
	assert_true(agent_may_renew(&a, 60000, 5000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_relay_lost),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_renewals),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
