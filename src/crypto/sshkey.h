/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Public keys as SSH writes them: a string that names the kind, then its
 * fields (RFC 4253 section 6.6, RFC 8709 section 4; security keys: OpenSSH's
 * PROTOCOL.u2f). Accepted: ssh-ed25519, and sk-ssh-ed25519@openssh.com with an
 * application that begins with "ssh:", so that no key made for a web site
 * signs here.
 *
 * In the product such a key is named by the first 20 bytes of the SHA-256 that
 * ssh-keygen -l shows (doc/adr/0041); what is compared is the whole of it.
 */
#ifndef MIG_CRYPTO_SSHKEY_H
#define MIG_CRYPTO_SSHKEY_H

#include "base/buf.h"
#include "base/id.h"
#include "crypto/keymaterial.h"

struct err;

#define SSHKEY_BLOB_MAX 256
#define SSHKEY_ED25519 "ssh-ed25519"
#define SSHKEY_SK_ED25519 "sk-ssh-ed25519@openssh.com"

/* Exactly one key; ERR_UNSUPPORTED for a kind that is not accepted. Does not
 * look at its point: keymaterial_key() does. */
int sshkey_parse(
    const void *blob, size_t len, struct keymaterial *ret, struct err *e);
/* Appends the blob of a key of these kinds. */
int sshkey_write(const struct keymaterial *m, struct buf *out);
/* SHA-256 of the blob. */
void sshkey_hash(const struct keymaterial *m, struct id *ret);
/* Is it a word of letters, digits and punctuation that begins with "ssh:"? */
bool sshkey_application_ok(const char *app);

#endif
