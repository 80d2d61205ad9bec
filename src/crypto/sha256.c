/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SHA-256 over Nettle: no state but its context, nothing that can fail but
 * memory, and the processor's own instructions where it has them. Callers
 * have no way to go on without a digest, so running out of memory ends the
 * process rather than returning a wrong hash.
 */
#include "crypto/sha256.h"

#include "base/err.h"

#include <stdlib.h>

#include <nettle/sha2.h>

_Static_assert(ID_LEN == SHA256_DIGEST_SIZE, "id");

struct sha256 {
	struct sha256_ctx ctx;
};

struct sha256 *
sha256_new(void)
{
	struct sha256 *h = malloc(sizeof(*h));

	BUG_ON(h == NULL);
	sha256_init(&h->ctx);
	return h;
}

void
sha256_free(struct sha256 *h)
{
	free(h);
}

void
sha256_add(struct sha256 *h, const void *data, size_t len)
{
	if (len > 0)
		sha256_update(&h->ctx, len, data);
}

void
sha256_final(struct sha256 *h, struct id *ret)
{
	/* ready for the next one as well */
	sha256_digest(&h->ctx, ID_LEN, ret->b);
}

void
sha256(const void *data, size_t len, struct id *ret)
{
	struct sha256 h;

	sha256_init(&h.ctx);
	sha256_add(&h, data, len);
	sha256_final(&h, ret);
}
