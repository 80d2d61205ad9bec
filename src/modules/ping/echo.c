/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/ping/echo.h"

#include <string.h>

#define HEADER 8
#define V4_REQUEST 8
#define V4_REPLY 0
#define V6_REQUEST 128
#define V6_REPLY 129
#define IPV4_HEADER_MIN 20

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 1071; of an even number of bytes. */
static uint16_t
checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void
echo_write(const struct echo *q, uint8_t out[static ECHO_SIZE])
{
	memset(out, 0, HEADER);
	out[0] = q->v6 ? V6_REQUEST : V4_REQUEST;
	put16(out + 4, q->id);
	put16(out + 6, q->seq);
	memcpy(out + HEADER, q->nonce, ECHO_NONCE);
	if (!q->v6)
		put16(out + 2, checksum(out, ECHO_SIZE));
}

/* Type, id and number; code is 0. */
static bool
is_ours(const struct echo *q, uint8_t type, bool id, const uint8_t *p)
{
	return p[0] == type && p[1] == 0 && (!id || get16(p + 4) == q->id) &&
	    get16(p + 6) == q->seq;
}

bool
echo_is_reply(const struct echo *q, bool header, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t skip = 0;

	if (header && !q->v6) {
		if (len < IPV4_HEADER_MIN || p[0] >> 4 != 4)
			return false;
		skip = (size_t)(p[0] & 15) * 4;
		if (skip < IPV4_HEADER_MIN)
			return false;
	}
	if (len < skip || len - skip != ECHO_SIZE)
		return false;
	p += skip;
	return is_ours(q, q->v6 ? V6_REPLY : V4_REPLY, header, p) &&
	    memcmp(p + HEADER, q->nonce, ECHO_NONCE) == 0;
}

bool
echo_is_request(const struct echo *q, bool raw, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t nonce;

	if (len < HEADER ||
	    !is_ours(q, q->v6 ? V6_REQUEST : V4_REQUEST, raw, p))
		return false;
	nonce = len - HEADER < ECHO_NONCE ? len - HEADER : ECHO_NONCE;
	return memcmp(p + HEADER, q->nonce, nonce) == 0;
}
