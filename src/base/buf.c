/* SPDX-License-Identifier: MPL-2.0 */
#include "base/buf.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_init_sink(struct buf *b, size_t max, buf_sink *sink, void *arg)
{
	buf_init(b, max);
	b->sink = sink;
	b->sink_arg = arg;
}

void
buf_release(struct buf *b)
{
	size_t max = b->max;

	free(b->data);
	buf_init(b, max);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->error = 0;
}

static int
sink_data(struct buf *b, const void *data, size_t len)
{
	if (b->error == 0 && len > 0)
		b->error = b->sink(data, len, b->sink_arg);
	return b->error;
}

int
buf_hand_on(struct buf *b)
{
	sink_data(b, b->data, b->len);
	b->len = 0;
	return b->error;
}

uint8_t *
buf_reserve(struct buf *b, size_t len)
{
	size_t want, cap;
	uint8_t *p;

	if (b->sink != NULL && len <= b->max && b->len > b->max - len)
		buf_hand_on(b);
	if (b->error != 0)
		return NULL;
	if (len > b->max || b->len > b->max - len) {
		b->error = ERR_TOOBIG;
		return NULL;
	}
	want = b->len + len;
	if (want <= b->cap && b->data != NULL)
		return b->data + b->len;
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < want)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	p = realloc(b->data, cap);
	if (p == NULL) {
		b->error = ERR_NOMEM;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	return b->data + b->len;
}

int
buf_add(struct buf *b, const void *data, size_t len)
{
	uint8_t *p;

	if (len == 0)
		return b->error;
	if (b->sink != NULL && len > b->max) {
		buf_hand_on(b);
		return sink_data(b, data, len);
	}
	p = buf_reserve(b, len);
	if (p != NULL) {
		memcpy(p, data, len);
		b->len += len;
	}
	return b->error;
}

int
buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_add_vfmt(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char small[256];
	uint8_t *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n < 0) {
		b->error = ERR_INVALID;
	} else if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else {
		/* one more for vsnprintf's terminator, not kept */
		p = buf_reserve(b, (size_t)n + 1);
		if (p != NULL) {
			vsnprintf((char *)p, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
	return b->error;
}

int
buf_add_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_add_vfmt(b, fmt, ap);
	va_end(ap);
	return b->error;
}

int
buf_add_u8(struct buf *b, uint8_t v)
{
	return buf_add(b, &v, 1);
}

static int
buf_add_be(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t be[8];
	size_t i;

	for (i = 0; i < bytes; i++)
		be[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	return buf_add(b, be, bytes);
}

int
buf_add_u16(struct buf *b, uint16_t v)
{
	return buf_add_be(b, v, 2);
}

int
buf_add_u32(struct buf *b, uint32_t v)
{
	return buf_add_be(b, v, 4);
}

int
buf_add_u64(struct buf *b, uint64_t v)
{
	return buf_add_be(b, v, 8);
}

int
buf_add_field(struct buf *b, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		b->error = ERR_TOOBIG;
		return b->error;
	}
	buf_add_u32(b, (uint32_t)len);
	return buf_add(b, data, len);
}

void
buf_consume(struct buf *b, size_t len)
{
	BUG_ON(len > b->len);
	if (len < b->len)
		memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

const char *
buf_str(struct buf *b)
{
	uint8_t *p = buf_reserve(b, 1);

	if (p == NULL)
		return NULL;
	*p = '\0';
	return (const char *)b->data;
}

void
buf_take(struct buf *b, uint8_t **ret_data, size_t *ret_len)
{
	*ret_data = b->data;
	*ret_len = b->len;
	b->data = NULL;
	b->len = b->cap = 0;
}

void
rd_init(struct rd *r, const void *data, size_t len)
{
	r->p = data;
	r->left = len;
	r->bad = false;
}

const uint8_t *
rd_bytes(struct rd *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || len > r->left) {
		r->bad = true;
		return NULL;
	}
	if (len > 0) {
		r->p += len;
		r->left -= len;
	}
	return p;
}

static uint64_t
rd_be(struct rd *r, size_t bytes)
{
	const uint8_t *p = rd_bytes(r, bytes);
	uint64_t v = 0;
	size_t i;

	if (p == NULL)
		return 0;
	for (i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)rd_be(r, 1);
}

uint16_t
rd_u16(struct rd *r)
{
	return (uint16_t)rd_be(r, 2);
}

uint32_t
rd_u32(struct rd *r)
{
	return (uint32_t)rd_be(r, 4);
}

uint64_t
rd_u64(struct rd *r)
{
	return rd_be(r, 8);
}

uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

uint64_t
rd_varint(struct rd *r)
{
	unsigned int shift;
	uint64_t v = 0;
	uint8_t c;

	for (shift = 0; shift < 64; shift += 7) {
		c = rd_u8(r);
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c <= 0x7f)
			break;
	}
	return r->bad ? 0 : v;
}

void
rd_copy(struct rd *r, void *out, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (p != NULL && len > 0)
		memcpy(out, p, len);
	else if (len > 0)
		memset(out, 0, len);
}

const uint8_t *
rd_field(struct rd *r, size_t max, size_t *ret_len)
{
	uint32_t len = rd_u32(r);
	const uint8_t *p;

	if (len > max)
		r->bad = true;
	p = rd_bytes(r, len);
	*ret_len = p == NULL ? 0 : len;
	return p;
}

void
rd_field_str(struct rd *r, char *out, size_t n)
{
	size_t len;
	const uint8_t *p = rd_field(r, n - 1, &len);

	if (p != NULL && len > 0 && memchr(p, '\0', len) != NULL)
		r->bad = true;
	if (p == NULL || r->bad)
		len = 0;
	if (len > 0)
		memcpy(out, p, len);
	out[len] = '\0';
}

bool
rd_done(const struct rd *r)
{
	return !r->bad && r->left == 0;
}
