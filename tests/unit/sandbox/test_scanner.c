/* SPDX-License-Identifier: MPL-2.0 */
/* Who looks into processes may ask which pages they have: by that request
 * alone, and nobody else may. */
#include "base/err.h"
#include "sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_UID 54321
#define PAGEMAP_SCAN 0xc0606610UL

/* Exit statuses of the child. */
enum { REACHED, REFUSED, SETUP_FAILED };

static int
try(enum sandbox_profile p, unsigned long request)
{
	struct sandbox s = { .profile = p,
		.uid = getuid() == 0 ? TEST_UID : (uid_t)-1,
		.gid = (gid_t)-1,
		.all_paths_readable = true };
	int status, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err e;
	pid_t pid;

	assert_true(fd >= 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&s, &e) != 0)
			_exit(SETUP_FAILED);
		/* no such thing of this file, says the kernel if it is asked */
		(void)syscall(SYS_ioctl, fd, request, NULL);
		_exit(errno == EPERM ? REFUSED : REACHED);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_one_request(void **state)
{
	static const enum sandbox_profile others[] = { SANDBOX_WORKER_READ,
		SANDBOX_WORKER_THREADS, SANDBOX_PAIR_OPENER, SANDBOX_OPENER,
		SANDBOX_COMPUTE };
	size_t i;

	if (strcmp(sandbox_describe(), "null") == 0)
		skip();
	assert_int_equal(try(SANDBOX_PAIR_SCANNER, PAGEMAP_SCAN), REACHED);
	assert_int_equal(
	    try(SANDBOX_PAIR_SCANNER_THREADS, PAGEMAP_SCAN), REACHED);
	for (i = 0; i < 32; i++)
		assert_int_equal(
		    try(SANDBOX_PAIR_SCANNER, PAGEMAP_SCAN ^ (1UL << i)),
		    REFUSED);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(try(others[i], PAGEMAP_SCAN), REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
