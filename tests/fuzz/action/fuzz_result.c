/* SPDX-License-Identifier: MPL-2.0 */
/* Answers: raw bytes to the checker, and the input sealed as an inside. */
#include "action/result.h"

#include "base/err.h"
#include "crypto/seal.h"

#include <zstd.h>

static void
open_sealed(const void *inside, size_t len)
{
	static uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];
	static struct result_opener opener;
	static bool made;
	struct result_header h = { .status = RESULT_DONE, .noperations = 1 };
	struct result_opened o;
	struct buf sealed;

	if (!made)
		BUG_ON(seal_keypair(pub, sec) != 0);
	made = true;
	buf_init(&sealed, RESULT_SEALED_MAX);
	if (seal_make(pub, inside, len, &sealed, NULL) == 0) {
		h.sealed_len = (uint32_t)sealed.len;
		if (result_open(&opener, &h, sealed.data, pub, sec, &o, NULL) ==
		    0)
			result_opened_release(&o);
	}
	buf_release(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result_header h;
	const uint8_t *sealed;
	struct buf packed;

	result_check(data, size, &h, &sealed, NULL);
	open_sealed(data, size);
	buf_init(&packed, ZSTD_compressBound(size));
	if (buf_reserve(&packed, packed.max) != NULL) {
		packed.len =
		    ZSTD_compress(packed.data, packed.max, data, size, 1);
		BUG_ON(ZSTD_isError(packed.len));
		open_sealed(packed.data, packed.len);
	}
	buf_release(&packed);
	return 0;
}
