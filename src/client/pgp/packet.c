/* SPDX-License-Identifier: MPL-2.0 */
/* Packet headers, armour and names; the investigator's side only. */
#include "client/pgp/packet.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/pgp/rnp.h"

#include <stdio.h>
#include <string.h>

#define ARMOR_LINE 48 /* bytes: 64 digits */

size_t
packet_header_length(const uint8_t *p)
{
	if ((p[0] & 0x40) == 0) {
		static const size_t old[4] = { 2, 3, 5, 1 };

		return old[p[0] & 3];
	}
	if (p[1] < 192)
		return 2;
	return p[1] == 255 ? 6 : 3;
}

size_t
packet_length(const uint8_t *p, size_t len)
{
	struct rd r;
	size_t n, body;
	unsigned int tag;

	rd_init(&r, p, len);
	tag = rd_u8(&r);
	if (r.bad || (tag & 0x80) == 0)
		return 0;
	if (tag & 0x40) {
		body = rd_u8(&r);
		if (body >= 192 && body < 224)
			body = ((body - 192) << 8) + rd_u8(&r) + 192;
		else if (body == 255)
			body = rd_u32(&r);
		else if (body >= 224)
			return 0;
	} else if ((tag & 3) == 0) {
		body = rd_u8(&r);
	} else if ((tag & 3) == 1) {
		body = rd_u16(&r);
	} else if ((tag & 3) == 2) {
		body = rd_u32(&r);
	} else {
		return 0;
	}
	n = len - r.left;
	return r.bad || body > r.left ? 0 : n + body;
}

static unsigned int
packet_tag(uint8_t first)
{
	return (first & 0x40) != 0 ? first & 0x3fu : (first >> 2) & 0xfu;
}

/* RFC 4880 section 5.1: version 3, then the key id; zero stands for "try all
 * your keys". */
static int
recipient_read(const uint8_t *p, size_t len,
    uint8_t out[static PACKET_KEYID_LEN], struct err *e)
{
	static const uint8_t hidden[PACKET_KEYID_LEN];
	size_t head = packet_header_length(p);

	if (len < head + 1 + PACKET_KEYID_LEN || p[head] != 3)
		return err_set(e, ERR_INVALID, "a session key of unknown form");
	memcpy(out, p + head + 1, PACKET_KEYID_LEN);
	if (memcmp(out, hidden, sizeof(hidden)) == 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "it hides whom it is for (throw-keyids or "
		    "hidden-recipient)");
	return 0;
}

int
packet_recipients(const void *message, size_t len,
    uint8_t (*ret)[PACKET_KEYID_LEN], size_t max, size_t *ret_n, struct err *e)
{
	const uint8_t *p = message;
	unsigned int tag;
	size_t n = 0, size;
	int r;

	while (len > 0 && (tag = packet_tag(p[0])) != 18 /* data and MDC */) {
		if (tag != 1 /* session key for a public key */)
			return err_set(e, ERR_UNSUPPORTED,
			    tag == 3 ? "a passphrase opens it, too"
				     : "a packet of type %u is in it",
			    tag);
		size = packet_length(p, len);
		if (size == 0)
			return err_set(e, ERR_INVALID, "it is cut off");
		if (n == max)
			return err_set(
			    e, ERR_TOOBIG, "it is for more than %zu keys", max);
		r = recipient_read(p, size, ret[n], e);
		if (r != 0)
			return r;
		n++;
		p += size;
		len -= size;
	}
	if (len == 0)
		return err_set(e, ERR_INVALID, "it has no protected content");
	*ret_n = n;
	return 0;
}

int
packet_dearmor(const void *data, size_t len, struct buf *out, struct err *e)
{
	const uint8_t *bytes = data;
	rnp_input_t in = NULL;
	rnp_output_t mem = NULL;
	uint8_t *plain = NULL;
	size_t n = 0;
	int rc;

	if (len > 0 && (bytes[0] & 0x80) != 0)
		return buf_add(out, data, len);
	rc = rnp_enter(e);
	if (rc != 0)
		return rc;
	rc = ERR_INVALID;
	if (rnp.input_from_memory(&in, bytes, len, false) == RNP_SUCCESS &&
	    rnp.output_to_memory(&mem, out->max) == RNP_SUCCESS &&
	    rnp.dearmor(in, mem) == RNP_SUCCESS &&
	    rnp.output_memory_get_buf(mem, &plain, &n, false) == RNP_SUCCESS &&
	    n > 0)
		rc = buf_add(out, plain, n);
	rnp.output_destroy(mem);
	rnp.input_destroy(in);
	rnp_leave();
	if (rc == ERR_NOMEM)
		return err_code(e, rc, "OpenPGP data");
	if (rc != 0)
		return err_set(e, rc, "neither binary OpenPGP nor its armour");
	return 0;
}

static uint32_t
crc24(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xb704ce;
	int bit;

	for (; len > 0; len--) {
		crc ^= (uint32_t)*p++ << 16;
		for (bit = 0; bit < 8; bit++)
			crc =
			    crc << 1 ^ ((crc & 0x800000) != 0 ? 0x1864cfb : 0);
	}
	return crc & 0xffffff;
}

int
packet_armor(const struct buf *message, struct buf *out)
{
	uint32_t crc = crc24(message->data, message->len);
	const uint8_t sum[3] = { (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
		(uint8_t)crc };
	size_t before = out->len, at, n;

	buf_add_str(out, "-----BEGIN PGP MESSAGE-----\n\n");
	for (at = 0; at < message->len; at += n) {
		n = message->len - at;
		if (n > ARMOR_LINE)
			n = ARMOR_LINE;
		b64_encode(out, message->data + at, n);
		buf_add_str(out, "\n");
	}
	buf_add_str(out, "=");
	b64_encode(out, sum, sizeof(sum));
	buf_add_str(out, "\n-----END PGP MESSAGE-----\n");
	if (out->error != 0)
		out->len = before;
	return out->error;
}

void
packet_name(const void *uid, size_t len, char *out, size_t size)
{
	struct buf b;
	size_t n;

	buf_init(&b, len * 8 + 16);
	str_add_printable(&b, uid, len);
	if (b.error != 0 || b.len == 0) {
		snprintf(out, size, "(no name)");
	} else {
		n = b.len < size ? b.len : size - 1;
		/* Not in the middle of a character. */
		while (n > 0 && !str_is_utf8(b.data, n))
			n--;
		memcpy(out, b.data, n);
		out[n] = '\0';
	}
	buf_release(&b);
}
