/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a renewal of the certificate brought (STATE_RENEWED of the state): it
 * is used instead of what enrolment brought. A disk that does not take it is
 * tried again: the certificate before it ends long before the next renewal.
 *
 * Who has net's process could hand over anything, and the next net would have
 * nothing else to connect with. So a new process looks at it before it takes
 * the place of what is there; that it is this agent's next one, by the same CA.
 */
#ifndef MIG_AGENT_MONITOR_RENEWED_H
#define MIG_AGENT_MONITOR_RENEWED_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct agent;
struct rd;
struct state;

struct renewed {
	struct agent *a;
	struct buf text;  /* not on the disk yet; empty: nothing */
	struct buf asked; /* what the one that looks is asked; empty: nothing */
	size_t at;        /* there: what net handed over */
	pid_t looks;      /* who looks; -1: nobody */
	void (*on_bad)(void *arg);
	void *arg;
};

/* Releases a buffer that holds a key. */
void renewed_wipe(struct buf *b);
/* on_bad: what net handed over is none. */
void renewed_init(
    struct renewed *r, struct agent *a, void (*on_bad)(void *arg), void *arg);
void renewed_release(struct renewed *r);
/* body: F ca, F certificate, F key, as net says them. in_force: F relay's host,
 * and the same three as they are in use. */
void renewed_take(
    struct renewed *r, const struct buf *in_force, const struct rd *body);
/* Looks at, or writes, what could not be before. */
void renewed_keep(struct renewed *r);
/* Appends the three fields, checked; false when there are none or they are
 * damaged. */
bool
renewed_add(const struct renewed *r, const struct state *s, struct buf *out);

#endif
