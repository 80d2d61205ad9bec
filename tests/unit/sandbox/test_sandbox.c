/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a sandboxed process can and cannot do, tried in children. Each attempt
 * reports ALLOWED or REFUSED, or dies by SIGSYS.
 *
 * With the null sandbox the same attempts must succeed (those that are safe
 * to let succeed), so a sandbox that does nothing can never pass as one.
 */
#include "sandbox/sandbox.h"

#include "base/err.h"
#include "honest.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/capability.h>

enum outcome { ALLOWED = 0, REFUSED = 42, SETUP_FAILED = 99 };

static char dir[] = "/tmp/mig-test-sandbox.XXXXXX";
static char file[128], secret[128], openfile[128];
static int open_fd = -1; /* openfile, writable, inherited */
static pid_t parent_pid;

static bool
is_null(void)
{
	return strcmp(sandbox_describe(), "null") == 0;
}

static struct sandbox
profile(enum sandbox_profile p)
{
	struct sandbox s = { .profile = p, .uid = TEST_UID, .gid = TEST_UID };

	if (p == SANDBOX_NET)
		s.paths = sandbox_net_paths(&s.npaths);
	if (p == SANDBOX_WORKER_READ || p == SANDBOX_WORKER_THREADS ||
	    p == SANDBOX_OPENER) {
		s.all_paths_readable = true;
		s.keep_caps = UINT64_C(1) << CAP_DAC_READ_SEARCH;
	}
	return s;
}

static void
run_child(const struct sandbox *s, attempt *a)
{
	struct err e;

	/* cmocka's handler would go on with the parent's tests in here */
	signal(SIGSEGV, SIG_DFL);
	if (sandbox_enter(s, &e) != 0) {
		fprintf(stderr, "sandbox_enter: %s\n", e.msg);
		_exit(SETUP_FAILED);
	}
	if (s->profile == SANDBOX_OPENER &&
	    (sandbox_narrow(NULL, 0, &e) != 0 || sandbox_seal(&e) != 0)) {
		fprintf(stderr, "sandbox_narrow, sandbox_seal: %s\n", e.msg);
		_exit(SETUP_FAILED);
	}
	_exit(a() ? ALLOWED : REFUSED);
}

/* ALLOWED, REFUSED (by errno or by SIGSYS), or fails the test. */
static enum outcome
try_in(const struct sandbox *s, attempt *a, bool *ret_killed)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_child(s, a);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*ret_killed = WIFSIGNALED(status);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return REFUSED;
	}
	assert_int_not_equal(WEXITSTATUS(status), SETUP_FAILED);
	return WEXITSTATUS(status);
}

/* --- attempts that must be refused --------------------------------------- */

static bool
open_write(void)
{
	return open(file, O_WRONLY) >= 0 || open(file, O_RDWR) >= 0;
}

static bool
open_create(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/created", dir);
	return open(path, O_RDONLY | O_CREAT, 0600) >= 0;
}

static bool
open_truncate(void)
{
	return open(file, O_RDONLY | O_TRUNC) >= 0;
}

static bool
open_tmpfile(void)
{
	return open(dir, O_RDWR | O_TMPFILE, 0600) >= 0;
}

static bool
openat2_truncate(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_RDONLY | O_TRUNC, 0, 0 };

	return syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof(how)) >= 0;
}

static bool
openat2_write(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_WRONLY, 0, 0 };

	return syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof(how)) >= 0;
}

static bool
do_truncate(void)
{
	return truncate(file, 0) == 0;
}

static bool
do_ftruncate(void)
{
	return ftruncate(open_fd, 1) == 0;
}

static bool
do_fallocate(void)
{
	return syscall(SYS_fallocate, open_fd, 0, 0L, 4096L) == 0;
}

static bool
do_chmod(void)
{
	return chmod(openfile, 0644) == 0;
}

static bool
do_fchmod(void)
{
	return fchmod(open_fd, 0644) == 0;
}

static bool
do_chown(void)
{
	return chown(openfile, getuid(), getgid()) == 0;
}

static bool
do_utimes(void)
{
	return utimes(openfile, NULL) == 0;
}

