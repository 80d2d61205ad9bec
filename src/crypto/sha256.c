/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SHA-256 over Nettle: no state but its context, nothing that can fail, not
 * even for want of memory, and the processor's own instructions where it has
 * them.
 */
#include "crypto/sha256.h"

#include <nettle/sha2.h>

_Static_assert(ID_LEN == SHA256_DIGEST_SIZE, "id");

_Static_assert(
    sizeof(struct sha256_ctx) <= sizeof(((struct sha256 *)NULL)->state), "ctx");

static struct sha256_ctx *
ctx(struct sha256 *h)
{
	return (struct sha256_ctx *)(void *)h->state;
}

void
sha256_begin(struct sha256 *h)
{
	sha256_init(ctx(h));
}

void
sha256_add(struct sha256 *h, const void *data, size_t len)
{
	if (len > 0)
		sha256_update(ctx(h), len, data);
}

void
sha256_final(struct sha256 *h, struct id *ret)
{
	/* ready for the next one as well */
	sha256_digest(ctx(h), ID_LEN, ret->b);
}

void
sha256(const void *data, size_t len, struct id *ret)
{
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, data, len);
	sha256_final(&h, ret);
}
