/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Patterns of which engines are made later, if at all (scan/match.h): copies,
 * and whether that may wait. It may where every engine is known to take them.
 */
#ifndef MIG_SCAN_KEPT_H
#define MIG_SCAN_KEPT_H

#include "scan/match.h"

struct kept {
	struct match_pattern *patterns; /* without needles */
	size_t n;
	enum match_engine engine;
	uint8_t *text; /* of all of them */
};

/* Small enough for PCRE2, which takes what others refuse. */
bool kept_is_sure(const struct match_pattern *patterns, size_t n);
/* NULL: out of memory. */
struct kept *kept_new(
    const struct match_pattern *patterns, size_t n, enum match_engine engine);
void kept_free(struct kept *k);

#endif
