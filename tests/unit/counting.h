/* SPDX-License-Identifier: MPL-2.0 */
/* In place of libsodium's random bytes those of a counter, 00 01 02 ..., so
 * that what is sealed can be held against fixed bytes. */
#ifndef MIG_TESTS_UNIT_COUNTING_H
#define MIG_TESTS_UNIT_COUNTING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

static uint8_t counting_next;

static inline const char *
counting_name(void)
{
	return "counting";
}

static inline uint32_t
counting_random(void)
{
	return counting_next++;
}

static inline void
counting_buf(void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n-- > 0)
		*p++ = counting_next++;
}

/* Begins anew. */
static inline void
counting_begin(void)
{
	static randombytes_implementation counting;

	counting.implementation_name = counting_name;
	counting.random = counting_random;
	counting.buf = counting_buf;
	counting_next = 0;
	BUG_ON(sodium_init() < 0);
	(void)randombytes_set_implementation(&counting);
}

static inline void
counting_end(void)
{
	(void)randombytes_set_implementation(
	    &randombytes_sysrandom_implementation);
}

#endif
