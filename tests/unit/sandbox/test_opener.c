/* SPDX-License-Identifier: MPL-2.0 */
/* A worker that opens first: what it can, and what it loses then. */
#include "sandbox/sandbox.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/netlink.h>

#include <cmocka.h>

/* DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN */
#define OPENER_CAPS (1ull << 2 | 1ull << 19 | 1ull << 21)
#define NET_RAW (1ull << 13)

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
	return (struct sandbox){ .profile = SANDBOX_OPENER,
		.all_paths_readable = true,
		.uid = 65533,
		.gid = 65533 };
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

static bool
open_netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return fd >= 0 && close(fd) == 0;
}

static bool
look_at_parent(void)
{
	char link[256], path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)parent_pid);
	return readlink(path, link, sizeof(link)) > 0;
}

static bool
has_capabilities(void)
{
	return sandbox_caps() != 0;
}

static bool
raise_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	return syscall(SYS_capget, &h, d) == 0 &&
	    syscall(SYS_capset, &h, d) == 0;
}

static bool
open_shadow(void)
{
	int fd = open("/etc/shadow", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

static void
try_narrowed(bool (*attempt)(void))
{
	struct sandbox s = profile();
	struct err e;

	s.keep_caps = OPENER_CAPS;
	if (sandbox_enter(&s, &e) != 0 || attempt() != true ||
	    sandbox_narrow(NULL, 0, &e) != 0 || sandbox_seal(&e) != 0)
		_exit(SETUP_FAILED);
	_exit(attempt() ? ALLOWED : REFUSED);
}

/* Each is possible for an opener, and refused to what reads the question. */
static void
test_narrow_takes_away(void **state)
{
	static const struct {
		const char *name;
		bool (*attempt)(void);
	} attempts[] = { { "netlink socket", open_netlink },
		{ "other process", look_at_parent },
		{ "capabilities", has_capabilities },
		{ "setting capabilities", raise_capabilities },
		{ "others' files", open_shadow }, { "limits", set_limit },
		{ "another filter", add_filter } };
	int status;
	pid_t pid;

	if (is_null() || (sandbox_caps() & OPENER_CAPS) != OPENER_CAPS)
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			try_narrowed(attempts[i].attempt);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != REFUSED)
			fail_msg("%s: status %d", attempts[i].name, status);
	}
}

static void
enter_networks(bool opener, bool narrowed, int flag)
{
	struct sandbox s = profile();
	struct err e;
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (!opener)
		s.profile = SANDBOX_WORKER_READ;
	s.keep_caps = OPENER_CAPS;
	if (fd < 0 || sandbox_enter(&s, &e) != 0)
		_exit(SETUP_FAILED);
	if (narrowed &&
	    (sandbox_narrow(NULL, 0, &e) != 0 || sandbox_seal(&e) != 0))
		_exit(SETUP_FAILED);
	_exit(setns(fd, flag) == 0 ? ALLOWED : REFUSED);
}

/* Only an opener enters networks, and only networks; else it is the end. */
static void
test_networks(void **state)
{
	static const struct {
		bool opener, narrowed;
		int flag, want; /* -1: killed */
	} cases[] = {
		{ true, false, CLONE_NEWNET, ALLOWED },
		{ true, false, 0, -1 },
		{ true, false, CLONE_NEWNS, -1 },
		{ true, true, CLONE_NEWNET, -1 },
		{ false, false, CLONE_NEWNET, -1 },
	};
	int status;
	pid_t pid;

	if (is_null() || (sandbox_caps() & OPENER_CAPS) != OPENER_CAPS)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			enter_networks(
			    cases[i].opener, cases[i].narrowed, cases[i].flag);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (cases[i].want < 0
			? !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS
			: !WIFEXITED(status) ||
			    WEXITSTATUS(status) != cases[i].want)
			fail_msg("case %zu: status %d", i, status);
	}
}

/* --- a worker that asks other hosts ----------------------------------------
 */

static bool
open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	return fd >= 0 && close(fd) == 0;
}

static bool
open_udp(void)
{
	return open_socket(AF_INET, SOCK_DGRAM, 0) &&
	    open_socket(AF_INET6, SOCK_DGRAM, 0);
}

