/* SPDX-License-Identifier: MPL-2.0 */
/* Envelopes as JSON: what is read can be written and read again. */
#include "action/envelope.h"

#include "base/err.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope env;
	struct buf out;
	json_t *v;

	buf_init(&out, ENVELOPE_MAX);
	if (envelope_from_json(data, size, &out, NULL) == 0) {
		BUG_ON(envelope_parse(out.data, out.len, &env, NULL) != 0);
		v = envelope_to_json(&env, NULL);
		BUG_ON(v == NULL);
		json_decref(v);
	}
	buf_release(&out);
	return 0;
}
