/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/linesum.h"

#include "base/hex.h"
#include "crypto/sha256.h"

#include <string.h>

void
linesum(const void *text, size_t len, char out[static LINESUM_LEN + 1])
{
	struct id d;

	sha256(text, len, &d);
	hex_encode(d.b, LINESUM_LEN / 2, out);
}

bool
linesum_is(const void *text, size_t len, const char said[static LINESUM_LEN])
{
	char sum[LINESUM_LEN + 1];

	linesum(text, len, sum);
	return memcmp(sum, said, LINESUM_LEN) == 0;
}
