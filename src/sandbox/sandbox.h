/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a process may still do once it starts to look at bytes from outside.
 * One header; one file per mechanism (seccomp.c, landlock.c, caps.c,
 * limits.c) and sandbox_null.c, which the build chooses instead for tests
 * under sanitizers only and which says so in sandbox_describe().
 *
 * Order of use in a child: start, load libraries, open what is needed, then
 * sandbox_enter() as the last step before the first outside byte is read.
 */
#ifndef MIG_SANDBOX_SANDBOX_H
#define MIG_SANDBOX_SANDBOX_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum sandbox_profile {
	SANDBOX_NET = 1, /* sockets (TCP, UDP, unix), event loop, threads no */
	SANDBOX_COMPUTE, /* read, write, memory, exit: verify and judge */
	/* openat2 exists here only with Landlock 3 or later (Linux 6.2), else
	 * it fails with ENOSYS: no filter can see its flags */
	SANDBOX_WORKER_READ,    /* compute + read-only opens, getdents, stat,
				   mmap of files, dlopen, lowering one's own
				   limits; no sockets */
	SANDBOX_WORKER_THREADS, /* the same, with threads of its own */
	SANDBOX_OPENER,         /* a worker that first opens what the next steps
				   take away: no Landlock, as that forbids to look
				   into processes; netlink sockets for asking, and
				   entering network namespaces; then
				   sandbox_narrow() and sandbox_seal() */
	SANDBOX_NET_OPENER,     /* a worker that asks other hosts, which first
				   opens a socket for echo requests: no Landlock
				   until sandbox_narrow(); sockets of the internet
				   families, no local ones; then sandbox_seal() */
	SANDBOX_PAIR_OPENER,  /* a worker without Landlock, which opens for one
				 that reads (modules/opener.h) */
	SANDBOX_PAIR_SCANNER, /* that one: WORKER_READ without openat2, with the
				 one call that asks which pages a process has */
	SANDBOX_PAIR_SCANNER_THREADS, /* the same, with threads of its own */
	SANDBOX_MONITOR, /* may spawn, write its state, no ptrace etc. */
	SANDBOX_SERVER,  /* server roles: sockets and own files */
};

struct sandbox_path {
	const char *path; /* file or directory that stays reachable */
	bool write;       /* read-only unless set */
};

struct sandbox_limits {
	uint64_t memory_bytes; /* RLIMIT_AS (0: none) */
	uint64_t data_bytes;   /* RLIMIT_DATA: what is private and writable,
				  libraries that are only mapped do not count
				  (0: none) */
	uint64_t cpu_seconds;  /* RLIMIT_CPU (0: none) */
	uint64_t file_bytes;   /* RLIMIT_FSIZE; SANDBOX_NO_WRITE: 0 bytes */
	uint32_t descriptors;  /* RLIMIT_NOFILE (0: as it is) */
	int nice;              /* added to the niceness; 19 with idle I/O */
	bool idle_io;
	bool no_processes; /* RLIMIT_NPROC 0: no further one, no thread */
	uint32_t threads;  /* RLIMIT_NPROC: of all processes of its user (0: as
			      it is) */
};
#define SANDBOX_NO_WRITE UINT64_MAX

struct sandbox {
	enum sandbox_profile profile;
	const struct sandbox_path *paths; /* Landlock rules; NULL and 0: no
					     path at all stays reachable (but
					     for MONITOR and SERVER, whose
					     children inherit Landlock: no
					     Landlock then). A path that does
					     not exist is skipped. */
	size_t npaths;
	bool all_paths_readable; /* Landlock: everything readable, nothing
				    writable, executable for MONITOR and
				    SERVER only */
	uid_t uid;               /* switched to when running as root and
				    != (uid_t)-1 */
	gid_t gid;               /* -1: the same number as uid; 0 is refused */
	uint64_t keep_caps;      /* bits 1 << CAP_*; all others are dropped */
	bool die_with_parent;    /* killed when it ends; the caller compares
				    getppid() before and after */
	struct sandbox_limits limits;
};

/*
 * Applies everything: limits, no_new_privs, not dumpable, uid and gid with no
 * supplementary groups, capabilities, Landlock, seccomp. What the kernel
 * lacks (old Landlock) is left out and shows in sandbox_describe(); a
 * mechanism that is there but fails is an error and the caller must exit.
 */
int sandbox_enter(const struct sandbox *s, struct err *e);

/* Further limits afterwards, in a worker; they only go down. */
int sandbox_limit(const struct sandbox_limits *l, struct err *e);

/* In a SANDBOX_OPENER or SANDBOX_NET_OPENER, before the first outside byte: no
 * capability is left, and Landlock lets it read and nothing else: the paths
 * given, NULL: everything. */
int
sandbox_narrow(const struct sandbox_path *paths, size_t npaths, struct err *e);
/* After it, and after the last limit: what is allowed is what a worker may. */
int sandbox_seal(struct err *e);

/* "seccomp landlock-7 uid caps", "none" before sandbox_enter, or "null";
 * static storage. */
const char *sandbox_describe(void);

/* Before sandbox_enter, as root: an own mount namespace in which each of
 * these directories is covered by an empty one. ERR_DENIED where that is not
 * permitted (the caller then says so in its answer). Missing ones are
 * skipped. */
int sandbox_cover(const char *const *dirs, size_t n, struct err *e);

/* Where that is not permitted: a Landlock layer in which nothing below dir can
 * be read, though names in it be listed. In the process that looks, as it is
 * made of what there is just now; after sandbox_enter(). ERR_UNSUPPORTED
 * without Landlock. */
int
sandbox_hide(const char *dir, char ret_real[static PATH_MAX], struct err *e);
/* A Landlock layer: of files and directories only those below these descriptors
 * (O_PATH), libraries and this process's own /proc can be read from now on.
 * After sandbox_enter(). ERR_UNSUPPORTED without Landlock. */
int sandbox_only(const int *fds, size_t n, struct err *e);
/* The kernel's version of Landlock; 0: none. */
int sandbox_landlock(void);
/* The effective capabilities, bits 1 << CAP_*. */
uint64_t sandbox_caps(void);
/* Does every user of the host exist in this user namespace? */
bool sandbox_all_users(void);

/* Where libraries lie that are loaded when a question needs them. */
const struct sandbox_path *sandbox_library_paths(size_t *ret_n);
/* What a worker reads that asks other hosts: libraries, what names are resolved
 * by, and how the clock is set. Files among them, so made use of only for a
 * short time. */
const struct sandbox_path *sandbox_asking_paths(size_t *ret_n);
/* What name services and TLS read: for the paths of SANDBOX_NET. */
const struct sandbox_path *sandbox_net_paths(size_t *ret_n);

/* Closes every descriptor except 0, 1, 2 and the listed ones. */
void sandbox_close_fds(const int *keep, size_t n);

#endif
