/* SPDX-License-Identifier: MPL-2.0 */
/* SHA-256 (FIPS 180-4), whole or in pieces. */
#ifndef MIG_CRYPTO_SHA256_H
#define MIG_CRYPTO_SHA256_H

#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

struct sha256 { /* the caller's storage; nothing to release */
	_Alignas(8) uint8_t state[128];
};

void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t len);
/* Result so far into ret; h starts anew. */
void sha256_final(struct sha256 *h, struct id *ret);
void sha256(const void *data, size_t len, struct id *ret);

#endif
