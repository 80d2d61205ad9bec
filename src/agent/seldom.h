/* SPDX-License-Identifier: MPL-2.0 */
/* Log lines that others can cause: one of a kind in a minute, the next one
 * with the number of those left out. */
#ifndef MIG_AGENT_SELDOM_H
#define MIG_AGENT_SELDOM_H

#include "base/clock.h"

#include <stdbool.h>

#define SELDOM_MS 60000

struct seldom {
	int64_t last_ms; /* clock_mono_ms(); 0: never */
	unsigned int left_out;
};

static inline bool
seldom_at(struct seldom *s, int64_t now, unsigned int *ret_left_out)
{
	if (s->last_ms != 0 && now - s->last_ms < SELDOM_MS) {
		s->left_out++;
		return false;
	}
	s->last_ms = now == 0 ? 1 : now;
	*ret_left_out = s->left_out;
	s->left_out = 0;
	return true;
}

/* true: say it now. */
static inline bool
seldom(struct seldom *s, unsigned int *ret_left_out)
{
	return seldom_at(s, clock_mono_ms(), ret_left_out);
}

#endif
