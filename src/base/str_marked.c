/* SPDX-License-Identifier: MPL-2.0 */
/* Text that somebody decides by: what looks like something else is marked. */
#include "base/str.h"

struct range {
	uint32_t from, to;
};

/* Spaces, signs and letters in another dress: nothing that a word of any
 * language is written with, and much that looks like ASCII. */
static const struct range odd[] = { { 0x80, 0xbf }, { 0xd7, 0xd7 },
	{ 0xf7, 0xf7 }, { 0x131, 0x133 }, { 0x17f, 0x17f }, { 0x196, 0x196 },
	{ 0x1b7, 0x1b7 }, { 0x1bc, 0x1bd }, { 0x1c0, 0x1cc }, { 0x1f1, 0x1f3 },
	{ 0x21c, 0x21c }, { 0x237, 0x237 }, { 0x250, 0x36f }, { 0x37e, 0x37e },
	{ 0x387, 0x387 }, { 0x5be, 0x5be }, { 0x5c0, 0x5c0 }, { 0x5c3, 0x5c3 },
	{ 0x66a, 0x66d }, { 0x6d4, 0x6d4 }, { 0x890, 0x891 }, { 0x8e2, 0x8e2 },
	{ 0x1680, 0x1680 }, { 0x1ab0, 0x1aff }, { 0x1d00, 0x1dff },
	{ 0x2000, 0x2bff }, { 0x2c60, 0x2c7f }, { 0x2d7f, 0x2d7f },
	{ 0x2e00, 0x2e7f }, { 0x3000, 0x3004 }, { 0x3008, 0x3020 },
	{ 0x30a0, 0x30a0 }, { 0x3250, 0x33ff }, { 0xa4f8, 0xa4ff },
	{ 0xa700, 0xa7ff }, { 0xe000, 0xf8ff }, { 0xfb00, 0xfb17 },
	{ 0xfe10, 0xfe6f }, { 0xff00, 0xffef }, { 0x1107f, 0x1107f },
	{ 0x16fe4, 0x16fe4 }, { 0x1d159, 0x1d159 }, { 0x1d400, 0x1d7ff },
	{ 0x1f100, 0x1f2ff }, { 0xf0000, 0x10ffff } };
/* Scripts of which letters look like Latin ones. */
static const struct range alike[] = { { 0x370, 0x3ff }, { 0x400, 0x52f },
	{ 0x530, 0x58f }, { 0x13a0, 0x167f }, { 0x16a0, 0x16ff },
	{ 0x2d30, 0x2d7e }, { 0x30ce, 0x30ce }, { 0x10280, 0x1034f },
	{ 0x104b0, 0x104ff }, { 0x10500, 0x1052f }, { 0x118a0, 0x118ff },
	{ 0x16f00, 0x16f9f }, { 0x1c80, 0x1c8f }, { 0x1f00, 0x1fff },
	{ 0x2c80, 0x2cff }, { 0xa4d0, 0xa4f7 }, { 0xa640, 0xa69f },
	{ 0xab70, 0xabbf }, { 0x10400, 0x1044f } };
/* Letters of Greek and Cyrillic that are told from Latin ones: a word with one
 * of them is what it looks like. In order. */
static const uint16_t distinct[] = { 0x393, 0x394, 0x398, 0x39b, 0x39e, 0x3a0,
	0x3a3, 0x3a6, 0x3a8, 0x3a9, 0x3b4, 0x3b6, 0x3b8, 0x3bb, 0x3be, 0x3c0,
	0x3c6, 0x3c8, 0x411, 0x413, 0x414, 0x416, 0x418, 0x419, 0x41b, 0x41f,
	0x426, 0x427, 0x428, 0x429, 0x42a, 0x42b, 0x42d, 0x42e, 0x42f, 0x431,
	0x432, 0x434, 0x436, 0x438, 0x439, 0x43b, 0x43c, 0x43d, 0x444, 0x446,
	0x447, 0x448, 0x449, 0x44a, 0x44b, 0x44d, 0x44e, 0x44f };

