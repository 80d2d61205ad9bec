/* SPDX-License-Identifier: MPL-2.0 */
#include "base/str.h"

#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DISTANCE_WORD_MAX 64

bool
str_copy(char *out, size_t size, const char *s)
{
	size_t n = strlen(s), keep = n < size ? n : size - 1;

	memcpy(out, s, keep);
	out[keep] = '\0';
	return keep == n;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_is(const void *s, size_t len, const char *word)
{
	return s != NULL && len == strlen(word) && memcmp(s, word, len) == 0;
}

int
str_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0, d;

	if (*s == '\0')
		return ERR_INVALID;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return ERR_INVALID;
		d = (uint64_t)(*s - '0');
		if (v > (UINT64_MAX - d) / 10)
			return ERR_INVALID;
		v = v * 10 + d;
	}
	if (v < min || v > max)
		return ERR_INVALID;
	*ret = v;
	return 0;
}

size_t
str_distance(const char *a, const char *b)
{
	size_t row[DISTANCE_WORD_MAX + 1], la = strlen(a), lb = strlen(b);
	size_t i, j, diag, up, best;

	if (la > DISTANCE_WORD_MAX || lb > DISTANCE_WORD_MAX)
		return SIZE_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			up = row[j];
			best = diag + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return row[lb];
}

const char *
str_nearer(const char *word, const char *near, const char *name)
{
	size_t best = near == NULL ? 3 : str_distance(word, near);

	return str_distance(word, name) < best ? name : near;
}

/* Length of the well-formed sequence at p (1..4), or 0; RFC 3629 section 4. */
static size_t
utf8_sequence(const uint8_t *p, size_t left, uint32_t *ret_cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t n, i;

	if (p[0] < 0x80) {
		*ret_cp = p[0];
		return 1;
	}
	if ((p[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((p[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	cp = p[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return n;
}

bool
str_is_utf8(const void *s, size_t len)
{
	const uint8_t *p = s;
	uint32_t cp;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = utf8_sequence(p, len, &cp);
		if (n == 0)
			return false;
	}
	return true;
}

size_t
str_utf8(const void *s, size_t len, uint32_t *ret_cp)
{
	return len == 0 ? 0 : utf8_sequence(s, len, ret_cp);
}

/* Controls, format characters, and letters and spaces without a shape. */
static const struct {
	uint32_t from, to;
} treacherous[] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad },
	{ 0x34f, 0x34f }, { 0x600, 0x605 }, { 0x61c, 0x61c }, { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x206f }, { 0x2800, 0x2800 }, { 0x3164, 0x3164 },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb }, { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
	{ 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0xe0fff } };

bool
str_is_treacherous(uint32_t cp)
{
	size_t lo = 0, hi = sizeof(treacherous) / sizeof(treacherous[0]), mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (cp > treacherous[mid].to)
			lo = mid + 1;
		else if (cp < treacherous[mid].from)
			hi = mid;
		else
			return true;
	}
	return false;
}

int
str_add_escape(struct buf *out, uint32_t cp)
{
	if (cp < 0x10000)
		return buf_add_fmt(out, "\\u%04x", (unsigned int)cp);
	cp -= 0x10000;
	return buf_add_fmt(out, "\\u%04x\\u%04x",
	    (unsigned int)(0xd800 | cp >> 10),
	    (unsigned int)(0xdc00 | (cp & 0x3ff)));
}

/* Bytes at p that stay as they are: plain ASCII, lines and tabs. */
static size_t
safe_run(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] < 0x7f &&
	    (p[n] >= 0x20 || p[n] == '\n' || p[n] == '\t'))
		n++;
	return n;
}

int
str_add_safe(struct buf *out, const void *s, size_t len)
{
	const uint8_t *p = s;
	uint32_t cp;
	size_t n;

	for (; len > 0 && out->error == 0; p += n, len -= n) {
		n = safe_run(p, len);
		if (n > 0) {
			buf_add(out, p, n);
			continue;
		}
		n = utf8_sequence(p, len, &cp);
		if (n == 0) {
			n = 1;
			str_add_escape(out, 0xfffd);
		} else if (str_is_treacherous(cp)) {
			str_add_escape(out, cp);
		} else {
			buf_add(out, p, n);
		}
	}
	return out->error;
}

static int
add_visible(struct buf *out, const void *s, size_t len, bool ascii_only)
{
	const uint8_t *p = s;
	uint32_t cp;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = utf8_sequence(p, len, &cp);
		if (n == 0) {
			n = 1;
			buf_add_fmt(out, "\\x%02x", p[0]);
		} else if (cp < 0x80 && str_is_treacherous(cp)) {
			buf_add_fmt(out, "\\x%02x", (unsigned int)cp);
		} else if (str_is_treacherous(cp) ||
		    (ascii_only && cp >= 0x80)) {
			buf_add_fmt(out, "\\u{%x}", (unsigned int)cp);
		} else {
			buf_add(out, p, n);
		}
	}
	return out->error;
}

int
str_add_printable(struct buf *out, const void *s, size_t len)
{
	return add_visible(out, s, len, false);
}

int
str_add_plain(struct buf *out, const void *s, size_t len)
{
	return add_visible(out, s, len, true);
}

void
str_size(uint64_t bytes, char out[static STR_SIZE_MAX])
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
	size_t unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 &&
	    unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, STR_SIZE_MAX, "%" PRIu64 " %s", bytes, units[unit]);
}
