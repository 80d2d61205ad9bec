/* SPDX-License-Identifier: MPL-2.0 */
/* ITU-T X.690: tag, length (definite, as short as can be is not asked for),
 * content. */
#include "modules/sshkey/pem.h"

#include "base/err.h"
#include "modules/sshkey/blob.h"
#include "modules/sshkey/derive.h"

#include <string.h>

enum tag {
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_0 = 0xa0,
	TAG_1 = 0xa1,
	TAG_1_IMPLICIT = 0x81
};

struct oid {
	uint8_t len, b[9];
};
static const struct oid oid_rsa = { 9,
	{ 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 } };
static const struct oid oid_dsa = { 7, { 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1 } };
static const struct oid oid_ec = { 7, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 } };
static const struct oid oid_ed25519 = { 3, { 0x2b, 0x65, 0x70 } };

static const struct curve {
	struct oid oid;
	const char *type, *name;
	int nid; /* of OpenSSL */
} curves[] = {
	{ { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 } },
	    "ecdsa-sha2-nistp256", "nistp256", 415 },
	{ { 5, { 0x2b, 0x81, 4, 0, 0x22 } }, "ecdsa-sha2-nistp384", "nistp384",
	    715 },
	{ { 5, { 0x2b, 0x81, 4, 0, 0x23 } }, "ecdsa-sha2-nistp521", "nistp521",
	    716 },
};

static const char other_algorithm[] = "SSH has no keys of its algorithm";
static const char other_curve[] = "SSH has no keys of its curve";
static const char compressed[] = "its point is compressed";
static const char not_derived[] = "its public half cannot be computed";
static const char no_library[] =
    "libcrypto, which would compute its public half, cannot be loaded";
static const char no_room[] = "there was no memory to compute its public half";

/* rc: of derive.h. */
static const char *
why_not(int rc)
{
	if (rc == ERR_UNSUPPORTED)
		return no_library;
	return rc == ERR_NOMEM ? no_room : not_derived;
}

/* The content of the next element; .p NULL and r->bad when it is another. */
static struct rd
enter(struct rd *r, uint8_t tag)
{
	struct rd in = { NULL, 0, true };
	uint8_t first;
	size_t len = 0;
	unsigned int n;

	if (rd_u8(r) != tag)
		r->bad = true;
	first = rd_u8(r);
	n = first & 0x7fu;
	if (first < 0x80)
		len = first;
	else if (n == 0 || n > 3)
		r->bad = true;
	else
		for (; n > 0; n--)
			len = len << 8 | rd_u8(r);
	if (r->bad || len > r->left) {
		r->bad = true;
		return in;
	}
	rd_init(&in, r->p, len);
	(void)rd_bytes(r, len);
	return in;
}

static bool
next_is(const struct rd *r, uint8_t tag)
{
	return !r->bad && r->left > 0 && *r->p == tag;
}

/* Numbers are positive in all of these. */
static struct derive_number
number(struct rd *r)
{
	struct rd in = enter(r, TAG_INTEGER);

	if (in.bad || in.left == 0 || (*in.p & 0x80) != 0) {
		r->bad = true;
		return (struct derive_number){ NULL, 0 };
	}
	return (struct derive_number){ in.p, in.left };
}

static bool
is_oid(const struct rd *in, const struct oid *oid)
{
	return !in->bad && in->left == oid->len &&
	    memcmp(in->p, oid->b, oid->len) == 0;
}

static void
add_type(struct buf *out, const char *type)
{
	buf_add_field(out, type, strlen(type));
}

static int
damaged(struct err *e)
{
	return err_set(e, ERR_INVALID, "its structure is damaged");
}

static int
take_rsa(struct rd *r, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE);
	struct derive_number n, pe;

	(void)number(&s);
	n = number(&s);
	pe = number(&s);
	(void)number(&s); /* there must be a private half */
	if (s.bad)
		return damaged(e);
	add_type(&p->blob, "ssh-rsa");
	ssh_add_mpint(&p->blob, pe.p, pe.len);
	ssh_add_mpint(&p->blob, n.p, n.len);
	return 0;
}

