/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sealed results (libsodium):
 *   80 bytes  crypto_box_seal of a fresh 32-byte key, to the action's X25519
 *             public key
 *   24 bytes  secretstream (xchacha20poly1305) header
 *   pieces    each 65,536 bytes of plaintext + 17, the last one of as many or
 *             less and tagged FINAL; nothing follows it
 * Plaintext: u64 length, then that many bytes and zero padding, these two
 * together seal_padme(length) bytes, at least 1 KiB (Padme: Nikitin et al.,
 * PURBs, PETS 2019, section 4). So n bytes become seal_size(n).
 */
#ifndef MIG_CRYPTO_SEAL_H
#define MIG_CRYPTO_SEAL_H

#include "base/buf.h"

struct err;

#define SEAL_KEY_LEN 32
#define SEAL_OVERHEAD_FIXED (80 + 24)
#define SEAL_PIECE 65536

int seal_keypair(
    uint8_t ret_pub[static SEAL_KEY_LEN], uint8_t ret_sec[static SEAL_KEY_LEN]);
/* Is this secret half that of this public one? */
bool seal_is_pair(const uint8_t pub[static SEAL_KEY_LEN],
    const uint8_t sec[static SEAL_KEY_LEN]);
/* Appends the sealed form to out. */
int seal_make(const uint8_t pub[static SEAL_KEY_LEN], const void *data,
    size_t len, struct buf *out, struct err *e);
/* Appends the opened bytes to out (bounded by out->max); ERR_AUTH when
 * anything is not as sealed. */
int seal_open(const uint8_t pub[static SEAL_KEY_LEN],
    const uint8_t sec[static SEAL_KEY_LEN], const void *sealed, size_t len,
    struct buf *out, struct err *e);
/* Padded length for len bytes; SIZE_MAX when there is none. */
size_t seal_padme(size_t len);
/* Size of the sealed form of len bytes; SIZE_MAX when there is none. */
size_t seal_size(size_t len);
void secret_wipe(void *p, size_t len);

#endif
