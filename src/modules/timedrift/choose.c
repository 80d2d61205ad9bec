/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/timedrift/choose.h"

/* Clocks that agree to a millisecond agree. */
#define SLACK 1000000

/* Subtraction as unsigned: two servers may be centuries apart. */
static bool
meet(const struct ntp_sample *a, const struct ntp_sample *b)
{
	uint64_t apart = a->offset > b->offset
	    ? (uint64_t)a->offset - (uint64_t)b->offset
	    : (uint64_t)b->offset - (uint64_t)a->offset;

	return apart <= (uint64_t)a->distance + (uint64_t)b->distance + SLACK;
}

static size_t
group(const struct ntp_sample *samples, size_t n, size_t i)
{
	size_t k, size = 0;

	for (k = 0; k < n; k++)
		size += meet(&samples[i], &samples[k]);
	return size;
}

void
choose(const struct ntp_sample *samples, size_t n, bool *ret_agrees,
    struct choice *ret)
{
	size_t i, size, most = 0;

	ret->best = NULL;
	for (i = 0; i < n; i++) {
		size = group(samples, n, i);
		if (size < most ||
		    (size == most &&
			samples[i].distance >= ret->best->distance))
			continue;
		most = size;
		ret->best = &samples[i];
	}
	ret->majority = most > n / 2;
	for (i = 0; i < n; i++)
		ret_agrees[i] = meet(&samples[i], ret->best);
}
