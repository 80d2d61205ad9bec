/* SPDX-License-Identifier: MPL-2.0 */
/* ASCII armour of one signature: OpenPGP's (RFC 4880 section 6), which has
 * headers and a checksum, or OpenSSH's (PROTOCOL.sshsig), which has neither. */
#include "action/envelope.h"

#include "base/err.h"
#include "base/hex.h"
#include "crypto/sshsig.h"

#include <string.h>

#define ARMOR_BODY_MAX ((SIGPACKET_MAX + 2) / 3 * 4)
#define ARMOR_TEXT_MAX (4 * ARMOR_BODY_MAX)

struct armor {
	const char *begin, *end;
	size_t columns;
	bool pgp;
};

static const struct armor pgp_armor = { "-----BEGIN PGP SIGNATURE-----",
	"-----END PGP SIGNATURE-----", 64, true };
static const struct armor ssh_armor = { "-----BEGIN SSH SIGNATURE-----",
	"-----END SSH SIGNATURE-----", 70, false };

/* RFC 4880 section 6.1 */
static uint32_t
crc24(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xb704ce;
	unsigned int i;

	for (; len > 0; p++, len--) {
		crc ^= (uint32_t)*p << 16;
		for (i = 0; i < 8; i++) {
			crc <<= 1;
			if ((crc & 0x1000000) != 0)
				crc ^= 0x1864cfb;
		}
	}
	return crc & 0xffffff;
}

static void
crc24_bytes(const uint8_t *p, size_t len, uint8_t out[3])
{
	uint32_t crc = crc24(p, len);

	out[0] = (uint8_t)(crc >> 16);
	out[1] = (uint8_t)(crc >> 8);
	out[2] = (uint8_t)crc;
}

int
armor_signature(const void *packet, size_t len, struct buf *out)
{
	const struct armor *a =
	    sshsig_is(packet, len) ? &ssh_armor : &pgp_armor;
	struct buf body;
	uint8_t crc[3];
	size_t at, n;

	if (len == 0 || len > SIGPACKET_MAX)
		return ERR_INVALID;
	buf_init(&body, ARMOR_BODY_MAX);
	b64_encode(&body, packet, len);
	buf_add_fmt(out, "%s\n%s", a->begin, a->pgp ? "\n" : "");
	for (at = 0; at < body.len; at += n) {
		n = body.len - at < a->columns ? body.len - at : a->columns;
		buf_add(out, body.data + at, n);
		buf_add_str(out, "\n");
	}
	if (a->pgp) {
		crc24_bytes(packet, len, crc);
		buf_add_str(out, "=");
		b64_encode(out, crc, sizeof(crc));
		buf_add_str(out, "\n");
	}
	buf_add_fmt(out, "%s\n", a->end);
	if (body.error != 0 && out->error == 0)
		out->error = body.error;
	buf_release(&body);
	return out->error;
}

struct lines {
	const char *at;
	const char *line; /* without its end and trailing white space */
	size_t len;
	unsigned int number;
};

static bool
next_line(struct lines *l)
{
	size_t n;

	if (*l->at == '\0')
		return false;
	n = strcspn(l->at, "\n");
	l->line = l->at;
	l->at += n + (l->at[n] == '\n');
	l->number++;
	while (n > 0 && strchr(" \t\r", l->line[n - 1]) != NULL)
		n--;
	l->len = n;
	return true;
}

static bool
line_is(const struct lines *l, const char *text)
{
	return l->len == strlen(text) && memcmp(l->line, text, l->len) == 0;
}

/* The first line says which armour it is; then moves behind the empty line that
 * ends the armour headers. */
