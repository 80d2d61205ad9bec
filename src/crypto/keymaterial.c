/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Numbers of public keys. Invariant: keymaterial_pkey() returns a key only
 * when it is of an accepted kind, strong enough and a point of its curve.
 */
#include "crypto/keymaterial.h"

#include "base/err.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define ED25519_LEN 32
#define PK_RSA 1
#define PK_ECDSA 19
#define PK_EDDSA 22

struct curve {
	const char *group; /* OpenSSL's name */
	size_t point_len;  /* uncompressed; Ed25519: as RFC 8032 writes it */
	uint8_t pk_alg;    /* OpenPGP */
	uint8_t oid[12];   /* with its length octet, as in a key packet */
};

struct alg_row {
	enum key_alg alg;
	const char *word;
	struct curve curve; /* empty for RSA */
};

/* Object identifiers: RFC 6637 section 11; Ed25519 as gpg writes it. */
static const struct alg_row alg_table[] = {
	{ KEY_RSA, "rsa", { NULL, 0, PK_RSA, { 0 } } },
	{ KEY_ED25519, "ed25519",
	    { NULL, ED25519_LEN, PK_EDDSA,
		{ 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1 } } },
	{ KEY_P256, "p256",
	    { "P-256", 65, PK_ECDSA,
		{ 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 } } },
	{ KEY_P384, "p384",
	    { "P-384", 97, PK_ECDSA, { 5, 0x2b, 0x81, 4, 0, 0x22 } } },
	{ KEY_P521, "p521",
	    { "P-521", 133, PK_ECDSA, { 5, 0x2b, 0x81, 4, 0, 0x23 } } },
};

static const struct alg_row *
alg_find(enum key_alg alg)
{
	size_t i;

	for (i = 0; i < sizeof(alg_table) / sizeof(alg_table[0]); i++) {
		if (alg_table[i].alg == alg)
			return &alg_table[i];
	}
	return NULL;
}

const char *
key_alg_word(enum key_alg alg)
{
	const struct alg_row *row = alg_find(alg);

	return row == NULL ? NULL : row->word;
}

/* Hexadecimal of at most max bytes, no leading zero byte wanted by callers
 * that read numbers. */
static int
read_hex(const char *s, size_t n, uint8_t *out, size_t max, size_t *ret_len)
{
	char part[2 * sizeof(((struct keymaterial *)0)->num) + 1];

	if (n == 0 || n % 2 != 0 || n / 2 > max || n >= sizeof(part))
		return ERR_INVALID;
	memcpy(part, s, n);
	part[n] = '\0';
	if (hex_decode(part, out, n / 2) != 0)
		return ERR_INVALID;
	*ret_len = n / 2;
	return 0;
}

static int
parse_rsa(const char *material, struct keymaterial *m, struct err *e)
{
	const char *colon = strchr(material, ':');

	if (colon == NULL)
		return err_set(e, ERR_INVALID,
		    "RSA key: <modulus>:<exponent> in hexadecimal is expected");
	if (read_hex(material, (size_t)(colon - material), m->num,
		sizeof(m->num), &m->len) != 0 ||
	    m->num[0] == 0)
		return err_set(e, ERR_INVALID,
		    "RSA key: modulus is not a hexadecimal number of at most "
		    "%d bits without leading zeros",
		    KEY_RSA_BITS_MAX);
	if (read_hex(colon + 1, strlen(colon + 1), m->exp, sizeof(m->exp),
		&m->exp_len) != 0 ||
	    m->exp[0] == 0)
		return err_set(e, ERR_INVALID,
		    "RSA key: exponent is not a hexadecimal number of at most "
		    "%d bytes without leading zeros",
		    KEY_RSA_EXP_MAX);
	return 0;
}

int
keymaterial_parse(const char *alg, const char *material,
    struct keymaterial *ret, struct err *e)
{
	const struct alg_row *row = NULL;
	size_t i;

	for (i = 0; i < sizeof(alg_table) / sizeof(alg_table[0]); i++) {
		if (strcmp(alg_table[i].word, alg) == 0)
			row = &alg_table[i];
	}
	if (row == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "unknown key algorithm \"%.16s\" (rsa, ed25519, p256, "
		    "p384 and p521 are known)",
		    alg);
	ret->alg = row->alg;
	ret->exp_len = 0;
	if (row->alg == KEY_RSA)
		return parse_rsa(material, ret, e);
	if (read_hex(material, strlen(material), ret->num, sizeof(ret->num),
		&ret->len) != 0 ||
	    ret->len != row->curve.point_len)
		return err_set(e, ERR_INVALID,
		    "%s key: %zu hexadecimal digits are expected", row->word,
		    2 * row->curve.point_len);
	return 0;
}

