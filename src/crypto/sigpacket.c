/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading one OpenPGP v4 signature packet (RFC 4880 sections 4.2, 5.2) and
 * checking it with a key of the plain keyring.
 *
 * Invariants: nothing is allocated while reading; ret is written only when the
 * whole packet is acceptable; every length is the shortest form of its value,
 * so one signature has one encoding outside its unhashed area; what decides
 * (time, issuer, expiry) comes from hashed bytes only.
 */
#include "crypto/sigpacket.h"

#include "base/buf.h"
#include "base/err.h"
#include "crypto/keyring.h"
#include "crypto/pubkey.h"

#include <string.h>

#include <nettle/nettle-meta.h>
#include <nettle/sha2.h>

enum { /* RFC 4880 sections 9.1, 9.4; RFC 6637; Ed25519 as gpg writes it */
	PK_RSA = 1,
	PK_ECDSA = 19,
	PK_EDDSA = 22,
	HASH_SHA256 = 8,
	HASH_SHA384 = 9,
	HASH_SHA512 = 10,
};

enum { /* signature subpackets, RFC 4880 section 5.2.3.1 */
	SUB_CREATED = 2,
	SUB_EXPIRES = 3,
	SUB_ISSUER_ID = 16,
	SUB_ISSUER_FPR = 33,
};

#define SUB_CRITICAL 0x80
#define PACKET_SIGNATURE 2
#define SIG_VERSION 4
#define SIG_BINARY 0x00
#define KEY_ID_LEN 8
#define EC_COORD_MAX 66
#define MPI_BYTES_MAX 2048 /* 16,384 bits */

/* New format lengths (RFC 4880 section 4.2.2), shortest form only. */
static int
read_new_length(struct rd *r, size_t *ret, struct err *e)
{
	size_t n = rd_u8(r), min = 0;

	if (n >= 224 && n < 255)
		return err_set(
		    e, ERR_INVALID, "signature packet has a partial length");
	if (n >= 192 && n < 224) {
		n = ((n - 192) << 8) + rd_u8(r) + 192;
	} else if (n == 255) {
		n = rd_u32(r);
		min = 8384;
	}
	if (r->bad)
		return err_set(e, ERR_INVALID, "signature packet is cut off");
	if (n < min)
		return err_set(e, ERR_INVALID,
		    "signature packet's length is not in its shortest form");
	*ret = n;
	return 0;
}

/* Old format lengths (RFC 4880 section 4.2.1), shortest form only. */
static int
read_old_length(struct rd *r, unsigned int type, size_t *ret, struct err *e)
{
	size_t n, min;

	switch (type) {
	case 0:
		n = rd_u8(r);
		min = 0;
		break;
	case 1:
		n = rd_u16(r);
		min = 256;
		break;
	case 2:
		n = rd_u32(r);
		min = 65536;
		break;
	default:
		return err_set(e, ERR_INVALID,
		    "signature packet has an indeterminate length");
	}
	if (r->bad)
		return err_set(e, ERR_INVALID, "signature packet is cut off");
	if (n < min)
		return err_set(e, ERR_INVALID,
		    "signature packet's length is not in its shortest form");
	*ret = n;
	return 0;
}

/* Leaves r at the body, which is exactly what is left. */
static int
read_header(struct rd *r, struct err *e)
{
	unsigned int tag = rd_u8(r);
	size_t len = 0;
	bool new_format = (tag & 0x40) != 0;
	int rc;

	if (r->bad || (tag & 0x80) == 0)
		return err_set(e, ERR_INVALID,
		    "not a binary OpenPGP packet (armour is taken off first)");
	if ((new_format ? tag & 0x3f : (tag >> 2) & 0x0f) != PACKET_SIGNATURE)
		return err_set(
		    e, ERR_INVALID, "OpenPGP packet is not a signature packet");
	rc = new_format ? read_new_length(r, &len, e)
			: read_old_length(r, tag & 3, &len, e);
	if (rc != 0)
		return rc;
	if (len > r->left)
		return err_set(e, ERR_INVALID, "signature packet is cut off");
	if (len < r->left)
		return err_set(e, ERR_INVALID,
		    "%zu bytes follow the signature packet; exactly one packet "
		    "is expected",
		    r->left - len);
	return 0;
}

