/* SPDX-License-Identifier: MPL-2.0 */
/* A role whose child cannot be started, ends or gives up: who asked is told,
 * with the reason, and the next attempt comes. The processes are the test's
 * own. */
#include "agent/monitor/role.h"

#include "base/clock.h"
#include "base/err.h"
#include "proc/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

static struct {
	struct event_base *base;
	unsigned int spawns, answers;
	int code;
	void (*child)(int fd); /* NULL: there are no processes */
	pid_t pid;
	proc_on_exit *on_exit;
	void *arg;
	int ready; /* what on_ready was told, and why */
	char text[MSG_TEXT_MAX];
	struct role *role;
	char why[MSG_TEXT_MAX]; /* when it was answered */
} t;

struct event_base *
proc_loop_base(struct proc_loop *l)
{
	return t.base;
}

int
proc_loop_watch(struct proc_loop *l, pid_t pid, proc_on_exit *cb, void *arg)
{
	t.pid = pid;
	t.on_exit = cb;
	t.arg = arg;
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
	if (t.child == NULL)
		return err_set(e, ERR_NOMEM, "no more processes");
	*ret_pid = fork();
	if (*ret_pid == 0) {
		t.child(s->fds[0].from);
		_exit(3);
	}
	return 0;
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
	assert_non_null(t.child);
	t.ready = code;
	snprintf(t.text, sizeof(t.text), "%s", text == NULL ? "" : text);
}

static void
on_answer(int code, const void *body, size_t len, void *arg)
{
	t.answers++;
	t.code = code;
	if (code != 0 && t.role != NULL)
		snprintf(t.why, sizeof(t.why), "%s", role_why(t.role));
}

static void
run_until_spawns(unsigned int n)
{
	int64_t end = clock_mono_ms() + 10000;

	while (t.spawns < n && clock_mono_ms() < end)
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
	assert_int_equal(t.spawns, n);
}

static const struct role_spec spec = {
	.name = "judge",
	.program = "none",
	.kind = ROLE_JUDGE,
	.start = MSG_JUDGE_START,
	.ready = MSG_JUDGE_READY,
	.failed = MSG_JUDGE_FAILED,
	.max_body = MSG_SMALL,
};

static void
test_no_child(void **state)
{
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

static void
get_asked(int fd)
{
	struct ipc_msg msg;
	struct buf in;

	buf_init(&in, MSG_SMALL);
	if (ipc_read(fd, &in, &msg, false, NULL) != 0 ||
	    ipc_write(fd, MSG_JUDGE_READY, 0, "", 0, -1, NULL) != 0 ||
	    ipc_read(fd, &in, &msg, false, NULL) != 0)
		_exit(1);
}

static void
kills_itself(int fd)
{
	get_asked(fd);
	signal(SIGSYS, SIG_DFL); /* cmocka has its own */
	raise(SIGSYS);
}

static void
says_why(int fd)
{
	static const char text[] = "\0\0\0\15out of memory";

	get_asked(fd);
	(void)ipc_write(
	    fd, MSG_JUDGE_FAILED, 0, text, sizeof(text) - 1, -1, NULL);
}

static void
ends_at_once(int fd)
{
}

static void
ends_when_ready(int fd)
{
	(void)ipc_write(fd, MSG_JUDGE_READY, 0, "", 0, -1, NULL);
}

static void
reap(void)
{
	int status;

	if (t.pid > 0 && waitpid(t.pid, &status, WNOHANG) == t.pid) {
		t.pid = 0;
		t.on_exit(1, status, t.arg);
	}
}

/* Until the role has an answer, or said that it is not ready. */
static void
run_child(void)
{
	int64_t end = clock_mono_ms() + 10000;

	while (t.answers == 0 && t.ready >= 0 && clock_mono_ms() < end) {
		assert_true(event_base_loop(
				t.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
		reap();
		usleep(500);
	}
}

static void
test_how_it_ended(void **state)
{
	static const struct {
		void (*child)(int fd);
		int answer, ready;
		const char *why;
		unsigned int spawns;
	} cases[] = {
		{ kills_itself, ERR_CLOSED, 0,
		    "killed by SIGSYS: a system call that its sandbox forbids",
		    2 },
		{ says_why, ERR_CLOSED, 0, "out of memory", 2 },
		{ ends_at_once, 0, ERR_CLOSED, "exit 3", 2 },
	};
	struct role *r;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&t, 0, sizeof(t));
		t.child = cases[i].child;
		t.base = event_base_new();
		err_clear(&e);
		r = role_new(NULL, &spec, fill, on_ready, NULL);
		t.role = r;
		assert_int_equal(role_start(r, &e), 0);
		if (cases[i].answer != 0)
			assert_int_equal(
			    role_ask(r, MSG_JUDGE_ASK, MSG_JUDGE_VERDICT, "x",
				1, on_answer, NULL),
			    0);
		run_child();
		assert_int_equal(t.code, cases[i].answer);
		assert_int_equal(t.ready, cases[i].ready);
		assert_string_equal(
		    cases[i].ready < 0 ? t.text : t.why, cases[i].why);
		assert_int_equal(t.spawns, cases[i].spawns);
		role_free(r);
		if (t.pid > 0)
			waitpid(t.pid, NULL, 0);
		event_base_free(t.base);
	}
}

/* One that ends as soon as it is ready is not started as fast as that goes. */
static void
test_ends_unasked(void **state)
{
	int64_t since = clock_mono_ms();
	struct role *r;
	struct err e;

	memset(&t, 0, sizeof(t));
	t.child = ends_when_ready;
	t.ready = 1;
	t.base = event_base_new();
	err_clear(&e);
	r = role_new(NULL, &spec, fill, on_ready, NULL);
	assert_int_equal(role_start(r, &e), 0);
	/* it has said it before it can be reaped */
	while (t.ready != 0)
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
	while (t.spawns < 2 && clock_mono_ms() - since < 10000) {
		reap();
		assert_true(event_base_loop(
				t.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
		usleep(500);
	}
	assert_int_equal(t.spawns, 2);
	assert_true(clock_mono_ms() - since >= 900);
	role_free(r);
	if (t.pid > 0)
		waitpid(t.pid, NULL, 0);
	event_base_free(t.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_child),
		cmocka_unit_test(test_how_it_ended),
		cmocka_unit_test(test_ends_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
