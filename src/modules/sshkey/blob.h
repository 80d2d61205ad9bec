/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Public keys of SSH as they travel: RFC 4253 section 6.6 (ssh-rsa, ssh-dss),
 * RFC 5656 (ecdsa-sha2-*), RFC 8709 (ssh-ed25519), OpenSSH's PROTOCOL.u2f
 * (sk-*) and PROTOCOL.certkeys (*-cert-v01@openssh.com).
 */
#ifndef MIG_MODULES_SSHKEY_BLOB_H
#define MIG_MODULES_SSHKEY_BLOB_H

#include "base/buf.h"

struct err;

#define SSH_BLOB_MAX (256 * 1024) /* bytes; a certificate of many names */
#define SSH_TYPE_MAX 64

/* Borrowed text; may hold anything. */
struct ssh_text {
	const uint8_t *p;
	size_t len;
};

struct ssh_public {
	const char *type; /* static: "ssh-ed25519", of the key in a certificate
			     too */
	uint32_t bits;
	struct buf plain; /* owned: the blob, without the certificate around:
			     what fingerprints are of */
	bool cert;
	bool cert_host; /* for hosts, not for users */
	uint64_t serial, valid_after, valid_before; /* seconds; ~0: for ever */
	struct ssh_text key_id, ca; /* ca: blob of the key that signed */
};

/* data is borrowed as long as ret is used. ERR_INVALID: no such key;
 * ERR_UNSUPPORTED: a type that is not known. */
int ssh_public_parse(
    const void *data, size_t len, struct ssh_public *ret, struct err *e);
void ssh_public_release(struct ssh_public *k);

/* The static name of a type of keys or certificates (len bytes), or NULL. */
const char *ssh_type_find(const char *name, size_t len);
/* A u32 length, then bytes of at most SSH_BLOB_MAX. */
struct ssh_text ssh_rd_string(struct rd *r);
/* An unsigned number of big-endian bytes as mpint, RFC 4251 section 5. */
void ssh_add_mpint(struct buf *out, const uint8_t *p, size_t len);
/* Number of its bits. */
uint32_t ssh_mpint_bits(const uint8_t *p, size_t len);

#endif
