/* SPDX-License-Identifier: MPL-2.0 */
/* Action documents. */
#include "action/document.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct action a;
	struct err e;

	if (action_parse(data, size, &a, &e) != 0) {
		BUG_ON(e.code >= 0 || e.msg[0] == '\0');
		return 0;
	}
	BUG_ON(a.noperations < 1 || a.nreaders < 1 || a.require_weight < 1);
	BUG_ON(a.valid_from >= a.expire_after);
	action_release(&a);
	return 0;
}
