/* SPDX-License-Identifier: MPL-2.0 */
/* OpenPGP ASCII armour of one signature (RFC 4880 section 6). */
#include "action/envelope.h"

#include "base/err.h"
#include "base/hex.h"

#include <string.h>

#define ARMOR_BEGIN "-----BEGIN PGP SIGNATURE-----"
#define ARMOR_END "-----END PGP SIGNATURE-----"
#define ARMOR_COLUMNS 64
#define ARMOR_BODY_MAX ((SIGPACKET_MAX + 2) / 3 * 4)
#define ARMOR_TEXT_MAX (4 * ARMOR_BODY_MAX)

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
	struct buf body;
	uint8_t crc[3];
	size_t at, n;

	if (len == 0 || len > SIGPACKET_MAX)
		return ERR_INVALID;
	buf_init(&body, ARMOR_BODY_MAX);
	b64_encode(&body, packet, len);
	buf_add_str(out, ARMOR_BEGIN "\n\n");
	for (at = 0; at < body.len; at += n) {
		n = body.len - at < ARMOR_COLUMNS ? body.len - at
						  : ARMOR_COLUMNS;
		buf_add(out, body.data + at, n);
		buf_add_str(out, "\n");
	}
	crc24_bytes(packet, len, crc);
	buf_add_str(out, "=");
	b64_encode(out, crc, sizeof(crc));
	buf_add_str(out, "\n" ARMOR_END "\n");
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

/* Moves behind the empty line that ends the armour headers. */
static int
skip_headers(struct lines *l, struct err *e)
{
	do {
		if (!next_line(l))
			return err_set(e, ERR_INVALID, "armour: empty");
	} while (l->len == 0);
	if (!line_is(l, ARMOR_BEGIN))
		return err_set(e, ERR_INVALID,
		    "armour: line %u: expected " ARMOR_BEGIN, l->number);
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
read_body(struct lines *l, struct buf *body, struct buf *crc, struct err *e)
{
	while (next_line(l)) {
		if (line_is(l, ARMOR_END))
			return 0;
		if (crc->len > 0 || l->len == 0)
			break;
		if (l->line[0] == '=' && l->len == 5) {
			if (b64_decode(crc, l->line + 1, 4) != 0 ||
			    crc->len != 3)
				break;
		} else if (buf_add(body, l->line, l->len) != 0) {
			return err_set(e, body->error,
			    "armour: a signature of more than %d bytes",
			    SIGPACKET_MAX);
		}
	}
	return err_set(e, ERR_INVALID,
	    "armour: line %u: expected base64 and " ARMOR_END, l->number);
}

static int
dearmor(const char *text, struct buf *packet, struct err *e)
{
	struct lines l = { .at = text };
	struct buf body, crc;
	uint8_t is[3];
	int rc;

	buf_init(&body, ARMOR_BODY_MAX);
	buf_init(&crc, 3);
	if ((rc = skip_headers(&l, e)) != 0 ||
	    (rc = read_body(&l, &body, &crc, e)) != 0)
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
		rc = err_set(e, ERR_INVALID, "armour: not valid base64");
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
