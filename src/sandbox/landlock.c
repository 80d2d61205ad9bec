/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Landlock by system calls (landlock(7)). The structures and rights are given
 * here with their numbers, as the headers of a stable distribution are older
 * than the kernels it meets.
 *
 * Rights are handled as far as the kernel's version knows them: what is not
 * handled is not restricted by Landlock, and is left to the filter.
 */
#include "sandbox/mechanisms.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LL_VERSION 1U
#define LL_PATH_BENEATH 1

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR (UINT64_C(1) << 6)
#define FS_MAKE_BLOCK (UINT64_C(1) << 11)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)

#define NET_BIND_TCP (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

/* What a rule on a file (not a directory) may name. */
#define FS_OF_FILES \
	(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* version 4 */
	uint64_t scoped;             /* version 6 */
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

/* 0: none, or switched off at boot. */
static int
kernel_abi(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);

	return v > 0 ? (int)v : 0;
}

static uint64_t
fs_of_abi(int abi)
{
	uint64_t bits = FS_REFER - 1; /* version 1: 0 to 12 */

	if (abi >= 2)
		bits |= FS_REFER;
	if (abi >= 3)
		bits |= FS_TRUNCATE;
	if (abi >= 5)
		bits |= FS_IOCTL_DEV;
	return bits;
}

static bool
is_daemon(enum sandbox_profile p)
{
	return p == SANDBOX_MONITOR || p == SANDBOX_SERVER;
}

static void
attr_make(const struct sandbox *s, int abi, struct ruleset_attr *a)
{
	a->handled_access_fs = fs_of_abi(abi);
	a->handled_access_net = 0;
	a->scoped = 0;
	if (is_daemon(s->profile))
		return;
	if (abi >= 4) {
		a->handled_access_net = NET_BIND_TCP;
		if (s->profile != SANDBOX_NET)
			a->handled_access_net |= NET_CONNECT_TCP;
	}
	if (abi >= 6)
		a->scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
}

/* Everything but device nodes; executing only where programs are started. */
static uint64_t
access_for(const struct sandbox *s, const struct sandbox_path *p)
{
	uint64_t bits = FS_READ_FILE | FS_READ_DIR;

	if (is_daemon(s->profile))
		bits |= FS_EXECUTE;
	if (p->write)
		bits |= ~(FS_EXECUTE | FS_MAKE_CHAR | FS_MAKE_BLOCK);
	return bits;
}

