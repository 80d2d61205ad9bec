/* SPDX-License-Identifier: MPL-2.0 */
#include "action/policy_step.h"

#include "action/limits.h"
#include "base/clock.h"
#include "base/err.h"
#include "crypto/keyring_people.h"

#include <inttypes.h>
#include <stdlib.h>

int
policy_is_open(
    const struct policy *p, const struct acl *acl, int64_t now, struct err *e)
{
	uint8_t(*fprs)[PGP_FPR_LEN];
	size_t n;
	int rc;

	rc = keyring_people(p->keyring, p->keyring_len, now, &fprs, &n, e);
	if (rc != 0)
		return rc;
	rc = acl_could_meet(acl, POLICY_RIGHT, fprs, n, now, e);
	free(fprs);
	return rc;
}

int
policy_is_fresh(const struct policy *p, int64_t now, struct err *e)
{
	char when[RFC3339_LEN + 1];

	if (now < p->expires)
		return 0;
	rfc3339_format(p->expires, when);
	return err_set(e, ERR_EXPIRED, "it expired at %s", when);
}

int
policy_check(const struct policy *p, int64_t now,
    enum policy_refusal *ret_reason, struct err *e)
{
	struct policy_limits limits;
	struct acl *acl;
	int rc;

	*ret_reason = POLICY_MALFORMED;
	rc = acl_parse(p->acl, p->acl_len, &acl, e);
	if (rc != 0)
		return rc;
	rc = policy_limits_parse(p->limits, p->limits_len, &limits, e);
	if (rc == 0) {
		rc = policy_is_open(p, acl, now, e);
		if (rc == ERR_DENIED)
			*ret_reason = POLICY_LOCKS_OUT;
	}
	acl_free(acl);
	return rc;
}

/* Is it the next one? */
static int
check_place(const struct policy *was, const struct policy *next,
    enum policy_refusal *ret_reason, struct err *e)
{
	if (next->version <= was->version) {
		*ret_reason = POLICY_OLDER;
		return err_set(e, ERR_DENIED,
		    "version %" PRIu64 " does not follow version %" PRIu64,
		    next->version, was->version);
	}
	if (next->version != was->version + 1) {
		*ret_reason = POLICY_SKIPS;
		return err_set(e, ERR_DENIED,
		    "version %" PRIu64 " skips those after version %" PRIu64,
		    next->version, was->version);
	}
	if (!id_equal(&next->previous, &was->hash)) {
		*ret_reason = POLICY_FOREIGN;
		return err_set(e, ERR_DENIED, "it follows %s, not %s",
		    id_hex(&next->previous).s, id_hex(&was->hash).s);
	}
	return 0;
}

int
policy_step(const struct policy *was, const struct acl *acl,
    const struct policy *next, const struct signer *signers, size_t n,
    int64_t now, enum policy_refusal *ret_reason, struct err *e)
{
	int rc = check_place(was, next, ret_reason, e);

	if (rc != 0)
		return rc;
	rc = acl_check_right(acl, POLICY_RIGHT, signers, n, now, e);
	if (rc != 0) {
		*ret_reason = POLICY_WEIGHT;
		return rc;
	}
	rc = policy_check(next, now, ret_reason, e);
	if (rc == 0)
		*ret_reason = POLICY_TAKEN;
	return rc;
}
