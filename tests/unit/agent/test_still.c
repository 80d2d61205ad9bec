/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/still.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t
child(void (*work)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		work();
		_exit(0);
	}
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
wait_for_nothing(void)
{
	for (;;)
		pause();
}

static void
count(void)
{
	for (volatile unsigned int n = 0;; n++)
		;
}

/* Bounded: until the condition holds, or after 20 s for certain. */
static bool
comes(bool (*condition)(struct still *, pid_t), struct still *s, pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	int i;

	for (i = 0; i < 1000; i++) {
		if (condition(s, pid))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

static bool
stands(struct still *s, pid_t pid)
{
	still_look(s, pid);
	return still_stands(s);
}

static bool
has_worked(struct still *s, pid_t pid)
{
	return still_cpu_us(pid) > s->cpu_us + 20000;
}

static void
test_who_waits(void **state)
{
	struct still s = { 0 };
	pid_t pid = child(wait_for_nothing);

	assert_false(still_stands(&s));
	assert_true(comes(stands, &s, pid));
	end(pid);
}

/* However little of the processor it gets. */
static void
test_who_works(void **state)
{
	struct still s = { 0 };
	pid_t pid = child(count);
	int i;

	assert_true(comes(has_worked, &s, pid));
	for (i = 0; i < 10; i++)
		assert_false(stands(&s, pid));
	/* stopped is not asleep: it would go on at once */
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	for (i = 0; i < 10; i++)
		assert_false(stands(&s, pid));
	end(pid);
}

static void
test_who_is_gone(void **state)
{
	struct still s = { 0 };
	pid_t pid = child(wait_for_nothing);
	int i;

	end(pid);
	for (i = 0; i < 10; i++)
		assert_false(stands(&s, pid));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_waits),
		cmocka_unit_test(test_who_works),
		cmocka_unit_test(test_who_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
