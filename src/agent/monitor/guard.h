/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Watches one worker and puts it into the control group of its slot as soon as
 * that is worth it: a cheap question is answered before, and pays nothing.
 * Until then, and where there are no groups, the worker's own limits hold
 * (sandbox/limits.c, scan/throttle.h).
 */
#ifndef MIG_AGENT_MONITOR_GUARD_H
#define MIG_AGENT_MONITOR_GUARD_H

#include "sandbox/cgroup.h"

struct event_base;
struct guard;

/* Borrows groups, which may be NULL. NULL: out of memory, or nothing to do. */
struct guard *guard_new(struct event_base *base, struct cgroup *groups,
    unsigned int slot, pid_t pid, const struct cgroup_limits *l);
/* NULL is fine. */
void guard_free(struct guard *g);
/* The kernel has killed it because its group was out of memory. */
bool guard_out_of_memory(const struct guard *g);

#endif
