/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Enrolment tokens that a client made: "mig-token-" and 32 random bytes in hex,
 * T. Two things are derived of T, and neither gives the other or T away:
 *
 *   auth  = HMAC-SHA256(T, "MIG enrol auth v1")     shown to the server once,
 *                                                   which keeps SHA-256(auth)
 *   proof = HMAC-SHA256(T, "MIG enrol proof v1" || identity's public key)
 *                                                   said in every hello
 *
 * So the server lets in whoever has the token, and cannot make the proof for
 * an agent of its own: that the client, who has T, checks (doc/adr/0044).
 */
#ifndef MIG_CRYPTO_ENROLTOKEN_H
#define MIG_CRYPTO_ENROLTOKEN_H

#include "base/id.h"
#include "crypto/identity.h"

#include <stdint.h>

#define ENROL_TOKEN_PREFIX "mig-token-"
#define ENROL_TOKEN_LEN 32
#define ENROL_TOKEN_TEXT_LEN (sizeof(ENROL_TOKEN_PREFIX) - 1 + 64)

/* ERR_INVALID unless it is one, prefix and all. */
int enrol_token_parse(const char *text, uint8_t ret[static ENROL_TOKEN_LEN]);
void enrol_token_text(const uint8_t token[static ENROL_TOKEN_LEN],
    char out[static ENROL_TOKEN_TEXT_LEN + 1]);

void enrol_token_auth(const uint8_t token[static ENROL_TOKEN_LEN],
    uint8_t ret[static ENROL_TOKEN_LEN]);
/* SHA-256(auth): how the token is known to everybody. */
void
enrol_token_hash(const uint8_t token[static ENROL_TOKEN_LEN], struct id *ret);
void enrol_token_proof(const uint8_t token[static ENROL_TOKEN_LEN],
    const uint8_t pub[static IDENTITY_PUB_LEN], struct id *ret);

#endif
