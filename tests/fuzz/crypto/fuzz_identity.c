/* SPDX-License-Identifier: MPL-2.0 */
/* Identity files, and agents' signatures: 32 bytes of key, 64 of signature,
 * the rest signed. */
#include "base/err.h"
#include "crypto/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t sig[IDENTITY_SIG_LEN];
	struct identity i;

	if (identity_parse(data, len, &i, NULL) == 0) {
		identity_sign(&i, PURPOSE_HELLO, data, len, sig);
		BUG_ON(
		    identity_check(i.pub, PURPOSE_HELLO, data, len, sig) != 0);
		identity_wipe(&i);
	}
	if (len >= IDENTITY_PUB_LEN + IDENTITY_SIG_LEN)
		identity_check(data, PURPOSE_RESULT, data + 96, len - 96,
		    data + IDENTITY_PUB_LEN);
	return 0;
}
