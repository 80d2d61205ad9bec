/* SPDX-License-Identifier: MPL-2.0 */
/* A policy while it is made, by `mig policy make` and `mig policy edit`. */
#ifndef MIG_CLIENT_POLICY_POLICY_DRAFT_H
#define MIG_CLIENT_POLICY_POLICY_DRAFT_H

#include "action/policy.h"
#include "client/client.h"

struct policy_draft {
	struct buf keyring, acl, limits;
	struct buf text;      /* of policy_draft_write() */
	struct policy policy; /* version and previous are the caller's */
};

void policy_draft_init(struct policy_draft *d);
void policy_draft_release(struct policy_draft *d);
/* It holds from now on for -expires, or a year. */
int
policy_draft_times(struct policy_draft *d, const struct opts *o, struct err *e);
/* Fills text; policy is then what is read out of it, and borrows from it. */
int policy_draft_write(struct policy_draft *d, struct err *e);
/* Warns of a policy that holds a week at most: when it has ended, agents refuse
 * all but its successor. */
void policy_warn_end(const struct policy *p);

#endif
