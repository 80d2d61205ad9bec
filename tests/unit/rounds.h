/* SPDX-License-Identifier: MPL-2.0 */
/* How often a test with random input repeats: one in MIG_ROUNDS_SHARE times.
 * ./dev asan asks for less, as each costs ten times as much there. */
#ifndef MIG_TESTS_UNIT_ROUNDS_H
#define MIG_TESTS_UNIT_ROUNDS_H

#include <stddef.h>
#include <stdlib.h>

static inline size_t
rounds(size_t n)
{
	const char *share = getenv("MIG_ROUNDS_SHARE");
	size_t of = share == NULL ? 1 : (size_t)atol(share);

	return (of > 1 ? n / of : n);
}

#endif
