/* SPDX-License-Identifier: MPL-2.0 */
/* Events without which a process would wait for ever. */
#ifndef MIG_PROC_TIMER_H
#define MIG_PROC_TIMER_H

#include "base/log.h"

#include <event2/event.h>

/* Starts it, or anew. Without memory for that the process ends with words: who
 * started it starts it again. */
static inline void
timer_start(struct event *ev, const struct timeval *tv)
{
	if (event_add(ev, tv) != 0)
		fatal("no memory for a timer; this process ends, to be started "
		      "anew");
}

#endif
