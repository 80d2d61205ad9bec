/* SPDX-License-Identifier: MPL-2.0 */
/* Decompression of damaged streams, in pieces: the first byte says how large
 * they are. */
#include "base/err.h"
#include "scan/decompress.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
sink(void *arg, uint8_t *data, size_t len)
{
	uint64_t *total = arg;

	*total += len;
	data[0] ^= data[len - 1]; /* the buffer is ours to change */
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct decompress_limits limits = { .output = 8 << 20,
		.ratio_above = 1 << 20,
		.ratio = 500,
		.memory = 8 << 20 };
	struct decompress *d;
	enum decompress_kind kind;
	uint64_t total = 0;
	size_t step, n, at;
	int rc = 0;

	if (size < 2)
		return 0;
	step = 1 + data[0] * 16u;
	data++;
	size--;
	kind = decompress_detect(data, size);
	if (kind == DECOMPRESS_NONE ||
	    decompress_new(kind, &limits, &d, NULL) != 0)
		return 0;
	for (at = 0; at < size && rc == 0; at += n) {
		n = size - at < step ? size - at : step;
		rc = decompress_feed(d, data + at, n, sink, &total, NULL);
	}
	if (rc == 0)
		decompress_end(d, NULL);
	if (total > limits.output + (1 << 20))
		abort();
	decompress_free(d);
	return 0;
}
