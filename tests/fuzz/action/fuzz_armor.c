/* SPDX-License-Identifier: MPL-2.0 */
/* Armour: what is read, armours and reads again to the same bytes. */
#include "action/envelope.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out, text, back;

	buf_init(&out, SIGPACKET_MAX);
	buf_init(&text, (size_t)2 * SIGPACKET_MAX);
	buf_init(&back, SIGPACKET_MAX);
	if (dearmor_signature((const char *)data, size, &out, NULL) == 0) {
		BUG_ON(armor_signature(out.data, out.len, &text) != 0);
		BUG_ON(dearmor_signature((const char *)text.data, text.len,
			   &back, NULL) != 0);
		BUG_ON(back.len != out.len ||
		    memcmp(back.data, out.data, out.len) != 0);
	}
	buf_release(&out);
	buf_release(&text);
	buf_release(&back);
	return 0;
}
