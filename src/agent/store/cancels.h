/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cancels that are remembered, in memory: a part of the journal, which has
 * them on the disk. An action that has been cancelled never starts, whenever
 * it comes.
 *
 * Bounded: at most CANCELS_MAX in all, and CANCELS_EACH of one person whose
 * signature alone does not suffice. Beyond it those go first whose action has
 * ended, then the oldest of these. While there is room none goes by the clock:
 * one that is ahead for an hour ends no cancel for when it is right again.
 */
#ifndef MIG_AGENT_STORE_CANCELS_H
#define MIG_AGENT_STORE_CANCELS_H

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
 * is known. now: unix seconds. ERR_NOMEM. */
int cancels_enter(struct cancels *t, const struct cancelled *c, size_t bytes,
    int64_t now, size_t *ret_dead);
bool cancels_has(const struct cancels *t, const struct id *cancel);
/* The one that holds for an action with these signers; NULL: none. */
const struct cancelled *cancels_find(const struct cancels *t,
    const struct id *action, const struct signed_by *by, int64_t now);

/* How many of them, for actions that are not here, a day takes of one person
 * (agent/store/daybook.h); with the right CANCELS_MAX. Who may sign cancels,
 * and cancels more of what is not here than is remembered, makes each of them
 * new again: whoever hands them on could have journal and own record written
 * for ever. */
#define CANCELS_DAY (4 * CANCELS_EACH)

int cancelled_write(const struct cancelled *c, struct buf *out);
int cancelled_read(struct rd *r, struct cancelled *ret);

#endif
