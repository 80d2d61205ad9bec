/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cancels that are remembered, in memory: a part of the journal, which has
 * them on the disk. An action that has been cancelled never starts, whenever
 * it comes.
 *
 * Bounded: at most CANCELS_MAX in all, and CANCELS_EACH of one person whose
 * signature alone does not suffice; beyond it the oldest of those goes first.
 * Each goes at its action's end.
 */
#ifndef MIG_AGENT_CANCELS_H
#define MIG_AGENT_CANCELS_H

#include "base/buf.h"
#include "base/id.h"
#include "crypto/keyring.h"

#include <sys/queue.h>

#define CANCELS_MAX 1024
#define CANCELS_EACH 64
#define CANCEL_TEXT_MAX 640

/* Who signed something. */
struct signed_by {
	uint8_t n;
	uint8_t persons[SIGS_MAX][PGP_FPR_LEN]; /* unused ones are zero */
};
void signed_by_write(const struct signed_by *s, struct buf *out);
void signed_by_read(struct rd *r, struct signed_by *ret);
/* The good ones of n signers. */
void
signed_by_good(const struct signer *signers, size_t n, struct signed_by *ret);
/* Is there one person in both? */
bool signed_by_meet(const struct signed_by *a, const struct signed_by *b);

struct cancelled {
	struct id id; /* of the cancel itself */
	struct id action;
	int64_t expires;            /* unix seconds */
	bool right;                 /* holds whoever signed the action */
	struct signed_by by;        /* else for what one of these signed */
	char text[CANCEL_TEXT_MAX]; /* "cancelled by NAME: WHY" */
};

struct cancel_cell {
	TAILQ_ENTRY(cancel_cell) entry;
	struct cancelled pub;
	size_t bytes; /* in the journal's file */
};

struct cancels {
	TAILQ_HEAD(cancel_cells, cancel_cell) list; /* oldest first */
	size_t n;
};

void cancels_init(struct cancels *t);
void cancels_release(struct cancels *t);
/* Takes a copy. *ret_dead: bytes of those that went for it, or its own when it
 * has ended already or is known. now: unix seconds. ERR_NOMEM. */
int cancels_enter(struct cancels *t, const struct cancelled *c, size_t bytes,
    int64_t now, size_t *ret_dead);
bool cancels_has(const struct cancels *t, const struct id *cancel);
/* The one that holds for an action with these signers; NULL: none. */
const struct cancelled *cancels_find(const struct cancels *t,
    const struct id *action, const struct signed_by *by, int64_t now);

/*
 * How many of them may be kept. Who may sign cancels, and cancels more of what
 * is not here than is remembered, makes each of them new again: whoever hands
 * them on could have the journal and the own record written for ever. So a day
 * takes so many of a person, CANCELS_DAY, or CANCELS_MAX with the right; the
 * rest is counted. A day is 24 hours from the first.
 */
#define CANCELS_DAY (4 * CANCELS_EACH)
#define CANCEL_DAY_PERSONS 64 /* the last counts all further ones */

struct cancel_day {
	int64_t began; /* clock_mono_ms(), if begun: one has come */
	bool begun;
	bool over; /* for somebody: there is something to tell */
	size_t n;
	struct cancel_day_of {
		uint8_t person[PGP_FPR_LEN]; /* zero: all further ones */
		unsigned int kept, more;
	} of[CANCEL_DAY_PERSONS];
};

/* May this one be kept? It is counted. *ret_first: where not, whose first it is
 * that may not, else NULL. A day that is over is the caller's to tell and clear
 * before. */
bool cancel_day_take(struct cancel_day *d, const struct cancelled *c,
    int64_t now_ms, const struct cancel_day_of **ret_first);
/* One that was kept before this start, so long ago. */
void cancel_day_count(struct cancel_day *d, const struct signed_by *by,
    int64_t age_ms, int64_t now_ms);
/* ms until it is over (0: now); -1: it has not begun. */
int64_t cancel_day_left(const struct cancel_day *d, int64_t now_ms);

int cancelled_write(const struct cancelled *c, struct buf *out);
int cancelled_read(struct rd *r, struct cancelled *ret);

#endif
