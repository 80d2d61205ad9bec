/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a signature is for. The signed bytes are always
 *     "MIG <word> v3\n" <decimal length of the bytes> "\n" <the bytes>
 * and the verifier is told the purpose by its caller, never by its input.
 */
#ifndef MIG_CRYPTO_PURPOSE_H
#define MIG_CRYPTO_PURPOSE_H

#include "base/id.h"

#include <stddef.h>

enum purpose {
	PURPOSE_ACTION = 1, /* signed by people */
	PURPOSE_CANCEL = 2,
	PURPOSE_POLICY = 3,
	PURPOSE_SESSION = 4,
	PURPOSE_ENROL = 5, /* signed by agents */
	PURPOSE_HELLO = 6,
	PURPOSE_RESULT = 7,
	PURPOSE_SHARE = 8, /* signed by people */
};

#define PURPOSE_PREFIX_MAX 48

/* Writes the two lines for len bytes; returns their length. */
size_t
purpose_prefix(enum purpose p, size_t len, char out[static PURPOSE_PREFIX_MAX]);
/* SHA-256 of prefix and bytes: the id of an action, the hash of a policy. */
void purpose_hash(enum purpose p, const void *data, size_t len, struct id *ret);

#endif
