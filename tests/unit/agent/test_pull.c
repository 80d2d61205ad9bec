/* SPDX-License-Identifier: MPL-2.0 */
/* Fetching announced envelopes: order, doubles, lies, bounds. */
#include "agent/net/pull.h"

#include "action/envelope.h"
#include "agent/seldom.h"
#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#define BIG (2 * WIRE_PART_MAX + 1000) /* three parts */

struct seen {
	struct id wanted;
	uint16_t part;
	unsigned int wants, wholes;
	uint8_t source;
	size_t len;
	uint8_t last; /* byte */
};

static uint8_t data[BIG];

static void
on_want(uint8_t source, const struct id *id, uint16_t part, void *arg)
{
	struct seen *s = arg;

	s->wanted = *id;
	s->part = part;
	s->wants++;
}

static void
on_whole(uint8_t source, const uint8_t *bytes, size_t len, void *arg)
{
	struct seen *s = arg;

	s->source = source;
	s->len = len;
	s->last = bytes[len - 1];
	s->wholes++;
}

static struct wire_msg
announcement(uint8_t number, uint32_t size)
{
	struct wire_msg m = { .type = WIRE_ANNOUNCE, .size = size };

	memset(m.id.b, number, ID_LEN);
	sha256(data, size <= BIG ? size : BIG, &m.hash);
	return m;
}

static struct wire_msg
part(uint8_t number, uint16_t n, uint16_t of, size_t size)
{
	struct wire_msg m = { .type = WIRE_ENVELOPE_PART, .part = n, .of = of };

	memset(m.id.b, number, ID_LEN);
	m.data = data + (size_t)n * WIRE_PART_MAX;
	m.len = size - (size_t)n * WIRE_PART_MAX;
	if (m.len > WIRE_PART_MAX)
		m.len = WIRE_PART_MAX;
	return m;
}

