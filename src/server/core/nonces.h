/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Nonces of logins. One is its own proof that this core made it, and when it
 * ends, so none has to be kept until somebody logs in with it: whoever asks for
 * very many takes none away from others. What is kept is those that were used,
 * until they end. A restart makes all of them unknown.
 *
 *   u64 end (mono ms) | 8 random bytes | 16 bytes of SHA-256(key | these 16)
 */
#ifndef MIG_SERVER_CORE_NONCES_H
#define MIG_SERVER_CORE_NONCES_H

#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct nonces;

#define NONCE_MS (2 * 60 * 1000)
#define NONCES_USED_MAX 4096 /* in that time */

/* NULL: out of memory, or of random bytes. */
struct nonces *nonces_new(void);
void nonces_free(struct nonces *n);
/* now: mono ms, here and below. */
int nonces_make(const struct nonces *n, int64_t now, struct id *ret);
/* Made here, not past its end, and not used. */
bool nonces_good(const struct nonces *n, const struct id *nonce, int64_t now);
/* A good one is good no more. ERR_BUSY: as many were used as are kept. */
int nonces_use(
    struct nonces *n, const struct id *nonce, int64_t now, struct err *e);

#endif