static bool
open_raw_icmp(void)
{
	return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static bool
open_raw_tcp(void)
{
	return open_socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
}

static bool
open_local(void)
{
	return open_socket(AF_UNIX, SOCK_STREAM, 0);
}

static bool
open_packet(void)
{
	return open_socket(AF_PACKET, SOCK_DGRAM, 0);
}

/* Opened before, as it is for echo requests. */
static int raw_fd = -1;

static bool
set_own_header(void)
{
	const int on = 1;

	return setsockopt(raw_fd, IPPROTO_IP, 3 /* IP_HDRINCL */, &on,
		   sizeof(on)) == 0;
}

/* From an address that is another host's: to 192.0.2.77 and 2001:db8::77
 * belongs no host (RFC 5737, RFC 3849). */
static bool
be_another_host(void)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	from.sin_addr.s_addr = htonl(0xc000024d);
	return fd >= 0 &&
	    setsockopt(fd, IPPROTO_IP, 15 /* IP_FREEBIND */, &on, sizeof(on)) ==
	    0 &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0;
}

static bool
be_another_host_v6(void)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6 };
	const int on = 1;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(
	    &from.sin6_addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x77", 16);
	return fd >= 0 &&
	    setsockopt(fd, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, &on,
		sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0;
}

static bool
be_proxy(void)
{
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	    setsockopt(
		fd, IPPROTO_IP, 19 /* IP_TRANSPARENT */, &on, sizeof(on)) == 0;
}

static bool
set_source_route(void)
{
	/* LSRR (RFC 791 3.1) by way of 192.0.2.77, and the end of options */
	static const unsigned char way[] = { 131, 7, 4, 192, 0, 2, 77, 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	    setsockopt(fd, IPPROTO_IP, 4 /* IP_OPTIONS */, way, sizeof(way)) ==
	    0;
}

static bool
want_errors(void)
{
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	    setsockopt(fd, IPPROTO_IP, 11 /* IP_RECVERR */, &on, sizeof(on)) ==
	    0;
}

static bool
connect_tcp(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
		errno == ECONNREFUSED);
}

static bool
serve_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && listen(fd, 1) == 0;
}

static bool
can_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

static bool
read_hosts(void)
{
	return can_read("/etc/hosts");
}

static bool
read_passwd(void)
{
	return can_read("/etc/passwd");
}

static bool
list_proc(void)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

static void
try_asking(bool (*attempt)(void), bool narrowed)
{
	struct sandbox s = profile();
	const struct sandbox_path *paths;
	struct err e;
	size_t n;

	s.profile = SANDBOX_NET_OPENER;
	s.keep_caps = NET_RAW;
	paths = sandbox_asking_paths(&n);
	if (sandbox_enter(&s, &e) != 0)
		_exit(SETUP_FAILED);
	raw_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (raw_fd < 0 ||
	    (narrowed &&
		(sandbox_narrow(paths, n, &e) != 0 || sandbox_seal(&e) != 0)))
		_exit(SETUP_FAILED);
	_exit(attempt() ? ALLOWED : REFUSED);
}

/* It reaches other hosts, and reads next to nothing; before it is narrowed it
 * has the one right more that it needs, and never a socket of another kind. */
