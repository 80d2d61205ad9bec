/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Control groups: one for each worker slot, with limits that hold whatever the
 * process does. Found out once at the start, before other processes are
 * started; groups are made when a slot needs one for the first time, kept, and
 * given new limits only when these differ. One header; cgroup_v2.c,
 * cgroup_v1.c, and neither where the system lets us make no groups:
 * cgroup_describe() says why, cgroup_place() does nothing.
 *
 *   own group, nobody else in it       own group is the root, or version 1
 *   (a unit with Delegate=yes)
 *     |-- agent      where we go         |-- mig-agent-NAME
 *     |-- worker-0                       |     |-- worker-0
 *     `-- worker-1                       |     `-- worker-1
 */
#ifndef MIG_SANDBOX_CGROUP_H
#define MIG_SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct cgroup;

#define CGROUP_SLOTS 64

struct cgroup_limits {
	uint64_t memory_bytes; /* with page cache and kernel memory; 0: none */
	uint32_t cpu_percent;  /* of one core; 0: none */
	uint32_t processes;    /* 0: none */
};

/* Never fails for what the system lacks; NULL only without memory. name tells
 * agents of one host apart. */
struct cgroup *cgroup_new(const char *name);
/* Removes the groups that are empty. */
void cgroup_free(struct cgroup *c);
/* "cgroup-2 cpu memory pids io", or "none: REASON". */
const char *cgroup_describe(const struct cgroup *c);
bool cgroup_there(const struct cgroup *c);
/* Moves the process into the group of this slot (below CGROUP_SLOTS). 0 also
 * when there are no groups or the process has ended. */
int cgroup_place(struct cgroup *c, unsigned int slot, pid_t pid,
    const struct cgroup_limits *l, struct err *e);
/* How many processes the kernel has killed there for memory, so far. */
uint64_t cgroup_memory_kills(const struct cgroup *c, unsigned int slot);

#endif
