/* SPDX-License-Identifier: MPL-2.0 */
/* Signing a hello; its reader is hello.c. */
#include "action/hello_make.h"

#include "base/err.h"

int
hello_make(const struct identity *who, const void *json, size_t len,
    struct buf *out, struct err *e)
{
	uint8_t sig[IDENTITY_SIG_LEN];
	size_t start = out->len;

	if (len > HELLO_MAX - HELLO_PREFIX_LEN)
		return err_set(e, ERR_TOOBIG,
		    "hello: %zu bytes, at most %d: shorten tags", len,
		    HELLO_MAX - HELLO_PREFIX_LEN);
	identity_sign(who, PURPOSE_HELLO, json, len, sig);
	buf_add_u8(out, 3);
	buf_add(out, who->pub, IDENTITY_PUB_LEN);
	buf_add(out, sig, sizeof(sig));
	buf_add(out, json, len);
	if (out->error != 0) {
		out->len = start;
		return err_set(
		    e, out->error, "hello: %s", err_text(out->error));
	}
	return 0;
}
