/* SPDX-License-Identifier: MPL-2.0 */
/* What a worker opens while it still may: before the sandbox closes, and
 * before the first byte from outside is read. */
#ifndef MIG_WORKER_OPENER_H
#define MIG_WORKER_OPENER_H

#include "os/echo.h"

#include <stdint.h>
#include <sys/types.h>

/* linux/capability.h. Containers often have the first and not the second;
 * that it is also for writing does not matter where nothing can be written. */
#define CAP_DAC_OVERRIDE_BIT (1ull << 1)
#define CAP_DAC_READ_SEARCH_BIT (1ull << 2)
/* For opening what belongs to others. */
#define CAP_NET_RAW_BIT (1ull << 13)
#define CAP_SYS_PTRACE_BIT (1ull << 19)
#define CAP_SYS_ADMIN_BIT (1ull << 21)

struct err;
struct os_nets;

struct opened {
	struct os_nets *nets; /* NEED_SOCKETS */
	struct os_echo echo;  /* NEED_NETWORK */
};

/* needs: NEED_* of module.h. What may not be looked at is counted in what was
 * opened, and no error. */
int opener_open(uint32_t needs, struct opened *ret, struct err *e);
/* How many descriptors it holds. */
uint32_t opener_descriptors(const struct opened *o);
/* RIGHT_PROCESSES, RIGHT_NETWORKS and RIGHT_ECHO, as far as this process has
 * them now. gid: the group it is going to be. */
uint32_t opener_rights(gid_t gid);

#endif
