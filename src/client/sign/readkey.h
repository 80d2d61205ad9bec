/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading without OpenPGP: an X25519 key of one's own, for people who sign with
 * SSH keys. Its secret half lies in a file (mode 0600), its public half is how
 * others name it: "x25519:" and 64 hex digits.
 *
 * In a document (doc/protocol.md) the action's seal key may be followed, or be
 * replaced, by one such block a reader:
 *
 *   -----BEGIN MIG READER KEY-----
 *   base64 of the reader's 32 public bytes and of the seal key sealed to them
 *   (crypto/seal.h)
 *   -----END MIG READER KEY-----
 *
 * Among "readers" such a reader is the first 20 bytes of SHA-256 of
 * "MIG reader v3\n" and the public bytes.
 */
#ifndef MIG_CLIENT_SIGN_READKEY_H
#define MIG_CLIENT_SIGN_READKEY_H

#include "base/buf.h"
#include "crypto/seal.h"

#include <stdbool.h>

struct err;

#define READKEY_PREFIX "x25519:"
#define READKEY_FILE "reader.key" /* beside the configuration */
#define READKEY_NAME_LEN 71       /* the prefix and 64 digits */
#define READKEY_FPR_LEN 40        /* hex digits */

struct readkey {
	uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];
};

/* Is it one? Then its public bytes. */
bool readkey_parse(const char *name, uint8_t ret_pub[static SEAL_KEY_LEN]);
void readkey_name(const uint8_t pub[static SEAL_KEY_LEN],
    char ret[static READKEY_NAME_LEN + 1]);
void readkey_fpr(const uint8_t pub[static SEAL_KEY_LEN],
    char ret[static READKEY_FPR_LEN + 1]);

/* A new one, written to a file that must not be there yet. */
int readkey_make(const char *path, struct readkey *ret, struct err *e);
/* Refuses a file that others may read. The caller wipes it (secret_wipe). */
int readkey_load(const char *path, struct readkey *ret, struct err *e);
/* The same from the file's bytes. */
int
readkey_read(const void *text, size_t len, struct readkey *ret, struct err *e);

/* Appends the block for one reader. */
int readkey_seal(const uint8_t pub[static SEAL_KEY_LEN], const void *secret,
    size_t len, struct buf *out, struct err *e);
/* Opens the block that is for this key; ERR_NOTFOUND: none is. */
int readkey_open(const char *blocks, const struct readkey *k, struct buf *out,
    struct err *e);
/* Calls back with the name of each block's reader, as in "readers". */
typedef int
readkey_on_reader(const char fpr[static READKEY_FPR_LEN + 1], void *arg);
int readkey_readers(
    const char *blocks, readkey_on_reader *on, void *arg, struct err *e);
/* Bytes of the text before the first such block: the OpenPGP part. */
size_t readkey_start(const char *text);

#endif
