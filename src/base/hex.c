/* SPDX-License-Identifier: MPL-2.0 */
#include "base/hex.h"

#include "base/err.h"

#include <string.h>

void
hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
hex_decode(const char *s, void *out, size_t len)
{
	uint8_t *p = out;
	size_t i;

	if (strlen(s) != 2 * len)
		return ERR_INVALID;
	for (i = 0; i < 2 * len; i++) {
		if (hex_digit(s[i]) < 0)
			return ERR_INVALID;
	}
	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(hex_digit(s[2 * i]) * 16 +
		    hex_digit(s[2 * i + 1]));
	return 0;
}

static const char b64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
b64_encode(struct buf *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t v;
	uint8_t *o;
	size_t i, n;

	o = buf_reserve(out, (len + 2) / 3 * 4);
	if (o == NULL)
		return out->error;
	for (i = 0; i < len; i += n) {
		n = len - i < 3 ? len - i : 3;
		v = (uint32_t)p[i] << 16;
		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		*o++ = (uint8_t)b64_alphabet[v >> 18];
		*o++ = (uint8_t)b64_alphabet[v >> 12 & 63];
		*o++ = n > 1 ? (uint8_t)b64_alphabet[v >> 6 & 63] : '=';
		*o++ = n > 2 ? (uint8_t)b64_alphabet[v & 63] : '=';
	}
	out->len += (len + 2) / 3 * 4;
	return 0;
}

static int
b64_value(char c)
{
	const char *p = c == '\0' ? NULL : strchr(b64_alphabet, c);

	return p == NULL ? -1 : (int)(p - b64_alphabet);
}

int
b64_decode(struct buf *out, const char *s, size_t len)
{
	size_t i, j, pad = 0, start = out->len;
	uint32_t v;
	int d;

	if (len % 4 != 0)
		return ERR_INVALID;
	if (len > 0 && s[len - 1] == '=')
		pad = s[len - 2] == '=' ? 2 : 1;
	for (i = 0; i < len; i += 4) {
		for (v = 0, j = 0; j < 4; j++) {
			d = i + j >= len - pad ? 0 : b64_value(s[i + j]);
			if (d < 0)
				goto bad;
			v = v << 6 | (uint32_t)d;
		}
		for (j = 0; j < 3; j++) {
			if (i + 4 == len && j >= 3 - pad) {
				if ((v >> (16 - 8 * j) & 255) != 0)
					goto bad;
				continue;
			}
			if (buf_add_u8(out, (uint8_t)(v >> (16 - 8 * j))) != 0)
				return out->error;
		}
	}
	return 0;
bad:
	out->len = start;
	return ERR_INVALID;
}
