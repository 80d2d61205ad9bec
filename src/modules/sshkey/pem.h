/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Keys between lines of BEGIN and END: public ones, and of private ones the
 * public half only.
 *
 *   OPENSSH PRIVATE KEY    OpenSSH's PROTOCOL.key; the public half stands in
 *                          clear also when the key is encrypted
 *   RSA PRIVATE KEY        RFC 8017 appendix A.1.2 (PKCS #1)
 *   DSA PRIVATE KEY        version, p, q, g, y, x
 *   EC PRIVATE KEY         RFC 5915 (SEC 1)
 *   PRIVATE KEY            RFC 5958 (PKCS #8)
 *   ENCRYPTED PRIVATE KEY  the same; nothing of it can be read
 *   PUBLIC KEY             RFC 5280 section 4.1, SubjectPublicKeyInfo
 *   RSA PUBLIC KEY         RFC 8017 appendix A.1.1 (PKCS #1)
 *   SSH2 PUBLIC KEY        RFC 4716; four dashes and a blank around it
 *
 * The second to fourth may be encrypted too (RFC 1421 headers). Buffers that
 * held private halves are wiped.
 */
#ifndef MIG_MODULES_SSHKEY_PEM_H
#define MIG_MODULES_SSHKEY_PEM_H

#include "base/buf.h"

struct err;

struct ssh_pem {
	const char *form; /* static: "RSA PRIVATE KEY" ... */
	bool public;
	bool encrypted;
	struct buf blob;    /* owned: the public half; empty: it is not known */
	struct buf comment; /* owned */
	const char *unknown; /* static: why blob is empty; NULL: it is not, or
				the key is encrypted */
};

/* The first key of a text at or behind *at; *at moves behind it.
 * ERR_NOTFOUND: there is none; ERR_INVALID: one that is damaged. */
int ssh_pem_next(const char *text, size_t len, size_t *at, struct ssh_pem *ret,
    struct err *e);
void ssh_pem_release(struct ssh_pem *p);

/* --- inside of pem*.c only ------------------------------------------------ */

/* DER of p->form, not encrypted; sets blob or unknown. */
int
ssh_pem_der(const uint8_t *der, size_t len, struct ssh_pem *p, struct err *e);
/* OpenSSH's own form: blob, encrypted, comment. */
int ssh_pem_openssh(
    const uint8_t *data, size_t len, struct ssh_pem *p, struct err *e);

#endif
