/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Build tool: writes the profiles' seccomp filters as C arrays, so that no
 * installed program links libseccomp or spends time on building a filter.
 *
 *   mig-gen-filters CPU_FAMILY > filters.h
 *
 * NET, COMPUTE, WORKER_READ and the OPENERs are allow lists: what is not named
 * fails with EPERM, what no honest library ever tries kills the process.
 * MONITOR and SERVER start other programs, so they are deny lists.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>

/* Every bit of open(2)'s flags that could write, create or empty. */
#define OPEN_WRITES                                 \
	(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | \
	    (O_TMPFILE & ~(unsigned)O_DIRECTORY))

/* An int argument: the upper half of its register means nothing. */
#define INT_IS(arg, value) \
	SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, 0xffffffff, (value))
#define POINTER_NULL(arg) SCMP_CMP64(arg, SCMP_CMP_EQ, 0, 0)
#define WITHOUT(arg, bits) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, (bits), 0)

#define PROTO_ICMP 1
#define PROTO_ICMPV6 58
/* linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h */
#define IP_ERRORS 11
#define IPV6_ERRORS 25
#define RAW_LEVEL 255
#define ICMP_TYPES 1
#define ICMPV6_TYPES 1
#define GET_IFINDEX 0x8933 /* SIOCGIFINDEX: of a name */

#define PAGEMAP_SCAN 0xc0606610 /* linux/fs.h of Linux 6.7 */
#define SET_VMA 0x53564d41      /* PR_SET_VMA: glibc names its memory */

static const char *const dangerous[] = { "ptrace", "process_vm_readv",
	"process_vm_writev", "process_madvise", "pidfd_getfd", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "bpf", "move_mount", "open_tree",
	"fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "kexec_load", "kexec_file_load", "init_module",
	"finit_module", "delete_module", "userfaultfd", "perf_event_open",
	"open_by_handle_at", "swapon", "swapoff", "reboot", "iopl", "ioperm",
	"acct", "quotactl", "quotactl_fd", "lookup_dcookie", "nfsservctl",
	"modify_ldt", "fanotify_init", "kcmp", "vm86", "vm86old", "uselib",
	"syslog", "sethostname", "setdomainname", "settimeofday",
	"clock_settime", "vhangup", NULL };

/* What starting a worker behind the monitor still needs. */
static const char *const dangerous_mounts[] = { "mount", "umount", "umount2",
	"unshare", "chroot", NULL };

static const char *const key_calls[] = { "keyctl", "add_key", "request_key",
	NULL };

/* Memory, time, signals to oneself, reading and writing what is open. */
static const char *const common[] = { "read", "readv", "pread64", "preadv",
	"write", "writev", "close", "close_range", "lseek", "_llseek", "fstat",
	"fstat64", "brk", "munmap", "mremap", "madvise", "mlock", "munlock",
	"mincore", "membarrier", "futex", "futex_time64", "set_robust_list",
	"get_robust_list", "rseq", "getrandom", "restart_syscall",
	"rt_sigreturn", "sigreturn", "rt_sigaction", "rt_sigprocmask",
	"rt_sigpending", "rt_sigtimedwait", "sigaltstack", "exit", "exit_group",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "times", "getrusage", "getrlimit", "ugetrlimit",
	"getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid",
	"getresuid", "getresgid", "getgroups", "capget", "sched_yield",
	"sched_getaffinity", "getcpu", "sysinfo", "uname", "poll", "ppoll",
	"select", "_newselect", "pselect6", "alarm", "setitimer", "getitimer",
	"recvmsg", "recvfrom", "shutdown", "dup", "dup2", "dup3", "sendmsg",
	NULL };

/* Looking at the file system. */
static const char *const looking[] = { "stat", "stat64", "lstat", "lstat64",
	"newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs",
	"fstatfs64", "access", "faccessat", "faccessat2", "readlink",
	"readlinkat", "getdents", "getdents64", "getcwd", "chdir", "fchdir",
	"fadvise64", "fadvise64_64", "readahead", "getxattr", "lgetxattr",
	"fgetxattr", "listxattr", "llistxattr", "flistxattr", "umask", NULL };

static const char *const networking[] = { "connect", "bind", "getsockname",
	"getpeername", "accept4", "setsockopt", "getsockopt", "socketpair",
	"sendto", "sendmmsg", "recvmmsg", "epoll_create", "epoll_create1",
	"epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd",
	"eventfd2", "pipe", "pipe2", "timerfd_create", "timerfd_settime",
	"timerfd_gettime", "signalfd4", NULL };