static bool
do_setxattr(void)
{
	return syscall(SYS_fsetxattr, open_fd, "user.mig", "1", 1, 0) == 0;
}

static bool
do_unlink(void)
{
	return unlink(file) == 0;
}

static bool
do_rename(void)
{
	char to[160];

	snprintf(to, sizeof(to), "%s/renamed", dir);
	return rename(file, to) == 0;
}

static bool
do_link(void)
{
	char to[160];

	snprintf(to, sizeof(to), "%s/linked", dir);
	return link(file, to) == 0 || symlink(file, to) == 0;
}

static bool
do_mkdir(void)
{
	char to[160];

	snprintf(to, sizeof(to), "%s/made", dir);
	return mkdir(to, 0700) == 0;
}

static bool
socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool
socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool
socket_packet(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0) >= 0 ||
	    socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0;
}

static bool
socket_audit(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */) >= 0;
}

static bool
do_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && listen(fd, 1) == 0;
}

static bool
bind_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd >= 0 &&
	    bind(fd, (const struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	    listen(fd, 1) == 0;
}

static bool
do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool
do_vm_read(void)
{
	char a[4] = "abc", b[4];
	struct iovec l = { b, 4 }, r = { a, 4 };

	return process_vm_readv(getpid(), &l, 1, &r, 1, 0) == 4;
}

static bool
do_exec(void)
{
	char *argv[] = { strdup("true"), NULL };

	execve("/bin/true", argv, NULL); /* exits 0: ALLOWED */
	return false;
}

static bool
do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
do_clone3(void)
{
	uint64_t args[8] = { 0, 0, 0, 0, SIGCHLD };
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
kill_parent(void)
{
	return kill(parent_pid, 0) == 0;
}

static bool
do_mount(void)
{
	return mount("none", dir, "tmpfs", 0, NULL) == 0;
}

static bool
do_unshare(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool
do_io_uring(void)
{
	char params[120] = { 0 };

	return syscall(SYS_io_uring_setup, 1, params) >= 0;
}

static bool
do_bpf(void)
{
	char attr[128] = { 0 };

	return syscall(SYS_bpf, 0, attr, sizeof(attr)) >= 0;
}

static bool
do_pidfd_getfd(void)
{
	int p = (int)syscall(SYS_pidfd_open, getpid(), 0);

	return syscall(SYS_pidfd_getfd, p, 0, 0) >= 0;
}

static bool
do_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 1) >= 0;
}

static bool
do_perf(void)
{
	uint8_t attr[128] = { 1, 0, 0, 0, 128 };

	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) >= 0;
}

static bool
do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -3, 1) >= 0;
}

static bool
do_setns(void)
{
	return syscall(SYS_setns, open_fd, 0) == 0;
}

static bool
become_root(void)
{
	return setuid(0) == 0;
}

static bool
raise_limit(void)
{
	struct rlimit r = { 1, 1 };

	return setrlimit(RLIMIT_NOFILE, &r) == 0;
}

static bool
make_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

static bool
fcntl_owner(void)
{
	return fcntl(open_fd, F_SETOWN, parent_pid) == 0;
}

static bool
ioctl_flags(void)
{
	long flags = 0;

	return syscall(SYS_ioctl, open_fd, 0x80086601UL, &flags) == 0;
}

static bool
old_call_table(void)
{
#if defined(__x86_64__)
	long r;

	/* getpid of the i386 table, then of x32 */
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
	return r == getpid();
#else
	raise(SIGSYS);
	return false;
#endif
}

static bool
x32_call_table(void)
{
	/* ENOSYS where the kernel has none; the filter must come first */
	return syscall(0x40000000L | SYS_getpid) == getpid() || errno == ENOSYS;
}

static bool
read_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool
map_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
read_secret(void)
{
	int fd = open(secret, O_RDONLY);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1;
}

