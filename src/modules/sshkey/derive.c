/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/derive.h"

#include "base/err.h"
#include "scan/lib.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdbool.h>

static struct {
	bool loaded;
	__typeof__(&OPENSSL_init_crypto) init;
	__typeof__(&OSSL_LIB_CTX_get0_global_default) context;
	__typeof__(&EVP_PKEY_new_raw_private_key) pkey_new;
	__typeof__(&EVP_PKEY_get_raw_public_key) pkey_public;
	__typeof__(&EVP_PKEY_free) pkey_free;
	__typeof__(&BN_CTX_new) ctx_new;
	__typeof__(&BN_CTX_free) ctx_free;
	__typeof__(&BN_bin2bn) bin2bn;
	__typeof__(&BN_bn2bin) bn2bin;
	__typeof__(&BN_new) bn_new;
	__typeof__(&BN_clear_free) bn_free;
	__typeof__(&BN_num_bits) bits;
	__typeof__(&BN_mod_exp) mod_exp;
	__typeof__(&EC_GROUP_new_by_curve_name) group_new;
	__typeof__(&EC_GROUP_free) group_free;
	__typeof__(&EC_POINT_new) point_new;
	__typeof__(&EC_POINT_free) point_free;
	__typeof__(&EC_POINT_mul) mul;
	__typeof__(&EC_POINT_point2oct) point2oct;
} ossl;

static int
load(struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "OPENSSL_init_crypto", &ossl.init },
		{ "OSSL_LIB_CTX_get0_global_default", &ossl.context },
		{ "EVP_PKEY_new_raw_private_key", &ossl.pkey_new },
		{ "EVP_PKEY_get_raw_public_key", &ossl.pkey_public },
		{ "EVP_PKEY_free", &ossl.pkey_free },
		{ "BN_CTX_new", &ossl.ctx_new },
		{ "BN_CTX_free", &ossl.ctx_free },
		{ "BN_bin2bn", &ossl.bin2bn },
		{ "BN_bn2bin", &ossl.bn2bin },
		{ "BN_new", &ossl.bn_new },
		{ "BN_clear_free", &ossl.bn_free },
		{ "BN_num_bits", &ossl.bits },
		{ "BN_mod_exp", &ossl.mod_exp },
		{ "EC_GROUP_new_by_curve_name", &ossl.group_new },
		{ "EC_GROUP_free", &ossl.group_free },
		{ "EC_POINT_new", &ossl.point_new },
		{ "EC_POINT_free", &ossl.point_free },
		{ "EC_POINT_mul", &ossl.mul },
		{ "EC_POINT_point2oct", &ossl.point2oct },
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

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "no memory to compute a public half");
}

int
derive_ed25519(
    const uint8_t seed[static 32], uint8_t ret[static 32], struct err *e)
{
	EVP_PKEY *key;
	size_t len = 32;
	int rc;

	if ((rc = load(e)) != 0)
		return rc;
	key = ossl.pkey_new(EVP_PKEY_ED25519, NULL, seed, 32);
	/* every seed is one */
	if (key == NULL || ossl.pkey_public(key, ret, &len) != 1 || len != 32)
		rc = no_memory(e);
	ossl.pkey_free(key);
	return rc;
}

int
derive_power(const struct derive_number *base,
    const struct derive_number *exponent, const struct derive_number *modulus,
    uint8_t ret[static DERIVE_NUMBER_MAX], size_t *ret_len, struct err *e)
{
	BIGNUM *b, *x, *m, *r;
	BN_CTX *ctx;
	int rc;

	if (base->len > DERIVE_NUMBER_MAX || exponent->len > 64 ||
	    modulus->len > DERIVE_NUMBER_MAX)
		return err_set(e, ERR_INVALID, "a number that is too long");
	if ((rc = load(e)) != 0)
		return rc;
	ctx = ossl.ctx_new();
	b = ossl.bin2bn(base->p, (int)base->len, NULL);
	x = ossl.bin2bn(exponent->p, (int)exponent->len, NULL);
	m = ossl.bin2bn(modulus->p, (int)modulus->len, NULL);
	r = ossl.bn_new();
	if (ctx == NULL || b == NULL || x == NULL || m == NULL || r == NULL)
		rc = no_memory(e);
	else if (ossl.mod_exp(r, b, x, m, ctx) != 1 ||
	    ossl.bits(r) > 8 * DERIVE_NUMBER_MAX)
		rc = err_set(e, ERR_INVALID, "libcrypto does not take the key");
	else
		*ret_len = (size_t)ossl.bn2bin(r, ret);
	ossl.bn_free(b);
	ossl.bn_free(x);
	ossl.bn_free(m);
	ossl.bn_free(r);
	ossl.ctx_free(ctx);
	return rc;
}

int
derive_point(int nid, const struct derive_number *scalar,
    uint8_t ret[static DERIVE_NUMBER_MAX], size_t *ret_len, struct err *e)
{
	EC_GROUP *group;
	EC_POINT *point = NULL;
	BIGNUM *x = NULL;
	int rc;

	if (scalar->len > 66)
		return err_set(e, ERR_INVALID, "a number that is too long");
	if ((rc = load(e)) != 0)
		return rc;
	group = ossl.group_new(nid);
	if (group != NULL) {
		point = ossl.point_new(group);
		x = ossl.bin2bn(scalar->p, (int)scalar->len, NULL);
	}
	*ret_len = 0;
	if (point == NULL || x == NULL)
		rc = no_memory(e);
	else if (ossl.mul(group, point, x, NULL, NULL, NULL) == 1)
		*ret_len =
		    ossl.point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED,
			ret, DERIVE_NUMBER_MAX, NULL);
	if (rc == 0 && *ret_len < 33) /* nothing, or the point at infinity */
		rc = err_set(e, ERR_INVALID, "libcrypto does not take the key");
	ossl.bn_free(x);
	ossl.point_free(point);
	ossl.group_free(group);
	return rc;
}
