/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The plain keyring that endpoints use (format: doc/protocol.md,
 * mig-keyring(5)). Written by `mig keyring` from OpenPGP and SSH keys; no
 * endpoint parses those.
 *
 *   mig-keyring 3
 *   person <40 hex primary fingerprint> <name, to the end of the line>
 *   key <40 hex fingerprint> <alg> <created> <expires|0> <material>
 *
 * alg and material (hex): rsa <n>:<e> | ed25519 <32 bytes> |
 * p256 p384 p521 <uncompressed point 04..>; of SSH: ssh-ed25519 <32 bytes> |
 * sk-ssh-ed25519 <32 bytes>:<application, as text>. A key line belongs to the
 * person line before it. Comments (#) and empty lines are allowed.
 *
 * The fingerprint of an SSH key: crypto/sshkey.h; a person without OpenPGP keys
 * has that of one of the SSH keys. created of an SSH key is when it begins to
 * count, 0: always.
 */
#ifndef MIG_CRYPTO_KEYRING_H
#define MIG_CRYPTO_KEYRING_H

#include "crypto/sigpacket.h"

#include <stdbool.h>

#define KEYRING_HEADER "mig-keyring 3"
#define KEYRING_TEXT_MAX (4 * 1024 * 1024)
#define KEYRING_NAME_MAX 256
#define KEYRING_PERSONS_MAX 4096
#define KEYRING_KEYS_MAX 4096

enum key_alg {
	KEY_RSA = 1,
	KEY_ED25519,
	KEY_P256,
	KEY_P384,
	KEY_P521,
	KEY_SSH_ED25519,
	KEY_SSH_SK_ED25519, /* a security key */
};

struct pubkey;

struct keyring_person {
	uint8_t fpr[PGP_FPR_LEN]; /* primary fingerprint: who it is */
	char name[KEYRING_NAME_MAX];
};

struct keyring_key {
	uint8_t fpr[PGP_FPR_LEN];
	enum key_alg alg;
	int64_t created, expires; /* unix seconds; expires 0: never */
	size_t person;            /* index */
	struct pubkey *pubkey;    /* owned */
	struct id ssh; /* SHA-256 of its SSH form; zero: a key of OpenPGP */
};

struct keyring {
	struct keyring_person *persons;
	size_t npersons;
	struct keyring_key *keys;
	size_t nkeys;
};

/* Refuses weak keys (RSA < 2048 or > 16384 bits, even or small exponents,
 * points off the curve or of small order), the same material or fingerprint
 * twice, a fingerprint that is not that of material and creation time, a
 * person without a key, unknown words; errors name the line. */
int
keyring_parse(const void *text, size_t len, struct keyring *ret, struct err *e);
void keyring_release(struct keyring *k);
/* NULL when there is none. */
const struct keyring_key *
keyring_find(const struct keyring *k, const uint8_t fpr[static PGP_FPR_LEN]);

/* One signature's fate in a verification. */
enum sig_verdict {
	SIG_GOOD = 0,
	SIG_MALFORMED = 1,   /* not an acceptable packet or sshsig */
	SIG_UNKNOWN_KEY = 2, /* ignored, reported */
	SIG_BAD = 3,         /* does not verify */
	SIG_KEY_EXPIRED = 4, /* key not valid at creation time or now */
	SIG_FUTURE = 5,      /* made later than now + 5 min */
	SIG_EXPIRED = 6,     /* the signature itself is past its end */
	SIG_REPEATED = 7,    /* same person signed already */
};
const char *sig_verdict_text(enum sig_verdict v);

#define SIGS_MAX 16
#define SIG_FUTURE_SLACK 300 /* seconds */

struct signer {
	enum sig_verdict verdict;
	uint8_t key[PGP_FPR_LEN];    /* zero when MALFORMED */
	uint8_t person[PGP_FPR_LEN]; /* zero unless the key is known */
	/* When it says it was made; 0: it says nothing (SSH), and what it
	 * signs must say it: doc/adr/0042. */
	int64_t created;
};

struct sig_bytes {
	const uint8_t *data; /* borrowed: one raw packet, or one sshsig */
	size_t len;
};

/* Checks every signature over data; fills ret[0..n-1] in order. Returns the
 * number of SIG_GOOD ones (each a different person). n <= SIGS_MAX. */
size_t keyring_verify(const struct keyring *k, enum purpose p, const void *data,
    size_t len, const struct sig_bytes *sigs, size_t n, int64_t now,
    struct signer *ret);

#endif
