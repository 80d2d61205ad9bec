/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The cancel document: which action is to end, signed for purpose "cancel"
 * and carried by an envelope (action/envelope.h) like an action.
 *
 *   {"syntaxversion": 3, "nonce": 32 hex digits, "action": 64 lower-case hex
 *   digits, "time": RFC 3339, "expireafter": RFC 3339 (the action's own end:
 *   so long it is remembered), "reason": 1..200 bytes, optional}
 *
 * Its hash, purpose_hash(PURPOSE_CANCEL, bytes), tells one cancel from
 * another.
 */
#ifndef MIG_ACTION_CANCEL_H
#define MIG_ACTION_CANCEL_H

#include "base/buf.h"
#include "base/id.h"

struct err;

#define CANCEL_SYNTAX 3
#define CANCEL_DOC_MAX 4096
#define CANCEL_REASON_MAX 200
/* Who is no signer of the action needs an ACL entry of this name. */
#define CANCEL_RIGHT "cancel"
/* A cancel that would have to be remembered for longer than this many seconds
 * is refused. */
#define CANCEL_SPAN_MAX (366 * 86400)

struct cancel {
	struct id action;
	int64_t time, expire_after;         /* unix seconds */
	char reason[CANCEL_REASON_MAX + 1]; /* "": none */
};

/* Strict: unknown fields, duplicate keys, wrong types and sizes are refused
 * with the field's path. Does not look at the clock. */
int
cancel_parse(const void *doc, size_t len, struct cancel *ret, struct err *e);
/* Appends the exact bytes to be signed, with a fresh nonce, and parses them
 * back as a check. */
int cancel_build(const struct cancel *c, struct buf *out, struct err *e);

#endif
