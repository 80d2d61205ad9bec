/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Keeps a long scan to a share of one core by sleeping in between: a scan that
 * sleeps holds no lock of the kernel, one that is stopped by its control group
 * might. A token bucket: CPU time is earned at that share of the time that
 * goes by, and at most BURST of it is kept, so what is cheap is not slowed
 * down, and waiting for a disk saves nothing up.
 */
#ifndef MIG_SCAN_THROTTLE_H
#define MIG_SCAN_THROTTLE_H

#include <stdint.h>

#define THROTTLE_BURST_NS 50000000

struct throttle {
	uint32_t percent;        /* of one core; 0: no limit */
	int64_t wall_ns, cpu_ns; /* at the last look */
	int64_t left_ns;         /* CPU time that may be used now */
	int64_t slept_ns;        /* in all */
};

void throttle_begin(struct throttle *t, uint32_t percent);
/* Asked often; sleeps when it is time to. A signal ends the sleep. */
void throttle_pause(struct throttle *t);

#endif
