/* SPDX-License-Identifier: MPL-2.0 */
/* The groups of workers: what is in them is held by them. Where no groups can
 * be made, that is what is said and nothing else happens. */
#include "sandbox/cgroup.h"

#include "base/err.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1024 * 1024)

static const struct cgroup_limits limits = {
	.memory_bytes = 32 * MIB, .cpu_percent = 50, .processes = 1
};

static struct cgroup *
groups_or_skip(void)
{
	char name[32];
	struct cgroup *c;

	snprintf(name, sizeof(name), "test%ld", (long)getpid());
	c = cgroup_new(name);
	assert_non_null(c);
	if (!cgroup_there(c)) {
		print_message("%s\n", cgroup_describe(c));
		assert_int_equal(strncmp(cgroup_describe(c), "none: ", 6), 0);
		cgroup_free(c);
		skip();
	}
	print_message("%s\n", cgroup_describe(c));
	return c;
}

/* A child that does its work when it is told that it is in its group. */
static pid_t
child(struct cgroup *c, void work(void))
{
	struct err e;
	int fd[2];
	pid_t pid;
	char go;

	err_clear(&e);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fd[1]);
		if (read(fd[0], &go, 1) == 1)
			work();
		_exit(0);
	}
	close(fd[0]);
	if (cgroup_place(c, 0, pid, &limits, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(write(fd[1], "g", 1), 1);
	close(fd[1]);
	return pid;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
busy(void)
{
	double end = now() + 2;

	while (now() < end)
		;
}

static void
test_cpu(void **state)
{
	struct cgroup *c = groups_or_skip();
	struct rusage ru;
	double start, wall, cpu;
	int status;
	pid_t pid;

	if (strstr(cgroup_describe(c), " cpu") == NULL) {
		cgroup_free(c);
		skip();
	}
	start = now();
	pid = child(c, busy);
	assert_int_equal(wait4(pid, &status, 0, &ru), pid);
	wall = now() - start;
	cpu = (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec / 1e6 +
	    (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec / 1e6;
	print_message("%.0f %% of a core\n", 100 * cpu / wall);
	assert_true(cpu / wall < 0.6);
	cgroup_free(c);
}

static void
greedy(void)
{
	char *p;
	int i;

	for (i = 0; i < 64; i++) {
		p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED)
			memset(p, 1, MIB);
	}
}

static void
test_memory(void **state)
{
	struct cgroup *c = groups_or_skip();
	int status;
	pid_t pid;

	if (strstr(cgroup_describe(c), " memory") == NULL) {
		cgroup_free(c);
		skip();
	}
	assert_int_equal(cgroup_memory_kills(c, 0), 0);
	pid = child(c, greedy);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_memory_kills(c, 0), 1);
	/* another group knows nothing of it */
	assert_int_equal(cgroup_memory_kills(c, 1), 0);
	/* and the next in it has it for itself */
	pid = child(c, busy);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	cgroup_free(c);
}

static void
forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	_exit(pid < 0 ? 7 : 0);
}

static void
test_processes(void **state)
{
	struct cgroup *c = groups_or_skip();
	int status;
	pid_t pid;

	if (strstr(cgroup_describe(c), " pids") == NULL) {
		cgroup_free(c);
		skip();
	}
	pid = child(c, forks);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	cgroup_free(c);
}

/* Whoever tidies up behind us takes a group away: it is made again. */
static void
test_removed(void **state)
{
	struct cgroup *c = groups_or_skip();
	char name[32];
	struct cgroup *other;
	int status;
	pid_t pid;

	pid = child(c, forks);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(name, sizeof(name), "test%ld", (long)getpid());
	other = cgroup_new(name);
	assert_non_null(other);
	if (cgroup_there(other)) {
		pid = child(other, forks);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	cgroup_free(other);
	pid = child(c, forks);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	cgroup_free(c);
}

static void
test_ended(void **state)
{
	struct cgroup *c = groups_or_skip();
	struct err e;
	pid_t pid;

	err_clear(&e);
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(cgroup_place(c, 0, pid, &limits, &e), 0);
	assert_int_equal(
	    cgroup_place(c, CGROUP_SLOTS, pid, &limits, &e), ERR_INVALID);
	cgroup_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
