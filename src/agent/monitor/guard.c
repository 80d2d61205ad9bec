/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/guard.h"

#include "agent/monitor/still.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <stdlib.h>

#define FIRST_LOOK_MS 100
#define LAST_LOOK_MS 1000
/* What makes a worker an expensive one. */
#define CPU_US 50000
#define AGE_MS 3000

struct guard {
	struct cgroup *groups;
	unsigned int slot;
	pid_t pid;
	struct cgroup_limits limits;
	struct event *look;
	int64_t since, wait_ms;
	uint64_t kills_before;
	bool placed;
};

static void
look_later(struct guard *g)
{
	struct timeval tv = { .tv_sec = g->wait_ms / 1000,
		.tv_usec = g->wait_ms % 1000 * 1000 };

	timer_start(g->look, &tv);
	g->wait_ms *= 2;
	if (g->wait_ms > LAST_LOOK_MS)
		g->wait_ms = LAST_LOOK_MS;
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	static bool complained;
	struct guard *g = arg;
	struct err e;

	if (still_cpu_us(g->pid) < CPU_US &&
	    clock_mono_ms() - g->since < AGE_MS) {
		look_later(g);
		return;
	}
	err_clear(&e);
	g->kills_before = cgroup_memory_kills(g->groups, g->slot);
	if (cgroup_place(g->groups, g->slot, g->pid, &g->limits, &e) == 0) {
		g->placed = true;
		return;
	}
	/* its own limits hold all the same */
	if (!complained)
		log_warn("cgroup slot=%u why=%s", g->slot, log_quote(e.msg));
	complained = true;
}

struct guard *
guard_new(struct event_base *base, struct cgroup *groups, unsigned int slot,
    pid_t pid, const struct cgroup_limits *l)
{
	struct guard *g;

	if (groups == NULL || !cgroup_there(groups))
		return NULL;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->groups = groups;
	g->slot = slot;
	g->pid = pid;
	g->limits = *l;
	g->since = clock_mono_ms();
	g->wait_ms = FIRST_LOOK_MS;
	g->look = event_new(base, -1, 0, on_look, g);
	if (g->look == NULL) {
		free(g);
		return NULL;
	}
	look_later(g);
	return g;
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	event_free(g->look);
	free(g);
}

bool
guard_out_of_memory(const struct guard *g)
{
	return g != NULL && g->placed &&
	    cgroup_memory_kills(g->groups, g->slot) > g->kills_before;
}