/* Letters that are written from right to left. */
static const struct range leftward[] = { { 0x590, 0x8ff }, { 0xfb1d, 0xfdff },
	{ 0xfe70, 0xfefc }, { 0x10800, 0x10fff }, { 0x1e800, 0x1efff } };

static bool
is_in(const struct range *r, size_t n, uint32_t cp)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (cp >= r[i].from && cp <= r[i].to)
			return true;
	return false;
}

#define IN(table, cp) is_in(table, sizeof(table) / sizeof(table[0]), cp)

static bool
is_distinct(uint32_t cp)
{
	size_t i;

	/* the other letters of a script of which one looks like a slash */
	if (cp >= 0x3041 && cp <= 0x30fa && cp != 0x30ce)
		return true;
	for (i = 0; i < sizeof(distinct) / sizeof(distinct[0]); i++)
		if (distinct[i] == cp)
			return true;
	return false;
}

static bool
is_latin(uint32_t cp)
{
	return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') ||
	    (cp >= 0xc0 && cp <= 0x24f) || (cp >= 0x1e00 && cp <= 0x1eff);
}

/* What stands for itself, wherever it is. */
static bool
is_odd(uint32_t cp)
{
	return str_is_treacherous(cp) || IN(odd, cp);
}

/* Does a word go on with it? */
static bool
in_word(uint32_t cp)
{
	return is_latin(cp) || (cp >= '0' && cp <= '9') ||
	    (cp >= 0x80 && !is_odd(cp));
}

/* Bytes of the word at p; *ret_alike: it is not what it looks like. What
 * belongs to no word is one of one character. */
static size_t
word(const uint8_t *p, size_t len, bool *ret_alike)
{
	bool latin = false, other = false, clear = false;
	size_t at = 0, n;
	uint32_t cp;

	while (at < len && (n = str_utf8(p + at, len - at, &cp)) > 0 &&
	    in_word(cp)) {
		latin = latin || is_latin(cp);
		other = other || IN(alike, cp);
		clear = clear || is_distinct(cp);
		at += n;
	}
	*ret_alike = other && (latin || !clear);
	return at;
}

/* One character, as itself or as its number; its bytes. */
static size_t
add_one(struct buf *out, const uint8_t *p, size_t len, bool mark, bool *marked)
{
	uint32_t cp;
	size_t n = str_utf8(p, len, &cp);

	if (n > 0 &&
	    (cp < 0x80 ? !str_is_treacherous(cp) : !mark && !is_odd(cp))) {
		buf_add(out, p, n);
		return n;
	}
	*marked = true;
	if (n == 0 || cp < 0x80)
		buf_add_fmt(out, "\\x%02x", p[0]);
	else
		buf_add_fmt(out, "\\u{%x}", (unsigned int)cp);
	return n == 0 ? 1 : n;
}

/* Letters from right to left are drawn in another order with digits and
 * slashes between them, as paths have. */
static bool
is_turned(const uint8_t *p, size_t len)
{
	bool turns = false, path = false;
	uint32_t cp;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = str_utf8(p, len, &cp);
		if (n == 0) {
			n = 1;
			continue;
		}
		turns = turns || IN(leftward, cp);
		path = path || cp == '/' || (cp >= '0' && cp <= '9');
	}
	return turns && path;
}

/* Space by which a text could reach into the next line, or seem to end. */
static bool
is_room(const uint8_t *text, const uint8_t *p, size_t len)
{
	return *p == ' ' && (p == text || p[-1] == ' ' || len == 1);
}

int
str_add_marked(struct buf *out, const void *s, size_t len, bool *marked)
{
	bool mark, turned = is_turned(s, len);
	const uint8_t *p = s;
	size_t n, at;

	while (len > 0 && out->error == 0) {
		if (is_room(s, p, len)) {
			buf_add_str(out, "\\x20");
			*marked = true;
			p++;
			len--;
			continue;
		}
		n = word(p, len, &mark);
		mark = mark || turned;
		for (at = 0; at < n || (n == 0 && at == 0);)
			at += add_one(out, p + at, len - at, mark, marked);
		p += at;
		len -= at;
	}
	return out->error;
}
