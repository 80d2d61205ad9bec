/* SPDX-License-Identifier: MPL-2.0 */
/* Files of the original's format. */
#include "action/document.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct action_draft d = { 0 };
	json_t *root;

	if (action_read_v2(data, size, &d, &root, NULL) != 0)
		return 0;
	BUG_ON(d.name == NULL || json_array_size(d.operations) < 1);
	json_decref(root);
	return 0;
}
