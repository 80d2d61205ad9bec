/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ACL (mig-acl(5)), that of the original and what limits it further:
 *
 *   {"default" | module | right: {
 *      "minimumweight": 1..1000,
 *      "investigators": {label: {"fingerprint": 40 hex, "weight": 1..1000,
 *                                "notbefore", "notafter": RFC 3339}},
 *      "notbefore", "notafter": RFC 3339,
 *      "paths": [absolute, clean],            modules that take paths only
 *      "detail": "found-only" | "metadata" | "full"}}
 *
 * All but the first two are optional, for people as for entries. A fingerprint
 * is a person's primary one, of any case. Weight counts once a person; names
 * are exact; a fingerprint under two labels of one entry is refused. Dates are
 * those of agent_now(): what begins at notbefore has ended at notafter.
 *
 * paths and detail hold for a module whoever signed: judge tells them to the
 * monitor with the policy, before it has read any action (agent/messages.h).
 */
#ifndef MIG_ACTION_ACL_H
#define MIG_ACTION_ACL_H

#include "action/document.h"
#include "modules/narrow.h"

#define ACL_WEIGHT_MAX 1000
#define ACL_TEXT_MAX (4 * 1024 * 1024)
#define ACL_NAME_MAX 32
#define ACL_LABEL_MAX 256
#define ACL_PATHS_MAX 64 /* of an entry */
#define ACL_PATHS_BYTES_MAX                              \
	2047 /* of all of them, with a line feed between \
	      */

struct acl_dates {          /* unix seconds */
	int64_t not_before; /* INT64_MIN: always */
	int64_t not_after;  /* INT64_MAX: for ever */
};

struct acl_person {
	uint8_t fpr[PGP_FPR_LEN];
	int64_t weight;
	struct acl_dates dates;
	char *label; /* owned; as in the file: not safe for a terminal */
};

struct acl_entry {
	char name[ACL_NAME_MAX];
	int64_t minimum;
	struct acl_dates dates;
	enum detail detail;
	char *paths; /* owned; with line feeds between; "": any path */
	struct acl_person *persons; /* owned; sorted by fpr */
	size_t npersons;
};

struct acl {
	struct acl_entry *entries; /* owned */
	size_t nentries;
};

int acl_parse(const void *json, size_t len, struct acl **ret, struct err *e);
void acl_free(struct acl *a);

/* Do these good signers (verdict SIG_GOOD; others are skipped) allow every
 * operation at this time, within the paths of its entry, and meet the action's
 * own require? ERR_DENIED says which module needs which weight and who brought
 * how much, or which path is outside which. */
int acl_check(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, int64_t now, struct err *e);

/* May these signers exercise a right that is no module ("policy", "cancel")?
 * Only an entry of exactly that name counts: never "default". */
int acl_check_right(const struct acl *acl, const char *right,
    const struct signer *signers, size_t n, int64_t now, struct err *e);
/* Could these persons (n different ones) bring the weight for such a right, by
 * as many signatures as one document takes? ERR_DENIED says what is missing. */
int acl_could_meet(const struct acl *acl, const char *right,
    uint8_t (*fprs)[PGP_FPR_LEN], size_t n, int64_t now, struct err *e);

/* Where nothing but the action is known, no ACL: its own require, each person
 * bringing one, which is the least that a weight can be. */
int acl_check_alone(const struct action *a, const struct signer *signers,
    size_t n, struct err *e);
/* The weight that is there and that is needed, of the operation that lacks
 * most. acl NULL: as acl_check_alone. */
struct acl_standing {
	int64_t has, needs;
};
void acl_standing(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, int64_t now,
    struct acl_standing *ret);

/* The parts of it, for who explains them. */

/* Of exactly this name, or NULL. */
const struct acl_entry *acl_find(const struct acl *a, const char *name);
/* That of the module, else "default"; NULL: nobody may ask it. */
const struct acl_entry *acl_of_module(const struct acl *a, const char *module);
bool acl_holds(const struct acl_dates *d, int64_t now);
/* What the signers bring now. */
int64_t acl_weight(const struct acl_entry *en, const struct signer *signers,
    size_t n, int64_t now);
/* Can the signature count for this action now: is its good signer one whom
 * require names, or who has weight for some operation or the wished right? */
bool acl_counts(const struct acl *acl, const struct action *a,
    const struct signer *s, int64_t now);
/* Could more signatures complete it before it ends? have: n signatures that it
 * has; fprs: who has a valid key, sorted. 0 also where it is complete.
 * ERR_DENIED: there is no way, and why; ERR_NOMEM. */
int acl_could_check(const struct acl *acl, const struct action *a,
    const struct signer *have, size_t n, const uint8_t (*fprs)[PGP_FPR_LEN],
    size_t nfprs, int64_t now, struct err *e);
/* Are the operation's paths within the entry's? ERR_DENIED names the first that
 * is not. */
int acl_check_paths(const struct acl_entry *en,
    const struct action_operation *op, struct err *e);

#endif
