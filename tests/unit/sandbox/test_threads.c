/* SPDX-License-Identifier: MPL-2.0 */
/* A worker makes threads only where it was entered for that, and then nothing
 * else by the same call; daemons make threads and processes, and no
 * namespace. */
#include "base/err.h"
#include "sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_UID 54321
#define THREADS 100 /* of the user */

/* Exit statuses of the child. */
enum { MADE, REFUSED, SETUP_FAILED };
#define KILLED 100 /* by the filter */

static int word = 1;

static void *
thread_main(void *arg)
{
	return arg;
}

static int
make_thread(void)
{
	pthread_t t;
	void *got = NULL;

	if (pthread_create(&t, NULL, thread_main, &word) != 0)
		return REFUSED;
	return pthread_join(t, &got) == 0 && got == &word ? MADE : SETUP_FAILED;
}

static int
make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 ? MADE : REFUSED;
}

/* But for one bit what a thread is made by; the kernel, if it were asked,
 * would find it invalid. */
static int
make_alike(void)
{
	long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |
	    CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID |
	    CLONE_CHILD_CLEARTID;

	if (syscall(SYS_clone, flags, NULL, NULL, NULL, NULL) >= 0)
		return MADE;
	return errno == EPERM ? REFUSED : MADE;
}

static unsigned long namespace;

static int
make_namespace(void)
{
	long pid = syscall(SYS_clone, namespace | SIGCHLD, 0L, 0L, 0L, 0L);

	if (pid == 0)
		_exit(0);
	return pid > 0 ? MADE : REFUSED;
}

static int
enter_namespace(void)
{
	return unshare((int)namespace) == 0 ? MADE : REFUSED;
}

static int
make_by_clone3(void)
{
	uint64_t args[8] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid < 0 && errno == ENOSYS ? REFUSED : MADE;
}

static void *
wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* More than its user may have. */
static int
make_many(void)
{
	pthread_attr_t attr;
	pthread_t t;
	int n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	while (n < 2 * THREADS &&
	    pthread_create(&t, &attr, wait_for_ever, NULL) == 0)
		n++;
	if (n == 0)
		return SETUP_FAILED;
	return n < THREADS ? REFUSED : MADE;
}

static int
try(enum sandbox_profile p, int (*what)(void))
{
	struct sandbox s = { .profile = p,
		.uid = getuid() == 0 ? TEST_UID : (uid_t)-1,
		.gid = (gid_t)-1,
		.all_paths_readable = true,
		.limits = { .threads = getuid() == 0 ? THREADS : 0 } };
	struct err e;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(sandbox_enter(&s, &e) != 0 ? SETUP_FAILED : what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool
is_null(void)
{
	return strcmp(sandbox_describe(), "null") == 0;
}

static void
test_threads(void **state)
{
	assert_int_equal(try(SANDBOX_WORKER_THREADS, make_thread), MADE);
	if (is_null())
		return;
	assert_int_equal(try(SANDBOX_WORKER_READ, make_thread), REFUSED);
	assert_int_equal(try(SANDBOX_WORKER_THREADS, make_process), REFUSED);
	assert_int_equal(try(SANDBOX_WORKER_THREADS, make_alike), REFUSED);
	assert_int_equal(try(SANDBOX_PAIR_SCANNER_THREADS, make_thread), MADE);
	assert_int_equal(try(SANDBOX_PAIR_SCANNER, make_thread), REFUSED);
	assert_int_equal(
	    try(SANDBOX_PAIR_SCANNER_THREADS, make_process), REFUSED);
}

/* Whoever takes over a daemon's role could have in a new user namespace what
 * the host's kernel keeps for root: packet filters, mounts. */
static void
test_no_namespaces(void **state)
{
	static const unsigned long bits[] = { CLONE_NEWNS, CLONE_NEWCGROUP,
		CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET };
	static const enum sandbox_profile daemons[] = { SANDBOX_SERVER,
		SANDBOX_MONITOR };
	enum sandbox_profile p;
	size_t i, k;

	if (is_null())
		skip();
	for (k = 0; k < 2; k++) {
		p = daemons[k];
		assert_int_equal(try(p, make_thread), MADE);
		assert_int_equal(try(p, make_process), MADE);
		for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
			namespace = bits[i];
			assert_int_equal(try(p, make_namespace),
			    p == SANDBOX_SERVER ? KILLED : REFUSED);
		}
		assert_int_equal(try(p, make_by_clone3), REFUSED);
		namespace = CLONE_NEWUSER;
		assert_int_equal(try(p, enter_namespace), KILLED);
	}
	/* what a worker needs, and its user may not */
	namespace = CLONE_NEWNS;
	assert_int_equal(try(SANDBOX_SERVER, enter_namespace), KILLED);
	assert_int_equal(try(SANDBOX_MONITOR, enter_namespace), REFUSED);
}

static void
test_not_many(void **state)
{
	/* who is root may have any number */
	if (is_null() || getuid() != 0)
		skip();
	assert_int_equal(try(SANDBOX_WORKER_THREADS, make_many), REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_namespaces),
		cmocka_unit_test(test_not_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
