/* SPDX-License-Identifier: MPL-2.0 */
/* Who of a keyring could sign at a time, read from its text alone: for a role
 * that has no use for the keys themselves. What the numbers are worth is not
 * looked at; keyring_parse() does that. */
#ifndef MIG_CRYPTO_KEYRING_PEOPLE_H
#define MIG_CRYPTO_KEYRING_PEOPLE_H

#include "crypto/sigpacket.h"

#include <stddef.h>

/* The persons with at least one key that is valid at now (unix s), in the
 * order of the text: their number, and *ret_fprs (owned by the caller: free())
 * of so many fingerprints. ERR_INVALID for what is no keyring, ERR_NOMEM. */
int keyring_people(const void *text, size_t len, int64_t now,
    uint8_t (**ret_fprs)[PGP_FPR_LEN], size_t *ret_n, struct err *e);

#endif
