/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Other processes as the kernel shows them, from text to numbers: pure
 * parsers, fed with what somebody read who may. os_process_linux.c; formats:
 * proc_pid_stat(5), proc_pid_maps(5), proc_pid_smaps(5), proc_pid_mountinfo(5).
 */
#ifndef MIG_OS_OS_PROCESS_H
#define MIG_OS_OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OS_COMM_MAX 64        /* threads of the kernel have long ones */
#define OS_MAPS_LINE_MAX 8192 /* of a longer one the rest is left out */

struct os_process {
	uint32_t pid, parent;
	char state;  /* 'R', 'S', 'Z' ... */
	bool kernel; /* a thread of the kernel: it has no memory */
	char comm[OS_COMM_MAX];
};

/* /proc/PID/stat. ERR_INVALID. */
int os_process_parse(const void *stat, size_t len, struct os_process *ret);

/* One mapping of a process. */
struct os_mapping {
	uint64_t begin, end; /* addresses; end is behind it */
	char permissions[5]; /* "r-xp" */
	uint32_t major, minor;
	uint64_t inode;   /* 0: no file */
	const char *path; /* "" without a name; newlines are \012 */
	size_t path_len;  /* without " (deleted)" */
	bool deleted;     /* as the kernel says */
	/* smaps only */
	bool detailed;
	uint64_t present; /* bytes in memory */
	uint64_t swapped; /* bytes in swap */
	bool device;      /* VM_IO, VM_PFNMAP: reading may do something */
	bool userfault;   /* a missing page is asked of a program */
};

typedef bool os_mapping_found(const struct os_mapping *m, void *arg);

/* maps or smaps in pieces. Zero it before; release nothing after. */
struct os_maps {
	struct os_mapping at; /* path points into name */
	bool have;            /* at is a mapping that was not handed on yet */
	bool stopped, bad;
	size_t len;
	char line[OS_MAPS_LINE_MAX], name[OS_MAPS_LINE_MAX];
};

/* found is called for each mapping once all of it is known; when it returns
 * false the rest is not looked at. False: it said so. */
bool os_maps_feed(struct os_maps *p, const void *data, size_t len,
    os_mapping_found *found, void *arg);
/* The last one. Lines that make no sense are skipped; p->bad says so. */
bool os_maps_end(struct os_maps *p, os_mapping_found *found, void *arg);

/* What lies behind the device numbers of mappings. */
enum os_device {
	OS_DEVICE_UNKNOWN, /* not mounted here */
	OS_DEVICE_LOCAL,   /* a disk of this machine */
	OS_DEVICE_MEMORY,  /* tmpfs, hugetlbfs: reading a hole fills it */
	OS_DEVICE_REMOTE,  /* another machine, or a program (FUSE), answers */
};

struct os_device_entry {
	uint32_t major, minor;
	enum os_device kind;
};

struct os_devices {
	struct os_device_entry *list; /* owned; sorted */
	size_t n;
};

/* The text of mountinfo. ERR_NOMEM. */
int os_devices_parse(const char *text, size_t len, struct os_devices *ret);
void os_devices_release(struct os_devices *d);
enum os_device
os_devices_find(const struct os_devices *d, uint32_t major, uint32_t minor);

#endif
