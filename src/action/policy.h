/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The policy: who may ask what. A text header and three parts of stated
 * lengths, so that each role reads only the part that is its own:
 *
 *   mig-policy 3
 *   version <decimal, >= 1>
 *   previous <64 hex: hash of the predecessor; zeros for the first>
 *   issued <RFC 3339>
 *   expires <RFC 3339>
 *   keyring <bytes>
 *   acl <bytes>
 *   limits <bytes>
 *   <empty line>
 *   <keyring text><acl JSON><limits JSON>
 *
 * Its hash is purpose_hash(PURPOSE_POLICY, bytes).
 */
#ifndef MIG_ACTION_POLICY_H
#define MIG_ACTION_POLICY_H

#include "base/buf.h"
#include "base/id.h"

struct err;

#define POLICY_MAX (8 * 1024 * 1024)

struct policy {
	uint64_t version;
	struct id previous, hash;
	int64_t issued, expires;               /* unix seconds */
	const uint8_t *keyring, *acl, *limits; /* borrowed from the text */
	size_t keyring_len, acl_len, limits_len;
};

int
policy_parse(const void *text, size_t len, struct policy *ret, struct err *e);
/* hash is ignored and not set. */
int policy_write(const struct policy *p, struct buf *out, struct err *e);

#endif