static void
add_dsa(struct buf *out, const struct derive_number *params,
    const struct derive_number *y)
{
	size_t i;

	add_type(out, "ssh-dss");
	for (i = 0; i < 3; i++)
		ssh_add_mpint(out, params[i].p, params[i].len);
	ssh_add_mpint(out, y->p, y->len);
}

static int
take_dsa(struct rd *r, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE);
	struct derive_number params[3], y;
	size_t i;

	(void)number(&s);
	for (i = 0; i < 3; i++)
		params[i] = number(&s);
	y = number(&s);
	(void)number(&s);
	if (s.bad)
		return damaged(e);
	add_dsa(&p->blob, params, &y);
	return 0;
}

static const struct curve *
curve_of(struct rd *params)
{
	struct rd in = enter(params, TAG_OID);
	size_t i;

	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		if (is_oid(&in, &curves[i].oid))
			return &curves[i];
	}
	return NULL;
}

static void
add_point(
    struct buf *out, const struct curve *c, const uint8_t *point, size_t len)
{
	add_type(out, c->type);
	buf_add_field(out, c->name, strlen(c->name));
	buf_add_field(out, point, len);
}

/* The point as the file has it, else as libcrypto computes it. */
static void
take_point(struct rd *s, const struct derive_number *scalar,
    const struct curve *c, struct ssh_pem *p)
{
	uint8_t point[DERIVE_NUMBER_MAX];
	struct rd outer, bits;
	size_t len;
	int rc;

	if (next_is(s, TAG_1)) {
		outer = enter(s, TAG_1);
		bits = enter(&outer, TAG_BIT_STRING);
		if (!bits.bad && rd_u8(&bits) == 0 && !bits.bad &&
		    bits.left > 0 && *bits.p == 4) {
			add_point(&p->blob, c, bits.p, bits.left);
			return;
		}
	}
	rc = derive_point(c->nid, scalar, point, &len, NULL);
	if (rc == 0)
		add_point(&p->blob, c, point, len);
	else
		p->unknown = why_not(rc);
}

/* curve: of the PKCS #8 around it, or NULL. */
static int
take_ec(struct rd *r, const struct curve *curve, bool known, struct ssh_pem *p,
    struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE), params, key;
	struct derive_number scalar;

	(void)number(&s);
	key = enter(&s, TAG_OCTET_STRING);
	scalar = (struct derive_number){ key.p, key.left };
	if (next_is(&s, TAG_0)) {
		params = enter(&s, TAG_0);
		if (!known)
			curve = curve_of(&params);
		known = true;
	}
	if (s.bad || !known)
		return damaged(e);
	if (curve == NULL)
		p->unknown = other_curve;
	else
		take_point(&s, &scalar, curve, p);
	return 0;
}

static int
take_pkcs8_dsa(
    struct rd *params, struct rd *key, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(params, TAG_SEQUENCE);
	struct derive_number d[3], x, y;
	uint8_t power[DERIVE_NUMBER_MAX];
	size_t i;
	int rc;

	for (i = 0; i < 3; i++)
		d[i] = number(&s);
	x = number(key);
	if (s.bad || key->bad)
		return damaged(e);
	y.p = power;
	rc = derive_power(&d[2], &x, &d[0], power, &y.len, NULL);
	if (rc == 0)
		add_dsa(&p->blob, d, &y);
	else
		p->unknown = why_not(rc);
	return 0;
}

static int
take_ed25519(struct rd *key, struct ssh_pem *p, struct err *e)
{
	struct rd seed = enter(key, TAG_OCTET_STRING);
	uint8_t public[32];
	int rc;

	if (seed.bad || seed.left != 32)
		return damaged(e);
	rc = derive_ed25519(seed.p, public, NULL);
	if (rc != 0) {
		p->unknown = why_not(rc);
		return 0;
	}
	add_type(&p->blob, "ssh-ed25519");
	buf_add_field(&p->blob, public, sizeof(public));
	return 0;
}

