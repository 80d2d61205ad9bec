/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Public keys that signatures are checked with: RSA (PKCS#1 v1.5) and ECDSA
 * over Nettle, Ed25519 over libsodium. Both are small libraries without
 * state of their own, so that the process which checks signatures on every
 * endpoint stays small (doc/adr/0011). Nothing here is secret.
 */
#ifndef MIG_CRYPTO_PUBKEY_H
#define MIG_CRYPTO_PUBKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBKEY_ED25519_LEN 32

struct pubkey;

/* Big-endian; borrowed. */
struct pubkey_num {
	const uint8_t *data;
	size_t len; /* bytes */
};

enum pubkey_curve { PUBKEY_P256, PUBKEY_P384, PUBKEY_P521 };

/* 0; ERR_NOMEM; ERR_UNSUPPORTED for no key of its kind: a modulus that cannot
 * be one, coordinates off the curve, an Ed25519 point that is not of the group
 * that keys are made in. How strong a key must be is the caller's to check. */
int
pubkey_new_rsa(struct pubkey_num n, struct pubkey_num e, struct pubkey **ret);
int pubkey_new_ec(enum pubkey_curve curve, struct pubkey_num x,
    struct pubkey_num y, struct pubkey **ret);
int pubkey_new_ed25519(
    const uint8_t y[static PUBKEY_ED25519_LEN], struct pubkey **ret);
void pubkey_free(struct pubkey *k);
/* Of the modulus or the curve. */
unsigned int pubkey_bits(const struct pubkey *k);
/* digest: SHA-256, SHA-384 or SHA-512, by its length. sig: one number for RSA,
 * r and s for the others. */
bool pubkey_verify(const struct pubkey *k, const uint8_t *digest,
    size_t digest_len, const struct pubkey_num sig[static 2]);
/* sig: R and S as RFC 8032 writes them, 64 bytes, over the message itself.
 * False for a key of another kind. */
bool pubkey_verify_ed25519(const struct pubkey *k, const uint8_t *message,
    size_t len, const uint8_t *sig);

#endif
