/* SPDX-License-Identifier: MPL-2.0 */
#include "base/bucket.h"

#define US_PER_MS 1000

int64_t
bucket_used(const struct bucket *b, int64_t now_ms)
{
	int64_t passed_ms = now_ms - b->at_ms;

	if (passed_ms <= 0)
		return b->used_us;
	return passed_ms > b->used_us / US_PER_MS
	    ? 0
	    : b->used_us - passed_ms * US_PER_MS;
}

int64_t
bucket_take(struct bucket *b, int64_t full_us, int64_t price_us, int64_t now_ms)
{
	int64_t used = bucket_used(b, now_ms), over = used + price_us - full_us;

	if (over > 0)
		return (over + US_PER_MS - 1) / US_PER_MS;
	b->used_us = used + price_us;
	if (now_ms > b->at_ms)
		b->at_ms = now_ms;
	return 0;
}
