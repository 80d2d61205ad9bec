/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A policy as agents apply it to an action, and what they would say of it:
 * `mig acl check`, and what is told before an action is launched. Nothing here
 * binds an agent.
 */
#ifndef MIG_CLIENT_POLICY_ACLVIEW_H
#define MIG_CLIENT_POLICY_ACLVIEW_H

#include "action/acl.h"
#include "action/limits.h"
#include "client/policy/policy_file.h"
#include "client/ask/question.h"

struct envelope;

struct aclview {
	struct policy_file file; /* the rest borrows from it or is owned */
	struct keyring keyring;
	struct acl *acl;
	struct policy_limits limits;
};

/* Releasing is right after a failure as well. */
int aclview_load(const char *path, struct aclview *v, struct err *e);
/* Of policy_known(); ERR_NOTFOUND: there is none. */
int aclview_known(struct client *c, struct aclview *v, struct err *e);
/* -policy FILE, else the known one; says what to do when there is none. */
int aclview_option(
    struct client *c, const struct opts *o, struct aclview *v, struct err *e);
void aclview_release(struct aclview *v);

/* The action that a question without a document would be; borrows from it. */
int aclview_draft(const struct question *q, struct action *ret, struct err *e);
/* The good signatures, by the policy's keyring; ret has SIGS_MAX. */
size_t aclview_signers(const struct aclview *v, const struct envelope *env,
    int64_t now, struct signer *ret);
/* 0: agents with this policy run it; ERR_DENIED or ERR_EXPIRED: why not. */
int aclview_judge(const struct aclview *v, const struct action *a,
    const struct signer *signers, size_t n, int64_t now, struct err *e);
/* Appends a line for each limit of what would be answered: "PREFIXfile: agents
 * will only say whether something was found". */
int aclview_notes(const struct aclview *v, const struct action *a,
    const char *prefix, struct buf *out);

#endif
