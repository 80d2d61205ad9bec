/* SPDX-License-Identifier: MPL-2.0 */
/* Facts about this host; one source file a platform (os_linux.c). */
#ifndef MIG_OS_OS_H
#define MIG_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define OS_ADDRESSES_MAX 64

struct os_host {
	char name[256];  /* host name as the kernel has it */
	char os[16];     /* "linux" */
	char arch[16];   /* "amd64", "arm64", ... (Debian's words) */
	char ident[128]; /* os-release PRETTY_NAME, else kernel */
	char distro[64]; /* os-release ID */
	char distro_version[64];
	char kernel[128]; /* uname release */
	char init[32];    /* "systemd", "sysvinit", ... by PID 1's name */
	bool container;
	size_t naddresses; /* "10.1.2.3/24", "fd00::1/64"; no loopback, no
			      link-local */
	char addresses[OS_ADDRESSES_MAX][64];
};

int os_host_read(struct os_host *h, struct err *e);

/* SHA-256 over machine-id and DMI product UUID (whichever are readable): what
 * an identity is bound to. Empty parts are left out; ERR_NOTFOUND when there
 * is neither. */
int os_machine_fingerprint(uint8_t out[32], struct err *e);

/* What a directory is on, by statfs(2) magic and mountinfo type. */
struct os_fs {
	bool remote;  /* its data is on another machine (nfs, cifs, smb3, ceph,
			 9p, fuse.sshfs, afs, ...) */
	bool virtual; /* a kernel's view (proc, sysfs, cgroup, debugfs, ...) */
	bool tree;    /* one device, and the kernel lets no directory of it be
			 its own parent */
	bool ends_told; /* see OS_DIR_END */
};
/* Of ext4: what d_off of the last entry says when no further one follows, and
 * of no other (EXT4_HTREE_EOF_64BIT). A call that was cut short does not say
 * it. */
#define OS_DIR_END INT64_MAX

/* All false when it cannot be told. */
void os_fs_read(int dirfd, struct os_fs *ret);
bool os_fs_is_virtual(int dirfd);
/* Of what is on dirfd's own mount; else EXDEV. ENOSYS or EPERM: the kernel, or
 * a filter, does not let it be asked that. */
int os_open_same_mount(int dirfd, const char *name, int flags);

/*
 * The same beforehand, by name: opening or looking at the mount point of a
 * server that is gone would block for ever, at an automount it mounts.
 */
enum os_mount_kind {
	OS_MOUNT_LOCAL,
	OS_MOUNT_REMOTE,
	OS_MOUNT_AUTO,
	OS_MOUNT_COVER /* empty, over something that is not to be seen */
};
/* A tmpfs of this source is an OS_MOUNT_COVER (sandbox_cover). */
#define OS_COVER_SOURCE "mig-covered"

struct os_mounts;

#define OS_PATH_MAX 4096

/* By a type as mountinfo has it. */
enum os_mount_kind os_mount_kind_of(const char *type);
/* Of this process now, which stays in its mount namespace from the first call
 * on: the table is read anew only when it has changed. Not from two threads at
 * once. */
int os_mounts_read(struct os_mounts **ret, struct err *e);
/* From the text of mountinfo, which is changed. */
int os_mounts_parse(char *text, struct os_mounts **ret, struct err *e);
/* As if something covered this directory; *m may be NULL before. */
int os_mounts_cover(struct os_mounts **m, const char *path, struct err *e);
void os_mounts_free(struct os_mounts *m);
/* Nothing but local ones: every other answer is "local" then. */
bool os_mounts_none(const struct os_mounts *m);
/* What path is on; it is real (no links in it) and absolute. */
enum os_mount_kind os_mounts_find(const struct os_mounts *m, const char *path);
/* Is there one at this directory or below? */
bool os_mounts_below(const struct os_mounts *m, const char *dir);
/* Follows the links in an absolute path without touching anything that is not
 * local. LOCAL: ret is the real path ("" when it cannot be told; what does
 * not exist stays as it is); else where the path enters another kind. */
enum os_mount_kind os_mounts_resolve(
    const struct os_mounts *m, const char *path, char ret[static OS_PATH_MAX]);

/* From here on the heap keeps what is freed, up to half a MiB at its end, until
 * os_memory_back(): not page by page between. */
void os_memory_keep(void);
/* Gives back what heap and main stack have no use for now, and the pages of the
 * program's code; to be called by a process that will wait. */
void os_memory_back(void);

#endif
