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
#include "server/core/uncounted.h"

struct core;
struct err;

struct judging {
	struct id policy;               /* that the store names; zero: none */
	uint64_t version;               /* 0: there is none */
	struct acl *acl;                /* NULL: there is none */
	struct keyring own;             /* of the policy */
	const struct keyring *keys;     /* borrowed; NULL: own */
	uint8_t (*people)[PGP_FPR_LEN]; /* with a valid key; sorted */
	size_t npeople;
	int64_t now;  /* unix s */
	int64_t read; /* the same, when it was; 0: not */
};

/* As of now; what was read for one that is still named is kept for a minute.
 * Borrowed until the next call. */
int judging_now(struct core *c, const struct judging **ret, struct err *e);
/* Also NULL. */
void judging_free(struct judging *j);
/* The hash of the policy that judging_now() would use; zero: there is none. */
int judging_policy(struct core *c, struct id *ret, struct err *e);

/* What is missing until agents would take an action. */
struct standing {
	bool met;
	bool possible; /* signatures can bring what is missing */
	struct acl_standing weight;
	char missing[512];          /* in words; "" when it is met */
	struct uncounted uncounted; /* of its signatures */
	struct id policy;           /* that says so; zero: none is known */
	uint64_t version;
};
int judging_standing(const struct judging *j, const struct action *a,
    const struct envelope *env, struct standing *ret, struct err *e);
/* Of each signature: can it count for the action (acl_counts)? Without a
 * policy every good one. ret has SIGS_MAX; why: of one that cannot. */
struct counting {
	bool counts;
	char why[UNCOUNTED_WHY_MAX];
};
void judging_counts(const struct judging *j, const struct action *a,
    const struct envelope *env, struct counting *ret);

/* The ACL alone (acl_free); ERR_NOTFOUND when there is no policy. */
int core_policy_acl(struct core *c, struct acl **ret, struct err *e);

#endif