/* One subpacket: its type octet and data (RFC 4880 section 5.2.3.1). */
static int
read_subpacket(
    struct rd *r, uint8_t *ret_type, struct rd *ret_data, struct err *e)
{
	size_t n = rd_u8(r), min = 0;
	const uint8_t *p;

	if (n >= 192 && n < 255) {
		n = ((n - 192) << 8) + rd_u8(r) + 192;
	} else if (n == 255) {
		n = rd_u32(r);
		min = 16320;
	}
	p = rd_bytes(r, n);
	if (r->bad || p == NULL || n == 0)
		return err_set(e, ERR_INVALID,
		    "signature's hashed area: a subpacket is cut off or empty");
	if (n < min)
		return err_set(e, ERR_INVALID,
		    "signature's hashed area: a subpacket's length is not in "
		    "its shortest form");
	*ret_type = p[0];
	rd_init(ret_data, p + 1, n - 1);
	return 0;
}

struct hashed_facts {
	uint64_t seen[2]; /* a bit for each of the 128 types */
	uint32_t created, lifetime;
	uint8_t issuer[PGP_FPR_LEN];
	uint8_t key_id[KEY_ID_LEN];
};

static bool
facts_has(const struct hashed_facts *f, uint8_t type)
{
	return (f->seen[type >> 6] >> (type & 63)) & 1;
}

static int
facts_take(
    struct hashed_facts *f, uint8_t type_octet, struct rd *d, struct err *e)
{
	uint8_t type = type_octet & (uint8_t)~SUB_CRITICAL;

	if (facts_has(f, type))
		return err_set(e, ERR_INVALID,
		    "signature's hashed area: subpacket %u is repeated", type);
	f->seen[type >> 6] |= (uint64_t)1 << (type & 63);
	switch (type) {
	case SUB_CREATED:
		f->created = rd_u32(d);
		break;
	case SUB_EXPIRES:
		f->lifetime = rd_u32(d);
		break;
	case SUB_ISSUER_ID:
		rd_copy(d, f->key_id, KEY_ID_LEN);
		break;
	case SUB_ISSUER_FPR:
		if (rd_u8(d) != SIG_VERSION)
			return err_set(e, ERR_INVALID,
			    "signature's issuer is not a version 4 key");
		rd_copy(d, f->issuer, PGP_FPR_LEN);
		break;
	default:
		if (type_octet & SUB_CRITICAL)
			return err_set(e, ERR_INVALID,
			    "signature's hashed area: critical subpacket %u "
			    "is not supported",
			    type);
		return 0;
	}
	if (!rd_done(d))
		return err_set(e, ERR_INVALID,
		    "signature's hashed area: subpacket %u has a wrong size",
		    type);
	return 0;
}