/* For a worker: it asks, and serves nobody. */
static const char *const asking[] = { "connect", "bind", "getsockname",
	"getpeername", "getsockopt", "sendto", "sendmmsg", "recvmmsg", NULL };

/* Levels and options: which errors, times and messages it wants to see. Others
 * let a packet have any source (that takes no right for IPv6), header or way.
 */
static const unsigned asking_options[][2] = { { SOL_SOCKET, SO_TIMESTAMPNS },
	{ IPPROTO_IP, IP_ERRORS }, { IPPROTO_IPV6, IPV6_ERRORS },
	{ RAW_LEVEL, ICMP_TYPES }, { IPPROTO_ICMPV6, ICMPV6_TYPES } };

static scmp_filter_ctx
filter_new(uint32_t action, uint32_t arch)
{
	scmp_filter_ctx f = seccomp_init(action);

	if (f == NULL)
		errx(1, "seccomp_init");
	if (arch != seccomp_arch_native()) {
		if (seccomp_arch_add(f, arch) != 0 ||
		    seccomp_arch_remove(f, seccomp_arch_native()) != 0)
			errx(1,
			    "no filters for this architecture from here "
			    "(another byte order, or too new)");
	}
	/* another call table (i386, x32) would see other numbers */
	if (seccomp_attr_set(
		f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		errx(1, "SCMP_FLTATR_ACT_BADARCH");
	/* a tree: few comparisons for any call */
	if (seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0)
		errx(1, "SCMP_FLTATR_CTL_OPTIMIZE");
	return f;
}

/* A call that this architecture does not have is no rule. */
static void
rule(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
    const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name), rc;

	if (nr == __NR_SCMP_ERROR)
		return;
	rc = seccomp_rule_add_array(f, action, nr, n, args);
	if (rc != 0 && rc != -EDOM)
		errx(1, "rule for %s: %s", name, strerror(-rc));
}

static void
rules(scmp_filter_ctx f, uint32_t action, const char *const *names)
{
	for (; *names != NULL; names++)
		rule(f, action, *names, 0, NULL);
}

static void
allow_if(scmp_filter_ctx f, const char *name, struct scmp_arg_cmp c)
{
	rule(f, SCMP_ACT_ALLOW, name, 1, &c);
}

static void
allow_descriptor_control(scmp_filter_ctx f)
{
	/* no leases, no owners for signals, no notifications, and no locks:
	 * one for reading needs only a file that can be read, and keeps the
	 * host's own programs from writing */
	static const unsigned cmds[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
		F_SETFD, F_GETFL, F_GETPIPE_SZ, 1034 /* F_GET_SEALS */ };
	static const unsigned long ioctls[] = { 0x541b /* FIONREAD */,
		0x5421 /* FIONBIO */, 0x5401 /* TCGETS: isatty */,
		0x5413 /* TIOCGWINSZ */ };
	struct scmp_arg_cmp setfl[2] = { INT_IS(1, F_SETFL),
		WITHOUT(2, O_ASYNC) };
	size_t i;

	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		allow_if(f, "fcntl", INT_IS(1, cmds[i]));
		allow_if(f, "fcntl64", INT_IS(1, cmds[i]));
	}
	rule(f, SCMP_ACT_ALLOW, "fcntl", 2, setfl);
	rule(f, SCMP_ACT_ALLOW, "fcntl64", 2, setfl);
	for (i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		allow_if(f, "ioctl", INT_IS(1, ioctls[i]));
}

/* Into another network: only an opener's children, and the monitor's filter,
 * which they inherit, must not stand against it. */
static void
kill_setns(scmp_filter_ctx f, bool network_too)
{
	struct scmp_arg_cmp other = SCMP_CMP64(1, SCMP_CMP_NE, CLONE_NEWNET);

	rule(f, SCMP_ACT_KILL_PROCESS, "setns", network_too ? 0 : 1,
	    network_too ? NULL : &other);
}

static void
allow_common(scmp_filter_ctx f)
{
	rules(f, SCMP_ACT_KILL_PROCESS, dangerous);
	rules(f, SCMP_ACT_KILL_PROCESS, dangerous_mounts);
	rules(f, SCMP_ACT_KILL_PROCESS, key_calls);
	rules(f, SCMP_ACT_ALLOW, common);
	allow_descriptor_control(f);
	allow_if(f, "prctl", INT_IS(0, PR_SET_NAME));
	allow_if(f, "prctl", INT_IS(0, PR_GET_NAME));
	allow_if(f, "prctl", INT_IS(0, SET_VMA));
	/* reading a limit of one's own, not setting one */
	allow_if(f, "prlimit64", POINTER_NULL(2));
	/* send() on what is connected */
	allow_if(f, "sendto", POINTER_NULL(4));
	/* libraries fall back to clone, which is refused */
	rule(f, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static void
allow_memory(scmp_filter_ctx f, bool exec)
{
	static const char *const calls[] = { "mmap", "mmap2", "mprotect",
		"pkey_mprotect", NULL };
	size_t i;

	for (i = 0; calls[i] != NULL; i++) {
		if (exec)
			rule(f, SCMP_ACT_ALLOW, calls[i], 0, NULL);
		else
			allow_if(f, calls[i], WITHOUT(2, PROT_EXEC));
	}
}

static void
allow_reading_files(scmp_filter_ctx f)
{
	allow_if(f, "open", WITHOUT(1, OPEN_WRITES));
	allow_if(f, "openat", WITHOUT(2, OPEN_WRITES));
	rules(f, SCMP_ACT_ALLOW, looking);
}

/* Streams and datagrams. Which protocol goes with which is for the kernel. */
static void
allow_socket(scmp_filter_ctx f, unsigned family, unsigned protocol)
{
	static const unsigned types[] = { SOCK_STREAM, SOCK_DGRAM };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct scmp_arg_cmp c[3] = { INT_IS(0, family),
			SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, types[i]),
			INT_IS(2, protocol) };

		rule(f, SCMP_ACT_ALLOW, "socket", 3, c);
	}
}

/* Of the internet TCP and UDP: others (SCTP, MPTCP, L2TP ...) are code that the
 * kernel would load for whoever asks, and Landlock's rules for TCP do not hold
 * for them. */
static void
allow_sockets(scmp_filter_ctx f, bool local)
{
	static const unsigned protocols[] = { 0, IPPROTO_TCP, IPPROTO_UDP };
	struct scmp_arg_cmp netlink[2] = { INT_IS(0, AF_NETLINK),
		INT_IS(2, NETLINK_ROUTE) };
	size_t i;

	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		allow_socket(f, AF_INET, protocols[i]);
		allow_socket(f, AF_INET6, protocols[i]);
	}
	if (local) {
		allow_socket(f, AF_UNIX, 0);
	} else {
		/* echo requests, where they take no right */
		allow_socket(f, AF_INET, PROTO_ICMP);
		allow_socket(f, AF_INET6, PROTO_ICMPV6);
	}
	/* getaddrinfo asks which addresses there are */
	rule(f, SCMP_ACT_ALLOW, "socket", 2, netlink);
	rules(f, SCMP_ACT_ALLOW, local ? networking : asking);
	if (local)
		return;
	for (i = 0; i < sizeof(asking_options) / sizeof(asking_options[0]);
	     i++) {
		struct scmp_arg_cmp c[2] = { INT_IS(1, asking_options[i][0]),
			INT_IS(2, asking_options[i][1]) };

		rule(f, SCMP_ACT_ALLOW, "setsockopt", 2, c);
	}
}

