/* SPDX-License-Identifier: MPL-2.0 */
/* The shape of every answer, its bounds, and when a module must end. */
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/outcome.h"
#include "modules/common/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { GONE, LEFT_OUT, QUIET, KINDS };

static const struct outcome_kind kinds[KINDS] = {
	[GONE] = { "vanished", NULL, false },
	[LEFT_OUT] = { "agentstate", "things left out", false },
	[QUIET] = { "special", NULL, true },
};

static json_t *
written(struct outcome *o)
{
	struct buf out;
	struct jsonw w;
	struct err e;
	json_t *j;

	buf_init(&out, 1024 * 1024);
	jsonw_init(&w, &out);
	outcome_begin(o, &w, true, false);
	jsonw_i64(&w, "mine", 1);
	outcome_statistics(o, &w);
	jsonw_i64(&w, "count", 2);
	assert_int_equal(outcome_end(o, &w, &e), 0);
	j = json_loadb((const char *)out.data, out.len, 0, NULL);
	assert_non_null(j);
	buf_release(&out);
	return j;
}

static const char *
error_at(const json_t *j, size_t i)
{
	return json_string_value(
	    json_array_get(json_object_get(j, "errors"), i));
}

static void
test_shape(void **state)
{
	struct outcome o;
	json_t *j, *gaps, *statistics;

	outcome_init(&o, kinds, KINDS, 2, 1024 * 1024);
	j = written(&o);
	assert_true(json_is_true(json_object_get(j, "foundanything")));
	assert_true(json_is_false(json_object_get(j, "success")));
	assert_true(json_is_null(json_object_get(j, "errors")));
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(j, "elements"), "mine")),
	    1);
	json_decref(j);
	outcome_gap(&o, GONE, "one", "why");
	outcome_gap(&o, GONE, "two", NULL);
	outcome_gap(&o, GONE, "three", NULL);
	outcome_gap(&o, LEFT_OUT, "four", NULL);
	outcome_gap(&o, LEFT_OUT, "five", NULL);
	outcome_gap(&o, QUIET, "six", NULL);
	outcome_note(&o, "a %s", "note");
	j = written(&o);
	assert_string_equal(error_at(j, 0), "vanished: one: why");
	assert_string_equal(error_at(j, 1), "vanished: two");
	assert_string_equal(error_at(j, 2), "a note");
	assert_string_equal(
	    error_at(j, 3), "1 errors were not returned (max errors = 2)");
	assert_string_equal(
	    error_at(j, 4), "agentstate: 2 things left out; the first: four");
	assert_null(error_at(j, 5));
	statistics = json_object_get(j, "statistics");
	assert_non_null(json_object_get(statistics, "exectime"));
	gaps = json_object_get(statistics, "notexamined");
	assert_int_equal(json_object_size(gaps), 3);
	assert_int_equal(
	    json_integer_value(json_object_get(gaps, "vanished")), 3);
	json_decref(j);
	outcome_release(&o);
}

static void
test_room(void **state)
{
	struct outcome o;
	struct buf list;
	size_t before = 0, n = 0, i;

	outcome_init(&o, kinds, KINDS, 0, 8000);
	buf_init(&list, o.output_max);
	for (;;) {
		before = list.len;
		buf_add_str(&list, "0123456789");
		if (!outcome_keep(&o, &list, before))
			break;
		n++;
	}
	assert_int_equal(n, 700); /* an eighth is kept free */
	assert_int_equal(list.len, 7000);
	assert_true(o.full);
	/* texts are bounded too, and what is left out is counted */
	for (i = 0; i < 10000; i++)
		outcome_gap(&o, GONE, "/a/long/path/to/something", NULL);
	assert_true(o.errors.len <= 8000 / 16);
	assert_int_equal(o.nerrors + o.unreturned, 10000);
	/* but for what ended it */
	outcome_end_by(&o, GONE, "limit reached");
	assert_string_equal(
	    (const char *)buf_str(&o.notes), "\"vanished: limit reached\"");
	assert_int_equal(o.counts[GONE], 10001);
	buf_release(&list);
	outcome_release(&o);
}

/* What is too long is left out and counted, not cut to nothing. */
static void
test_long_text(void **state)
{
	size_t size = 1 << 20;
	char *what = malloc(size);
	struct outcome o;

	assert_non_null(what);
	memset(what, 'x', size);
	outcome_init(&o, kinds, KINDS, 0, 64 << 20);
	what[1000] = '\0';
	outcome_gap(&o, GONE, what, "why");
	assert_int_equal(o.nerrors, 1);
	assert_int_equal(o.errors.len, strlen("\"vanished: : why\"") + 1000);
	what[1000] = 'x';
	what[size - 1] = '\0';
	outcome_gap(&o, GONE, what, "why");
	outcome_note(&o, "%s", what);
	assert_int_equal(o.errors.len, strlen("\"vanished: : why\"") + 1000);
	assert_int_equal(o.nerrors, 1);
	assert_int_equal(o.unreturned, 1);
	assert_int_equal(o.notes.len, 0);
	outcome_release(&o);
	free(what);
}

static void
test_watch(void **state)
{
	volatile sig_atomic_t stop = 0;
	enum run_end end = RUN_WHOLE;
	struct run_context ctx = {
		.stop = &stop, .ret_end = &end, .seconds = 3, .cpu_seconds = 2
	};
	struct watch w;

	watch_begin(&w, &ctx);
	assert_false(watch_stop(&w));
	stop = SIGXCPU;
	assert_true(watch_stop(&w));
	assert_int_equal(w.end, WATCH_CPU);
	assert_int_equal(end, RUN_LIMIT);
	assert_string_equal(w.text, "limit reached: CPU 2 s");
	stop = SIGTERM;
	assert_true(watch_stop(&w));
	assert_int_equal(w.end, WATCH_CPU); /* the first counts */
	watch_begin(&w, &ctx);
	assert_true(watch_stop(&w));
	assert_int_equal(w.end, WATCH_STOPPED);
	/* told to stop by the agent at the deadline */
	ctx.deadline_ms = clock_mono_ms() + 500;
	watch_begin(&w, &ctx);
	assert_true(watch_stop(&w));
	assert_int_equal(w.end, WATCH_TIME);
	assert_int_equal(end, RUN_TIME);
	stop = 0;
	ctx.deadline_ms = clock_mono_ms() - 1;
	watch_begin(&w, &ctx);
	assert_true(watch_stop(&w));
	assert_string_equal(w.text, "limit reached: time 3 s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
