/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What may follow a policy: the rules of the chain, the same for agent (judge),
 * server and client. A step is taken from the policy in force to its successor
 * and to no other; it takes the weight that the ACL in force demands for
 * "policy" (never its default), and must leave somebody who could take the next
 * one.
 */
#ifndef MIG_ACTION_POLICY_STEP_H
#define MIG_ACTION_POLICY_STEP_H

#include "action/acl.h"
#include "action/policy.h"
#include "action/policy_refusal.h"

/* The ACL's entry for changing the policy. */
#define POLICY_RIGHT "policy"
/* What the platform carries: an envelope's document. Larger policies reach
 * their endpoints as the first one does. */
#define POLICY_STEP_MAX ENVELOPE_DOC_MAX

/* Could people with keys that are valid at now (unix s) sign its successor?
 * ERR_DENIED says what is missing. acl is that of p. */
int policy_is_open(
    const struct policy *p, const struct acl *acl, int64_t now, struct err *e);

/* ERR_EXPIRED past its end. No rule of the chain: who was away for long takes
 * steps that have ended, as with such a policy nothing but the next is taken.
 * But nobody should make, sign or publish one. */
int policy_is_fresh(const struct policy *p, int64_t now, struct err *e);

/* Do the parts of a policy read, and is it open? *ret_reason says why not. */
int policy_check(const struct policy *p, int64_t now,
    enum policy_refusal *ret_reason, struct err *e);

/* A step from was (of which only version and hash are used) with its acl to
 * next, signed by signers (those not SIG_GOOD are skipped). 0, or ERR_* with
 * the reason and a sentence. */
int policy_step(const struct policy *was, const struct acl *acl,
    const struct policy *next, const struct signer *signers, size_t n,
    int64_t now, enum policy_refusal *ret_reason, struct err *e);

#endif
