/* SPDX-License-Identifier: MPL-2.0 */
/* A key of an answer: as little of it as its JSON is made of (common/rows.h).
 * Nothing of a private half. */
#ifndef MIG_MODULES_SSHKEY_KEYROW_H
#define MIG_MODULES_SSHKEY_KEYROW_H

#include "modules/common/rows.h"
#include "modules/sshkey/keyfile.h"

enum keyrow_field {
	KEYROW_MD5,    /* of the public key; empty: there is none */
	KEYROW_SHA256, /* likewise */
	KEYROW_PATH,
	KEYROW_TYPE,
	KEYROW_FLAGS,
	KEYROW_KEYTYPE, /* empty: there is no public key */
	KEYROW_NUMBERS, /* bits, line */
	KEYROW_FORM,
	KEYROW_UNKNOWN,
	KEYROW_COMMENT,
	/* of a certificate, else empty */
	KEYROW_CA,           /* SHA-256 */
	KEYROW_CERT_NUMBERS, /* serial, valid after, valid before */
	KEYROW_KEYID,
	KEYROW_FIELDS
};

struct keyrow_digests {
	uint8_t md5[16], sha256[32];
	size_t md5_len, sha256_len; /* 0: not made */
};

/* Points into what it was made of, and itself: it stays where it is. */
struct keyrow {
	struct rows_field field[KEYROW_FIELDS];
	uint8_t flags, numbers[12], cert_numbers[24];
};

/* ca: of a certificate's. */
void
keyrow_make(struct keyrow *ret, const struct keyfile_key *k, const char *path,
    const struct keyrow_digests *key, const struct keyrow_digests *ca);
/* comma: another stands before it. */
void keyrow_write(const struct rows_field *field, bool comma, struct buf *out);

#endif
