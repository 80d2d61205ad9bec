/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How often something may happen: a bucket of time, from which each thing takes
 * its price, and into which time flows back evenly. Zeroed it is full.
 */
#ifndef MIG_BASE_BUCKET_H
#define MIG_BASE_BUCKET_H

#include <stdint.h>

struct bucket {
	int64_t used_us; /* at that time: */
	int64_t at_ms;
};

/* Microseconds that are missing now. now_ms: of a clock; when it goes back,
 * nothing flows. */
int64_t bucket_used(const struct bucket *b, int64_t now_ms);
/* Takes the price (0..full) out of a bucket that holds full microseconds.
 * Returns 0, or the milliseconds until there is as much: then nothing is taken.
 */
int64_t bucket_take(
    struct bucket *b, int64_t full_us, int64_t price_us, int64_t now_ms);

#endif
