/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ACL of the original (mig-acl(5)): {"default" | module: {"minimumweight":
 * 1..1000, "investigators": {label: {"fingerprint": 40 hex, "weight":
 * 1..1000}}}}. Weight counts once a person; names are exact. And the agent's
 * own limits (the policy's third part).
 */
#ifndef MIG_ACTION_ACL_H
#define MIG_ACTION_ACL_H

#include "action/document.h"

#define ACL_WEIGHT_MAX 1000

struct acl; /* parsed */

int acl_parse(const void *json, size_t len, struct acl **ret, struct err *e);
void acl_free(struct acl *a);

/* Do these good signers (verdict SIG_GOOD; others are skipped) allow every
 * operation, and meet the action's own require? ERR_DENIED says which module
 * needs which weight and who brought how much. */
int acl_check(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, struct err *e);

struct policy_limits {
	int64_t max_validity;   /* seconds an action may be valid; 7 days */
	int64_t seconds;        /* wall time of one operation; 300 */
	int64_t cpu_seconds;    /* 120 */
	int64_t memory_bytes;   /* 64 MiB */
	int64_t read_bytes;     /* 0: unlimited */
	int64_t result_bytes;   /* sealed size; 8 MiB */
	int64_t workers;        /* at once; 2 */
	int64_t queue;          /* operations waiting; 64 */
};
/* Empty text or {} gives the defaults. */
int policy_limits_parse(const void *json, size_t len,
    struct policy_limits *ret, struct err *e);
/* The smaller of both in every field that is stated. */
void policy_limits_narrow(struct policy_limits *l,
    const struct action_limits *a);

#endif
