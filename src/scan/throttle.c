/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/throttle.h"

#include <time.h>

#define LOOK_EVERY_NS 5000000
#define SLEEP_MAX_NS 500000000 /* a stop is noticed within that time */
#define SECOND_NS 1000000000

static int64_t
now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

void
throttle_begin(struct throttle *t, uint32_t percent)
{
	t->percent = percent;
	t->wall_ns = now_ns(CLOCK_MONOTONIC);
	t->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	t->left_ns = THROTTLE_BURST_NS;
	t->slept_ns = 0;
}

void
throttle_pause(struct throttle *t)
{
	struct timespec sleep = { 0, 0 };
	int64_t wall, cpu, ahead;

	if (t->percent == 0)
		return;
	/* asked for each entry of a directory: a fifth of what the exact clock
	 * takes, which may be a system call; at most a tick late */
	if (now_ns(CLOCK_MONOTONIC_COARSE) - t->wall_ns < LOOK_EVERY_NS)
		return;
	wall = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	t->left_ns +=
	    (wall - t->wall_ns) * t->percent / 100 - (cpu - t->cpu_ns);
	if (t->left_ns > THROTTLE_BURST_NS)
		t->left_ns = THROTTLE_BURST_NS;
	t->wall_ns = wall;
	t->cpu_ns = cpu;
	if (t->left_ns >= 0)
		return;
	/* what this takes longer is earned as well */
	ahead = -t->left_ns * 100 / t->percent;
	if (ahead > SLEEP_MAX_NS)
		ahead = SLEEP_MAX_NS;
	t->slept_ns += ahead;
	sleep.tv_nsec = (long)ahead;
	nanosleep(&sleep, NULL);
}
