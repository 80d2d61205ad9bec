/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Numbers of public keys. Invariant: keymaterial_key() returns a key only
 * when it is of an accepted kind, strong enough and a point of its curve.
 */
#include "crypto/keymaterial.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/pubkey.h"
#include "crypto/sshkey.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/sha1.h>

#define ED25519_LEN PUBKEY_ED25519_LEN
#define PK_RSA 1
#define PK_ECDSA 19
#define PK_EDDSA 22

struct curve {
	enum pubkey_curve curve;
	size_t point_len; /* uncompressed; Ed25519: as RFC 8032 writes it */
	uint8_t pk_alg;   /* OpenPGP; 0: a key of SSH */
	uint8_t oid[12];  /* with its length octet, as in a key packet */
};

struct alg_row {
	enum key_alg alg;
	const char *word;
	struct curve curve; /* empty for RSA */
};

/* Object identifiers: RFC 6637 section 11; Ed25519 as gpg writes it. */
static const struct alg_row alg_table[] = {
	{ KEY_RSA, "rsa", { 0, 0, PK_RSA, { 0 } } },
	{ KEY_ED25519, "ed25519",
	    { 0, ED25519_LEN, PK_EDDSA,
		{ 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1 } } },
	{ KEY_P256, "p256",
	    { PUBKEY_P256, 65, PK_ECDSA,
		{ 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 } } },
	{ KEY_P384, "p384",
	    { PUBKEY_P384, 97, PK_ECDSA, { 5, 0x2b, 0x81, 4, 0, 0x22 } } },
	{ KEY_P521, "p521",
	    { PUBKEY_P521, 133, PK_ECDSA, { 5, 0x2b, 0x81, 4, 0, 0x23 } } },
	{ KEY_SSH_ED25519, "ssh-ed25519", { 0, ED25519_LEN, 0, { 0 } } },
	{ KEY_SSH_SK_ED25519, "sk-ssh-ed25519", { 0, ED25519_LEN, 0, { 0 } } },
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

bool
key_alg_is_ssh(enum key_alg alg)
{
	return alg == KEY_SSH_ED25519 || alg == KEY_SSH_SK_ED25519;
}

int
key_alg_find(const char *word, enum key_alg *ret, struct err *e)
{
	size_t i;

	for (i = 0; i < sizeof(alg_table) / sizeof(alg_table[0]); i++) {
		if (strcmp(alg_table[i].word, word) == 0) {
			*ret = alg_table[i].alg;
			return 0;
		}
	}
	return err_set(e, ERR_UNSUPPORTED,
	    "unknown key algorithm \"%.16s\" (rsa, ed25519, p256, p384, p521, "
	    "ssh-ed25519 and sk-ssh-ed25519 are known)",
	    word);
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

/* 64 digits; for a security key a colon and its application after them. */
static int
parse_point(const struct alg_row *row, const char *material,
    struct keymaterial *m, struct err *e)
{
	bool sk = row->alg == KEY_SSH_SK_ED25519;
	size_t digits = sk ? strcspn(material, ":") : strlen(material);

	if (read_hex(material, digits, m->num, sizeof(m->num), &m->len) != 0 ||
	    m->len != row->curve.point_len)
		return err_set(e, ERR_INVALID,
		    "%s key: %zu hexadecimal digits are expected", row->word,
		    2 * row->curve.point_len);
	m->app[0] = '\0';
	if (sk &&
	    (material[digits] == '\0' ||
		!sshkey_application_ok(material + digits + 1) ||
		!str_copy(m->app, sizeof(m->app), material + digits + 1)))
		return err_set(e, ERR_INVALID,
		    "%s key: a colon and an application that begins with "
		    "\"ssh:\" (at most %d bytes) are expected after the "
		    "digits",
		    row->word, KEY_APP_MAX);
	return 0;
}

int
keymaterial_parse(const char *alg, const char *material,
    struct keymaterial *ret, struct err *e)
{
	int rc = key_alg_find(alg, &ret->alg, e);

	if (rc != 0)
		return rc;
	ret->exp_len = 0;
	if (ret->alg == KEY_RSA)
		return parse_rsa(material, ret, e);
	return parse_point(alg_find(ret->alg), material, ret, e);
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
	} else if (m->alg == KEY_SSH_SK_ED25519) {
		buf_add_fmt(out, ":%s", m->app);
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

static int
key_ed25519(const struct keymaterial *m, struct pubkey **ret, struct err *e)
{
	uint8_t y[ED25519_LEN];
	int rc;

	memcpy(y, m->num, sizeof(y));
	y[ED25519_LEN - 1] &= 0x7f; /* the sign of x */
	if (has_small_order(y))
		return err_set(e, ERR_UNSUPPORTED,
		    "Ed25519 key is a point of small order");
	rc = pubkey_new_ed25519(m->num, ret);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "out of memory");
	if (rc != 0)
		return err_set(e, rc,
		    "Ed25519 key is not a point of the curve that a key can "
		    "be");
	return 0;
}

static int
key_rsa(const struct keymaterial *m, struct pubkey **ret, struct err *e)
{
	struct pubkey_num n = { m->num, m->len }, exp = { m->exp, m->exp_len };
	int rc = check_rsa(m, e);

	if (rc != 0)
		return rc;
	rc = pubkey_new_rsa(n, exp, ret);
	return rc == 0 ? 0 : err_code(e, rc, "RSA key");
}

static int
key_ec(const struct keymaterial *m, const struct alg_row *row,
    struct pubkey **ret, struct err *e)
{
	size_t half = (m->len - 1) / 2;
	struct pubkey_num x = { m->num + 1, half };
	struct pubkey_num y = { m->num + 1 + half, half };
	int rc;

	if (m->num[0] != 0x04)
		return err_set(e, ERR_INVALID,
		    "%s key: an uncompressed point (04...) is expected",
		    row->word);
	rc = pubkey_new_ec(row->curve.curve, x, y, ret);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "out of memory");
	if (rc != 0)
		return err_set(
		    e, rc, "%s key is not a point of the curve", row->word);
	return 0;
}

int
keymaterial_key(const struct keymaterial *m, struct pubkey **ret, struct err *e)
{
	const struct alg_row *row = alg_find(m->alg);

	if (row == NULL)
		return err_set(e, ERR_UNSUPPORTED, "unknown key algorithm");
	if (m->alg == KEY_RSA)
		return key_rsa(m, ret, e);
	if (m->alg == KEY_ED25519 || key_alg_is_ssh(m->alg))
		return key_ed25519(m, ret, e);
	return key_ec(m, row, ret, e);
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
	struct sha1_ctx h;
	struct id ssh;
	struct buf b;
	int rc;

	if (key_alg_is_ssh(m->alg)) {
		sshkey_hash(m, &ssh);
		memcpy(ret, ssh.b, PGP_FPR_LEN);
		return 0;
	}
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
		sha1_init(&h);
		sha1_update(&h, b.len, b.data);
		sha1_digest(&h, PGP_FPR_LEN, ret);
	}
	buf_release(&b);
	return rc == 0 ? 0 : err_set(e, rc, "fingerprint: %s", err_text(rc));
}
