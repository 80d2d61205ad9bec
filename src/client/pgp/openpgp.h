/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The investigator's OpenPGP keys, through GPGME and gpg-agent: passphrase
 * prompts, smart cards and GNUPGHOME work as they do for gpg. Keys are named
 * by full primary fingerprint (40 hex digits) and looked up in the local
 * keyring only; nothing is ever fetched. Programs ignore SIGPIPE.
 */
#ifndef MIG_CLIENT_PGP_OPENPGP_H
#define MIG_CLIENT_PGP_OPENPGP_H

#include "base/buf.h"
#include "crypto/purpose.h"

#include <stdbool.h>

#define PGP_FPR_HEX 40
#define PGP_NAME_MAX 256
#define PGP_EXPORT_MAX (1024 * 1024)

struct err;

struct pgp_key {
	char fpr[PGP_FPR_HEX + 1];    /* primary */
	char signer[PGP_FPR_HEX + 1]; /* key gpg signs with; empty: none */
	char name[PGP_NAME_MAX];      /* primary user id, printable */
	char alg[32];                 /* of the signer: "rsa4096", "ed25519" */
	int64_t created;              /* of the signer, unix seconds */
	int64_t expires;              /* earliest of both, 0: never */
	bool on_card;
	bool usable;
	char why[128]; /* a sentence; empty when usable */
};

/* Every key of which the secret half is here or on a card; also those that
 * cannot sign for MIG, with the reason. *ret is owned by the caller (free()).
 */
int pgp_list(struct pgp_key **ret, size_t *ret_n, struct err *e);

/* Signs for that purpose; appends one raw signature packet that
 * sigpacket_parse() accepts. ERR_NOTFOUND: no such key; ERR_EXPIRED: it or its
 * signing subkey is; ERR_DENIED: the prompt was cancelled or the passphrase
 * wrong; ERR_UNSUPPORTED: gpg made a signature agents would refuse. */
int pgp_sign(const char *fpr, enum purpose p, const void *data, size_t len,
    struct buf *out, struct err *e);

/* Can this key sign for MIG? Errors as of pgp_sign(), before anything is done.
 * What is learnt of the key serves the calls after it. */
int pgp_check_signer(const char *fpr, struct err *e);
/* The same in the background, while something else is waited for: gpg is
 * started twice for it. Silent when it fails; the calls after it try again.
 * Until the next of them nobody changes the environment. */
void pgp_begin(const char *fpr);
/* Forgets everything that is kept between calls. */
void pgp_end(void);

/* The name of a key in the local keyring to which results can be encrypted
 * now. ERR_NOTFOUND: there is none; ERR_EXPIRED: it cannot be used, and why. */
int pgp_reader(const char *fpr, char name[static PGP_NAME_MAX], struct err *e);
/* Appends an armoured message to exactly these keys (n >= 1). Each must have
 * an encryption subkey that is valid now, else nothing is written. */
int pgp_encrypt(const char *const *fprs, size_t n, const void *data, size_t len,
    struct buf *out, struct err *e);

/* Whom an armoured message is for: primary fingerprints (lower case) of those
 * in the local keyring, at most max; *ret_unknown: how many more. Refuses what
 * packet_recipients() refuses. */
int pgp_message_readers(const void *message, size_t len,
    char (*ret)[PGP_FPR_HEX + 1], size_t max, size_t *ret_n,
    size_t *ret_unknown, struct err *e);
/* Appends the plaintext, bounded by out->max; the caller wipes it. */
int
pgp_decrypt(const void *message, size_t len, struct buf *out, struct err *e);

/* Appends the public key (binary, without other people's signatures). */
int pgp_export(const char *fpr, struct buf *out, struct err *e);

#endif
