/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whose time counts. Each usable server says an interval, offset ± distance, in
 * which the true offset lies if it tells the truth. Servers whose intervals
 * meet agree; the largest group of them counts, if it is more than half of all,
 * and of it the server with the smallest distance.
 */
#ifndef MIG_MODULES_TIMEDRIFT_CHOOSE_H
#define MIG_MODULES_TIMEDRIFT_CHOOSE_H

#include "modules/timedrift/ntp.h"

#include <stdbool.h>
#include <stddef.h>

struct choice {
	const struct ntp_sample *best; /* NULL: there is none */
	bool majority;                 /* more than half agree with it */
};

/* ret_agrees[i]: samples[i] meets the best one. */
void choose(const struct ntp_sample *samples, size_t n, bool *ret_agrees,
    struct choice *ret);

#endif
