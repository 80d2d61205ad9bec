/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/digest.h"

#include "base/err.h"
#include "scan/lib.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

static struct {
	bool loaded;
	__typeof__(&OPENSSL_init_crypto) init;
	__typeof__(&OSSL_LIB_CTX_get0_global_default) context;
	__typeof__(&EVP_MD_fetch) fetch;
	__typeof__(&EVP_MD_free) md_free;
	__typeof__(&EVP_MD_CTX_new) ctx_new;
	__typeof__(&EVP_MD_CTX_free) ctx_free;
	__typeof__(&EVP_DigestInit_ex) begin;
	__typeof__(&EVP_DigestUpdate) update;
	__typeof__(&EVP_DigestFinal_ex) final;
} ossl;

static const struct {
	const char *name;
	size_t len;
} algs_table[DIGEST_ALGS] = {
	[DIGEST_MD5] = { "MD5", 16 },
	[DIGEST_SHA1] = { "SHA1", 20 },
	[DIGEST_SHA256] = { "SHA256", 32 },
	[DIGEST_SHA384] = { "SHA384", 48 },
	[DIGEST_SHA512] = { "SHA512", 64 },
	[DIGEST_SHA3_224] = { "SHA3-224", 28 },
	[DIGEST_SHA3_256] = { "SHA3-256", 32 },
	[DIGEST_SHA3_384] = { "SHA3-384", 48 },
	[DIGEST_SHA3_512] = { "SHA3-512", 64 },
};

struct digests {
	EVP_MD *md[DIGEST_ALGS];
	EVP_MD_CTX *ctx[DIGEST_ALGS];
	uint32_t running;
	bool failed; /* at its beginning or later: libcrypto's state is none */
};

size_t
digest_len(enum digest_alg alg)
{
	return algs_table[alg].len;
}

static int
load(struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "OPENSSL_init_crypto", &ossl.init },
		{ "OSSL_LIB_CTX_get0_global_default", &ossl.context },
		{ "EVP_MD_fetch", &ossl.fetch },
		{ "EVP_MD_free", &ossl.md_free },
		{ "EVP_MD_CTX_new", &ossl.ctx_new },
		{ "EVP_MD_CTX_free", &ossl.ctx_free },
		{ "EVP_DigestInit_ex", &ossl.begin },
		{ "EVP_DigestUpdate", &ossl.update },
		{ "EVP_DigestFinal_ex", &ossl.final },
	};
	int rc;

	rc = lib_load("libcrypto.so.3", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &ossl.loaded, e);
	/* as often as you like. Whatever else is called without them, after an
	 * allocation failed in one of them, follows a null pointer. */
	if (rc == 0 &&
	    (ossl.init(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT,
		 NULL) != 1 ||
		ossl.context() == NULL))
		rc = err_set(e, ERR_NOMEM,
		    "libcrypto does not start, most likely for want of memory");
	return rc;
}

int
digests_new(uint32_t algs, struct digests **ret, struct err *e)
{
	struct digests *d;
	unsigned int i;
	int rc = load(e);

	if (rc != 0)
		return rc;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < DIGEST_ALGS; i++) {
		if ((algs & DIGEST_BIT(i)) == 0)
			continue;
		d->md[i] = ossl.fetch(NULL, algs_table[i].name, NULL);
		d->ctx[i] = ossl.ctx_new();
		if (d->md[i] == NULL || d->ctx[i] == NULL) {
			digests_free(d);
			return err_set(e, ERR_UNSUPPORTED,
			    "libcrypto here has no %s, or no memory for it",
			    algs_table[i].name);
		}
	}
	*ret = d;
	return 0;
}

void
digests_free(struct digests *d)
{
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < DIGEST_ALGS; i++) {
		if (d->ctx[i] != NULL)
			ossl.ctx_free(d->ctx[i]);
		if (d->md[i] != NULL)
			ossl.md_free(d->md[i]);
	}
	free(d);
}

int
digests_begin(struct digests *d, uint32_t algs)
{
	unsigned int i;

	d->running = algs;
	d->failed = false;
	for (i = 0; i < DIGEST_ALGS && !d->failed; i++)
		d->failed = (algs & DIGEST_BIT(i)) != 0 &&
		    ossl.begin(d->ctx[i], d->md[i], NULL) != 1;
	return d->failed ? ERR_NOMEM : 0;
}

int
digests_add(struct digests *d, const void *data, size_t len)
{
	unsigned int i;

	for (i = 0; i < DIGEST_ALGS && !d->failed; i++)
		d->failed = (d->running & DIGEST_BIT(i)) != 0 &&
		    ossl.update(d->ctx[i], data, len) != 1;
	return d->failed ? ERR_INTERNAL : 0;
}

int
digests_final(struct digests *d, enum digest_alg alg, uint8_t *out)
{
	unsigned int n;

	if (d->failed || (d->running & DIGEST_BIT(alg)) == 0 ||
	    ossl.final(d->ctx[alg], out, &n) != 1)
		return ERR_INTERNAL;
	return 0;
}
