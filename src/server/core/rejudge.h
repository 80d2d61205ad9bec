/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: actions that wait for signatures are judged anew when the server has
 * another policy, however it got it, at every start, and now and then, as an
 * ACL has dates. What is complete now is launched on the way of a new action;
 * of the others the store says what they lack, and which of them signatures
 * cannot help any more.
 *
 * An agent that has not got that policy would refuse, and for good: as long as
 * one that is connected lags, and for a while after the start, what is complete
 * waits for them, but not for ever.
 *
 *   IDLE --another policy, again, time--> SWEEP: so many a tick --end--> IDLE
 */
#ifndef MIG_SERVER_CORE_REJUDGE_H
#define MIG_SERVER_CORE_REJUDGE_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct core;
struct standing;

struct rejudge {
	struct id policy; /* of the newest sweep; zero: there was none */
	int64_t after;    /* the action, by its number, that it has come to */
	int64_t swept;    /* when it began, mono ms */
	int64_t since;    /* when that policy was first seen, mono ms */
	int64_t pushed;   /* when the newest was pushed, mono ms; 0: never */
	bool holds;       /* in this sweep: agents are waited for */
	bool running, begun, again;
};

/* What was judged may be so by a policy that is not the newest any more, or
 * could not be stored: the next sweep finds it. */
void rejudge_again(struct core *c);
/* A policy was pushed. */
void rejudge_policy(struct core *c);
/* Was one pushed a moment ago that agents who are connected have not got yet?
 * What is complete waits for them. */
bool rejudge_holds(struct core *c);
/* This one does: says so in s->missing, and comes back to it. */
void rejudge_hold(struct core *c, struct standing *s);
/* Is there something to sweep for? Begins; about once a second. */
void rejudge_begin(struct core *c, int64_t now);
/* Goes on with a sweep that runs; every tick. */
void rejudge_step(struct core *c);

#endif