/* For reading: whoever can open a file could stop its writers. */
static bool
lock_file(void)
{
	static const int cmds[] = { F_SETLK, F_SETLKW, F_OFD_SETLK,
		F_OFD_SETLKW, F_SETLEASE };
	int fd = open("/etc/passwd", O_RDONLY);
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	size_t i;

	/* COMPUTE opens nothing: what it was given */
	if (fd < 0)
		fd = open_fd;
	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		if (cmds[i] == F_SETLEASE ? fcntl(fd, F_SETLEASE, F_RDLCK) == 0
					  : fcntl(fd, cmds[i], &l) == 0)
			return true;
	}
	return flock(fd, LOCK_SH | LOCK_NB) == 0;
}

/* --- honest work --------------------------------------------------------- */

static bool
honest_daemon(void)
{
	char path[160];
	int status, fd;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/daemon", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 ||
	    unlink(path) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		do_exec();
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* --- tables -------------------------------------------------------------- */

enum kind { BY_ERRNO, BY_KILL };

static const struct {
	const char *name;
	attempt *a;
	enum kind kind;
	bool null_safe; /* works without any sandbox, as root, harmlessly */
} refused[] = {
	{ "open O_WRONLY", open_write, BY_ERRNO, true },
	{ "open O_CREAT", open_create, BY_ERRNO, true },
	{ "open O_TRUNC", open_truncate, BY_ERRNO, true },
	{ "open O_TMPFILE", open_tmpfile, BY_ERRNO, false },
	{ "openat2 O_TRUNC", openat2_truncate, BY_ERRNO, true },
	{ "openat2 O_WRONLY", openat2_write, BY_ERRNO, true },
	{ "truncate", do_truncate, BY_ERRNO, true },
	{ "ftruncate", do_ftruncate, BY_ERRNO, true },
	{ "fallocate", do_fallocate, BY_ERRNO, false },
	{ "chmod", do_chmod, BY_ERRNO, true },
	{ "fchmod", do_fchmod, BY_ERRNO, true },
	{ "chown", do_chown, BY_ERRNO, true },
	{ "utimes", do_utimes, BY_ERRNO, true },
	{ "fsetxattr", do_setxattr, BY_ERRNO, false },
	{ "rename", do_rename, BY_ERRNO, false },
	{ "link", do_link, BY_ERRNO, false },
	{ "mkdir", do_mkdir, BY_ERRNO, false },
	{ "unlink", do_unlink, BY_ERRNO, false },
	{ "socket inet", socket_inet, BY_ERRNO, true },
	{ "socket unix", socket_unix, BY_ERRNO, true },
	{ "socket packet", socket_packet, BY_ERRNO, false },
	{ "fork", do_fork, BY_ERRNO, true },
	{ "clone3", do_clone3, BY_ERRNO, true },
	{ "execve", do_exec, BY_ERRNO, true },
	{ "kill parent", kill_parent, BY_ERRNO, true },
	{ "setuid 0", become_root, BY_ERRNO, false },
	{ "setrlimit", raise_limit, BY_ERRNO, true },
	{ "PR_SET_DUMPABLE", make_dumpable, BY_ERRNO, true },
	{ "F_SETLK and flock", lock_file, BY_ERRNO, true },
	{ "F_SETOWN", fcntl_owner, BY_ERRNO, false },
	{ "FS_IOC_GETFLAGS", ioctl_flags, BY_ERRNO, false },
	{ "ptrace", do_ptrace, BY_KILL, true },
	{ "process_vm_readv", do_vm_read, BY_KILL, true },
	{ "mount", do_mount, BY_KILL, false },
	{ "unshare", do_unshare, BY_KILL, false },
	{ "io_uring_setup", do_io_uring, BY_KILL, false },
	{ "bpf", do_bpf, BY_KILL, false },
	{ "pidfd_getfd", do_pidfd_getfd, BY_KILL, true },
	{ "userfaultfd", do_userfaultfd, BY_KILL, false },
	{ "perf_event_open", do_perf, BY_KILL, false },
	{ "keyctl", do_keyctl, BY_KILL, false },
	{ "setns", do_setns, BY_KILL, false },
	{ "i386 calls", old_call_table, BY_KILL, false },
	{ "x32 calls", x32_call_table, BY_KILL, false },
};

static void
refill(void)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	assert_true(fd >= 0 && write(fd, "content", 7) == 7);
	fchmod(fd, 0666);
	close(fd);
}

