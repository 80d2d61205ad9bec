/* SPDX-License-Identifier: MPL-2.0 */
/* Checking with public keys; see pubkey.h. */
#include "crypto/pubkey.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/bignum.h>
#include <nettle/dsa.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <nettle/ecdsa.h>
#include <nettle/rsa.h>
#include <sodium.h>

enum kind { KIND_RSA, KIND_EC, KIND_ED25519 };

struct pubkey {
	enum kind kind;
	unsigned int bits;
	struct rsa_public_key rsa;
	struct ecc_point point;
	uint8_t ed[PUBKEY_ED25519_LEN];
};

_Static_assert(PUBKEY_ED25519_LEN == crypto_sign_PUBLICKEYBYTES, "public key");

static void
number_init(mpz_t ret, struct pubkey_num n)
{
	nettle_mpz_init_set_str_256_u(ret, n.len, n.data);
}

int
pubkey_new_rsa(struct pubkey_num n, struct pubkey_num e, struct pubkey **ret)
{
	struct pubkey *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return ERR_NOMEM;
	k->kind = KIND_RSA;
	rsa_public_key_init(&k->rsa);
	nettle_mpz_set_str_256_u(k->rsa.n, n.len, n.data);
	nettle_mpz_set_str_256_u(k->rsa.e, e.len, e.data);
	k->bits = (unsigned int)mpz_sizeinbase(k->rsa.n, 2);
	if (!rsa_public_key_prepare(&k->rsa)) {
		pubkey_free(k);
		return ERR_UNSUPPORTED;
	}
	*ret = k;
	return 0;
}

static const struct ecc_curve *
curve_of(enum pubkey_curve c)
{
	return c == PUBKEY_P256 ? nettle_get_secp_256r1()
	    : c == PUBKEY_P384  ? nettle_get_secp_384r1()
				: nettle_get_secp_521r1();
}

/* These curves have cofactor 1, so every point of one has the full order. */
int
pubkey_new_ec(enum pubkey_curve curve, struct pubkey_num x, struct pubkey_num y,
    struct pubkey **ret)
{
	struct pubkey *k = calloc(1, sizeof(*k));
	mpz_t mx, my;
	bool on;

	if (k == NULL)
		return ERR_NOMEM;
	k->kind = KIND_EC;
	k->bits = curve == PUBKEY_P256 ? 256 : curve == PUBKEY_P384 ? 384 : 521;
	ecc_point_init(&k->point, curve_of(curve));
	number_init(mx, x);
	number_init(my, y);
	on = ecc_point_set(&k->point, mx, my) == 1;
	mpz_clear(mx);
	mpz_clear(my);
	if (!on) {
		pubkey_free(k);
		return ERR_UNSUPPORTED;
	}
	*ret = k;
	return 0;
}

int
pubkey_new_ed25519(
    const uint8_t y[static PUBKEY_ED25519_LEN], struct pubkey **ret)
{
	struct pubkey *k;

	if (sodium_init() < 0 || crypto_core_ed25519_is_valid_point(y) != 1)
		return ERR_UNSUPPORTED;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return ERR_NOMEM;
	k->kind = KIND_ED25519;
	k->bits = 256;
	memcpy(k->ed, y, sizeof(k->ed));
	*ret = k;
	return 0;
}

void
pubkey_free(struct pubkey *k)
{
	if (k == NULL)
		return;
	if (k->kind == KIND_RSA)
		rsa_public_key_clear(&k->rsa);
	else if (k->kind == KIND_EC)
		ecc_point_clear(&k->point);
	free(k);
}

unsigned int
pubkey_bits(const struct pubkey *k)
{
	return k->bits;
}

/* --- checking ------------------------------------------------------------ */

#define INFO_HEAD_LEN 19

/* DigestInfo up to the digest (RFC 8017 section 9.2, note 1). */
static const uint8_t *
info_head(size_t digest_len)
{
	static const uint8_t sha256[INFO_HEAD_LEN] = { 0x30, 0x31, 0x30, 0x0d,
		0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x01, 0x05, 0x00, 0x04, 0x20 };
	static const uint8_t sha384[INFO_HEAD_LEN] = { 0x30, 0x41, 0x30, 0x0d,
		0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x02, 0x05, 0x00, 0x04, 0x30 };
	static const uint8_t sha512[INFO_HEAD_LEN] = { 0x30, 0x51, 0x30, 0x0d,
		0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x03, 0x05, 0x00, 0x04, 0x40 };

	return digest_len == 32 ? sha256
	    : digest_len == 48  ? sha384
	    : digest_len == 64  ? sha512
				: NULL;
}

static bool
verify_rsa(const struct pubkey *k, const uint8_t *digest, size_t len,
    struct pubkey_num sig)
{
	const uint8_t *head = info_head(len);
	uint8_t info[INFO_HEAD_LEN + 64];
	mpz_t s;
	bool good;

	if (head == NULL || sig.len > k->rsa.size)
		return false;
	memcpy(info, head, INFO_HEAD_LEN);
	memcpy(info + INFO_HEAD_LEN, digest, len);
	number_init(s, sig);
	good = rsa_pkcs1_verify(&k->rsa, INFO_HEAD_LEN + len, info, s) == 1;
	mpz_clear(s);
	return good;
}

static bool
verify_ec(const struct pubkey *k, const uint8_t *digest, size_t len,
    const struct pubkey_num sig[static 2])
{
	struct dsa_signature s;
	bool good;

	if (sig[0].len > (k->bits + 7) / 8 || sig[1].len > (k->bits + 7) / 8)
		return false;
	dsa_signature_init(&s);
	nettle_mpz_set_str_256_u(s.r, sig[0].len, sig[0].data);
	nettle_mpz_set_str_256_u(s.s, sig[1].len, sig[1].data);
	good = ecdsa_verify(&k->point, len, digest, &s) == 1;
	dsa_signature_clear(&s);
	return good;
}

/* OpenPGP writes R and s as numbers, without the zeros before them. */
static bool
verify_ed25519(const struct pubkey *k, const uint8_t *digest, size_t len,
    const struct pubkey_num sig[static 2])
{
	uint8_t raw[2 * PUBKEY_ED25519_LEN] = { 0 };
	size_t i;

	for (i = 0; i < 2; i++) {
		if (sig[i].len > PUBKEY_ED25519_LEN)
			return false;
		memcpy(raw + (i + 1) * PUBKEY_ED25519_LEN - sig[i].len,
		    sig[i].data, sig[i].len);
	}
	return crypto_sign_verify_detached(raw, digest, len, k->ed) == 0;
}

bool
pubkey_verify(const struct pubkey *k, const uint8_t *digest, size_t digest_len,
    const struct pubkey_num sig[static 2])
{
	if (k->kind == KIND_RSA)
		return verify_rsa(k, digest, digest_len, sig[0]);
	if (k->kind == KIND_EC)
		return verify_ec(k, digest, digest_len, sig);
	return verify_ed25519(k, digest, digest_len, sig);
}

bool
pubkey_verify_ed25519(const struct pubkey *k, const uint8_t *message,
    size_t len, const uint8_t *sig)
{
	return k->kind == KIND_ED25519 &&
	    crypto_sign_verify_detached(sig, message, len, k->ed) == 0;
}
