/* SPDX-License-Identifier: MPL-2.0 */
/* Spawning, watching, ending, notifying. The test is its own child: called
 * with "child WHAT" it reports on itself by its exit code. */
#include "proc/proc.h"

#include "base/err.h"
#include "base/log.h"
#include "proc/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

extern char **environ;

static char self[4096];

/* --- the child's side ---------------------------------------------------- */

static bool
is_null_device(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 &&
	    a.st_rdev == b.st_rdev && S_ISCHR(a.st_mode);
}

/* Exactly 0, 1, 2 (null devices), 3 and 7 are open. */
static int
child_fds(void)
{
	for (int fd = 0; fd < 256; fd++) {
		bool open_here = fcntl(fd, F_GETFD) >= 0;

		if (open_here != (fd <= 3 || fd == 7))
			return 10 + fd;
		if (fd <= 2 && !is_null_device(fd))
			return 100 + fd;
	}
	return environ[0] == NULL ? 0 : 1;
}

static int
child_signals(void)
{
	struct sigaction sa;
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int i = 1; i < 32; i++) {
		if (sigismember(&set, i) == 1)
			return 1;
		if (sigaction(i, NULL, &sa) != 0 || sa.sa_handler == SIG_IGN)
			return 2;
		/* sanitizers install some of their own before main */
		if ((i == SIGUSR1 || i == SIGPIPE || i == SIGCHLD) &&
		    sa.sa_handler != SIG_DFL)
			return 3;
	}
	return 0;
}

static int
child_main(const char *what)
{
	char buf[8] = "";

	if (strcmp(what, "fds") == 0)
		return child_fds();
	if (strcmp(what, "signals") == 0)
		return child_signals();
	if (strcmp(what, "swap") == 0)
		return read(3, buf, 1) == 1 && buf[0] == 'b' &&
			read(4, buf, 1) == 1 && buf[0] == 'a'
		    ? 0
		    : 1;
	if (strcmp(what, "group") == 0)
		return getpgrp() == getpid() ? 0 : 1;
	if (strcmp(what, "env") == 0)
		return getenv("A") != NULL && strcmp(getenv("A"), "1") == 0 &&
			environ[1] == NULL
		    ? 0
		    : 1;
	if (strcmp(what, "sleep") == 0)
		pause();
	return 7;
}

/* --- the tests ----------------------------------------------------------- */

static int
spawn_with(const char *what, struct proc_spawn *s, pid_t *pid, struct err *e)
{
	static char arg0[] = "child", copy[32];
	static char *argv[] = { arg0, copy, NULL };

	snprintf(copy, sizeof(copy), "%s", what);
	s->argv = argv;
	if (s->path == NULL && s->exec_fd < 0)
		s->path = self;
	return proc_spawn(s, pid, e);
}

static int
result_of(const char *what, struct proc_spawn *s)
{
	struct err e;
	int status;
	pid_t pid;

	if (spawn_with(what, s, &pid, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
nothing(int sig)
{
}

static void
test_spawn(void **state)
{
	struct proc_fd fds[] = { { 0, 7 }, { 0, 3 } };
	struct proc_spawn s = { .exec_fd = -1, .fds = fds, .nfds = 2 };
	int junk = dup2(0, 100); /* inherited by nobody */
	sigset_t set, old;

	assert_int_equal(result_of("fds", &s), 0);
	/* the same by descriptor, itself in the way of number 3 */
	close(3);
	s.exec_fd = open(self, O_PATH | O_CLOEXEC);
	assert_true(s.exec_fd >= 0);
	assert_int_equal(result_of("fds", &s), 0);
	close(s.exec_fd);
	s.exec_fd = -1;
	close(junk);
	signal(SIGUSR1, nothing);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, &old);
	assert_int_equal(result_of("signals", &s), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	s.own_group = true;
	assert_int_equal(result_of("group", &s), 0);
	s.envp = (char *[]){ strdup("A=1"), NULL };
	assert_int_equal(result_of("env", &s), 0);
	free(s.envp[0]);
}

static void
pipe_with(int p[2], const char *text)
{
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], text, 1), 1);
}

/* The sources stand where the targets want to be. */
static void
test_swap(void **state)
{
	struct proc_fd fds[] = { { 4, 3 }, { 3, 4 } };
	struct proc_spawn s = { .exec_fd = -1, .fds = fds, .nfds = 2 };
	int a[2], b[2];

	pipe_with(a, "a");
	pipe_with(b, "b");
	a[0] = fcntl(a[0], F_DUPFD_CLOEXEC, 20);
	b[0] = fcntl(b[0], F_DUPFD_CLOEXEC, 20);
	dup2(a[0], 3);
	dup2(b[0], 4);
	assert_int_equal(result_of("swap", &s), 0);
	close(3);
	close(4);
}

