/* SPDX-License-Identifier: MPL-2.0 */
/* An agent's Ed25519 identity (libsodium); its id is SHA-256 of the public
 * key. Signatures are over purpose prefix and bytes, 64 bytes. */
#ifndef MIG_CRYPTO_IDENTITY_H
#define MIG_CRYPTO_IDENTITY_H

#include "crypto/purpose.h"

struct err;

#define IDENTITY_PUB_LEN 32
#define IDENTITY_SIG_LEN 64
#define IDENTITY_SEED_LEN 32
/* What has at most so many bytes (the header of a result has) is signed and
 * checked without an allocation. */
#define IDENTITY_SMALL 1024

struct identity {
	uint8_t seed[IDENTITY_SEED_LEN];
	uint8_t pub[IDENTITY_PUB_LEN]; /* of seed; signatures made with another
					  would tell the seed */
	struct id id;
};

void identity_new(struct identity *ret);
/* File: "mig-identity 3\n<64 hex seed>\nid <64 hex>\n", mode 0600; wider modes
 * and an id that is not the key's are refused. */
int identity_load(const char *path, struct identity *ret, struct err *e);
/* The same from the file's bytes. */
int identity_parse(
    const void *text, size_t len, struct identity *ret, struct err *e);
int identity_save(const char *path, const struct identity *i, struct err *e);
void identity_wipe(struct identity *i);
/* All zeros, which nobody takes for a signature, when it is large and there is
 * no memory. */
void identity_sign(const struct identity *i, enum purpose p, const void *data,
    size_t len, uint8_t ret_sig[static IDENTITY_SIG_LEN]);
/* 0, ERR_AUTH, or ERR_NOMEM for what is larger than IDENTITY_SMALL; refuses
 * small-order public keys. */
int identity_check(const uint8_t pub[static IDENTITY_PUB_LEN], enum purpose p,
    const void *data, size_t len, const uint8_t sig[static IDENTITY_SIG_LEN]);
void identity_id(const uint8_t pub[static IDENTITY_PUB_LEN], struct id *ret);

#endif
