/* SPDX-License-Identifier: MPL-2.0 */
/* For tests that hold a format against fixed bytes, which another program made
 * of its description alone: there and back alone would let both sides change
 * together. */
#ifndef MIG_TESTS_UNIT_KNOWN_H
#define MIG_TESTS_UNIT_KNOWN_H

#include "base/err.h"
#include "base/hex.h"

#include <stddef.h>

#define KNOWN_MAX 2048
#define X8(b) b b b b b b b b
#define X32(b) X8(b) X8(b) X8(b) X8(b)

/* Valid until the next call. */
static inline const char *
hex_of(const void *data, size_t len)
{
	static char hex[2 * KNOWN_MAX + 1];

	BUG_ON(len > KNOWN_MAX);
	hex_encode(data, len, hex);
	return hex;
}

#endif