int
keymaterial_write(const struct keymaterial *m, struct buf *out)
{
	char hex[2 * sizeof(m->num) + 1];

	hex_encode(m->num, m->len, hex);
	buf_add_str(out, hex);
	if (m->alg == KEY_RSA) {
		hex_encode(m->exp, m->exp_len, hex);
		buf_add_str(out, ":");
		buf_add_str(out, hex);
	}
	return out->error;
}

/* --- strength ------------------------------------------------------------ */

static int
check_rsa(const struct keymaterial *m, struct err *e)
{
	size_t bits = m->len * 8;
	uint64_t exp = 0;
	size_t i;
	uint8_t top;

	for (top = m->num[0]; bits > 0 && (top & 0x80) == 0;
	     top = (uint8_t)(top << 1))
		bits--;
	if (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)
		return err_set(e, ERR_UNSUPPORTED,
		    "RSA key of %zu bits; %d to %d are accepted", bits,
		    KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	if ((m->num[m->len - 1] & 1) == 0)
		return err_set(e, ERR_UNSUPPORTED, "RSA modulus is even");
	for (i = 0; i < m->exp_len; i++)
		exp = exp << 8 | m->exp[i];
	if ((exp & 1) == 0 || exp < 65537)
		return err_set(e, ERR_UNSUPPORTED,
		    "RSA exponent %llu; an odd one of at least 65537 is "
		    "expected",
		    (unsigned long long)exp);
	return 0;
}

/* y coordinates (little endian) of the points whose order divides 8, besides
 * 0 and 1: the two of order 8 and -1. */
static const uint8_t small_order_y[3][ED25519_LEN] = {
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
	    0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
	    0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
	    0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
	    0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

static bool
has_small_order(const uint8_t y[static ED25519_LEN])
{
	size_t i, rest = 0;

	for (i = 1; i < ED25519_LEN; i++)
		rest |= y[i];
	if (rest == 0 && y[0] <= 1)
		return true;
	for (i = 0; i < 3; i++) {
		if (memcmp(y, small_order_y[i], ED25519_LEN) == 0)
			return true;
	}
	return false;
}

/*
 * RFC 8032 section 5.1.3: a point needs x^2 = (y^2 - 1) / (d y^2 + 1), with
 * d = -121665/121666. The quotient is a square when the product is; times
 * 121666 both sides: u = 121666 (y^2 - 1), v = 121666 - 121665 y^2.
 * Returns 1 on the curve, 0 off it, -1 when out of memory.
 */
static int
ed25519_on_curve(const uint8_t y[static ED25519_LEN])
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p = BN_new(), *t = BN_lebin2bn(y, ED25519_LEN, NULL);
	BIGNUM *u = BN_new(), *v = BN_new();
	int rc = -1;

	if (ctx == NULL || p == NULL || t == NULL || u == NULL || v == NULL ||
	    !BN_set_bit(p, 255) || !BN_sub_word(p, 19))
		goto out;
	if (BN_cmp(t, p) >= 0) {
		rc = 0; /* not reduced: a second form of another point */
		goto out;
	}
	if (!BN_mod_sqr(t, t, p, ctx) || BN_copy(u, t) == NULL ||
	    BN_copy(v, t) == NULL || !BN_sub_word(u, 1) ||
	    !BN_mul_word(v, 121665) || !BN_sub_word(v, 121666) ||
	    !BN_mul_word(u, 121666))
		goto out;
	BN_set_negative(v, !BN_is_negative(v));
	if (!BN_mod_mul(u, u, v, p, ctx))
		goto out;
	rc = BN_kronecker(u, p, ctx);
	if (rc != -2)
		rc = rc >= 0;
	else
		rc = -1;
out:
	BN_free(p);
	BN_free(t);
	BN_free(u);
	BN_free(v);
	BN_CTX_free(ctx);
	return rc;
}

static int
pkey_ed25519(const struct keymaterial *m, EVP_PKEY **ret, struct err *e)
{
	uint8_t y[ED25519_LEN];
	int on;

	memcpy(y, m->num, sizeof(y));
	y[ED25519_LEN - 1] &= 0x7f; /* the sign of x */
	if (has_small_order(y))
		return err_set(e, ERR_UNSUPPORTED,
		    "Ed25519 key is a point of small order");
	on = ed25519_on_curve(y);
	if (on == 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "Ed25519 key is not a point of the curve");
	if (on > 0)
		*ret = EVP_PKEY_new_raw_public_key(
		    EVP_PKEY_ED25519, NULL, m->num, ED25519_LEN);
	return *ret != NULL
	    ? 0
	    : err_set(e, ERR_NOMEM, "libcrypto refuses the key");
}

static int
pkey_from(const char *type, OSSL_PARAM *params, EVP_PKEY **ret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	int rc = ERR_UNSUPPORTED;

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) == 1)
		rc = 0;
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

