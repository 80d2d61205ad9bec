/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/turns.h"

#include <string.h>

/* When this person was last served; 0: not known to have been. */
static uint64_t
last(const struct turns *t, const uint8_t person[PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < TURNS_PEOPLE; i++) {
		if (t->list[i].served > 0 &&
		    memcmp(t->list[i].person, person, PGP_FPR_LEN) == 0)
			return t->list[i].served;
	}
	return 0;
}

bool
turns_before(const struct turns *t, const uint8_t a[PGP_FPR_LEN],
    const uint8_t b[PGP_FPR_LEN])
{
	return last(t, a) < last(t, b);
}

void
turns_served(struct turns *t, const uint8_t person[PGP_FPR_LEN])
{
	size_t i, slot = 0;

	for (i = 0; i < TURNS_PEOPLE; i++) {
		if (t->list[i].served > 0 &&
		    memcmp(t->list[i].person, person, PGP_FPR_LEN) == 0) {
			slot = i;
			break;
		}
		if (t->list[i].served < t->list[slot].served)
			slot = i;
	}
	memcpy(t->list[slot].person, person, PGP_FPR_LEN);
	t->list[slot].served = ++t->clock;
}
