/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of several parts: order, waiting for room, who is put out. */
#include "server/core/assembly.h"

#include "server/core/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX ((size_t)16 * 1024 * 1024)
#define LARGE 130 /* parts: as much as one answer may have */
#define FIT 4     /* so many of those have room at once */

static struct agent agents[FIT + 2];
static struct assemblies *as;
static struct agent *admitted;
static unsigned int nadmitted;

static void
on_admitted(struct agent *a, const struct id *action, uint16_t part,
    uint16_t of, void *arg)
{
	assert_ptr_equal(arg, &nadmitted);
	admitted = a;
	nadmitted++;
}

static int
setup(void **state)
{
	size_t i;

	memset(agents, 0, sizeof(agents));
	for (i = 0; i < FIT + 2; i++)
		agents[i].online = true;
	nadmitted = 0;
	as = assemblies_new(MAX, on_admitted, &nadmitted);
	return (as == NULL);
}

static int
teardown(void **state)
{
	assemblies_free(as);
	return (0);
}

static enum assembly_result
add(unsigned int agent, uint16_t part, uint16_t of, int64_t now,
    struct assembly_whole *w)
{
	static const uint8_t bytes[1024] = { 7 };
	struct wire_msg m = { .type = WIRE_ANSWER_PART,
		.part = part,
		.of = of,
		.data = bytes,
		.len = sizeof(bytes) };

	return (assemblies_add(as, &agents[agent], &m, now, w));
}

static void
test_any_order(void **state)
{
	struct assembly_whole w;
	uint64_t n, bytes;

	assert_int_equal(add(0, 2, 3, 1, &w), ASSEMBLY_MORE);
	assert_int_equal(add(0, 2, 3, 1, &w), ASSEMBLY_KNOWN);
	assert_int_equal(add(0, 0, 3, 1, &w), ASSEMBLY_MORE);
	assert_int_equal(add(0, 3, 3, 1, &w), ASSEMBLY_REFUSED);
	assert_int_equal(add(0, 1, 3, 1, &w), ASSEMBLY_WHOLE);
	assert_int_equal(w.len, 3 * 1024);
	free(w.data);
	assemblies_stats(as, &n, &bytes);
	assert_int_equal(n, 0);
	/* until it is stored */
	assert_int_equal(bytes, w.aside);
	assemblies_stored(as, w.aside, 1);
	assemblies_stats(as, &n, &bytes);
	assert_int_equal(bytes, 0);
}

/* An agent that cuts its answer anew is not made to send a part twice. */
static void
test_cut_anew(void **state)
{
	struct assembly_whole w;
	uint64_t n, bytes;

	assert_int_equal(add(0, 0, 3, 1, &w), ASSEMBLY_MORE);
	assert_int_equal(add(0, 0, 2, 1, &w), ASSEMBLY_MORE);
	assemblies_stats(as, &n, &bytes);
	assert_int_equal(n, 1);
	assert_int_equal(add(0, 1, 2, 1, &w), ASSEMBLY_WHOLE);
	assert_int_equal(w.len, 2 * 1024);
	free(w.data);
	assemblies_stored(as, w.aside, 1);
}

/* Fills all the room; the one after it waits. */
static void
fill(int64_t now)
{
	struct assembly_whole w;
	unsigned int i;

	for (i = 0; i < FIT; i++)
		assert_int_equal(add(i, 0, LARGE, now, &w), ASSEMBLY_MORE);
	assert_int_equal(add(FIT, 0, LARGE, now, &w), ASSEMBLY_WAITS);
}

static void
test_waits_for_room(void **state)
{
	struct assembly_whole w;
	uint64_t n, bytes;
	uint16_t i;

	fill(1);
	/* a small one that would fit does not overtake */
	assert_int_equal(add(FIT + 1, 0, 2, 1, &w), ASSEMBLY_WAITS);
	for (i = 1; i < LARGE; i++)
		assert_int_equal(add(0, i, LARGE, 2, &w),
		    i + 1 < LARGE ? ASSEMBLY_MORE : ASSEMBLY_WHOLE);
	free(w.data);
	assert_int_equal(nadmitted, 0);
	assemblies_stored(as, w.aside, 3);
	/* first the large one, then the small one beside it */
	assert_int_equal(nadmitted, 2);
	assert_ptr_equal(admitted, &agents[FIT + 1]);
	assert_int_equal(add(FIT, 1, LARGE, 3, &w), ASSEMBLY_MORE);
	assemblies_stats(as, &n, &bytes);
	assert_true(bytes <= ASSEMBLY_GROWING_BYTES + ASSEMBLY_WAITING_BYTES);
}

static void
test_stalled_ones_make_room(void **state)
{
	struct assembly_whole w;
	int64_t now = ASSEMBLY_STALL_MS + 2;

	fill(1);
	assert_int_equal(add(1, 1, LARGE, now - 1, &w), ASSEMBLY_MORE);
	assemblies_tick(as, ASSEMBLY_STALL_MS);
	assert_int_equal(nadmitted, 0);
	assemblies_tick(as, now);
	assert_int_equal(nadmitted, 1);
	assert_ptr_equal(admitted, &agents[FIT]);
	assert_true(agents[0].slow_until > now);
	/* the one that went on is still there */
	assert_int_equal(agents[1].slow_until, 0);
	assert_int_equal(add(1, 2, LARGE, now, &w), ASSEMBLY_MORE);
}

static void
test_slow_ones_wait_behind(void **state)
{
	struct assembly_whole w;

	uint16_t i;

	fill(1);
	agents[FIT].slow_until = 1000000;
	assert_int_equal(add(FIT + 1, 0, LARGE, 1, &w), ASSEMBLY_WAITS);
	for (i = 1; i < LARGE; i++)
		(void)add(0, i, LARGE, 2, &w);
	free(w.data);
	assemblies_stored(as, w.aside, 3);
	assert_int_equal(nadmitted, 1);
	assert_ptr_equal(admitted, &agents[FIT + 1]);
}

static void
test_bounds(void **state)
{
	struct assembly_whole w;
	struct wire_msg m = { .type = WIRE_ANSWER_PART, .of = 2 };
	static const uint8_t bytes[16];
	uint32_t i;

	m.data = bytes;
	m.len = sizeof(bytes);
	for (i = 0; i < ASSEMBLY_AGENT_MAX; i++) {
		memcpy(m.id.b, &i, sizeof(i));
		assert_int_equal(
		    assemblies_add(as, &agents[0], &m, 1, &w), ASSEMBLY_MORE);
	}
	memcpy(m.id.b, &i, sizeof(i));
	assert_int_equal(
	    assemblies_add(as, &agents[0], &m, 1, &w), ASSEMBLY_REFUSED);
	assert_int_equal(
	    assemblies_add(as, &agents[1], &m, 1, &w), ASSEMBLY_MORE);
	/* forgotten when nothing more comes */
	assemblies_tick(as, ASSEMBLY_IDLE_MS + 2);
	assert_null(agents[0].assemblies);
	assert_null(agents[1].assemblies);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_stalled_ones_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_slow_ones_wait_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
