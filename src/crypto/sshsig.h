/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signatures by SSH keys: the "sshsig" form of OpenSSH (PROTOCOL.sshsig), read
 * strictly and checked with a key of the keyring.
 *
 *   "SSHSIG", u32 1, string public key, string namespace, string reserved,
 *   string digest name, string signature
 *
 * where the signature of ssh-ed25519 is (string kind, string 64 bytes) over
 *   "SSHSIG", string namespace, string reserved, string digest name,
 *   string digest of the message
 * and that of a security key is (string kind, string 64 bytes, u8 flags, u32
 * counter) over SHA-256 of its application, flags, counter and SHA-256 of the
 * bytes above (PROTOCOL.u2f). The message is what an OpenPGP signature is over
 * as well: the two lines of the purpose and the document.
 *
 * Accepted: one exact namespace a purpose ("action@mig"), sha256 and sha512,
 * nothing reserved, a touch of the security key (flag 1). Refused: trailing
 * bytes anywhere, other flags than those of WebAuthn that keep the signed bytes
 * as they are, numbers S that are not reduced, points of small order. There is
 * no time in it: doc/adr/0042.
 */
#ifndef MIG_CRYPTO_SSHSIG_H
#define MIG_CRYPTO_SSHSIG_H

#include "base/buf.h"
#include "base/id.h"
#include "crypto/purpose.h"
#include "crypto/sigpacket.h"

#include <stdbool.h>
#include <string.h>

struct err;
struct keyring_key;

#define SSHSIG_MAX 1024
#define SSHSIG_MAGIC "SSHSIG"
#define SSHSIG_MAGIC_LEN 6
#define SSHSIG_SIG_LEN 64

struct sshsig {
	uint8_t signer[PGP_FPR_LEN]; /* of the key; see sshkey.h */
	struct id key;               /* SHA-256 of the key's blob, in full */
	bool sk;                     /* a security key */
	struct id application;       /* its SHA-256; sk only */
	uint8_t flags;               /* sk only */
	uint32_t counter;            /* sk only */
	bool sha512;                 /* the message's digest; else SHA-256 */
	const uint8_t *name;         /* namespace; borrowed, not terminated */
	size_t name_len;
	const uint8_t *sig; /* R and S; borrowed */
};

/* Does it begin as one does, and not as an OpenPGP packet? Here, so that who
 * only tells them apart needs no cryptography. */
static inline bool
sshsig_is(const void *data, size_t len)
{
	return len >= SSHSIG_MAGIC_LEN &&
	    memcmp(data, SSHSIG_MAGIC, SSHSIG_MAGIC_LEN) == 0;
}

/* ret borrows from data. */
int
sshsig_parse(const void *data, size_t len, struct sshsig *ret, struct err *e);
/* ERR_AUTH: it was made in another namespace than that purpose's. */
int sshsig_check_name(const struct sshsig *s, enum purpose p, struct err *e);
/* 0 when the key made this signature over data for that purpose; ERR_AUTH
 * otherwise. */
int sshsig_check(const struct sshsig *s, const struct keyring_key *k,
    enum purpose p, const void *data, size_t len, struct err *e);

/* --- making one ----------------------------------------------------------- */
/* "action@mig"; NULL for what no person signs. */
const char *sshsig_namespace(enum purpose p);
/* Appends what the key signs. */
int
sshsig_message(enum purpose p, const void *data, size_t len, struct buf *out);
/* Appends the whole form around the signature that ssh-agent made. */
int sshsig_write(enum purpose p, const void *key_blob, size_t key_len,
    const void *signature, size_t len, struct buf *out);

#endif
