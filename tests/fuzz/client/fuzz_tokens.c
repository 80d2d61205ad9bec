/* SPDX-License-Identifier: MPL-2.0 */
/* The file of enrolment tokens, which a colleague may have sent. */
#include "client/trust/tokens.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pub[IDENTITY_PUB_LEN];
	struct tokens t;
	struct id proof;
	struct err e;
	size_t i;

	if (size > TOKENS_FILE_MAX)
		return (0);
	err_clear(&e);
	if (tokens_parse(data, size, &t, &e) != 0) {
		BUG_ON(e.msg[0] == '\0');
		return (0);
	}
	for (i = 0; i < t.n; i++) {
		enrol_token_proof(t.list[i].secret, pub, &proof);
		BUG_ON(tokens_check(&t, &t.list[i].hash, &proof, pub) !=
		    TOKEN_CHECKED);
	}
	tokens_release(&t);
	return (0);
}
