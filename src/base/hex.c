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

#define NO_DIGIT 255

static void
b64_values(uint8_t ret[static 256])
{
	uint8_t i;

	memset(ret, NO_DIGIT, 256);
	for (i = 0; i < 64; i++)
		ret[(uint8_t)b64_alphabet[i]] = i;
}

/* n digits, the first in the highest bits; false: one is none. */
static bool
b64_digits(
    const uint8_t values[static 256], const uint8_t *s, size_t n, uint32_t *ret)
{
	uint8_t all = 0;
	size_t i;

	for (*ret = 0, i = 0; i < n; i++) {
		all |= values[s[i]];
		*ret = *ret << 6 | values[s[i]];
	}
	return all != NO_DIGIT;
}

int
b64_decode(struct buf *out, const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t pad = 0, left;
	uint8_t values[256], *o;
	uint32_t v;

	if (len % 4 != 0)
		return ERR_INVALID;
	if (len == 0)
		return 0;
	if (s[len - 1] == '=')
		pad = s[len - 2] == '=' ? 2 : 1;
	o = buf_reserve(out, len / 4 * 3 - pad);
	if (o == NULL)
		return out->error;
	b64_values(values);
	for (left = len; left > (pad > 0 ? 4 : 0); left -= 4, s += 4) {
		if (!b64_digits(values, s, 4, &v))
			return ERR_INVALID;
		*o++ = (uint8_t)(v >> 16);
		*o++ = (uint8_t)(v >> 8);
		*o++ = (uint8_t)v;
	}
	if (pad > 0) {
		if (!b64_digits(values, s, 4 - pad, &v))
			return ERR_INVALID;
		v <<= 6 * pad;
		if ((v & (pad == 1 ? 0xff : 0xffff)) != 0)
			return ERR_INVALID;
		*o++ = (uint8_t)(v >> 16);
		if (pad == 1)
			*o = (uint8_t)(v >> 8);
	}
	out->len += len / 4 * 3 - pad;
	return 0;
}
