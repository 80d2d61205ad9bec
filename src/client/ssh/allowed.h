/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files with several SSH public keys to the lines of the plain keyring: one key
 * a line as in id_ed25519.pub, or an allowed_signers file (ssh-keygen(1)):
 *
 *   principal [options] kind base64 [comment]
 *
 * Each option is understood or its line is refused: valid-after and
 * valid-before become the key's times, namespaces must let all of MIG's pass,
 * certificates' authorities and anything unknown are refused. A principal is
 * one person; patterns and lists of them are refused.
 */
#ifndef MIG_CLIENT_SSH_ALLOWED_H
#define MIG_CLIENT_SSH_ALLOWED_H

#include "client/ssh/sshpub.h"

struct keyring_made;

#define ALLOWED_TEXT_MAX (1024 * 1024)
#define ALLOWED_LINE_MAX 8192

/* Is it such a file, and not one of OpenPGP keys? */
bool allowed_is_text(const void *text, size_t len);

struct allowed_whose {
	const struct keyring
	    *old;              /* who has one of the keys already; or NULL */
	const char *name;      /* NULL: principal or comment */
	const uint8_t *person; /* NULL: whose one of the keys is, or the
				  first key's name */
	int64_t now;           /* unix seconds */
};
/* As keyring_make() (client/pgp/keyring_make.h) for such a text: a line that
 * cannot be honoured in full is refused with a sentence, the others are taken.
 * Lines of one name are keys of one person: somebody of old who has one of
 * them, if that is their name. */
int allowed_keyring(const void *text, size_t len, const struct allowed_whose *w,
    struct keyring_made *ret, struct err *e);

#endif