static int
add_rule_at(int ruleset, int dirfd, const char *path, int flags,
    uint64_t access, struct err *e)
{
	struct path_beneath_attr a = { .allowed_access = access };
	struct stat st;
	int rc = 0;

	a.parent_fd = openat(dirfd, path, O_PATH | O_CLOEXEC | flags);
	/* what is not there cannot be reached: no rule is needed */
	if (a.parent_fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (a.parent_fd < 0)
		return err_errno(e, "%s", path);
	if (fstat(a.parent_fd, &st) != 0) {
		rc = err_errno(e, "%s", path);
	} else if (!S_ISLNK(st.st_mode)) {
		if (!S_ISDIR(st.st_mode))
			a.allowed_access &= FS_OF_FILES;
		if (syscall(SYS_landlock_add_rule, ruleset, LL_PATH_BENEATH, &a,
			0) != 0)
			rc = err_errno(e, "Landlock rule for %s", path);
	}
	close(a.parent_fd);
	return rc;
}

static int
add_rule(int ruleset, const char *path, uint64_t access, struct err *e)
{
	return add_rule_at(ruleset, AT_FDCWD, path, 0, access, e);
}

static int
add_rules(const struct sandbox *s, int ruleset, uint64_t handled, struct err *e)
{
	size_t i;
	int rc = 0;

	if (s->all_paths_readable) {
		const struct sandbox_path root = { .path = "/" };

		rc = add_rule(ruleset, "/", access_for(s, &root) & handled, e);
	}
	for (i = 0; i < s->npaths && rc == 0; i++)
		rc = add_rule(ruleset, s->paths[i].path,
		    access_for(s, &s->paths[i]) & handled, e);
	return rc;
}

int
landlock_apply(const struct sandbox *s, int *ret_abi, struct err *e)
{
	struct ruleset_attr attr;
	int abi = kernel_abi(), ruleset, rc;

	*ret_abi = 0;
	if (abi == 0)
		return 0;
	if (s->profile == SANDBOX_OPENER || s->profile == SANDBOX_NET_OPENER ||
	    s->profile == SANDBOX_PAIR_OPENER)
		return 0;
	/* daemons' children inherit it: only where paths are named */
	if (is_daemon(s->profile) && s->npaths == 0 && !s->all_paths_readable)
		return 0;
	attr_make(s, abi, &attr);
	/* an older kernel accepts the longer structure, its end being zero */
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return err_errno(e, "Landlock rule set");
	rc = add_rules(s, ruleset, attr.handled_access_fs, e);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		rc = err_errno(e, "enforcing Landlock");
	close(ruleset);
	if (rc == 0)
		*ret_abi = abi;
	return rc;
}

int
sandbox_landlock(void)
{
	return kernel_abi();
}

static int
read_ruleset(int *ret_ruleset, struct err *e)
{
	struct ruleset_attr attr = { .handled_access_fs =
					 FS_READ_FILE | FS_READ_DIR };
	int ruleset;

	if (kernel_abi() == 0)
		return err_set(
		    e, ERR_UNSUPPORTED, "this kernel has no Landlock");
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return err_errno(e, "Landlock rule set");
	*ret_ruleset = ruleset;
	return 0;
}

int
landlock_read_rules(int *ret_ruleset, struct err *e)
{
	int ruleset, rc = read_ruleset(&ruleset, e);

	if (rc != 0)
		return rc;
	rc = add_rule(ruleset, "/", FS_READ_DIR, e);
	if (rc != 0) {
		close(ruleset);
		return rc;
	}
	*ret_ruleset = ruleset;
	return 0;
}

int
landlock_allow_read(int ruleset, int dirfd, const char *name, struct err *e)
{
	return add_rule_at(
	    ruleset, dirfd, name, O_NOFOLLOW, FS_READ_FILE | FS_READ_DIR, e);
}

int
landlock_enforce(int ruleset, struct err *e)
{
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return err_errno(e, "enforcing Landlock");
	return 0;
}

/* Without following it: a descriptor is what it is. */
static int
add_rule_fd(int ruleset, int fd, struct err *e)
{
	struct path_beneath_attr a = {
		.allowed_access = FS_READ_FILE | FS_READ_DIR, .parent_fd = fd
	};
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "a path of the policy");
	if (!S_ISDIR(st.st_mode))
		a.allowed_access &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, LL_PATH_BENEATH, &a, 0) !=
	    0)
		return err_errno(e, "Landlock rule for a path of the policy");
	return 0;
}

int
sandbox_only(const int *fds, size_t n, struct err *e)
{
	const uint64_t reading = FS_READ_FILE | FS_READ_DIR;
	const struct sandbox_path *libs;
	size_t nlibs, i;
	int ruleset, rc = read_ruleset(&ruleset, e);

	if (rc != 0)
		return rc;
	libs = sandbox_library_paths(&nlibs);
	for (i = 0; i < nlibs && rc == 0; i++)
		rc = add_rule(ruleset, libs[i].path, reading, e);
	if (rc == 0)
		rc = add_rule(ruleset, "/proc/self", reading, e);
	for (i = 0; i < n && rc == 0; i++)
		rc = add_rule_fd(ruleset, fds[i], e);
	if (rc == 0)
		rc = landlock_enforce(ruleset, e);
	close(ruleset);
	return rc;
}