static int
read_begin(struct lines *l, const struct armor **ret, struct err *e)
{
	do {
		if (!next_line(l))
			return err_set(e, ERR_INVALID, "armour: empty");
	} while (l->len == 0);
	*ret = line_is(l, ssh_armor.begin) ? &ssh_armor : &pgp_armor;
	if (*ret == &ssh_armor)
		return 0;
	if (!line_is(l, pgp_armor.begin))
		return err_set(e, ERR_INVALID,
		    "armour: line %u: expected %s or %s", l->number,
		    pgp_armor.begin, ssh_armor.begin);
	while (next_line(l)) {
		if (l->len == 0)
			return 0;
		if (memchr(l->line, ':', l->len) == NULL)
			break;
	}
	return err_set(e, ERR_INVALID,
	    "armour: line %u: expected a header or an empty line", l->number);
}

/* Collects base64 into body; *ret_crc is set when there is a checksum. */
static int
read_body(struct lines *l, const struct armor *a, struct buf *body,
    struct buf *crc, struct err *e)
{
	while (next_line(l)) {
		if (line_is(l, a->end))
			return 0;
		if (crc->len > 0 || l->len == 0)
			break;
		if (a->pgp && l->line[0] == '=' && l->len == 5) {
			b64_decode(crc, l->line + 1, 4);
			if (crc->error != 0)
				return err_code(e, crc->error, "armour");
			if (crc->len != 3)
				break;
		} else if (buf_add(body, l->line, l->len) != 0) {
			return err_code(e, body->error,
			    "armour: a signature (of at most %d bytes)",
			    SIGPACKET_MAX);
		}
	}
	return err_set(e, ERR_INVALID,
	    "armour: line %u: expected base64 and %s", l->number, a->end);
}

static int
dearmor(const char *text, struct buf *packet, struct err *e)
{
	const struct armor *a = NULL;
	struct lines l = { .at = text };
	struct buf body, crc;
	uint8_t is[3];
	int rc;

	buf_init(&body, ARMOR_BODY_MAX);
	buf_init(&crc, 3);
	if ((rc = read_begin(&l, &a, e)) != 0 ||
	    (rc = read_body(&l, a, &body, &crc, e)) != 0)
		goto out;
	while (next_line(&l)) {
		if (l.len > 0) {
			rc = err_set(e, ERR_INVALID,
			    "armour: line %u: something after the signature",
			    l.number);
			goto out;
		}
	}
	if (body.len == 0 ||
	    b64_decode(packet, (const char *)body.data, body.len) != 0) {
		rc = packet->error == ERR_NOMEM
		    ? err_set(e, ERR_NOMEM, "out of memory")
		    : err_set(e, ERR_INVALID, "armour: not valid base64");
		goto out;
	}
	if (sshsig_is(packet->data, packet->len) == a->pgp) {
		rc = err_set(e, ERR_INVALID,
		    "armour: what it holds is no %s signature",
		    a->pgp ? "OpenPGP" : "SSH");
		goto out;
	}
	crc24_bytes(packet->data, packet->len, is);
	if (crc.len > 0 && memcmp(is, crc.data, sizeof(is)) != 0)
		rc = err_set(e, ERR_INVALID,
		    "armour: the checksum does not fit: damaged");
out:
	buf_release(&body);
	buf_release(&crc);
	return rc;
}

int
dearmor_signature(const char *text, size_t len, struct buf *out, struct err *e)
{
	struct buf copy, packet;
	const char *s;
	int rc;

	if (len > ARMOR_TEXT_MAX)
		return err_set(e, ERR_TOOBIG, "armour: %zu bytes, at most %d",
		    len, ARMOR_TEXT_MAX);
	buf_init(&copy, ARMOR_TEXT_MAX + 1);
	buf_init(&packet, SIGPACKET_MAX);
	buf_add(&copy, text, len);
	s = buf_str(&copy);
	if (s == NULL)
		rc = err_set(e, copy.error, "armour: %s", err_text(copy.error));
	else if (strlen(s) != len)
		rc = err_set(e, ERR_INVALID, "armour: holds a NUL");
	else
		rc = dearmor(s, &packet, e);
	if (rc == 0) {
		rc = buf_add(out, packet.data, packet.len);
		if (rc != 0)
			err_set(e, rc, "armour: %s", err_text(rc));
	}
	buf_release(&copy);
	buf_release(&packet);
	return rc;
}