static void
print_filter(scmp_filter_ctx f, const char *name)
{
	struct sock_filter ins;
	FILE *tmp = tmpfile();
	size_t n = 0;

	if (tmp == NULL || seccomp_export_bpf(f, fileno(tmp)) != 0)
		err(1, "exporting %s", name);
	rewind(tmp);
	printf("static const struct sock_filter filter_%s[] = {\n", name);
	while (fread(&ins, sizeof(ins), 1, tmp) == 1) {
		printf("\t{ 0x%04x, %u, %u, 0x%08x },\n", ins.code, ins.jt,
		    ins.jf, ins.k);
		n++;
	}
	printf("};\n\n");
	if (n == 0 || ferror(tmp) != 0)
		errx(1, "%s: no filter", name);
	fclose(tmp);
	seccomp_release(f);
}

/* A worker may hide the agent's state from itself. */
static const char *const hiding[] = { "landlock_create_ruleset",
	"landlock_add_rule", "landlock_restrict_self", NULL };

static void
allow_worker(scmp_filter_ctx f, bool openat2)
{
	allow_common(f);
	allow_memory(f, true);
	allow_reading_files(f);
	/* its flags lie in memory where no filter can look: only where
	 * Landlock refuses writing and emptying */
	rule(f, openat2 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS), "openat2", 0,
	    NULL);
	/* for its opener, if it has one */
	rule(f, SCMP_ACT_ALLOW, "wait4", 0, NULL);
	rule(f, SCMP_ACT_ALLOW, "waitid", 0, NULL);
	/* the first order brings limits; the hard ones only go down */
	allow_if(f, "prlimit64", INT_IS(0, 0));
	rules(f, SCMP_ACT_ALLOW, hiding);
}

