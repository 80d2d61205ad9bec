/* SPDX-License-Identifier: MPL-2.0 */
/* Binary envelopes: one form of bytes. */
#include "action/envelope.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope env;
	struct buf out;

	if (envelope_parse(data, size, &env, NULL) != 0)
		return 0;
	buf_init(&out, ENVELOPE_MAX);
	BUG_ON(envelope_write(&env, &out, NULL) != 0);
	BUG_ON(out.len != size || memcmp(out.data, data, size) != 0);
	buf_release(&out);
	return 0;
}
