/* SPDX-License-Identifier: MPL-2.0 */
/* Core: who signed a document; see signers.c. */
#ifndef MIG_SERVER_CORE_SIGNERS_H
#define MIG_SERVER_CORE_SIGNERS_H

#include "action/acl.h"
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
 * of the good signers must be logged in. ERR_AUTH says of each signature what
 * is wrong when none is good. */
int core_signers(struct core *c, enum purpose p, const struct envelope *env,
    const char *by, struct core_signers *ret, struct err *e);
/* Has somebody signed both? */
bool
core_signers_meet(const struct core_signers *a, const struct core_signers *b);
/* What is missing until agents would take an action, as the newest policy that
 * the server has says it; without one: what can be said of the action alone. */
struct core_standing {
	bool met;
	struct acl_standing weight;
	char missing[512]; /* in words; "" when it is met */
};
int core_standing(struct core *c, const struct action *a,
    const struct envelope *env, struct core_standing *ret, struct err *e);
/* Of each signature: can it count for the action (acl_counts)? As the newest
 * policy says it; without one every good signature. ret has SIGS_MAX. */
int core_counting(
    struct core *c, const struct envelope *env, bool *ret, struct err *e);
/* The ACL of the newest policy that the server has (acl_free); ERR_NOTFOUND
 * when it has none. */
int core_policy_acl(struct core *c, struct acl **ret, struct err *e);

#endif
