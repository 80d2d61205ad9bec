/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An action that several people are to sign: who they could be, as the policy
 * that this client knows says it, how much weight is asked, and that each of
 * them can open its seal key.
 */
#ifndef MIG_CLIENT_SIGN_COSIGNERS_H
#define MIG_CLIENT_SIGN_COSIGNERS_H

#include "client/policy/aclview.h"

/* -cosign, -cosign-by: fills q->cosign and what the draft requires. v: the
 * known policy, or NULL. */
int cosigners_prepare(struct client *c, struct question *q,
    const struct aclview *v, const struct opts *o, struct err *e);
/* Whom this client signs as: the person of the policy's keyring that has the
 * configured key. ERR_NOTFOUND: nobody. */
int cosigners_me(struct client *c, const struct aclview *v,
    uint8_t ret[static PGP_FPR_LEN], struct err *e);
/* Of the policy's keyring; NULL: not there. */
const struct keyring_person *cosigners_person(
    const struct aclview *v, const uint8_t fpr[static PGP_FPR_LEN]);

#endif
