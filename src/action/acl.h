/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ACL of the original (mig-acl(5)): {"default" | module: {"minimumweight":
 * 1..1000, "investigators": {label: {"fingerprint": 40 hex, "weight":
 * 1..1000}}}}. A fingerprint is a person's primary one, of any case. Weight
 * counts once a person; names are exact; a fingerprint under two labels of one
 * entry is refused.
 */
#ifndef MIG_ACTION_ACL_H
#define MIG_ACTION_ACL_H

#include "action/document.h"

#define ACL_WEIGHT_MAX 1000
#define ACL_TEXT_MAX (4 * 1024 * 1024)

struct acl; /* parsed */

int acl_parse(const void *json, size_t len, struct acl **ret, struct err *e);
void acl_free(struct acl *a);

/* Do these good signers (verdict SIG_GOOD; others are skipped) allow every
 * operation, and meet the action's own require? ERR_DENIED says which module
 * needs which weight and who brought how much. */
int acl_check(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, struct err *e);

/* May these signers exercise a right that is no module ("policy", "cancel")?
 * Only an entry of exactly that name counts: never "default". */
int acl_check_right(const struct acl *acl, const char *right,
    const struct signer *signers, size_t n, struct err *e);
/* Could these persons (n different ones) bring the weight for such a right, by
 * as many signatures as one document takes? ERR_DENIED says what is missing. */
int acl_could_meet(const struct acl *acl, const char *right,
    uint8_t (*fprs)[PGP_FPR_LEN], size_t n, struct err *e);

#endif
