/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What kind of file system a directory is on. The magic number of statfs(2)
 * answers nearly always; only FUSE, which is one number for everything, is
 * looked up in mountinfo by its device number (proc(5)).
 */
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/openat2.h>

#define FUSE_MAGIC 0x65735546U
#define EXT4_MAGIC 0x0000ef53U

/* Numbers from the kernel's linux/magic.h and the file systems' own sources. */
static const uint32_t remote_magics[] = {
	0x00006969U, /* nfs */
	0x0000517bU, /* smbfs */
	0xff534d42U, /* cifs */
	0xfe534d42U, /* smb2, smb3 */
	0x00c36400U, /* ceph */
	0x01021997U, /* 9p */
	0x5346414fU, /* afs (OpenAFS and the kernel's older number) */
	0x6b414653U, /* afs (kernel) */
	0x73757245U, /* coda */
	0x0000564cU, /* ncp */
	0x0bd00bd0U, /* lustre */
	0x19830326U, /* BeeGFS */
	0x47504653U, /* GPFS */
	0x20030528U, /* OrangeFS */
	0x01161970U, /* GFS2: shared block device, cluster locks */
	0x7461636fU, /* OCFS2: likewise */
	0x00000187U, /* autofs: looking triggers mounts from elsewhere */
	0x786f4256U, /* vboxsf: the host's files */
	0xbacbacbcU, /* vmhgfs: likewise */
};

static const uint32_t virtual_magics[] = {
	0x00009fa0U, /* proc */
	0x62656572U, /* sysfs */
	0x0027e0ebU, /* cgroup */
	0x63677270U, /* cgroup2 */
	0x64626720U, /* debugfs */
	0x74726163U, /* tracefs */
	0x73636673U, /* securityfs */
	0xf97cff8cU, /* selinuxfs */
	0x43415d53U, /* smackfs */
	0x5a3c69f0U, /* apparmorfs */
	0xcafe4a11U, /* bpf */
	0x6165676cU, /* pstore */
	0x62656570U, /* configfs */
	0x00001cd1U, /* devpts */
	0x19800202U, /* mqueue */
	0xde5e81e4U, /* efivarfs */
	0x42494e4dU, /* binfmt_misc */
	0x65735543U, /* fusectl */
	0x6e736673U, /* nsfs */
	0x67596969U, /* rpc_pipefs */
	0x6e667364U, /* nfsd */
	0xabba1974U, /* xenfs */
	0x07655821U, /* resctrl */
};

/* st_dev is that of the mount everywhere (not so with btrfs), and what else
 * than the kernel (a server, FUSE, layers of overlayfs) has no say in what lies
 * where.
 */
static const uint32_t tree_magics[] = {
	EXT4_MAGIC,  /* ext2 and ext3, too */
	0x58465342U, /* xfs */
	0x01021994U, /* tmpfs */
};

/* FUSE file systems whose data is on this machine. Every other one may be
 * anywhere, and may block for ever: it counts as remote. */
static const char *const local_fuse[] = {
	"fuseblk",
	"fuse.ntfs-3g",
	"fuse.ntfs",
	"fuse.exfat",
	"fuse.fuse-overlayfs",
	"fuse.mergerfs",
	"fuse.unionfs",
	"fuse.unionfs-fuse",
	"fuse.bindfs",
	"fuse.encfs",
	"fuse.gocryptfs",
	"fuse.cryfs",
	"fuse.squashfuse",
	"fuse.squashfuse_ll",
	"fuse.archivemount",
	"fuse.fuse-zip",
	"fuse.ext2",
	"fuse.fuse2fs",
	"fuse.zfs-fuse",
	"fuse.snapfuse",
	"fuse.dwarfs",
	"fuse.erofsfuse",
	"fuse.rar2fs",
};

static const char *const virtual_fuse[] = {
	"fuse.lxcfs",
	"fuse.portal",
};

static bool
number_in(const uint32_t *list, size_t n, uint32_t v)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i] == v)
			return true;
	}
	return false;
}

static bool
name_in(const char *const *list, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

/* The type in one line of mountinfo when it is for this device; else false.
 * "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool
type_in_line(const char *line, dev_t dev, char *type, size_t size)
{
	unsigned int major_no, minor_no;
	const char *dash;
	size_t n;

	if (sscanf(line, "%*u %*u %u:%u ", &major_no, &minor_no) != 2 ||
	    major_no != major(dev) || minor_no != minor(dev))
		return false;
	dash = strstr(line, " - ");
	if (dash == NULL)
		return false;
	n = strcspn(dash + 3, " \n");
	if (n == 0 || n >= size)
		return false;
	memcpy(type, dash + 3, n);
	type[n] = '\0';
	return true;
}

/* "fuse" when it cannot be found out. */
static void
fuse_type(int dirfd, char *type, size_t size)
{
	struct stat st;
	char *line = NULL;
	size_t cap = 0;
	FILE *f;

	snprintf(type, size, "fuse");
	if (fstat(dirfd, &st) != 0)
		return;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return;
	while (getline(&line, &cap, f) > 0) {
		if (type_in_line(line, st.st_dev, type, size))
			break;
	}
	free(line);
	fclose(f);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void
os_fs_read(int dirfd, struct os_fs *ret)
{
	struct statfs fs;
	uint32_t magic;
	char type[64];

	memset(ret, 0, sizeof(*ret));
	if (fstatfs(dirfd, &fs) != 0)
		return;
	magic = (uint32_t)fs.f_type;
	if (magic == FUSE_MAGIC) {
		fuse_type(dirfd, type, sizeof(type));
		ret->virtual = name_in(virtual_fuse, COUNT(virtual_fuse), type);
		ret->remote = !ret->virtual &&
		    !name_in(local_fuse, COUNT(local_fuse), type);
		return;
	}
	ret->remote = number_in(remote_magics, COUNT(remote_magics), magic);
	ret->virtual = number_in(virtual_magics, COUNT(virtual_magics), magic);
	ret->tree = number_in(tree_magics, COUNT(tree_magics), magic);
	ret->ends_told = magic == EXT4_MAGIC;
}

bool
os_fs_is_virtual(int dirfd)
{
	struct os_fs fs;

	os_fs_read(dirfd, &fs);
	return fs.virtual;
}

int
os_open_same_mount(int dirfd, const char *name, int flags)
{
	const struct open_how how = { .flags = (uint64_t)flags,
		.resolve = RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

/* Names of what remote_magics has numbers of. */
static const char *const remote_types[] = { "nfs", "nfs4", "smbfs", "cifs",
	"smb3", "ceph", "9p", "afs", "openafs", "coda", "ncpfs", "lustre",
	"beegfs", "gpfs", "pvfs2", "orangefs", "gfs2", "ocfs2", "vboxsf",
	"vmhgfs", "virtiofs", "fuse" };

enum os_mount_kind
os_mount_kind_of(const char *type)
{
	if (strcmp(type, "autofs") == 0)
		return OS_MOUNT_AUTO;
	if (name_in(remote_types, COUNT(remote_types), type))
		return OS_MOUNT_REMOTE;
	if (strncmp(type, "fuse.", 5) == 0 &&
	    !name_in(local_fuse, COUNT(local_fuse), type) &&
	    !name_in(virtual_fuse, COUNT(virtual_fuse), type))
		return OS_MOUNT_REMOTE;
	return OS_MOUNT_LOCAL;
}
