/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whose turn it is: round robin over the people who signed what waits, so
 * that a hundred actions of one do not hold up the single one of another.
 * Who was served longest ago, or never, comes first.
 */
#ifndef MIG_AGENT_MONITOR_TURNS_H
#define MIG_AGENT_MONITOR_TURNS_H

#include "crypto/sigpacket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURNS_PEOPLE 64 /* remembered; then who was served longest ago goes */

struct turns {
	struct {
		uint8_t person[PGP_FPR_LEN];
		uint64_t served; /* 0: free */
	} list[TURNS_PEOPLE];
	uint64_t clock;
};

/* Does a's turn come before b's? Not when both are the same person: then who
 * waits longer goes first. */
bool turns_before(const struct turns *t, const uint8_t a[PGP_FPR_LEN],
    const uint8_t b[PGP_FPR_LEN]);
void turns_served(struct turns *t, const uint8_t person[PGP_FPR_LEN]);

#endif
