/* SPDX-License-Identifier: MPL-2.0 */
/* The opener and its scanner, on processes that this test starts. */
#include "modules/opener.h"

#include "base/err.h"

#include "readdir_fails.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	int fd;
	pid_t opener;
};

static struct pair
start(bool agent)
{
	struct opener_self self = { .scanner = getpid(),
		.agent = agent ? getpid() : 0 };
	struct pair p;
	int fd[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	fflush(NULL);
	p.opener = fork();
	assert_true(p.opener >= 0);
	if (p.opener == 0) {
		close(fd[0]);
		opener_serve(fd[1], &self);
		_exit(0);
	}
	close(fd[1]);
	p.fd = fd[0];
	return p;
}

static void
stop(struct pair p)
{
	int status;

	close(p.fd);
	assert_int_equal(waitpid(p.opener, &status, 0), p.opener);
	assert_int_equal(status, 0);
}

static void
list_to(struct pair p, pid_t pid, struct opener_process *ret)
{
	struct err e;

	do {
		assert_int_equal(opener_next(p.fd, ret, &e), 1);
	} while ((pid_t)ret->pid != pid);
}

/* A shell that becomes this program when told to, and waits to be killed. */
static pid_t
start_shell(int *ret_tell)
{
	int p[2];
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(p[0], STDIN_FILENO);
		execl("/bin/sh", "sh", "-c",
		    "read x && exec /proc/$PPID/exe wait", (char *)NULL);
		_exit(1);
	}
	close(p[0]);
	*ret_tell = p[1];
	return pid;
}

static bool
runs_this_program(pid_t pid)
{
	struct stat its, own;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	return stat(path, &its) == 0 && stat("/proc/self/exe", &own) == 0 &&
	    its.st_dev == own.st_dev && its.st_ino == own.st_ino;
}

static void
wait_for_program(pid_t pid, bool own)
{
	while (runs_this_program(pid) != own) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
}

static void
refused(struct pair p, int want)
{
	struct opener_memory m;
	struct err e;
	int fd;

	assert_int_equal(opener_maps(p.fd, &fd, &e), want);
	/* or what may be looked into is less */
	assert_true(opener_memory(p.fd, &m, &e) > 0);
}

/* A scanner that asks for it all the same gets nothing of the agent. */
static void
test_agent_is_not_given(void **state)
{
	static struct opener_process process;
	struct pair p = start(true);

	refused(p, ESRCH);
	list_to(p, getpid(), &process);
	assert_int_equal(process.kind, OPENER_OWN);
	refused(p, ESRCH);
	list_to(p, p.opener, &process);
	assert_int_equal(process.kind, OPENER_OWN);
	refused(p, ESRCH);
	stop(p);
	p = start(false);
	list_to(p, p.opener, &process);
	assert_int_equal(process.kind, OPENER_OWN);
	refused(p, ESRCH);
	stop(p);
}

/* Nor when it was an ordinary process while it was listed. */
static void
test_becomes_an_agent(void **state)
{
	static struct opener_process process;
	struct pair p = start(false);
	struct err e;
	int tell, fd;
	pid_t pid = start_shell(&tell);

	wait_for_program(pid, false);
	list_to(p, pid, &process);
	assert_int_equal(process.kind, OPENER_ORDINARY);
	assert_int_equal(opener_maps(p.fd, &fd, &e), 0);
	close(fd);
	assert_int_equal(write(tell, "\n", 1), 1);
	wait_for_program(pid, true);
	refused(p, EPERM);
	stop(p);
	close(tell);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Processes that cannot be listed are not the end of all processes. */
static void
test_listing_fails(void **state)
{
	static struct opener_process process;
	struct pair p;
	struct err e;
	int rc;

	entries_left = 20; /* there are more than that in /proc */
	p = start(false);
	entries_left = -1;
	do {
		rc = opener_next(p.fd, &process, &e);
	} while (rc == 1);
	assert_int_equal(rc, ERR_CLOSED);
	stop(p);
}

/* More descriptors than the scanner has room for, and none beside nothing. */
static void
test_descriptors_that_nobody_asked_for(void **state)
{
	static const struct {
		size_t len, fds;
		int want;
	} cases[] = {
		{ sizeof(struct opener_reply), 2, 0 },
		{ sizeof(struct opener_reply), 3, 0 },
		{ sizeof(struct opener_reply), 4, ERR_INTERNAL },
		{ sizeof(struct opener_reply), 9, ERR_INTERNAL },
		{ 0, 1, ERR_CLOSED },
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(9 * sizeof(int))];
	} control;
	struct opener_reply fine = { .status = 0 };
	struct opener_memory m;
	struct msghdr mh;
	struct cmsghdr *c;
	struct iovec iov;
	struct err e;
	int fd[2], fds[9] = { 0 }, before, after;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd),
		    0);
		iov = (struct iovec){ &fine, cases[i].len };
		mh = (struct msghdr){ .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen =
			    CMSG_SPACE(cases[i].fds * sizeof(int)) };
		memset(&control, 0, sizeof(control));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(cases[i].fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, cases[i].fds * sizeof(int));
		assert_int_equal(sendmsg(fd[1], &mh, 0), cases[i].len);
		before = dup(0);
		close(before);
		assert_int_equal(opener_memory(fd[0], &m, &e), cases[i].want);
		if (cases[i].want == 0) {
			close(m.maps);
			close(m.mem);
			if (m.pagemap >= 0)
				close(m.pagemap);
		}
		after = dup(0);
		close(after);
		assert_int_equal(before, after);
		close(fd[0]);
		close(fd[1]);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_is_not_given),
		cmocka_unit_test(test_becomes_an_agent),
		cmocka_unit_test(test_listing_fails),
		cmocka_unit_test(test_descriptors_that_nobody_asked_for),
	};

	if (argc > 1) {
		pause();
		return 1;
	}
	return cmocka_run_group_tests_name("modules/opener", tests, NULL, NULL);
}
