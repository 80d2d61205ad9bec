/* SPDX-License-Identifier: MPL-2.0 */
/* The sum of a line that this machine wrote: a changed bit of it is damage, and
 * nothing that somebody else has done. */
#ifndef MIG_CLIENT_TRUST_LINESUM_H
#define MIG_CLIENT_TRUST_LINESUM_H

#include <stdbool.h>
#include <stddef.h>

#define LINESUM_LEN 16 /* hex digits of its SHA-256 */

void linesum(const void *text, size_t len, char out[static LINESUM_LEN + 1]);
/* Is this the sum of text? */
bool
linesum_is(const void *text, size_t len, const char said[static LINESUM_LEN]);

#endif