static int
take_pkcs8(struct rd *r, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE), algorithm, oid, key;

	(void)number(&s);
	algorithm = enter(&s, TAG_SEQUENCE);
	key = enter(&s, TAG_OCTET_STRING);
	if (s.bad)
		return damaged(e);
	oid = enter(&algorithm, TAG_OID);
	if (is_oid(&oid, &oid_rsa))
		return take_rsa(&key, p, e);
	if (is_oid(&oid, &oid_dsa))
		return take_pkcs8_dsa(&algorithm, &key, p, e);
	if (is_oid(&oid, &oid_ec))
		return take_ec(&key, curve_of(&algorithm), true, p, e);
	if (is_oid(&oid, &oid_ed25519))
		return take_ed25519(&key, p, e);
	if (oid.bad)
		return damaged(e);
	p->unknown = other_algorithm;
	return 0;
}

/* A point may be compressed, which keys of SSH never are. */
static void
take_public_point(
    const struct rd *point, const struct curve *curve, struct ssh_pem *p)
{
	if (curve == NULL)
		p->unknown = other_curve;
	else if (point->left > 0 && *point->p == 4)
		add_point(&p->blob, curve, point->p, point->left);
	else
		p->unknown = compressed;
}

static int
take_public_rsa(struct rd *r, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE);
	struct derive_number n = number(&s), pe = number(&s);

	if (!rd_done(&s))
		return damaged(e);
	add_type(&p->blob, "ssh-rsa");
	ssh_add_mpint(&p->blob, pe.p, pe.len);
	ssh_add_mpint(&p->blob, n.p, n.len);
	return 0;
}

static int
take_public_dsa(
    struct rd *params, struct rd *key, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(params, TAG_SEQUENCE);
	struct derive_number d[3], y;
	size_t i;

	for (i = 0; i < 3; i++)
		d[i] = number(&s);
	y = number(key);
	if (s.bad || !rd_done(key))
		return damaged(e);
	add_dsa(&p->blob, d, &y);
	return 0;
}

static int
take_public_ed25519(const struct rd *key, struct ssh_pem *p, struct err *e)
{
	if (key->left != 32)
		return damaged(e);
	add_type(&p->blob, "ssh-ed25519");
	buf_add_field(&p->blob, key->p, key->left);
	return 0;
}

static int
take_public(struct rd *r, struct ssh_pem *p, struct err *e)
{
	struct rd s = enter(r, TAG_SEQUENCE), algorithm, oid, key;

	algorithm = enter(&s, TAG_SEQUENCE);
	key = enter(&s, TAG_BIT_STRING);
	if (!rd_done(&s) || rd_u8(&key) != 0 || key.bad)
		return damaged(e);
	oid = enter(&algorithm, TAG_OID);
	if (oid.bad)
		return damaged(e);
	if (is_oid(&oid, &oid_rsa))
		return take_public_rsa(&key, p, e);
	if (is_oid(&oid, &oid_dsa))
		return take_public_dsa(&algorithm, &key, p, e);
	if (is_oid(&oid, &oid_ed25519))
		return take_public_ed25519(&key, p, e);
	if (is_oid(&oid, &oid_ec))
		take_public_point(&key, curve_of(&algorithm), p);
	else
		p->unknown = other_algorithm;
	return 0;
}

int
ssh_pem_der(const uint8_t *der, size_t len, struct ssh_pem *p, struct err *e)
{
	struct rd r;
	int rc;

	rd_init(&r, der, len);
	if (strcmp(p->form, "RSA PRIVATE KEY") == 0)
		rc = take_rsa(&r, p, e);
	else if (strcmp(p->form, "DSA PRIVATE KEY") == 0)
		rc = take_dsa(&r, p, e);
	else if (strcmp(p->form, "EC PRIVATE KEY") == 0)
		rc = take_ec(&r, NULL, false, p, e);
	else if (strcmp(p->form, "PUBLIC KEY") == 0)
		rc = take_public(&r, p, e);
	else if (strcmp(p->form, "RSA PUBLIC KEY") == 0)
		rc = take_public_rsa(&r, p, e);
	else
		rc = take_pkcs8(&r, p, e);
	if (rc == 0 && p->blob.error != 0)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return rc;
}
