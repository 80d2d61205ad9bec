/* SPDX-License-Identifier: MPL-2.0 */
/* A key that was handed on, as a server or a file may hold it. */
#include "action/share.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct share s, again;
	struct buf out;
	struct err e;

	err_clear(&e);
	if (share_parse(data, len, &s, &e) != 0) {
		BUG_ON(e.msg[0] == '\0');
		return 0;
	}
	/* what was read can be written, and means the same */
	buf_init(&out, 2 * SHARE_DOC_MAX);
	if (share_build(&s.action, s.to, s.key, s.time_s, &out, &e) == 0 &&
	    out.len <= SHARE_DOC_MAX) {
		BUG_ON(share_parse(out.data, out.len, &again, &e) != 0);
		BUG_ON(!id_equal(&again.action, &s.action) ||
		    strcmp(again.to, s.to) != 0 ||
		    strcmp(again.key, s.key) != 0);
		share_release(&again);
	}
	share_release(&s);
	buf_release(&out);
	return 0;
}
