/* SPDX-License-Identifier: MPL-2.0 */
/* Signing as the configured person, and the key that opens an action's
 * results: the client's use of OpenPGP and of SSH keys (client/pgp and
 * client/ssh do the work). */
#ifndef MIG_CLIENT_SIGN_SIGN_H
#define MIG_CLIENT_SIGN_SIGN_H

#include "client/client.h"
#include "crypto/purpose.h"
#include "crypto/seal.h"

struct envelope;

/* The configuration with a key, and the gpg home it names: before any other use
 * of them. */
int sign_prepare(struct client *c, struct err *e);
/* Something will be signed soon: the key is looked for while something else is
 * waited for. What is wrong with it is told by who signs. */
void sign_begin(struct client *c);
/* Appends one signature packet or sshsig over the bytes. gpg-agent or
 * ssh-agent may ask, or a security key wait to be touched. */
int sign_packet(struct client *c, enum purpose p, const void *doc, size_t len,
    struct buf *out, struct err *e);
/* Adds a signature to those of env, whose document it is over, and which
 * borrows it from packet. ERR_EXISTS where the same key has signed it already:
 * it would count once. */
int sign_add(struct client *c, enum purpose p, struct envelope *env,
    struct buf *packet, struct err *e);
/* Appends an envelope (JSON form, one line) with one new signature. */
int sign_new_envelope(struct client *c, enum purpose p, const void *doc,
    size_t len, struct buf *out, struct err *e);
/* Warns of signatures that count nowhere, whoever made them. */
void sign_warn_useless(const struct envelope *env, enum purpose p);
/* Appends the JSON form of an envelope. */
int
sign_envelope_text(const struct envelope *env, struct buf *out, struct err *e);

/* Fills readers with this person and the configured and named others, each
 * once: by full fingerprint out of the local gpg keyring, or by the key itself
 * (client/sign/readkey.h). Names in the document are 40 digits each; list
 * points into text. */
#define SIGN_READERS_MAX 64
struct sign_readers {
	size_t n;
	char text[SIGN_READERS_MAX][41];
	const char *list[SIGN_READERS_MAX];
	bool x25519[SIGN_READERS_MAX]; /* pub is the key; else gpg has it */
	uint8_t pub[SIGN_READERS_MAX][SEAL_KEY_LEN];
};
/* One more, by either name, once; where: for the message. l->n: 0 at first. */
int sign_readers_add(
    struct sign_readers *l, const char *name, const char *where, struct err *e);
/* The same, and it may be nobody: no key is needed. */
int sign_readers_named(struct client *c, const struct opts *o,
    struct sign_readers *ret, struct err *e);
int sign_readers_fill(struct client *c, const struct opts *o,
    struct sign_readers *ret, struct err *e);
/* Appends "NAME (FPR), ..." of all of them, printable; an error when one of
 * them could not read now. */
int sign_readers_text(struct client *c, const struct sign_readers *l,
    struct buf *out, struct err *e);
/* Is this fingerprint one that this person reads with? */
bool sign_is_mine(struct client *c, const char *fpr);
/* Is the own reader's key, if there is one, a file that may be used? */
int sign_reader_usable(struct client *c, struct err *e);
/* Appends the seal's secret half, encrypted to the readers, armoured: one
 * OpenPGP message, and a block for each reader without OpenPGP. */
int sign_seal_key(struct client *c, const struct sign_readers *readers,
    const uint8_t secret[static SEAL_KEY_LEN], struct buf *out, struct err *e);
/* Opens it again, by the own reader's key or by gpg: gpg-agent may ask. */
int sign_open_seal_key(struct client *c, const char *armored,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e);

#endif
