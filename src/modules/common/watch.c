/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/watch.h"

#include "base/clock.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_EVERY 64     /* calls between looks at the clock */
#define STOP_EARLY_MS 1000 /* a stop so close to the deadline is for it */

void
watch_begin(struct watch *w, const struct run_context *ctx)
{
	memset(w, 0, sizeof(*w));
	w->ctx = ctx;
	throttle_begin(&w->throttle, (uint32_t)ctx->cpu_percent);
}

/* early: so much before the deadline counts as well. */
static bool
out_of_time(const struct watch *w, int64_t early)
{
	return w->ctx->deadline_ms != 0 &&
	    clock_mono_ms() >= w->ctx->deadline_ms - early;
}

static void
end_by_limit(struct watch *w, enum watch_end end, enum run_end run_end,
    const char *which, int64_t seconds)
{
	w->end = end;
	snprintf(w->text, sizeof(w->text), "limit reached: %s %lld s", which,
	    (long long)seconds);
	if (w->ctx->ret_end != NULL)
		*w->ctx->ret_end = run_end;
}

static void
end_by_time(struct watch *w)
{
	end_by_limit(w, WATCH_TIME, RUN_TIME, "time", w->ctx->seconds);
}

/* The agent's own clock for the time limit started a little before ours. */
static void
end_by_signal(struct watch *w, int signal)
{
	if (signal == SIGXCPU) {
		end_by_limit(
		    w, WATCH_CPU, RUN_LIMIT, "CPU", w->ctx->cpu_seconds);
	} else if (out_of_time(w, STOP_EARLY_MS)) {
		end_by_time(w);
	} else {
		w->end = WATCH_STOPPED;
		str_copy(w->text, sizeof(w->text), "stopped");
	}
}

bool
watch_stop_now(struct watch *w)
{
	w->ticks = 0;
	return watch_stop(w);
}

bool
watch_stop(struct watch *w)
{
	if (w->end != WATCH_GOES_ON)
		return true;
	throttle_pause(&w->throttle);
	if (w->ctx->stop != NULL && *w->ctx->stop != 0)
		end_by_signal(w, *w->ctx->stop);
	else if (w->ticks++ % CLOCK_EVERY == 0 && out_of_time(w, 0))
		end_by_time(w);
	return w->end != WATCH_GOES_ON;
}
