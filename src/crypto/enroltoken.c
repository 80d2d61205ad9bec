/* SPDX-License-Identifier: MPL-2.0 */
#include "crypto/enroltoken.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <string.h>

#include <sodium.h>

#define AUTH_WORD "MIG enrol auth v1"
#define PROOF_WORD "MIG enrol proof v1"

_Static_assert(ENROL_TOKEN_LEN == crypto_auth_hmacsha256_KEYBYTES, "token");
_Static_assert(ID_LEN == crypto_auth_hmacsha256_BYTES, "proof");

int
enrol_token_parse(const char *text, uint8_t ret[static ENROL_TOKEN_LEN])
{
	if (!str_starts(text, ENROL_TOKEN_PREFIX))
		return ERR_INVALID;
	return hex_decode(
	    text + strlen(ENROL_TOKEN_PREFIX), ret, ENROL_TOKEN_LEN);
}

void
enrol_token_text(const uint8_t token[static ENROL_TOKEN_LEN],
    char out[static ENROL_TOKEN_TEXT_LEN + 1])
{
	memcpy(out, ENROL_TOKEN_PREFIX, strlen(ENROL_TOKEN_PREFIX));
	hex_encode(token, ENROL_TOKEN_LEN, out + strlen(ENROL_TOKEN_PREFIX));
}

void
enrol_token_auth(const uint8_t token[static ENROL_TOKEN_LEN],
    uint8_t ret[static ENROL_TOKEN_LEN])
{
	(void)crypto_auth_hmacsha256(
	    ret, (const uint8_t *)AUTH_WORD, strlen(AUTH_WORD), token);
}

void
enrol_token_hash(const uint8_t token[static ENROL_TOKEN_LEN], struct id *ret)
{
	uint8_t auth[ENROL_TOKEN_LEN];

	enrol_token_auth(token, auth);
	sha256(auth, sizeof(auth), ret);
	sodium_memzero(auth, sizeof(auth));
}

void
enrol_token_proof(const uint8_t token[static ENROL_TOKEN_LEN],
    const uint8_t pub[static IDENTITY_PUB_LEN], struct id *ret)
{
	crypto_auth_hmacsha256_state s;

	(void)crypto_auth_hmacsha256_init(&s, token, ENROL_TOKEN_LEN);
	(void)crypto_auth_hmacsha256_update(
	    &s, (const uint8_t *)PROOF_WORD, strlen(PROOF_WORD));
	(void)crypto_auth_hmacsha256_update(&s, pub, IDENTITY_PUB_LEN);
	(void)crypto_auth_hmacsha256_final(&s, ret->b);
	sodium_memzero(&s, sizeof(s));
}
