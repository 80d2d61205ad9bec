/* SPDX-License-Identifier: MPL-2.0 */
/* The strict reader: what it takes, it takes again in its own words. */
#include "json/json.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "bc", NULL };
	json_t *v, *again;
	struct err e;
	char *text;

	v = json_strict(data, size, 65536, &e);
	if (v == NULL) {
		BUG_ON(e.code >= 0 || e.msg[0] == '\0');
		return 0;
	}
	json_only_keys(v, "x", keys, &e);
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL) {
		again = json_strict(text, strlen(text), (size_t)1 << 20, &e);
		BUG_ON(again == NULL || !json_equal(v, again));
		json_decref(again);
	}
	free(text);
	json_decref(v);
	return 0;
}
