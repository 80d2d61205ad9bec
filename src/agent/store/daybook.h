/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How much of one kind a day keeps of each person: what the journal or the own
 * record would have to hold for as long as somebody sends more of it. Beyond
 * that it is counted. A day is 24 hours from the first.
 */
#ifndef MIG_AGENT_STORE_DAYBOOK_H
#define MIG_AGENT_STORE_DAYBOOK_H

#include "agent/store/cancels.h"

#define DAYBOOK_PERSONS 64 /* the last counts all further ones */

struct daybook {
	int64_t began; /* clock_mono_ms(), if begun: one has come */
	bool begun;
	bool over; /* for somebody: there is something to tell */
	size_t n;
	struct daybook_of {
		uint8_t person[PGP_FPR_LEN]; /* zero: all further ones */
		unsigned int kept, more;
	} of[DAYBOOK_PERSONS];
};

/* May this one be kept? So if one of its signers has less than most. It is
 * counted. *ret_first: where not, whose first it is that may not, else NULL. A
 * day that is over is the caller's to tell and clear before. */
bool daybook_take(struct daybook *d, const struct signed_by *by,
    unsigned int most, int64_t now_ms, const struct daybook_of **ret_first);
/* One that was kept before this start, so long ago. */
void daybook_count(struct daybook *d, const struct signed_by *by,
    int64_t age_ms, int64_t now_ms);
/* ms until it is over (0: now); -1: it has not begun. */
int64_t daybook_left(const struct daybook *d, int64_t now_ms);

#endif
