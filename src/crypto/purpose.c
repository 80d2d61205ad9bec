/* SPDX-License-Identifier: MPL-2.0 */
/* The two lines before everything that is signed, and the hash over both. */
#include "crypto/purpose.h"

#include "base/err.h"
#include "crypto/sha256.h"

#include <stdio.h>

static const char *
purpose_word(enum purpose p)
{
	switch (p) {
	case PURPOSE_ACTION:
		return "action";
	case PURPOSE_CANCEL:
		return "cancel";
	case PURPOSE_POLICY:
		return "policy";
	case PURPOSE_SESSION:
		return "session";
	case PURPOSE_ENROL:
		return "enrol";
	case PURPOSE_HELLO:
		return "hello";
	case PURPOSE_RESULT:
		return "result";
	case PURPOSE_SHARE:
		return "share";
	}
	return NULL;
}

size_t
purpose_prefix(enum purpose p, size_t len, char out[static PURPOSE_PREFIX_MAX])
{
	const char *word = purpose_word(p);
	int n;

	/* A purpose is a constant of the caller, never a byte from outside. */
	BUG_ON(word == NULL);
	n = snprintf(out, PURPOSE_PREFIX_MAX, "MIG %s v3\n%zu\n", word, len);
	BUG_ON(n < 0 || n >= PURPOSE_PREFIX_MAX);
	return (size_t)n;
}

void
purpose_hash(enum purpose p, const void *data, size_t len, struct id *ret)
{
	char prefix[PURPOSE_PREFIX_MAX];
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, prefix, purpose_prefix(p, len, prefix));
	sha256_add(&h, data, len);
	sha256_final(&h, ret);
}
