/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: actions that wait for signatures are judged anew when the server has
 * another policy, however it got it, at every start, and now and then, as an
 * ACL has dates. What is complete now is launched on the way of a new action;
 * of the others the store says what they lack, and which of them signatures
 * cannot help any more.
 *
 * An agent that has not got that policy would refuse, and for good: the
 * scheduler keeps it from each that lags (policies_keep). Only what is for
 * those who are connected waits after the start until all are back, or for a
 * minute.
 *
 *   IDLE --another policy, again, time--> SWEEP: so many a tick --end--> IDLE
 */
#ifndef MIG_SERVER_CORE_REJUDGE_H
#define MIG_SERVER_CORE_REJUDGE_H

#include "base/id.h"
#include "server/messages.h"

#include <stdbool.h>
#include <stdint.h>

struct core;
struct err;

struct rejudge {
	struct id policy; /* of the newest sweep; zero: there was none */
	int64_t after;    /* the action, by its number, that it has come to */
	int64_t swept;    /* when it began, mono ms */
	enum disk_state disk; /* then: what is complete waits for room */
	int64_t pause; /* ms until the next, as something fails; 0: nothing */
	bool failed;   /* something, since it began */
	bool running, begun, again;
};

/* What was judged may be so by a policy that is not the newest any more, or
 * could not be stored: the next sweep finds it. */
void rejudge_again(struct core *c);
/* Nobody asks who could be told: it is logged and tried again, ever more rarely
 * as long as something fails. What was only changed meanwhile is no failure.
 * id may be NULL. */
void rejudge_failed(struct core *c, const struct id *id, const struct err *e);
/* Is there something to sweep for? Begins; about once a second. */
void rejudge_begin(struct core *c, int64_t now);
/* Goes on with a sweep that runs; every tick. */
void rejudge_step(struct core *c);

#endif
