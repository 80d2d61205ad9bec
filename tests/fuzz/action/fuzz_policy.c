/* SPDX-License-Identifier: MPL-2.0 */
/* Policies: one form of bytes; and their parts as those of a next one. */
#include "action/policy_step.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum policy_refusal reason;
	struct policy p;
	struct buf out;

	if (policy_parse(data, size, &p, NULL) != 0)
		return 0;
	BUG_ON(policy_check(&p, p.issued, &reason, NULL) != 0 &&
	    reason != POLICY_MALFORMED && reason != POLICY_LOCKS_OUT);
	buf_init(&out, POLICY_MAX);
	BUG_ON(policy_write(&p, &out, NULL) != 0);
	BUG_ON(out.len != size || memcmp(out.data, data, size) != 0);
	buf_release(&out);
	return 0;
}
