/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: the newest policy that the server has, read once, and what it says of
 * actions that wait for signatures. Agents judge by their own copy; what is
 * said here is said early, not instead of them. Without a policy each person
 * of the server's own keyring counts one.
 */
#ifndef MIG_SERVER_CORE_JUDGING_H
#define MIG_SERVER_CORE_JUDGING_H

#include "action/acl.h"
#include "action/envelope.h"
#include "base/id.h"

struct core;
struct err;

struct judging {
	struct id policy;               /* its hash; zero: there is none */
	uint64_t version;               /* 0: there is none */
	struct acl *acl;                /* NULL: there is none */
	struct keyring own;             /* of the policy */
	const struct keyring *keys;     /* borrowed; NULL: own */
	uint8_t (*people)[PGP_FPR_LEN]; /* with a valid key; sorted */
	size_t npeople;
	int64_t now; /* unix s */
};

int judging_load(struct core *c, struct judging *ret, struct err *e);
/* Also of one that is all zero. */
void judging_release(struct judging *j);
/* The hash of the policy that judging_load() would read; zero: there is none.
 */
int judging_policy(struct core *c, struct id *ret, struct err *e);

/* What is missing until agents would take an action. */
struct standing {
	bool met;
	bool possible; /* signatures can bring what is missing */
	struct acl_standing weight;
	char missing[512]; /* in words; "" when it is met */
	struct id policy;  /* that says so; zero: none is known */
	uint64_t version;
};
int judging_standing(const struct judging *j, const struct action *a,
    const struct envelope *env, struct standing *ret, struct err *e);
/* Of each signature: can it count for the action (acl_counts)? Without a
 * policy every good one. ret has SIGS_MAX. */
void judging_counts(const struct judging *j, const struct action *a,
    const struct envelope *env, bool *ret);

/* The ACL alone (acl_free); ERR_NOTFOUND when there is no policy. */
int core_policy_acl(struct core *c, struct acl **ret, struct err *e);

#endif
