/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Starting a program. posix_spawn(3) can neither execute an open descriptor
 * nor close everything that is not listed, so this is vfork(2) and
 * execveat(2): the child shares our memory until it executes, which costs the
 * same however large we are.
 *
 * Because memory is shared, the child calls only system calls, returns from
 * no function of ours that the parent still needs, and runs with all signals
 * blocked until every handler is back to its default.
 */
#include "proc/proc.h"

#include "base/err.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX 16
#define CLOSE_RANGE_ON_EXEC 4 /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */
#define OLD_FD_LIMIT 65536

enum step {
	STEP_NONE,
	STEP_FDS,
	STEP_NULL,
	STEP_EXEC,
};

struct plan {
	const struct proc_spawn *s;
	struct proc_fd fds[FDS_MAX + 3];
	size_t nfds;
	int floor; /* above every number the child wants */
	char *const *envp;
	/* written by the child, read after it is gone */
	volatile int failed_errno;
	volatile enum step failed_step;
};

static int
plan_make(struct plan *p, const struct proc_spawn *s, struct err *e)
{
	bool have[3] = { false, false, false };
	size_t i;
	int to;

	memset(p, 0, sizeof(*p));
	p->s = s;
	if (s->nfds > FDS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%zu descriptors for a child, at most %d", s->nfds,
		    FDS_MAX);
	for (i = 0; i < s->nfds; i++) {
		to = s->fds[i].to;
		if (to < 0 || s->fds[i].from < 0)
			return err_set(e, ERR_INVALID,
			    "descriptor %d as %d for a child", s->fds[i].from,
			    to);
		if (to < 3)
			have[to] = true;
		if (to >= p->floor)
			p->floor = to + 1;
		p->fds[p->nfds++] = s->fds[i];
	}
	if (p->floor < 3)
		p->floor = 3;
	if (s->keep_stderr && !have[2]) {
		p->fds[p->nfds++] = (struct proc_fd){ 2, 2 };
		have[2] = true;
	}
	/* from -1: /dev/null, opened by the child */
	for (to = 0; to < 3; to++) {
		if (!have[to])
			p->fds[p->nfds++] = (struct proc_fd){ -1, to };
	}
	return 0;
}

static void __attribute__((noreturn)) child_fail(struct plan *p, enum step step)
{
	p->failed_errno = errno;
	p->failed_step = step;
	_exit(127);
}

/* Everything from 3 on is closed by the exec. */
static void
child_close_on_exec(void)
{
	int fd;

	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_ON_EXEC) == 0)
		return;
	/* before Linux 5.11; all our own descriptors have the flag anyway */
	for (fd = 3; fd < OLD_FD_LIMIT; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Moves all sources out of the way first, then to their numbers. Returns the
 * program's descriptor, or -1. */
static int
child_fds(struct plan *p)
{
	int tmp[FDS_MAX + 3], null = -1, exec_fd = p->s->exec_fd;
	size_t i;

	child_close_on_exec();
	for (i = 0; i < p->nfds; i++) {
		int from = p->fds[i].from;

		if (from < 0 && null < 0) {
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (null < 0)
				child_fail(p, STEP_NULL);
		}
		tmp[i] =
		    fcntl(from < 0 ? null : from, F_DUPFD_CLOEXEC, p->floor);
		if (tmp[i] < 0)
			child_fail(p, STEP_FDS);
	}
	if (exec_fd >= 0 && exec_fd < p->floor) {
		exec_fd = fcntl(exec_fd, F_DUPFD_CLOEXEC, p->floor);
		if (exec_fd < 0)
			child_fail(p, STEP_FDS);
	}
	for (i = 0; i < p->nfds; i++) {
		if (dup2(tmp[i], p->fds[i].to) < 0)
			child_fail(p, STEP_FDS);
	}
	return exec_fd;
}

static void
child_signals(void)
{
	struct sigaction sa;
	sigset_t none;
	int i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (i = 1; i < NSIG; i++) {
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &sa, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn, noinline)) child_run(struct plan *p)
{
	const struct proc_spawn *s = p->s;
	int exec_fd;

	if (s->own_group)
		setpgid(0, 0);
	exec_fd = child_fds(p);
	child_signals();
	if (exec_fd >= 0)
		syscall(
		    SYS_execveat, exec_fd, "", s->argv, p->envp, AT_EMPTY_PATH);
	else
		execve(s->path, s->argv, p->envp);
	child_fail(p, STEP_EXEC);
}

static pid_t
start(struct plan *p)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (pid == 0)
		child_run(p);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

int
proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, struct err *e)
{
	static char *const empty[] = { NULL };
	static const char *const steps[] = {
		[STEP_FDS] = "passing descriptors to",
		[STEP_NULL] = "opening /dev/null for",
		[STEP_EXEC] = "executing",
	};
	struct plan p;
	pid_t pid;
	int rc;

	rc = plan_make(&p, s, e);
	if (rc != 0)
		return rc;
	p.envp = s->envp != NULL ? s->envp : fault_env();
	if (p.envp == NULL)
		p.envp = empty;
	pid = start(&p);
	if (pid < 0 && errno == EAGAIN)
		return err_set(e, ERR_BUSY,
		    "starting %s: as many processes and threads as may be are "
		    "there: allow more (TasksMax= of the unit, pids.max, "
		    "ulimit -u)",
		    s->argv[0]);
	if (pid < 0)
		return err_errno(e, "starting %s", s->argv[0]);
	if (p.failed_step != STEP_NONE) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		errno = p.failed_errno;
		return err_errno(e, "%s %s", steps[p.failed_step],
		    s->exec_fd < 0 ? s->path : s->argv[0]);
	}
	*ret_pid = pid;
	return 0;
}

void
proc_kill_group(pid_t pid, int signal)
{
	/* 1 and below would mean everybody or ourselves */
	BUG_ON(pid <= 1);
	kill(-pid, signal);
}
