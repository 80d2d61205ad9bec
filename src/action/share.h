/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The key that opens one action's answers, handed on by somebody who has it:
 * a document that is signed for its own purpose (PURPOSE_SHARE). Whether the
 * key is the right one shows itself: it has to be the secret half of the
 * action's seal.
 */
#ifndef MIG_ACTION_SHARE_H
#define MIG_ACTION_SHARE_H

#include "base/buf.h"
#include "base/id.h"

#include <jansson.h>

struct err;

#define SHARE_DOC_MAX (64 * 1024)
#define SHARE_ENVELOPE_MAX (128 * 1024)
#define SHARE_FPR_HEX 40

struct share {
	json_t *root; /* owned */
	struct id action;
	const char *to;  /* 40 hex digits, lower case; borrowed from root */
	const char *key; /* armoured message to that key; borrowed */
	int64_t time_s;  /* when it was signed, unix */
};

/* Reads strictly: {"syntaxversion", "nonce", "action", "to", "key", "time"}. */
int share_parse(const void *doc, size_t len, struct share *ret, struct err *e);
void share_release(struct share *s);
/* Appends a document; a nonce is made. */
int share_build(const struct id *action, const char *to, const char *key,
    int64_t time_s, struct buf *out, struct err *e);

#endif