/* Which argument of clone(2) are the flags: there the stack comes first. */
static unsigned
clone_flags(uint32_t arch)
{
	return arch == SCMP_ARCH_S390 || arch == SCMP_ARCH_S390X;
}

/* What pthread_create asks for, and nothing else: no process, no namespace. */
static void
allow_threads(scmp_filter_ctx f, uint32_t arch)
{
	allow_if(f, "clone",
	    INT_IS(clone_flags(arch),
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |
		    CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
		    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID));
}

static scmp_filter_ctx
make_worker(uint32_t arch, bool openat2, bool threads)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM), arch);

	allow_worker(f, openat2);
	kill_setns(f, true);
	if (threads)
		allow_threads(f, arch);
	return f;
}

/* Reads what a worker with rights has opened. */
static scmp_filter_ctx
make_scanner(uint32_t arch, bool threads)
{
	scmp_filter_ctx f = make_worker(arch, false, threads);

	allow_if(f, "ioctl", INT_IS(1, PAGEMAP_SCAN));
	return f;
}

/* A worker that opens, narrows itself, and is sealed. The sockets are for
 * asking the kernel: they reach nobody. */
static scmp_filter_ctx
make_opener(uint32_t arch)
{
	static const unsigned protocols[] = { NETLINK_ROUTE,
		NETLINK_SOCK_DIAG };
	scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM), arch);
	size_t i;

	allow_worker(f, false);
	kill_setns(f, false);
	allow_if(f, "seccomp", INT_IS(0, SECCOMP_SET_MODE_FILTER));
	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		struct scmp_arg_cmp c[2] = { INT_IS(0, AF_NETLINK),
			INT_IS(2, protocols[i]) };

		rule(f, SCMP_ACT_ALLOW, "socket", 2, c);
	}
	allow_if(f, "setns", SCMP_CMP64(1, SCMP_CMP_EQ, CLONE_NEWNET));
	rule(f, SCMP_ACT_ALLOW, "capset", 0, NULL);
	return f;
}

/* A worker that asks other hosts: echo requests need a socket that is opened
 * with a right, where the kernel gives none without. Local sockets lead to
 * other programs of this host, and so are not there. */
static scmp_filter_ctx
make_net_opener(uint32_t arch)
{
	static const unsigned raw[][2] = { { AF_INET, PROTO_ICMP },
		{ AF_INET6, PROTO_ICMPV6 } };
	scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM), arch);
	size_t i;

	allow_worker(f, false);
	kill_setns(f, true);
	allow_sockets(f, false);
	for (i = 0; i < 2; i++) {
		struct scmp_arg_cmp c[3] = { INT_IS(0, raw[i][0]),
			SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW),
			INT_IS(2, raw[i][1]) };

		rule(f, SCMP_ACT_ALLOW, "socket", 3, c);
	}
	allow_if(f, "ioctl", INT_IS(1, GET_IFINDEX));
	allow_if(f, "seccomp", INT_IS(0, SECCOMP_SET_MODE_FILTER));
	rule(f, SCMP_ACT_ALLOW, "capset", 0, NULL);
	return f;
}

/* Over the opener's own filter, so it is as short as it can be. */
static scmp_filter_ctx
make_seal(uint32_t arch)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ALLOW, arch);
	struct scmp_arg_cmp limit =
	    SCMP_CMP64(2, SCMP_CMP_NE, 0); /* prlimit64: a new one */

	rule(f, SCMP_ACT_ERRNO(EPERM), "seccomp", 0, NULL);
	rule(f, SCMP_ACT_ERRNO(EPERM), "capset", 0, NULL);
	rule(f, SCMP_ACT_KILL_PROCESS, "setns", 0, NULL);
	rules(f, SCMP_ACT_ERRNO(EPERM), hiding);
	rule(f, SCMP_ACT_ERRNO(EPERM), "prlimit64", 1, &limit);
	return f;
}

