/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The numbers of one public key: as text in a keyring line, as the version 4
 * fingerprint they must have (RFC 4880 section 12.2; SSH keys: sshkey.h), and
 * as a key that checks signatures. Weak keys are refused here and nowhere else.
 */
#ifndef MIG_CRYPTO_KEYMATERIAL_H
#define MIG_CRYPTO_KEYMATERIAL_H

#include "base/buf.h"
#include "crypto/keyring.h"

#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 16384
#define KEY_RSA_EXP_MAX 8 /* bytes */
#define KEY_APP_MAX 64    /* bytes of a security key's application */

struct keymaterial {
	enum key_alg alg;
	size_t len, exp_len;               /* bytes used of num and exp */
	uint8_t num[KEY_RSA_BITS_MAX / 8]; /* RSA n, Ed25519 y, EC point */
	uint8_t exp[KEY_RSA_EXP_MAX];      /* RSA e */
	char app[KEY_APP_MAX + 1];         /* of a security key */
};

/* "rsa", "ed25519", "ssh-ed25519", ...; NULL for another number. */
const char *key_alg_word(enum key_alg alg);
/* A key of SSH, not of OpenPGP. */
bool key_alg_is_ssh(enum key_alg alg);
/* By its word; ERR_UNSUPPORTED for any other. */
int key_alg_find(const char *word, enum key_alg *ret, struct err *e);
/* Reads the two words of a key line; ERR_INVALID or ERR_UNSUPPORTED. */
int keymaterial_parse(const char *alg, const char *material,
    struct keymaterial *ret, struct err *e);
/* Appends the material word. */
int keymaterial_write(const struct keymaterial *m, struct buf *out);
/* Refuses weak keys; *ret is owned by the caller (pubkey_free). */
int keymaterial_key(
    const struct keymaterial *m, struct pubkey **ret, struct err *e);
int keymaterial_fpr(const struct keymaterial *m, int64_t created,
    uint8_t ret[static PGP_FPR_LEN], struct err *e);

#endif
