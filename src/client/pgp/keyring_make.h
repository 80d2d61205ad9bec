/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From OpenPGP public keys (librnp) to the plain keyring of crypto/keyring.h,
 * and changes to such a file. This is the only place where MIG parses OpenPGP
 * keys, and it stands on the investigator's machine.
 *
 * A person is accepted when the primary key is valid, strong and neither
 * expired nor revoked, and at least one signing key is: the primary if it may
 * sign, and each subkey with the sign flag, a valid binding and a valid back
 * signature. All others are refused with a sentence.
 */
#ifndef MIG_CLIENT_PGP_KEYRING_MAKE_H
#define MIG_CLIENT_PGP_KEYRING_MAKE_H

#include "base/buf.h"

struct err;

#define KEYRING_PGP_MAX (4 * 1024 * 1024)

struct keyring_made {
	struct buf lines;   /* person and key lines, without the header */
	struct buf refused; /* one sentence a line, each names a fingerprint */
	size_t persons, keys, nrefused;
};

/* Binary or armoured public keys, one or many. ret is initialized whatever
 * comes back and is released by the caller. Fails when nobody was accepted:
 * e then holds the first refusal. now: unix seconds. */
int keyring_make(const void *pgp, size_t len, int64_t now,
    struct keyring_made *ret, struct err *e);
void keyring_made_release(struct keyring_made *m);

/* Appends the new keyring text to out: old (may be empty) with each person of
 * lines added, or put in the place of the same person's old lines. OpenPGP keys
 * of lines replace all those of that person, SSH keys are put to the others.
 * Comments stay. The result is parsed back before it is given. */
int keyring_merge(const void *old, size_t old_len, const void *lines,
    size_t lines_len, struct buf *out, struct err *e);
/* Without that person (40 hex digits), or without that one key of somebody
 * who has others; ERR_NOTFOUND when not there. */
int keyring_remove(const void *old, size_t old_len, const char *fpr,
    struct buf *out, struct err *e);
/* Appends a table for people: person, keys, algorithm, made, expires. */
int keyring_list(
    const void *text, size_t len, int64_t now, struct buf *out, struct err *e);

#endif
