/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/blob.h"

#include "base/err.h"

#include <string.h>

#define FIELDS_MAX 4
#define RSA_BITS_MAX 16384

/* m: a number, p: a point, c: the name of a curve, 3: 32 bytes, s: any */
static const struct kind {
	const char *name, *cert, *fields;
	uint32_t bits; /* 0: of the number that bits_of says */
	int bits_of;
	const char *curve;
} kinds[] = {
	{ "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "mm", 0, 1, NULL },
	{ "ssh-dss", "ssh-dss-cert-v01@openssh.com", "mmmm", 0, 0, NULL },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
	    "cp", 256, 0, "nistp256" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
	    "cp", 384, 0, "nistp384" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
	    "cp", 521, 0, "nistp521" },
	{ "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "3", 256, 0,
	    NULL },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com",
	    "3s", 256, 0, NULL },
	{ "sk-ecdsa-sha2-nistp256@openssh.com",
	    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "cps", 256, 0,
	    "nistp256" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool
text_is(const struct ssh_text *t, const char *s)
{
	return t->p != NULL && t->len == strlen(s) &&
	    memcmp(t->p, s, t->len) == 0;
}

const char *
ssh_type_find(const char *name, size_t len)
{
	struct ssh_text t = { (const uint8_t *)name, len };
	size_t i;

	for (i = 0; i < KINDS; i++) {
		if (text_is(&t, kinds[i].name))
			return kinds[i].name;
		if (text_is(&t, kinds[i].cert))
			return kinds[i].cert;
	}
	return NULL;
}

struct ssh_text
ssh_rd_string(struct rd *r)
{
	struct ssh_text t = { NULL, 0 };

	t.p = rd_field(r, SSH_BLOB_MAX, &t.len);
	if (t.p == NULL)
		t.len = 0;
	return t;
}

void
ssh_add_mpint(struct buf *out, const uint8_t *p, size_t len)
{
	bool high;

	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	high = len > 0 && (*p & 0x80) != 0;
	buf_add_u32(out, (uint32_t)(len + high));
	if (high)
		buf_add_u8(out, 0);
	buf_add(out, p, len);
}

uint32_t
ssh_mpint_bits(const uint8_t *p, size_t len)
{
	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	if (len == 0 || len > RSA_BITS_MAX / 8)
		return len == 0 ? 0 : RSA_BITS_MAX + 1;
	return (uint32_t)len * 8 - (uint32_t)__builtin_clz(*p) + 24;
}

static bool
field_fits(char what, const struct kind *k, const struct ssh_text *t)
{
	switch (what) {
	case 'm': /* positive, as short as can be */
		return t->len > 0 && (t->p[0] & 0x80) == 0 &&
		    (t->p[0] != 0 || (t->len > 1 && (t->p[1] & 0x80) != 0));
	case 'p': /* uncompressed, SEC 1 section 2.3.3 */
		return t->len == 1 + 2 * ((k->bits + 7) / 8) && t->p[0] == 4;
	case 'c':
		return text_is(t, k->curve);
	case '3':
		return t->len == 32;
	default:
		return t->len <= 1024;
	}
}

static int
take_fields(
    struct rd *r, const struct kind *k, struct ssh_public *ret, struct err *e)
{
	struct ssh_text f[FIELDS_MAX];
	size_t i, n = strlen(k->fields);

	buf_add_field(&ret->plain, k->name, strlen(k->name));
	for (i = 0; i < n; i++) {
		f[i] = ssh_rd_string(r);
		if (f[i].p == NULL || !field_fits(k->fields[i], k, &f[i]))
			return err_set(e, ERR_INVALID,
			    "field %zu of the %s key is not right", i + 1,
			    k->name);
		buf_add_field(&ret->plain, f[i].p, f[i].len);
	}
	ret->type = k->name;
	ret->bits = k->bits != 0
	    ? k->bits
	    : ssh_mpint_bits(f[k->bits_of].p, f[k->bits_of].len);
	if (ret->bits > RSA_BITS_MAX)
		return err_set(
		    e, ERR_INVALID, "a key of more than %d bits", RSA_BITS_MAX);
	return 0;
}

/* What stands behind the key in a certificate. */
static void
take_cert(struct rd *r, struct ssh_public *ret)
{
	struct ssh_text type;
	struct rd ca;

	ret->serial = rd_u64(r);
	ret->cert_host = rd_u32(r) == 2;
	ret->key_id = ssh_rd_string(r);
	(void)ssh_rd_string(r); /* names */
	ret->valid_after = rd_u64(r);
	ret->valid_before = rd_u64(r);
	(void)ssh_rd_string(r); /* critical options */
	(void)ssh_rd_string(r); /* extensions */
	(void)ssh_rd_string(r); /* reserved */
	ret->ca = ssh_rd_string(r);
	(void)ssh_rd_string(r); /* signature */
	rd_init(&ca, ret->ca.p != NULL ? ret->ca.p : (const uint8_t *)"",
	    ret->ca.len);
	type = ssh_rd_string(&ca);
	if (type.p == NULL)
		r->bad = true;
}

static const struct kind *
kind_of(const struct ssh_text *type, bool *ret_cert)
{
	size_t i;

	for (i = 0; i < KINDS; i++) {
		*ret_cert = text_is(type, kinds[i].cert);
		if (*ret_cert || text_is(type, kinds[i].name))
			return &kinds[i];
	}
	return NULL;
}

static int
parse(struct rd *r, struct ssh_public *k, struct err *e)
{
	struct ssh_text type = ssh_rd_string(r);
	const struct kind *kind;
	int rc;

	if (type.p == NULL || type.len == 0 || type.len > SSH_TYPE_MAX)
		return err_set(e, ERR_INVALID, "it is no SSH key");
	kind = kind_of(&type, &k->cert);
	if (kind == NULL)
		return err_set(
		    e, ERR_UNSUPPORTED, "a key of a type that is not known");
	if (k->cert)
		(void)ssh_rd_string(r); /* nonce */
	if ((rc = take_fields(r, kind, k, e)) != 0)
		return rc;
	if (k->cert)
		take_cert(r, k);
	if (!rd_done(r))
		return err_set(e, ERR_INVALID, "the %s key is cut or too long",
		    kind->name);
	return k->plain.error != 0
	    ? err_set(e, k->plain.error, "no room for a key")
	    : 0;
}

int
ssh_public_parse(
    const void *data, size_t len, struct ssh_public *ret, struct err *e)
{
	struct ssh_public k = { 0 };
	struct rd r;
	int rc;

	if (len > SSH_BLOB_MAX)
		return err_set(e, ERR_TOOBIG, "a key of %zu bytes", len);
	buf_init(&k.plain, SSH_BLOB_MAX);
	rd_init(&r, data, len);
	if ((rc = parse(&r, &k, e)) != 0)
		ssh_public_release(&k);
	else
		*ret = k;
	return rc;
}

void
ssh_public_release(struct ssh_public *k)
{
	buf_release(&k->plain);
	memset(k, 0, sizeof(*k));
}
