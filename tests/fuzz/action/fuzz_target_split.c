/* SPDX-License-Identifier: MPL-2.0 */
/* Splitting old targets: what is left holds no status any more. */
#include "action/document.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ACTION_TARGET_MAX + 1];
	struct buf out, again;
	bool online = false;

	if (size >= sizeof(text) || memchr(data, '\0', size) != NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	buf_init(&out, (size_t)2 * ACTION_TARGET_MAX);
	buf_init(&again, (size_t)2 * ACTION_TARGET_MAX);
	if (action_target_split(text, &out, &online, NULL) == 0) {
		online = false;
		BUG_ON(action_target_split(
			   buf_str(&out), &again, &online, NULL) != 0);
		BUG_ON(online);
		BUG_ON(again.len != out.len ||
		    memcmp(again.data, out.data, out.len) != 0);
	}
	buf_release(&out);
	buf_release(&again);
	return 0;
}