/* A kernel booted without the i386 table answers with SIGSEGV. */
static bool
has_i386_calls(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		(void)old_call_table();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV;
}

static void
expect_refused(enum sandbox_profile p, const char *skip1, const char *skip2)
{
	struct sandbox s = profile(p);
	enum outcome got;
	bool killed;
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (is_null() && !refused[i].null_safe)
			continue;
		if (!is_null() &&
		    ((skip1 != NULL && strcmp(skip1, refused[i].name) == 0) ||
			(skip2 != NULL && strcmp(skip2, refused[i].name) == 0)))
			continue;
		if (refused[i].a == old_call_table && !has_i386_calls())
			continue;
		refill();
		got = try_in(&s, refused[i].a, &killed);
		if (got != (is_null() ? ALLOWED : REFUSED) ||
		    (!is_null() && killed != (refused[i].kind == BY_KILL)))
			fail_msg("profile %d: %s: outcome %d, killed %d",
			    (int)p, refused[i].name, (int)got, killed);
	}
}

static void
test_worker(void **state)
{
	/* each order may bring lower limits */
	expect_refused(SANDBOX_WORKER_READ, "setrlimit", NULL);
	expect_refused(SANDBOX_WORKER_THREADS, "setrlimit", NULL);
	expect_refused(SANDBOX_PAIR_SCANNER, "setrlimit", NULL);
	expect_refused(SANDBOX_PAIR_SCANNER_THREADS, "setrlimit", NULL);
}

/* Narrowed and sealed, it is a worker in every respect. */
static void
test_opener(void **state)
{
	expect_refused(SANDBOX_OPENER, NULL, NULL);
}

static void
test_compute(void **state)
{
	expect_refused(SANDBOX_COMPUTE, NULL, NULL);
}

static void
test_net(void **state)
{
	expect_refused(SANDBOX_NET, "socket inet", "socket unix");
}

struct one {
	const char *name;
	enum sandbox_profile p;
	attempt *a;
	enum outcome want;
	enum outcome want_null;
};

static void
check_all(const struct one *t, size_t n)
{
	enum outcome got, want;
	bool killed;

	for (size_t i = 0; i < n; i++) {
		struct sandbox s = profile(t[i].p);

		got = try_in(&s, t[i].a, &killed);
		want = is_null() ? t[i].want_null : t[i].want;
		if (got != want)
			fail_msg("%s: outcome %d, wanted %d", t[i].name,
			    (int)got, (int)want);
	}
}

static void
test_honest(void **state)
{
	static const struct one t[] = {
		{ "compute", SANDBOX_COMPUTE, honest_compute, 0, 0 },
		{ "worker compute", SANDBOX_WORKER_READ, honest_compute, 0, 0 },
		{ "worker read", SANDBOX_WORKER_READ, honest_read, 0, 0 },
		{ "worker dlopen", SANDBOX_WORKER_READ, honest_dlopen, 0, 0 },
		{ "net", SANDBOX_NET, honest_net, 0, 0 },
		{ "net compute", SANDBOX_NET, honest_compute, 0, 0 },
		{ "monitor", SANDBOX_MONITOR, honest_daemon, 0, 0 },
		{ "monitor compute", SANDBOX_MONITOR, honest_compute, 0, 0 },
		{ "server compute", SANDBOX_SERVER, honest_compute, 0, 0 },
	};

	if (chmod(dir, 0777) != 0)
		fail();
	check_all(t, sizeof(t) / sizeof(t[0]));
}

static void
test_profile_edges(void **state)
{
	static const struct one t[] = {
		{ "compute opens", SANDBOX_COMPUTE, read_passwd, REFUSED, 0 },
		{ "compute maps code", SANDBOX_COMPUTE, map_exec, REFUSED, 0 },
		{ "net listens", SANDBOX_NET, do_listen, REFUSED, 0 },
		{ "net binds", SANDBOX_NET, bind_tcp, REFUSED, 0 },
		{ "net audit", SANDBOX_NET, socket_audit, REFUSED, 0 },
		{ "monitor traces", SANDBOX_MONITOR, do_ptrace, REFUSED, 0 },
		{ "monitor reads memory", SANDBOX_MONITOR, do_vm_read, REFUSED,
		    0 },
		{ "server traces", SANDBOX_SERVER, do_ptrace, REFUSED, 0 },
	};

	check_all(t, sizeof(t) / sizeof(t[0]));
}