static scmp_filter_ctx
make_opener_seal(uint32_t arch)
{
	scmp_filter_ctx f = make_seal(arch);

	rule(f, SCMP_ACT_ERRNO(EPERM), "socket", 0, NULL);
	return f;
}

static scmp_filter_ctx
make_net_seal(uint32_t arch)
{
	static const unsigned families[] = { AF_INET, AF_INET6 };
	scmp_filter_ctx f = make_seal(arch);
	size_t i;

	for (i = 0; i < 2; i++) {
		struct scmp_arg_cmp raw[2] = { INT_IS(0, families[i]),
			SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW) };

		rule(f, SCMP_ACT_ERRNO(EPERM), "socket", 2, raw);
	}
	return f;
}

static scmp_filter_ctx
make_net(uint32_t arch)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM), arch);

	allow_common(f);
	kill_setns(f, true);
	/* name services are loaded when first used */
	allow_memory(f, true);
	allow_reading_files(f);
	rule(f, SCMP_ACT_ERRNO(ENOSYS), "openat2", 0, NULL);
	allow_sockets(f, true);
	return f;
}

static scmp_filter_ctx
make_compute(uint32_t arch)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM), arch);

	allow_common(f);
	kill_setns(f, true);
	allow_memory(f, false);
	return f;
}

/* unshare(2) by another name, and a new user is every right over the new
 * namespaces. The flags of clone3 lie in memory where no filter can look:
 * libraries fall back to clone. */
static void
refuse_namespaces(scmp_filter_ctx f, uint32_t arch, uint32_t action)
{
	static const unsigned bits[] = { CLONE_NEWNS, CLONE_NEWCGROUP,
		CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET };
	unsigned flags = clone_flags(arch);
	size_t i;

	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		struct scmp_arg_cmp c =
		    SCMP_CMP64(flags, SCMP_CMP_MASKED_EQ, bits[i], bits[i]);

		rule(f, action, "clone", 1, &c);
	}
	rule(f, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static scmp_filter_ctx
make_daemon(uint32_t arch, bool mounts)
{
	scmp_filter_ctx f = filter_new(SCMP_ACT_ALLOW, arch);
	/* a worker covers directories (cover.c) */
	struct scmp_arg_cmp other = SCMP_CMP64(0, SCMP_CMP_NE, CLONE_NEWNS);

	rules(f, SCMP_ACT_KILL_PROCESS, dangerous);
	kill_setns(f, !mounts);
	/* a worker that tries is told so by its own filter, and goes on */
	refuse_namespaces(
	    f, arch, mounts ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	if (mounts)
		rule(f, SCMP_ACT_KILL_PROCESS, "unshare", 1, &other);
	else
		rules(f, SCMP_ACT_KILL_PROCESS, dangerous_mounts);
	/* client libraries of databases look for tickets there */
	rules(f, SCMP_ACT_ERRNO(EPERM), key_calls);
	return f;
}

int
main(int argc, char **argv)
{
	uint32_t arch;

	if (argc != 2)
		errx(2, "usage: mig-gen-filters CPU_FAMILY");
	arch = seccomp_arch_resolve_name(argv[1]);
	if (arch == 0)
		errx(1, "%s: not an architecture of libseccomp", argv[1]);
	printf("/* Made by mig-gen-filters for %s. */\n", argv[1]);
	print_filter(make_net(arch), "net");
	print_filter(make_compute(arch), "compute");
	print_filter(make_worker(arch, true, false), "worker_read");
	print_filter(make_worker(arch, false, false), "worker_read_no_openat2");
	print_filter(make_worker(arch, true, true), "worker_threads");
	print_filter(
	    make_worker(arch, false, true), "worker_threads_no_openat2");
	print_filter(make_scanner(arch, false), "scanner");
	print_filter(make_scanner(arch, true), "scanner_threads");
	print_filter(make_opener(arch), "opener");
	print_filter(make_opener_seal(arch), "seal");
	print_filter(make_net_opener(arch), "net_opener");
	print_filter(make_net_seal(arch), "net_seal");
	print_filter(make_daemon(arch, true), "monitor");
	print_filter(make_daemon(arch, false), "server");
	return 0;
}
