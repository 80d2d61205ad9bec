/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/net/roll.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>

#define MIN_MS 1000
#define MAX_MS 3600000

struct roll {
	struct event *ev;
	roll_answer *fn;
	void *arg;
	bool hello;
};

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct roll *r = arg;
	bool hello = r->hello;

	r->hello = false;
	r->fn(hello, r->arg);
}

struct roll *
roll_new(struct event_base *base, roll_answer *fn, void *arg)
{
	struct roll *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->fn = fn;
	r->arg = arg;
	r->ev = event_new(base, -1, 0, on_time, r);
	if (r->ev == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
roll_free(struct roll *r)
{
	if (r == NULL)
		return;
	event_free(r->ev);
	free(r);
}

void
roll_call(struct roll *r, uint32_t spread_ms, bool hello)
{
	struct timeval tv;
	uint32_t ms;

	r->hello = r->hello || hello;
	if (event_pending(r->ev, EV_TIMEOUT, NULL))
		return;
	if (spread_ms < MIN_MS)
		spread_ms = MIN_MS;
	if (spread_ms > MAX_MS)
		spread_ms = MAX_MS;
	evutil_secure_rng_get_bytes(&ms, sizeof(ms));
	ms %= spread_ms;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (suseconds_t)(ms % 1000) * 1000;
	timer_start(r->ev, &tv);
}