static int
pkey_rsa(const struct keymaterial *m, EVP_PKEY **ret, struct err *e)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(m->num, (int)m->len, NULL);
	BIGNUM *exp = BN_bin2bn(m->exp, (int)m->exp_len, NULL);
	OSSL_PARAM *params = NULL;
	int rc = ERR_NOMEM;

	if (b != NULL && n != NULL && exp != NULL &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exp) == 1)
		params = OSSL_PARAM_BLD_to_param(b);
	if (params != NULL)
		rc = pkey_from("RSA", params, ret);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(n);
	BN_free(exp);
	return rc == 0 ? 0 : err_set(e, rc, "libcrypto refuses the RSA key");
}

/* libcrypto refuses coordinates off the curve; these curves have cofactor 1,
 * so every other point has the full order. */
static int
pkey_ec(const struct keymaterial *m, const struct curve *c, EVP_PKEY **ret,
    struct err *e)
{
	char group[8];
	uint8_t point[133];
	OSSL_PARAM params[3];

	if (m->num[0] != 0x04)
		return err_set(e, ERR_INVALID,
		    "%s key: an uncompressed point (04...) is expected",
		    c->group);
	memcpy(group, c->group, strlen(c->group) + 1);
	memcpy(point, m->num, m->len);
	params[0] = OSSL_PARAM_construct_utf8_string(
	    OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
	    OSSL_PKEY_PARAM_PUB_KEY, point, m->len);
	params[2] = OSSL_PARAM_construct_end();
	if (pkey_from("EC", params, ret) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "%s key is not a point of the curve", c->group);
	return 0;
}

int
keymaterial_pkey(const struct keymaterial *m, EVP_PKEY **ret, struct err *e)
{
	const struct alg_row *row = alg_find(m->alg);
	EVP_PKEY *pkey = NULL;
	int rc;

	if (row == NULL)
		return err_set(e, ERR_UNSUPPORTED, "unknown key algorithm");
	if (m->alg == KEY_RSA) {
		rc = check_rsa(m, e);
		if (rc == 0)
			rc = pkey_rsa(m, &pkey, e);
	} else if (m->alg == KEY_ED25519) {
		rc = pkey_ed25519(m, &pkey, e);
	} else {
		rc = pkey_ec(m, &row->curve, &pkey, e);
	}
	ERR_clear_error();
	if (rc == 0)
		*ret = pkey;
	else
		EVP_PKEY_free(pkey);
	return rc;
}

/* --- fingerprint --------------------------------------------------------- */

static void
add_mpi(struct buf *b, const uint8_t *num, size_t len)
{
	size_t bits = len * 8;
	uint8_t top;

	for (top = num[0]; bits > 0 && (top & 0x80) == 0;
	     top = (uint8_t)(top << 1))
		bits--;
	buf_add_u16(b, (uint16_t)bits);
	buf_add(b, num, len);
}

int
keymaterial_fpr(const struct keymaterial *m, int64_t created,
    uint8_t ret[static PGP_FPR_LEN], struct err *e)
{
	const struct alg_row *row = alg_find(m->alg);
	uint8_t ed[1 + ED25519_LEN] = { 0x40 };
	struct buf b;
	int rc;

	if (row == NULL || m->len == 0 || m->num[0] == 0)
		if (row == NULL || m->alg != KEY_ED25519)
			return err_set(e, ERR_INVALID, "key has no numbers");
	buf_init(&b, 3 + 6 + sizeof(m->num) + 64);
	buf_add_u8(&b, 0x99);
	buf_add_u16(&b, 0); /* the length, known below */
	buf_add_u8(&b, 4);
	buf_add_u32(&b, (uint32_t)created);
	buf_add_u8(&b, row->curve.pk_alg);
	if (m->alg != KEY_RSA)
		buf_add(&b, row->curve.oid, 1u + row->curve.oid[0]);
	if (m->alg == KEY_ED25519) {
		memcpy(ed + 1, m->num, ED25519_LEN);
		add_mpi(&b, ed, sizeof(ed));
	} else {
		add_mpi(&b, m->num, m->len);
	}
	if (m->alg == KEY_RSA)
		add_mpi(&b, m->exp, m->exp_len);
	rc = b.error;
	if (rc == 0) {
		b.data[1] = (uint8_t)((b.len - 3) >> 8);
		b.data[2] = (uint8_t)(b.len - 3);
		if (EVP_Digest(b.data, b.len, ret, NULL, EVP_sha1(), NULL) != 1)
			rc = ERR_INTERNAL;
	}
	buf_release(&b);
	return rc == 0 ? 0 : err_set(e, rc, "fingerprint: %s", err_text(rc));
}