static void
test_spawn_errors(void **state)
{
	struct proc_spawn s = { .exec_fd = -1, .path = "/nonexistent/mig" };
	struct proc_fd bad[] = { { 250, 3 } }, many[40];
	struct err e;
	pid_t pid = -5;

	assert_int_equal(spawn_with("x", &s, &pid, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "/nonexistent/mig"));
	s.path = "/etc/passwd";
	assert_int_equal(spawn_with("x", &s, &pid, &e), ERR_DENIED);
	s.path = self;
	s.fds = bad;
	s.nfds = 1;
	assert_true(spawn_with("x", &s, &pid, &e) < 0);
	assert_non_null(strstr(e.msg, "descriptors"));
	s.fds = many;
	s.nfds = 40;
	assert_int_equal(spawn_with("x", &s, &pid, &e), ERR_TOOBIG);
	bad[0].to = -1;
	s.fds = bad;
	s.nfds = 1;
	assert_int_equal(spawn_with("x", &s, &pid, &e), ERR_INVALID);
	assert_int_equal(pid, -5);
	/* and no failed child is left over */
	assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* In a child, as somebody for whom the limit counts. */
static void
test_no_more_processes(void **state)
{
	struct rlimit none = { 0, 0 };
	struct proc_spawn s = { .exec_fd = -1 };
	struct err e;
	int status;
	pid_t pid = fork(), child;

	if (pid == 0) {
		err_clear(&e);
		if ((geteuid() == 0 && setuid(65534) != 0) ||
		    setrlimit(RLIMIT_NPROC, &none) != 0)
			_exit(2);
		if (spawn_with("env", &s, &child, &e) != ERR_BUSY)
			_exit(3);
		_exit(strstr(e.msg, "TasksMax=") != NULL ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct seen {
	struct proc_loop *l;
	int exits, terms, status;
	int stop_after;
};

static void
on_exit_seen(pid_t pid, int status, void *arg)
{
	struct seen *s = arg;

	s->exits++;
	s->status = status;
	if (s->exits == s->stop_after)
		proc_loop_stop(s->l);
}

static void
on_term(void *arg)
{
	struct seen *s = arg;

	s->terms++;
	if (s->terms == 1)
		raise(SIGTERM); /* the second one ends the loop */
}

static void
test_loop(void **state)
{
	struct proc_spawn s = { .exec_fd = -1, .own_group = true };
	struct seen seen = { 0 };
	pid_t pid[3], gone, stranger;
	struct err e;
	int status;

	seen.l = proc_loop_new(on_term, &seen);
	assert_non_null(seen.l);
	assert_non_null(proc_loop_base(seen.l));
	/* one that ends before it is watched */
	assert_int_equal(spawn_with("quick", &s, &pid[0], &e), 0);
	assert_int_equal(
	    waitid(P_PID, (id_t)pid[0], NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(
	    proc_loop_watch(seen.l, pid[0], on_exit_seen, &seen), 0);
	seen.stop_after = 1;
	assert_int_equal(proc_loop_run(seen.l), 0);
	assert_int_equal(WEXITSTATUS(seen.status), 7);
	/* one that is killed, one that is not watched, one unwatched */
	assert_int_equal(spawn_with("sleep", &s, &pid[1], &e), 0);
	assert_int_equal(spawn_with("quick", &s, &stranger, &e), 0);
	assert_int_equal(spawn_with("quick", &s, &pid[2], &e), 0);
	proc_loop_watch(seen.l, pid[1], on_exit_seen, &seen);
	proc_loop_watch(seen.l, pid[2], on_exit_seen, &seen);
	proc_loop_unwatch(seen.l, pid[2]);
	proc_kill_group(pid[1], SIGKILL);
	seen.stop_after = 2;
	assert_int_equal(proc_loop_run(seen.l), 0);
	assert_int_equal(seen.exits, 2);
	assert_int_equal(WTERMSIG(seen.status), SIGKILL);
	/* strangers are left to whoever waits for them */
	assert_int_equal(waitpid(stranger, &status, 0), stranger);
	assert_int_equal(waitpid(pid[2], &status, 0), pid[2]);
	/* not a child: told, not waited for for ever */
	gone = pid[2];
	seen.stop_after = 3;
	proc_loop_watch(seen.l, gone, on_exit_seen, &seen);
	assert_int_equal(proc_loop_run(seen.l), 0);
	assert_int_equal(seen.exits, 3);
	assert_int_equal(
	    proc_loop_watch(seen.l, 0, on_exit_seen, &seen), ERR_INVALID);
	/* SIGTERM once, then again */
	raise(SIGINT);
	assert_int_equal(proc_loop_run(seen.l), 0);
	assert_int_equal(seen.terms, 1);
	proc_loop_free(seen.l);
	proc_loop_free(NULL);
}

static void
test_status(void **state)
{
	assert_string_equal(proc_status_text(3 << 8), "exit 3");
	assert_string_equal(proc_status_text(SIGTERM), "killed by SIGTERM");
	assert_string_equal(proc_status_text(SIGSEGV),
	    "killed by SIGSEGV: a crash, which want of memory may cause");
	assert_string_equal(proc_status_text(SIGSYS | 0x80),
	    "killed by SIGSYS: a system call that its sandbox forbids");
}

static void
listen_on(const char *name, size_t len, const char *env)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char buf[32] = "";

	memcpy(sun.sun_path, name, len);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	setenv("NOTIFY_SOCKET", env, 1);
	proc_notify("READY=1");
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 7);
	assert_string_equal(buf, "READY=1");
	close(fd);
}

static void
test_watchdog(void **state)
{
	char own[32];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(proc_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "1800000000", 1);
	assert_int_equal(proc_watchdog_ms(), 1800000);
	snprintf(own, sizeof(own), "%d", getpid());
	setenv("WATCHDOG_PID", own, 1);
	assert_int_equal(proc_watchdog_ms(), 1800000);
	/* about somebody else, and nonsense */
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(proc_watchdog_ms(), 0);
	setenv("WATCHDOG_PID", own, 1);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(proc_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "-1", 1);
	assert_int_equal(proc_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
test_notify(void **state)
{
	char name[64], env[64];
	int n;

	n = snprintf(name, sizeof(name), "/tmp/mig-test-notify.%d", getpid());
	unlink(name);
	listen_on(name, (size_t)n + 1, name);
	unlink(name);
	n = snprintf(env, sizeof(env), "@mig-test-notify.%d", getpid());
	memcpy(name, env, sizeof(name));
	name[0] = '\0';
	listen_on(name, (size_t)n, env);
	/* nobody there, nonsense, nothing: no matter */
	setenv("NOTIFY_SOCKET", "/nonexistent/mig", 1);
	proc_notify("READY=1");
	setenv("NOTIFY_SOCKET", "x", 1);
	proc_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	proc_notify("READY=1");
}

static void
test_sibling(void **state)
{
	const char *base = strrchr(self, '/') + 1;
	char out[4096], dir[] = "/tmp/mig-test-sibling.XXXXXX", path[64];
	struct err e;
	int fd;

	assert_int_equal(proc_sibling(base, out, sizeof(out), &e), 0);
	assert_string_equal(out, self);
	assert_int_equal(
	    proc_sibling("mig-no-such", out, sizeof(out), &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "mig-no-such"));
	assert_int_equal(proc_sibling(base, out, 3, &e), ERR_TOOBIG);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/mig-no-such", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0700);
	close(fd);
	setenv("MIG_LIBEXEC", dir, 1);
	assert_int_equal(proc_sibling("mig-no-such", out, sizeof(out), &e), 0);
	assert_string_equal(out, path);
	unsetenv("MIG_LIBEXEC");
	unlink(path);
	rmdir(dir);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
}

static bool no_events;

int __real_event_add(struct event *ev, const struct timeval *tv);
int __wrap_event_add(struct event *ev, const struct timeval *tv);

int
__wrap_event_add(struct event *ev, const struct timeval *tv)
{
	return no_events ? -1 : __real_event_add(ev, tv);
}

/* A timer that cannot be had ends the process, which would wait for ever. */
static void
test_timer(void **state)
{
	static const struct timeval soon = { 0, 1000 };
	struct event_base *base = event_base_new();
	struct event *ev = event_new(base, -1, 0, on_timer, NULL);
	char text[256] = "";
	int p[2], status;
	pid_t pid;

	timer_start(ev, &soon);
	assert_true(event_pending(ev, EV_TIMEOUT, NULL) != 0);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(p[1], STDERR_FILENO);
		log_init("test", LOG_LEVEL_INFO, NULL);
		no_events = true;
		timer_start(ev, &soon);
		_exit(0);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 1 << 8);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "no memory for a timer"));
	close(p[0]);
	event_free(ev);
	event_base_free(base);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spawn),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_spawn_errors),
		cmocka_unit_test(test_no_more_processes),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_sibling),
		cmocka_unit_test(test_timer),
	};
	ssize_t n;

	if (argc == 2 && strcmp(argv[0], "child") == 0)
		return child_main(argv[1]);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return 1;
	self[n] = '\0';
	return cmocka_run_group_tests(tests, NULL, NULL);
}
