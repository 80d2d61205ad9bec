/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SHA-256 over libcrypto. The algorithm is fetched once a process: a fetch
 * costs more than hashing a kilobyte. What can fail here is only memory and a
 * broken libcrypto; callers have no way to go on without a digest, so both end
 * the process rather than returning a wrong hash.
 */
#include "crypto/sha256.h"

#include "base/err.h"

#include <openssl/evp.h>

struct sha256 {
	EVP_MD_CTX *ctx; /* owned */
};

static const EVP_MD *
sha256_md(void)
{
	static EVP_MD *md;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	BUG_ON(md == NULL);
	return md;
}

struct sha256 *
sha256_new(void)
{
	struct sha256 *h = OPENSSL_zalloc(sizeof(*h));

	BUG_ON(h == NULL);
	h->ctx = EVP_MD_CTX_new();
	BUG_ON(h->ctx == NULL);
	BUG_ON(EVP_DigestInit_ex2(h->ctx, sha256_md(), NULL) != 1);
	return h;
}

void
sha256_free(struct sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	OPENSSL_free(h);
}

void
sha256_add(struct sha256 *h, const void *data, size_t len)
{
	if (len > 0)
		BUG_ON(EVP_DigestUpdate(h->ctx, data, len) != 1);
}

void
sha256_final(struct sha256 *h, struct id *ret)
{
	unsigned int n = 0;

	BUG_ON(EVP_DigestFinal_ex(h->ctx, ret->b, &n) != 1 || n != ID_LEN);
	BUG_ON(EVP_DigestInit_ex2(h->ctx, sha256_md(), NULL) != 1);
}

void
sha256(const void *data, size_t len, struct id *ret)
{
	struct sha256 *h = sha256_new();

	sha256_add(h, data, len);
	sha256_final(h, ret);
	sha256_free(h);
}