static int
read_hashed_area(
    const uint8_t *area, size_t len, struct hashed_facts *f, struct err *e)
{
	struct rd r, data;
	uint8_t type = 0;
	int rc;

	memset(f, 0, sizeof(*f));
	rd_init(&r, area, len);
	while (r.left > 0) {
		rc = read_subpacket(&r, &type, &data, e);
		if (rc == 0)
			rc = facts_take(f, type, &data, e);
		if (rc != 0)
			return rc;
	}
	if (!facts_has(f, SUB_CREATED) || f->created == 0)
		return err_set(e, ERR_INVALID,
		    "signature states no creation time in its hashed area");
	if (!facts_has(f, SUB_ISSUER_FPR))
		return err_set(e, ERR_INVALID,
		    "signature states no issuer fingerprint in its hashed area "
		    "(gpg 2.1.16 or later writes one)");
	if (facts_has(f, SUB_ISSUER_ID) &&
	    memcmp(f->key_id, f->issuer + PGP_FPR_LEN - KEY_ID_LEN,
		KEY_ID_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "signature's issuer key id and fingerprint differ");
	return 0;
}

/* A multiprecision integer (RFC 4880 section 3.2): positive, no leading zero
 * bits beyond its stated length. */
static int
read_mpi(struct rd *r, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	unsigned int bits = rd_u16(r), top;
	size_t n = (bits + 7) / 8;
	const uint8_t *p;

	if (r->bad || bits == 0 || n > MPI_BYTES_MAX)
		return err_set(e, ERR_INVALID,
		    "signature's number is missing, zero or too large");
	p = rd_bytes(r, n);
	if (p == NULL)
		return err_set(e, ERR_INVALID, "signature packet is cut off");
	top = (bits - 1) % 8; /* index of the highest bit in the first octet */
	if (p[0] >> top != 1)
		return err_set(e, ERR_INVALID,
		    "signature's number is not in canonical form");
	*ret = p;
	*ret_len = n;
	return 0;
}

static int
check_algorithms(unsigned int pk, unsigned int hash, struct err *e)
{
	if (pk != PK_RSA && pk != PK_ECDSA && pk != PK_EDDSA)
		return err_set(e, ERR_UNSUPPORTED,
		    "signature algorithm %u is not supported (RSA, ECDSA and "
		    "EdDSA are)",
		    pk);
	if (hash != HASH_SHA256 && hash != HASH_SHA384 && hash != HASH_SHA512)
		return err_set(e, ERR_UNSUPPORTED,
		    "digest algorithm %u is not accepted (SHA-256, SHA-384 "
		    "and SHA-512 are)",
		    hash);
	return 0;
}

static int
read_numbers(struct rd *r, struct sigpacket *s, struct err *e)
{
	size_t i, n = s->pk_alg == PK_RSA ? 1 : 2;
	int rc;

	for (i = 0; i < n; i++) {
		rc = read_mpi(r, &s->mpi[i], &s->mpi_len[i], e);
		if (rc != 0)
			return rc;
		if ((s->pk_alg == PK_EDDSA &&
			s->mpi_len[i] > PUBKEY_ED25519_LEN) ||
		    (s->pk_alg == PK_ECDSA && s->mpi_len[i] > EC_COORD_MAX))
			return err_set(
			    e, ERR_INVALID, "signature's number is too large");
	}
	if (!rd_done(r))
		return err_set(
		    e, ERR_INVALID, "bytes follow the signature's numbers");
	return 0;
}

int
sigpacket_parse(
    const void *pkt, size_t len, struct sigpacket *ret, struct err *e)
{
	struct sigpacket s;
	struct hashed_facts f;
	const uint8_t *body, *area;
	unsigned int version, type;
	size_t n;
	struct rd r;
	int rc;

	if (len > SIGPACKET_MAX)
		return err_set(e, ERR_TOOBIG,
		    "signature packet is larger than %d bytes", SIGPACKET_MAX);
	memset(&s, 0, sizeof(s));
	rd_init(&r, pkt, len);
	rc = read_header(&r, e);
	if (rc != 0)
		return rc;
	body = r.p;
	version = rd_u8(&r);
	type = rd_u8(&r);
	s.pk_alg = rd_u8(&r);
	s.hash_alg = rd_u8(&r);
	n = rd_u16(&r);
	area = rd_bytes(&r, n);
	s.hashed = body;
	s.hashed_len = 6 + n;
	rd_bytes(&r, rd_u16(&r)); /* the unhashed area: anyone can write it */
	rd_copy(&r, s.hash16, sizeof(s.hash16));
	if (r.bad)
		return err_set(e, ERR_INVALID, "signature packet is cut off");
	if (version != SIG_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
		    "signature version %u; 4 is expected", version);
	if (type != SIG_BINARY)
		return err_set(e, ERR_INVALID,
		    "signature type 0x%02x; 0x00 (binary document) is expected",
		    type);
	rc = check_algorithms(s.pk_alg, s.hash_alg, e);
	if (rc == 0)
		rc = read_hashed_area(area, n, &f, e);
	if (rc == 0)
		rc = read_numbers(&r, &s, e);
	if (rc != 0)
		return rc;
	memcpy(s.issuer, f.issuer, sizeof(s.issuer));
	s.created = f.created;
	s.expires = f.lifetime == 0 ? 0 : (int64_t)f.created + f.lifetime;
	*ret = s;
	return 0;
}

/* --- checking ------------------------------------------------------------ */

static const struct nettle_hash *
digest_of(unsigned int hash_alg)
{
	switch (hash_alg) {
	case HASH_SHA256:
		return &nettle_sha256;
	case HASH_SHA384:
		return &nettle_sha384;
	default:
		return &nettle_sha512;
	}
}

/* Digest of prefix, data and the trailer of RFC 4880 section 5.2.4. */
static void
digest_make(const struct sigpacket *s, enum purpose p, const void *data,
    size_t len, uint8_t out[static SHA512_DIGEST_SIZE])
{
	const struct nettle_hash *h = digest_of(s->hash_alg);
	char prefix[PURPOSE_PREFIX_MAX];
	size_t n = purpose_prefix(p, len, prefix);
	uint8_t tail[6] = { SIG_VERSION, 0xff, (uint8_t)(s->hashed_len >> 24),
		(uint8_t)(s->hashed_len >> 16), (uint8_t)(s->hashed_len >> 8),
		(uint8_t)s->hashed_len };
	union {
		struct sha256_ctx small;
		struct sha512_ctx large; /* SHA-384 as well */
	} ctx;

	h->init(&ctx);
	h->update(&ctx, n, (const uint8_t *)prefix);
	h->update(&ctx, len, data);
	h->update(&ctx, s->hashed_len, s->hashed);
	h->update(&ctx, sizeof(tail), tail);
	h->digest(&ctx, h->digest_size, out);
}

/* The algorithm that fits the key, and for ECDSA the least digest (bits) that
 * RFC 6637 section 13 asks for that curve; gpg refuses shorter ones too. */
static void
key_wants(enum key_alg alg, unsigned int *ret_pk, int *ret_bits)
{
	*ret_bits = 256;
	switch (alg) {
	case KEY_RSA:
		*ret_pk = PK_RSA;
		return;
	case KEY_ED25519:
		*ret_pk = PK_EDDSA;
		return;
	case KEY_P256:
		break;
	case KEY_P384:
		*ret_bits = 384;
		break;
	case KEY_P521:
		*ret_bits = 512;
		break;
	case KEY_SSH_ED25519:
	case KEY_SSH_SK_ED25519:
		*ret_pk = 0; /* no key of SSH makes one of these */
		return;
	}
	*ret_pk = PK_ECDSA;
}

int
sigpacket_check(const struct sigpacket *s, const struct keyring_key *k,
    enum purpose p, const void *data, size_t len, struct err *e)
{
	const struct pubkey_num sig[2] = { { s->mpi[0], s->mpi_len[0] },
		{ s->mpi[1], s->mpi_len[1] } };
	uint8_t digest[SHA512_DIGEST_SIZE];
	int digest_len = (int)digest_of(s->hash_alg)->digest_size, bits;
	unsigned int pk;

	key_wants(k->alg, &pk, &bits);
	if (memcmp(s->issuer, k->fpr, PGP_FPR_LEN) != 0 || s->pk_alg != pk)
		return err_set(
		    e, ERR_AUTH, "signature was not made by this key");
	if (digest_len * 8 < bits)
		return err_set(e, ERR_AUTH,
		    "signature's digest is too short for its key (%d bits, %d "
		    "expected)",
		    digest_len * 8, bits);
	digest_make(s, p, data, len, digest);
	if (memcmp(digest, s->hash16, sizeof(s->hash16)) != 0 ||
	    !pubkey_verify(k->pubkey, digest, (size_t)digest_len, sig))
		return err_set(e, ERR_AUTH, "signature does not verify");
	return 0;
}
