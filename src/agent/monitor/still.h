/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whether a process stands still: it used next to no CPU time between three
 * looks in a row and wanted none, as one does that waits for a file system or a
 * host that does not answer. One that is kept from running does not.
 */
#ifndef MIG_AGENT_MONITOR_STILL_H
#define MIG_AGENT_MONITOR_STILL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct still {
	int64_t cpu_us; /* at the last look */
	unsigned int looks;
};

/* CPU time of another process, in microseconds; 0 when it has ended. */
int64_t still_cpu_us(pid_t pid);
/* To be called once a second; s starts as zero. */
void still_look(struct still *s, pid_t pid);
bool still_stands(const struct still *s);

#endif
