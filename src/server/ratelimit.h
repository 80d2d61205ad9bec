/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How often somebody may call: a token bucket for each caller, in a table of
 * fixed size. A bucket holds a minute's worth and fills evenly. When all places
 * that a caller may have are taken, the one that has used the least of his
 * minute is forgotten: forgetting him changes the least.
 */
#ifndef MIG_SERVER_RATELIMIT_H
#define MIG_SERVER_RATELIMIT_H

#include "base/bucket.h"

#include <stddef.h>
#include <stdint.h>

#define RATE_WAYS 4
#define RATE_SETS 1024 /* power of two; a table has 96 KiB */

struct rate_slot {
	uint64_t key; /* keyed hash of the caller; 0: free */
	struct bucket bucket;
};

struct rate {
	uint64_t per_minute; /* 0: no limit */
	uint64_t seed[2];
	struct rate_slot slots[RATE_SETS][RATE_WAYS];
};

/* seed: 16 random bytes, so that nobody can aim at another's place. */
void
rate_init(struct rate *r, uint64_t per_minute, const uint8_t seed[static 16]);
/* Counts a call; 0, or how many seconds (at least 1) he has to wait. What is
 * refused is not counted. */
unsigned int
rate_take(struct rate *r, const void *who, size_t len, int64_t now_ms);

#endif