/* As root: who may read what only root may. */
static void
test_rights(void **state)
{
	static const struct one t[] = {
		{ "worker reads secret", SANDBOX_WORKER_READ, read_secret, 0,
		    0 },
		{ "compute reads secret", SANDBOX_COMPUTE, read_secret, REFUSED,
		    0 },
		{ "net reads secret", SANDBOX_NET, read_secret, REFUSED, 0 },
		{ "worker identity", SANDBOX_WORKER_READ, right_identity, 0,
		    REFUSED },
	};

	if (geteuid() != 0) {
		print_message("not root: changing the user is not tested\n");
		skip();
	}
	check_all(t, sizeof(t) / sizeof(t[0]));
}

static void
test_limits(void **state)
{
	struct sandbox s = profile(SANDBOX_COMPUTE);
	bool killed;

	s.limits = (struct sandbox_limits){
		.memory_bytes = 512 << 20,
		.cpu_seconds = 7,
		.file_bytes = SANDBOX_NO_WRITE,
		.descriptors = 32,
		.nice = 19,
		.idle_io = true,
	};
	assert_int_equal(
	    try_in(&s, right_limits, &killed), is_null() ? REFUSED : ALLOWED);
}

static bool
described(void)
{
	const char *d = sandbox_describe();

	return strstr(d, "seccomp") != NULL && strstr(d, "caps") != NULL &&
	    (geteuid() != TEST_UID || strstr(d, "uid") != NULL);
}

static void
test_describe(void **state)
{
	struct sandbox s = profile(SANDBOX_WORKER_READ);
	bool killed;

	assert_int_equal(
	    try_in(&s, described, &killed), is_null() ? REFUSED : ALLOWED);
	if (!is_null())
		assert_string_equal(sandbox_describe(), "none");
}

/* A covered directory is empty inside and untouched outside. */
static void
test_cover(void **state)
{
	const char *const dirs[] = { dir, "/nonexistent/mig" };
	struct err e;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	refill();
	pid = fork();
	if (pid == 0) {
		if (sandbox_cover(dirs, 2, &e) != 0) {
			fprintf(stderr, "%s\n", e.msg);
			_exit(SETUP_FAILED);
		}
		_exit(access(file, F_OK) == 0 ? ALLOWED : REFUSED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), is_null() ? ALLOWED : REFUSED);
	assert_int_equal(access(file, F_OK), 0);
}

static void
test_close_fds(void **state)
{
	int status, keep[] = { 9, 5, 9 };
	pid_t pid = fork();

	if (pid == 0) {
		dup2(0, 4);
		dup2(0, 5);
		dup2(0, 9);
		dup2(0, 10);
		dup2(0, 200);
		sandbox_close_fds(keep, 3);
		_exit(fcntl(4, F_GETFD) < 0 && fcntl(5, F_GETFD) >= 0 &&
			    fcntl(9, F_GETFD) >= 0 && fcntl(10, F_GETFD) < 0 &&
			    fcntl(200, F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0
			? 0
			: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
setup(void **state)
{
	int fd;

	if (mkdtemp(dir) == NULL)
		return -1;
	chmod(dir, 0755);
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(secret, sizeof(secret), "%s/secret", dir);
	snprintf(openfile, sizeof(openfile), "%s/open", dir);
	fd = open(secret, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, "s", 1) != 1)
		return -1;
	close(fd);
	open_fd = open(openfile, O_RDWR | O_CREAT, 0644);
	/* owned by the child: only the sandbox stands in its way */
	if (geteuid() == 0 && fchown(open_fd, TEST_UID, TEST_UID) != 0)
		return -1;
	parent_pid = getpid();
	return open_fd < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "file", "secret", "open",
		"created", "renamed", "linked", "daemon" };
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/made", dir);
	rmdir(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_opener),
		cmocka_unit_test(test_compute),
		cmocka_unit_test(test_net),
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_profile_edges),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_cover),
		cmocka_unit_test(test_close_fds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