static void
test_asking(void **state)
{
	static const struct {
		const char *name;
		bool (*attempt)(void);
		enum outcome before, narrowed;
	} cases[] = {
		{ "udp", open_udp, ALLOWED, ALLOWED },
		{ "tcp to a host", connect_tcp, ALLOWED, ALLOWED },
		{ "hosts", read_hosts, ALLOWED, ALLOWED },
		{ "raw icmp", open_raw_icmp, ALLOWED, REFUSED },
		{ "an own header", set_own_header, REFUSED, REFUSED },
		{ "an address of others", be_another_host, REFUSED, REFUSED },
		{ "an address of others, IPv6", be_another_host_v6, REFUSED,
		    REFUSED },
		{ "a way of its own", set_source_route, REFUSED, REFUSED },
		{ "being a proxy", be_proxy, REFUSED, REFUSED },
		{ "errors of the network", want_errors, ALLOWED, ALLOWED },
		{ "passwd", read_passwd, ALLOWED, REFUSED },
		{ "proc", list_proc, ALLOWED, REFUSED },
		{ "capabilities", has_capabilities, ALLOWED, REFUSED },
		{ "setting capabilities", raise_capabilities, ALLOWED,
		    REFUSED },
		{ "limits", set_limit, ALLOWED, REFUSED },
		{ "another filter", add_filter, ALLOWED, REFUSED },
		{ "raw tcp", open_raw_tcp, REFUSED, REFUSED },
		{ "local sockets", open_local, REFUSED, REFUSED },
		{ "packets", open_packet, REFUSED, REFUSED },
		{ "serving", serve_tcp, REFUSED, REFUSED },
		{ "others' files", open_shadow, REFUSED, REFUSED },
		{ "other processes", look_at_parent, REFUSED, REFUSED },
	};
	int status, k, want;
	pid_t pid;

	if (is_null() || (sandbox_caps() & NET_RAW) == 0 ||
	    (sandbox_caps() & OPENER_CAPS) != OPENER_CAPS ||
	    sandbox_landlock() == 0)
		skip();
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		k = (int)(i / 2);
		want = (int)(i % 2 ? cases[k].narrowed : cases[k].before);
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			try_asking(cases[k].attempt, i % 2 != 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
			fail_msg("%s, %s: status %d", cases[k].name,
			    i % 2 ? "narrowed" : "before", status);
	}
}

static int protocol;

/* Whether it gets so far as to the kernel's own answer. */
static bool
open_protocol(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol) >= 0 ||
	    socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, protocol) >= 0 ||
	    errno != EPERM;
}

/* Of the internet who has sockets has TCP and UDP. */
static void
test_protocols(void **state)
{
	static const struct {
		int protocol, want;
	} cases[] = { { 0, ALLOWED }, { IPPROTO_TCP, ALLOWED },
		{ IPPROTO_UDP, ALLOWED }, { IPPROTO_SCTP, REFUSED },
		{ IPPROTO_UDPLITE, REFUSED }, { 262 /* MPTCP */, REFUSED },
		{ 115 /* L2TP */, REFUSED } };
	struct sandbox s = profile();
	struct err e;
	int status;
	pid_t pid;

	if (is_null())
		skip();
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		s.profile = i % 2 ? SANDBOX_NET : SANDBOX_NET_OPENER;
		protocol = cases[i / 2].protocol;
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(sandbox_enter(&s, &e) != 0 ? SETUP_FAILED
				: open_protocol()        ? ALLOWED
							 : REFUSED);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != cases[i / 2].want)
			fail_msg("protocol %d: status %d", protocol, status);
	}
}

/* --- any worker ------------------------------------------------------------
 */

static bool
lower(void)
{
	struct sandbox_limits l = { .descriptors = 77 };
	struct rlimit r;
	struct err e;

	return sandbox_limit(&l, &e) == 0 &&
	    getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_max == 77;
}

static bool
raise_again(void)
{
	struct rlimit r = { 78, 78 };

	return !lower() || setrlimit(RLIMIT_NOFILE, &r) == 0;
}

static bool
limit_parent(void)
{
	struct rlimit r = { 1000, 1000 };

	return prlimit(parent_pid, RLIMIT_NOFILE, &r, NULL) == 0;
}

/* Its own limits, and only downwards. */
static void
test_limits_go_down(void **state)
{
	static const struct {
		bool (*attempt)(void);
		int want;
	} cases[] = { { lower, ALLOWED }, { raise_again, REFUSED },
		{ limit_parent, REFUSED } };
	struct sandbox s = profile();
	struct err e;
	int status;
	pid_t pid;

	if (is_null())
		skip();
	s.profile = SANDBOX_WORKER_READ;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (sandbox_enter(&s, &e) != 0)
				_exit(SETUP_FAILED);
			_exit(cases[i].attempt() ? ALLOWED : REFUSED);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrow_takes_away),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_asking),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_limits_go_down),
	};

	parent_pid = getpid();
	return cmocka_run_group_tests_name("sandbox/seal", tests, NULL, NULL);
}
