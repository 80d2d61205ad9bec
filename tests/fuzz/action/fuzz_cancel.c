/* SPDX-License-Identifier: MPL-2.0 */
/* Cancel documents: what is read is made again and read as the same. */
#include "action/cancel.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cancel c, again;
	struct buf b;
	struct err e;

	if (cancel_parse(data, size, &c, &e) != 0) {
		BUG_ON(e.code >= 0 || e.msg[0] == '\0');
		return 0;
	}
	BUG_ON(c.time < 0 || c.expire_after < 0);
	BUG_ON(strlen(c.reason) > CANCEL_REASON_MAX);
	buf_init(&b, CANCEL_DOC_MAX);
	/* escapes may need more room than there was */
	if (cancel_build(&c, &b, &e) == 0) {
		BUG_ON(cancel_parse(b.data, b.len, &again, &e) != 0);
		BUG_ON(memcmp(&again.action, &c.action, sizeof(c.action)) != 0);
		BUG_ON(again.time != c.time);
		BUG_ON(again.expire_after != c.expire_after);
		BUG_ON(strcmp(again.reason, c.reason) != 0);
	}
	buf_release(&b);
	return 0;
}
