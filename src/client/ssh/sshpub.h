/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SSH public keys as people keep them, in a line: kind, base64, comment.
 * Nothing here is secret.
 */
#ifndef MIG_CLIENT_SSH_SSHPUB_H
#define MIG_CLIENT_SSH_SSHPUB_H

#include "base/buf.h"
#include "crypto/keyring.h"
#include "crypto/sshkey.h"

struct err;

#define SSHPUB_FPR_MAX 51 /* "SHA256:" and 43 digits of base64, terminated */
#define SSHPUB_KIND_MAX 64

struct sshpub {
	uint8_t blob[SSHKEY_BLOB_MAX];
	size_t len;
	bool sk;                        /* a security key */
	char comment[KEYRING_NAME_MAX]; /* printable; may be empty or cut */
};

/* Refuses other kinds than crypto/sshkey.h accepts. */
int sshpub_make(const void *blob, size_t len, const char *comment,
    size_t comment_len, struct sshpub *ret, struct err *e);
/* The first key of a file like id_ed25519.pub. */
int
sshpub_read(const void *text, size_t len, struct sshpub *ret, struct err *e);
/* Appends it as one line of such a file. */
int sshpub_write(const struct sshpub *p, struct buf *out);
/* "SHA256:..." as ssh-keygen -l shows it. */
void
sshpub_fingerprint(const struct sshpub *p, char ret[static SSHPUB_FPR_MAX]);

/* The same of any key's blob; of a certificate it is that of its key. */
void sshpub_blob_fingerprint(
    const void *blob, size_t len, char ret[static SSHPUB_FPR_MAX]);
/* Whatever else is in the text: nothing of that is to be read, or quoted. */
bool sshpub_is_private(const void *text, size_t len);

/* Is this word the name of a kind of SSH keys, of any? */
bool sshpub_is_kind(const char *word, size_t len);

#endif
