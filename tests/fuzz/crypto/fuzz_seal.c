/* SPDX-License-Identifier: MPL-2.0 */
/* Sealed bytes. The first byte chooses: the rest as it is; or the rest as the
 * plaintext of a stream with the right key, so that what comes after the
 * authentication (length, padding, tags) is reached too. */
#include "base/err.h"
#include "crypto/seal.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];

static void
open_it(const uint8_t *data, size_t len)
{
	struct buf out, again;

	buf_init(&out, 1 << 20);
	buf_init(&again, 1 << 21);
	if (seal_open(pub, sec, data, len, &out, NULL) == 0) {
		/* Sealing what came out has the same size. */
		BUG_ON(seal_make(pub, out.data, out.len, &again, NULL) != 0);
		BUG_ON(again.len != len);
	} else {
		BUG_ON(out.len != 0);
	}
	buf_release(&out);
	buf_release(&again);
}

static void
open_stream(const uint8_t *data, size_t len, uint8_t tags)
{
	crypto_secretstream_xchacha20poly1305_state st;
	uint8_t key[32] = { 7 };
	size_t n,
	    room = SEAL_OVERHEAD_FIXED + len + (len / SEAL_PIECE + 1) * 17;
	uint8_t *out = malloc(room), *p = out;

	BUG_ON(out == NULL);
	crypto_box_seal(p, key, sizeof(key), pub);
	crypto_secretstream_xchacha20poly1305_init_push(&st, p + 80, key);
	p += SEAL_OVERHEAD_FIXED;
	for (; len > 0; data += n, len -= n, p += n + 17) {
		n = len < SEAL_PIECE ? len : SEAL_PIECE;
		crypto_secretstream_xchacha20poly1305_push(&st, p, NULL, data,
		    n, NULL, 0,
		    (tags & 4)     ? tags & 3
			: n == len ? 3
				   : 0);
	}
	open_it(out, (size_t)(p - out));
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int ready;

	if (!ready)
		ready = seal_keypair(pub, sec) == 0;
	if (len == 0)
		return 0;
	if (data[0] & 1)
		open_stream(data + 1, len - 1, data[0] >> 1);
	else
		open_it(data + 1, len - 1);
	return 0;
}