struct fixture {
	struct event_base *base;
	struct pull *p;
	struct seen s;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	for (i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	f->base = event_base_new();
	f->p = pull_new(f->base, on_want, on_whole, &f->s);
	assert_non_null(f->p);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pull_free(f->p);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void
announce(struct fixture *f, uint8_t source, uint8_t number, uint32_t size)
{
	struct wire_msg m = announcement(number, size);

	assert_true(pull_announced(f->p, source, &m));
	pull_start(f->p, &m.id);
}

static void
test_three_parts(void **state)
{
	struct fixture *f = *state;
	struct wire_msg m;
	uint16_t i;

	announce(f, 1, 5, BIG);
	for (i = 0; i < 3; i++) {
		assert_int_equal(f->s.wants, i + 1);
		assert_int_equal(f->s.part, i);
		m = part(5, i, 3, BIG);
		pull_part(f->p, &m);
	}
	assert_int_equal(f->s.wants, 3);
	assert_int_equal(f->s.wholes, 1);
	assert_int_equal(f->s.source, 1);
	assert_int_equal(f->s.len, BIG);
	assert_int_equal(f->s.last, data[BIG - 1]);
}

/* What was announced before and left counts no more; what is being fetched
 * stays as it was announced. */
static void
test_announced_anew(void **state)
{
	struct fixture *f = *state;
	struct wire_msg other = announcement(5, BIG), m;
	uint16_t i;

	other.hash.b[0] ^= 1;
	assert_true(pull_announced(f->p, 1, &other));
	announce(f, 1, 5, BIG);
	assert_true(pull_announced(f->p, 1, &other));
	for (i = 0; i < 3; i++) {
		m = part(5, i, 3, BIG);
		pull_part(f->p, &m);
	}
	assert_int_equal(f->s.wholes, 1);
}

static void
test_any_order_and_twice(void **state)
{
	static const uint16_t order[] = { 2, 2, 0, 2, 0, 1 };
	struct fixture *f = *state;
	struct wire_msg m;
	size_t i;

	announce(f, 0, 5, BIG);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_int_equal(f->s.wholes, 0);
		m = part(5, order[i], 3, BIG);
		pull_part(f->p, &m);
	}
	assert_int_equal(f->s.wholes, 1);
}

/* Parts nobody asked for, of another action, of impossible shape. */
static void
test_strange_parts(void **state)
{
	struct fixture *f = *state;
	struct wire_msg m = part(5, 0, 3, BIG);

	pull_part(f->p, &m);
	announce(f, 0, 5, BIG);
	m = part(6, 0, 3, BIG);
	pull_part(f->p, &m);
	m = part(5, 0, 3, BIG);
	m.of = 4;
	pull_part(f->p, &m);
	m.of = 3;
	m.part = 3;
	pull_part(f->p, &m);
	m.part = 0;
	m.len = WIRE_PART_MAX - 1;
	pull_part(f->p, &m);
	assert_int_equal(f->s.wants, 1);
	assert_int_equal(f->s.wholes, 0);
}

/* What comes is not what was announced: dropped, and the next one's turn. */
static void
test_wrong_hash(void **state)
{
	struct fixture *f = *state;
	struct wire_msg lie = announcement(1, 100), m;

	lie.hash.b[3] ^= 1;
	assert_true(pull_announced(f->p, 0, &lie));
	pull_start(f->p, &lie.id);
	announce(f, 0, 2, 100);
	assert_int_equal(f->s.wants, 1);
	m = part(1, 0, 1, 100);
	pull_part(f->p, &m);
	assert_int_equal(f->s.wholes, 0);
	assert_int_equal(f->s.wants, 2);
	assert_int_equal(f->s.wanted.b[0], 2);
	m = part(2, 0, 1, 100);
	pull_part(f->p, &m);
	assert_int_equal(f->s.wholes, 1);
}

static void
test_bounds(void **state)
{
	struct fixture *f = *state;
	struct wire_msg m;
	uint8_t i;

	m = announcement(99, 0);
	assert_false(pull_announced(f->p, 0, &m));
	m = announcement(99, ENVELOPE_MAX + 1);
	assert_false(pull_announced(f->p, 0, &m));
	m = announcement(99, ENVELOPE_MAX);
	assert_true(pull_announced(f->p, 0, &m));
	pull_clear(f->p);
	for (i = 0; i < 16; i++) {
		m = announcement(i, 10);
		assert_true(pull_announced(f->p, 0, &m));
	}
	/* again is no new one */
	m = announcement(3, 10);
	assert_true(pull_announced(f->p, 0, &m));
	/* not wanted by the monitor: nothing is asked for */
	assert_int_equal(f->s.wants, 0);
	m = announcement(50, 10);
	pull_start(f->p, &m.id);
	assert_int_equal(f->s.wants, 0);
}

/* Who announces without end makes nobody deaf: what nobody wants goes, the
 * oldest first, and what is wanted stays. */
static void
test_announced_without_end(void **state)
{
	struct fixture *f = *state;
	struct wire_msg m;
	uint8_t i;

	announce(f, 0, 200, 10);
	for (i = 0; i < 100; i++) {
		m = announcement(i, 10);
		assert_true(pull_announced(f->p, 0, &m));
	}
	/* 85 to 99 are the newest fifteen */
	m = announcement(84, 10);
	pull_start(f->p, &m.id);
	m = part(200, 0, 1, 10);
	pull_part(f->p, &m);
	assert_int_equal(f->s.wholes, 1);
	assert_int_equal(f->s.wants, 1);
	for (i = 85; i < 100; i++) {
		m = announcement(i, 10);
		pull_start(f->p, &m.id);
	}
	assert_int_equal(f->s.wants, 2);
	assert_int_equal(f->s.wanted.b[0], 85);
	m = announcement(101, 10); /* the sixteenth */
	assert_true(pull_announced(f->p, 0, &m));
	pull_start(f->p, &m.id);
	m = announcement(102, 10); /* all are wanted */
	assert_false(pull_announced(f->p, 0, &m));
	m = part(85, 0, 1, 10);
	pull_part(f->p, &m);
	assert_int_equal(f->s.wholes, 2);
	m = announcement(102, 10);
	assert_true(pull_announced(f->p, 0, &m));
}

static void
test_seldom(void **state)
{
	struct seldom s = { 0 };
	unsigned int n = 99, i;

	assert_true(seldom_at(&s, 5, &n));
	assert_int_equal(n, 0);
	for (i = 0; i < 1000; i++)
		assert_false(seldom_at(&s, 5 + i, &n));
	assert_true(seldom_at(&s, 5 + SELDOM_MS, &n));
	assert_int_equal(n, 1000);
	assert_true(seldom_at(&s, 5 + 2 * SELDOM_MS, &n));
	assert_int_equal(n, 0);
}

/* One at a time; a lost connection forgets them all. */
static void
test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct wire_msg m;

	announce(f, 0, 1, BIG);
	announce(f, 0, 2, BIG);
	assert_int_equal(f->s.wants, 1);
	pull_clear(f->p);
	m = part(1, 0, 3, BIG);
	pull_part(f->p, &m);
	assert_int_equal(f->s.wants, 1);
	announce(f, 0, 1, BIG);
	assert_int_equal(f->s.wants, 2);
	assert_int_equal(f->s.part, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_three_parts),
		T(test_announced_anew),
		T(test_any_order_and_twice),
		T(test_strange_parts),
		T(test_wrong_hash),
		T(test_bounds),
		T(test_one_at_a_time),
		T(test_announced_without_end),
		T(test_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
