/* SPDX-License-Identifier: MPL-2.0 */
/* The state directory's lock: one server at a time, and nothing else than
 * another server keeps one from starting. */
#include "server/lock.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LOOKS_MS 60

static char dir[64], path[96];
static struct server_conf conf = { .state = dir };

static int
setup(void **state)
{
	strcpy(dir, "/tmp/mig-test-lock-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lock", dir);
	return (0);
}

static int
teardown(void **state)
{
	unlink(path);
	return (rmdir(dir));
}

static void
test_one_at_a_time(void **state)
{
	struct err e;
	int fd, other;

	assert_int_equal(server_lock_holder(&conf), 0);
	assert_int_equal(server_lock(&conf, &fd, &e), 0);
	assert_int_equal(server_lock_holder(&conf), getpid());
	assert_int_equal(server_lock(&conf, &other, &e), ERR_BUSY);
	assert_non_null(strstr(e.msg, "stop it first"));
	server_unlock(fd);
	assert_int_equal(server_lock_holder(&conf), 0);
}

/* mig-server check looks who has it just when one starts. */
static void
test_who_looks_is_waited_for(void **state)
{
	int fd, ready[2], status;
	struct err e;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	if ((pid = fork()) == 0) {
		fd = open(path, O_RDWR | O_CREAT, 0644);
		if (fd < 0 || flock(fd, LOCK_SH) != 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)poll(NULL, 0, LOOKS_MS);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(server_lock(&conf, &fd, &e), 0);
	server_unlock(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

/* No byte can be written. */
static void
test_without_room(void **state)
{
	struct rlimit was, none;
	struct err e;
	int fd, rc;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	rc = server_lock(&conf, &fd, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, 0);
	/* somebody has it; who is not known */
	assert_int_equal(server_lock_holder(&conf), 1);
	server_unlock(fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_at_a_time),
		T(test_who_looks_is_waited_for),
		T(test_without_room),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
