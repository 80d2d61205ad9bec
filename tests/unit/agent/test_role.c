/* SPDX-License-Identifier: MPL-2.0 */
/* A role whose child cannot be started: who asked is told, and the next
 * attempt comes. The processes are the test's own. */
#include "agent/monitor/role.h"

#include "base/clock.h"
#include "base/err.h"
#include "proc/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

static struct {
	struct event_base *base;
	unsigned int spawns, answers;
	int code;
} t;

struct event_base *
proc_loop_base(struct proc_loop *l)
{
	return t.base;
}

int
proc_loop_watch(struct proc_loop *l, pid_t pid, proc_on_exit *cb, void *arg)
{
	return 0;
}

void
proc_loop_unwatch(struct proc_loop *l, pid_t pid)
{
}

int
proc_sibling(const char *name, char *out, size_t size, struct err *e)
{
	out[0] = '\0';
	return 0;
}

int
proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, struct err *e)
{
	t.spawns++;
	return err_set(e, ERR_NOMEM, "no more processes");
}

const char *
proc_status_text(int status)
{
	return "";
}

static int
fill(struct buf *out, void *arg, struct err *e)
{
	return 0;
}

static void
on_ready(struct role *r, int code, const void *body, size_t len,
    const char *text, void *arg)
{
	fail();
}

static void
on_answer(int code, const void *body, size_t len, void *arg)
{
	t.answers++;
	t.code = code;
}

static void
run_until_spawns(unsigned int n)
{
	int64_t end = clock_mono_ms() + 10000;

	while (t.spawns < n && clock_mono_ms() < end)
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
	assert_int_equal(t.spawns, n);
}

static void
test_no_child(void **state)
{
	static const struct role_spec spec = {
		.name = "judge",
		.program = "none",
		.kind = ROLE_JUDGE,
		.start = MSG_JUDGE_START,
		.ready = MSG_JUDGE_READY,
		.failed = MSG_JUDGE_FAILED,
		.max_body = MSG_SMALL,
	};
	struct role *r;
	struct err e;

	err_clear(&e);
	t.base = event_base_new();
	r = role_new(NULL, &spec, fill, on_ready, NULL);
	assert_non_null(r);
	/* before its first start a restart is none */
	role_restart(r);
	assert_int_equal(t.spawns, 0);
	assert_int_equal(role_start(r, &e), ERR_NOMEM);
	assert_int_equal(role_ask(r, MSG_JUDGE_ASK, MSG_JUDGE_VERDICT, "x", 1,
			     on_answer, NULL),
	    0);
	assert_int_equal(t.answers, 0);
	run_until_spawns(2);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.code, ERR_CLOSED);
	/* the next one may ask, and is told too */
	assert_int_equal(role_ask(r, MSG_JUDGE_ASK, MSG_JUDGE_VERDICT, "x", 1,
			     on_answer, NULL),
	    0);
	run_until_spawns(3);
	assert_int_equal(t.answers, 2);
	/* a restart that is wished for waits for no backoff */
	role_restart(r);
	assert_int_equal(t.spawns, 4);
	role_free(r);
	event_base_free(t.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
