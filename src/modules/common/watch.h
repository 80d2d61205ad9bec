/* SPDX-License-Identifier: MPL-2.0 */
/*
 * When a running module must end: its time, its CPU, a stop from outside. Ask
 * watch_stop for each thing looked at; it is cheap, and sleeps where a share of
 * a core was set. The limit that ended the run reaches the agent by the
 * worker's exit status (run_context.ret_end).
 */
#ifndef MIG_MODULES_COMMON_WATCH_H
#define MIG_MODULES_COMMON_WATCH_H

#include "modules/run.h"
#include "scan/throttle.h"

#define WATCH_TEXT_MAX 64

enum watch_end {
	WATCH_GOES_ON,
	WATCH_TIME,    /* "timelimit" */
	WATCH_CPU,     /* "cpulimit" */
	WATCH_STOPPED, /* "stopped" */
};

struct watch {
	const struct run_context *ctx; /* borrowed */
	struct throttle throttle;
	unsigned int ticks;
	enum watch_end end;
	char text[WATCH_TEXT_MAX]; /* once ended: "limit reached: CPU 3 s" */
};

void watch_begin(struct watch *w, const struct run_context *ctx);
/* True from then on. */
bool watch_stop(struct watch *w);
/* The same with a look at the clock each time: where one thing takes long. */
bool watch_stop_now(struct watch *w);

#endif
