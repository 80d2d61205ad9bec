/* SPDX-License-Identifier: MPL-2.0 */
/* What the versions of control groups differ in. Private to sandbox/. */
#ifndef MIG_SANDBOX_CGROUP_KIND_H
#define MIG_SANDBOX_CGROUP_KIND_H

#include "sandbox/cgroup.h"

#include <limits.h>
#include <stddef.h>

#define CGROUP_TREES 3 /* version 1: a tree for each controller */

/* Where our groups lie, and where those of the system say we are. */
struct cgroup_tree {
	char dir[PATH_MAX]; /* "": not there */
	bool shared;        /* dir is ours alone: made and removed by us */
};

struct cgroup_kind {
	const char *name;
	/* Fills the trees; the reason when there is none. */
	const char *(*find)(struct cgroup_tree trees[static CGROUP_TREES],
	    const char *name, char *ret_controllers, size_t size);
	/* Writes the limits of a new or changed group. */
	int (*set)(const struct cgroup_tree trees[static CGROUP_TREES],
	    const char *group, const struct cgroup_limits *l, struct err *e);
	/* The file with a line "oom_kill N", and in which tree. */
	const char *kills_file;
	size_t kills_tree;
};

extern const struct cgroup_kind cgroup_v1, cgroup_v2;

/* The directory of our own group: of the version 1 hierarchy with this
 * controller, or of version 2 when it is NULL. False: not mounted, or out of
 * sight. */
bool cgroup_own_dir(const char *controller, char out[static PATH_MAX]);
/* DIR/GROUP/FILE; GROUP may be "". */
int cgroup_write(const char *dir, const char *group, const char *file,
    const char *text, struct err *e);
/* The start of a file; false: not readable. */
bool cgroup_read(const char *dir, const char *group, const char *file,
    char *out, size_t size);
bool cgroup_path(char out[static PATH_MAX], const char *dir, const char *group,
    const char *file);

#endif
