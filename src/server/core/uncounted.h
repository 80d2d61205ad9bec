/* SPDX-License-Identifier: MPL-2.0 */
/* Core: signatures that do not count, and why, for who asks: each by the
 * fingerprint of the person, or of the key when it is nobody's. */
#ifndef MIG_SERVER_CORE_UNCOUNTED_H
#define MIG_SERVER_CORE_UNCOUNTED_H

#include "crypto/keyring.h"

struct jsonw;

#define UNCOUNTED_WHY_MAX 128
#define UNCOUNTED_JSON_MAX 8192

struct uncounted {
	struct {
		uint8_t fpr[PGP_FPR_LEN]; /* zero: it names no key */
		char why[UNCOUNTED_WHY_MAX];
	} list[SIGS_MAX];
	size_t n;
};

/* One more; beyond SIGS_MAX nothing. */
void
uncounted_add(struct uncounted *u, const struct signer *s, const char *why);
/* As an array; key NULL: the outermost value. */
void
uncounted_json(const struct uncounted *u, struct jsonw *w, const char *key);
/* The same as text, to be stored. */
void
uncounted_text(const struct uncounted *u, char ret[static UNCOUNTED_JSON_MAX]);

#endif
