/* SPDX-License-Identifier: MPL-2.0 */
/* Core: who signed a document; see signers.c. */
#ifndef MIG_SERVER_CORE_SIGNERS_H
#define MIG_SERVER_CORE_SIGNERS_H

#include "action/envelope.h"

struct core;
struct err;

#define SIGNERS_NAMES_MAX 8192

struct core_signers {
	struct signer list[SIGS_MAX]; /* one a signature */
	size_t n, good;
	char names[SIGNERS_NAMES_MAX]; /* of the good ones: a JSON array */
};

/* Verifies every signature. by: fingerprint (hex) of whose session it is; one
 * of the good signers must be logged in. NULL: nobody asks now, it is stored
 * since somebody did; one of them must be in a role that may. ERR_AUTH says of
 * each signature what is wrong when none is good. */
int core_signers(struct core *c, enum purpose p, const struct envelope *env,
    const char *by, struct core_signers *ret, struct err *e);
/* Has somebody signed both? */
bool
core_signers_meet(const struct core_signers *a, const struct core_signers *b);

#endif
