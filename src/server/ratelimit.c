/* SPDX-License-Identifier: MPL-2.0 */
#include "server/ratelimit.h"

#include <string.h>

#define MINUTE_US 60000000

void
rate_init(struct rate *r, uint64_t per_minute, const uint8_t seed[static 16])
{
	memset(r, 0, sizeof(*r));
	r->per_minute = per_minute;
	memcpy(r->seed, seed, sizeof(r->seed));
}

__extension__ typedef unsigned __int128 wide;

/* Multiply and fold (as wyhash's step): good enough with a secret seed for a
 * table whose worst case is that somebody's count starts anew. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	wide p = (wide)a * b;

	return ((uint64_t)p ^ (uint64_t)(p >> 64));
}

static uint64_t
hash(const struct rate *r, const void *who, size_t len)
{
	const uint8_t *p = who;
	uint64_t h = r->seed[0] ^ len, word;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len < sizeof(word) ? len : sizeof(word);
		word = 0;
		memcpy(&word, p, n);
		h = mix(
		    h ^ word ^ UINT64_C(0x9e3779b97f4a7c15), r->seed[1] | 1);
	}
	h = mix(h ^ r->seed[1], UINT64_C(0xd6e8feb86659fd93));
	return (h == 0 ? 1 : h);
}

/* His slot, or the one he gets. */
static struct rate_slot *
slot_of(struct rate *r, uint64_t key, int64_t now)
{
	struct rate_slot *set = r->slots[key & (RATE_SETS - 1)], *best = set;
	size_t i;

	for (i = 0; i < RATE_WAYS; i++)
		if (set[i].key == key)
			return (&set[i]);
	for (i = 1; i < RATE_WAYS; i++)
		if (bucket_used(&set[i].bucket, now) <
		    bucket_used(&best->bucket, now))
			best = &set[i];
	memset(best, 0, sizeof(*best));
	best->key = key;
	return (best);
}

unsigned int
rate_take(struct rate *r, const void *who, size_t len, int64_t now)
{
	struct rate_slot *s;
	int64_t wait;

	if (r->per_minute == 0)
		return (0);
	s = slot_of(r, hash(r, who, len), now);
	wait = bucket_take(
	    &s->bucket, MINUTE_US, MINUTE_US / (int64_t)r->per_minute, now);
	return ((unsigned int)((wait + 999) / 1000));
}
