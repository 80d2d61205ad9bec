/* SPDX-License-Identifier: MPL-2.0 */
/* A fork server's workers: whose children they are and what they lose. */
#include "sandbox/sandbox.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum outcome { ALLOWED = 0, REFUSED = 42, SETUP_FAILED = 99 };

static pid_t parent_pid;

static bool
is_null(void)
{
	return strcmp(sandbox_describe(), "null") == 0;
}

static struct sandbox
profile(void)
{
	return (struct sandbox){ .profile = SANDBOX_FORKSERVER,
		.all_paths_readable = true,
		.uid = 65533,
		.gid = 65533 };
}

static bool
fork_again(void)
{
	pid_t pid = sandbox_fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
change_parent_signal(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}

static bool
set_limit(void)
{
	struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == 0;
}

static bool
add_filter(void)
{
	/* EFAULT where the call is allowed at all */
	return syscall(SYS_seccomp, 1, 0, NULL) == 0 || errno == EFAULT;
}

static void
try_sealed(bool (*attempt)(void))
{
	struct sandbox s = profile();
	struct sandbox_limits none = { 0 };
	struct err e;

	if (sandbox_enter(&s, &e) != 0 || attempt() != true ||
	    sandbox_seal(parent_pid, &none, &e) != 0)
		_exit(SETUP_FAILED);
	_exit(attempt() ? ALLOWED : REFUSED);
}

/* Each is possible before and refused afterwards. */
static void
test_seal_takes_away(void **state)
{
	static bool (*const attempts[])(
	    void) = { fork_again, change_parent_signal, set_limit, add_filter };
	int status;
	pid_t pid;

	if (is_null())
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			try_sealed(attempts[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), REFUSED);
	}
}

/* What it forks are our children, with their own limits. */
static void
fork_and_tell(int fd)
{
	struct sandbox s = profile();
	struct sandbox_limits l = { .descriptors = 77 };
	struct rlimit rl;
	struct err e;
	pid_t pid;

	if (sandbox_enter(&s, &e) != 0)
		_exit(SETUP_FAILED);
	pid = sandbox_fork();
	if (pid == 0) {
		if (sandbox_seal(parent_pid, &l, &e) != 0)
			_exit(SETUP_FAILED);
		if (is_null())
			_exit(ALLOWED);
		_exit(getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max == 77
			? ALLOWED
			: REFUSED);
	}
	_exit(write(fd, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
}

static void
test_forked_is_ours(void **state)
{
	int fd[2], status;
	pid_t first, worker;

	assert_int_equal(pipe(fd), 0);
	fflush(NULL);
	first = fork();
	assert_true(first >= 0);
	if (first == 0)
		fork_and_tell(fd[1]);
	assert_int_equal(read(fd[0], &worker, sizeof(worker)), sizeof(worker));
	assert_true(worker > 1);
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALLOWED);
	assert_int_equal(waitpid(first, &status, 0), first);
	assert_int_equal(status, 0);
	close(fd[0]);
	close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal_takes_away),
		cmocka_unit_test(test_forked_is_ours),
	};

	parent_pid = getpid();
	return cmocka_run_group_tests_name("sandbox/seal", tests, NULL, NULL);
}
