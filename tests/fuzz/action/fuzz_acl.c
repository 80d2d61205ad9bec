/* SPDX-License-Identifier: MPL-2.0 */
/* ACLs and limits. */
#include "action/acl.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signer s = { .verdict = SIG_GOOD };
	struct action a = { .noperations = 1, .require_weight = 1 };
	struct policy_limits l;
	struct acl *acl;

	if (policy_limits_parse(data, size, &l, NULL) == 0)
		BUG_ON(l.seconds < 1 || l.workers < 1 || l.queue < 1);
	if (acl_parse(data, size, &acl, NULL) != 0)
		return 0;
	memset(s.person, 0xaa, sizeof(s.person));
	memcpy(a.operations[0].module, "file", 5);
	/* nobody is never enough */
	BUG_ON(acl_check(acl, &a, &s, 0, 0, NULL) == 0);
	acl_check(acl, &a, &s, 1, 0, NULL);
	acl_could_check(acl, &a, &s, 1, NULL, 0, 0, NULL);
	acl_check_right(acl, "policy", &s, 1, 0, NULL);
	acl_free(acl);
	return 0;
}
