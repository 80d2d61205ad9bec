/* SPDX-License-Identifier: MPL-2.0 */
/* Policies: one form of bytes. */
#include "action/policy.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy p;
	struct buf out;

	if (policy_parse(data, size, &p, NULL) != 0)
		return 0;
	buf_init(&out, POLICY_MAX);
	BUG_ON(policy_write(&p, &out, NULL) != 0);
	BUG_ON(out.len != size || memcmp(out.data, data, size) != 0);
	buf_release(&out);
	return 0;
}
