/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Private keys in files, and of them the public half only:
 *
 *   OPENSSH PRIVATE KEY    OpenSSH's PROTOCOL.key; the public half stands in
 *                          clear also when the key is encrypted
 *   RSA PRIVATE KEY        RFC 8017 appendix A.1.2 (PKCS #1)
 *   DSA PRIVATE KEY        version, p, q, g, y, x
 *   EC PRIVATE KEY         RFC 5915 (SEC 1)
 *   PRIVATE KEY            RFC 5958 (PKCS #8)
 *   ENCRYPTED PRIVATE KEY  the same; nothing of it can be read
 *
 * The first four may be encrypted too (RFC 1421 headers). Buffers that held
 * private halves are wiped.
 */
#ifndef MIG_MODULES_SSHKEY_PRIVATE_H
#define MIG_MODULES_SSHKEY_PRIVATE_H

#include "base/buf.h"

struct err;

struct ssh_private {
	const char *form; /* static: "RSA PRIVATE KEY" ... */
	bool encrypted;
	struct buf blob;    /* owned: the public half; empty: it is not known */
	struct buf comment; /* owned */
	const char *unknown; /* static: why blob is empty; NULL: it is not, or
				the key is encrypted */
};

/* The first private key of a text at or behind *at; *at moves behind it.
 * ERR_NOTFOUND: there is none; ERR_INVALID: one that is damaged. */
int ssh_private_next(const char *text, size_t len, size_t *at,
    struct ssh_private *ret, struct err *e);
void ssh_private_release(struct ssh_private *p);

/* --- inside of private*.c only -------------------------------------------- */

/* DER of a form that is not encrypted; sets blob or unknown. */
int ssh_private_der(
    const uint8_t *der, size_t len, struct ssh_private *p, struct err *e);
/* OpenSSH's own form: blob, encrypted, comment. */
int ssh_private_openssh(
    const uint8_t *data, size_t len, struct ssh_private *p, struct err *e);

#endif
