/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers and envelopes that travel in parts: how an answer is cut, and an
 * assembly whose memory is bounded by the bytes that the caller allows,
 * whatever the other side says. Parts may come in any order and repeatedly.
 */
#include "mqtt/wire.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* Beyond a few, parts smaller than this on average are not worth their
 * bookkeeping. */
#define PART_AVERAGE_MIN 1024
#define PARTS_FEW 64

struct piece {
	uint8_t *data; /* owned; NULL: not there yet */
	size_t len;
};

struct wire_parts {
	uint16_t of, have;
	size_t len, max; /* bytes there, bytes allowed */
	struct piece pieces[];
};

uint16_t
wire_answer_parts(size_t len)
{
	size_t n;

	if (len <= WIRE_FIRST_PART_MAX)
		return 1;
	n = 1 + (len - WIRE_FIRST_PART_MAX + WIRE_PART_MAX - 1) / WIRE_PART_MAX;
	return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

void
wire_answer_part(size_t len, uint16_t part, size_t *ret_off, size_t *ret_len)
{
	size_t off, n = WIRE_FIRST_PART_MAX;

	off = 0;
	if (part > 0) {
		off = WIRE_FIRST_PART_MAX + (size_t)(part - 1) * WIRE_PART_MAX;
		n = WIRE_PART_MAX;
	}
	if (off > len)
		off = len;
	*ret_off = off;
	*ret_len = n < len - off ? n : len - off;
}

struct wire_parts *
wire_parts_new(uint16_t of, size_t max)
{
	struct wire_parts *p;

	if (of == 0 || of > max / PART_AVERAGE_MIN + PARTS_FEW)
		return NULL;
	p = calloc(1, sizeof(*p) + of * sizeof(p->pieces[0]));
	if (p == NULL)
		return NULL;
	p->of = of;
	p->max = max;
	return p;
}

void
wire_parts_free(struct wire_parts *p)
{
	uint16_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->of; i++)
		free(p->pieces[i].data);
	free(p);
}

int
wire_parts_add(struct wire_parts *p, uint16_t part, uint16_t of,
    const void *data, size_t len)
{
	struct piece *piece;

	if (of != p->of || part >= of || len == 0)
		return ERR_INVALID;
	if (len > WIRE_PART_MAX)
		return ERR_TOOBIG;
	piece = &p->pieces[part];
	if (piece->data != NULL) {
		if (piece->len != len || memcmp(piece->data, data, len) != 0)
			return ERR_INVALID;
		return 0;
	}
	if (len > p->max - p->len)
		return ERR_TOOBIG;
	piece->data = malloc(len);
	if (piece->data == NULL)
		return ERR_NOMEM;
	memcpy(piece->data, data, len);
	piece->len = len;
	p->len += len;
	p->have++;
	return 0;
}

bool
wire_parts_has(const struct wire_parts *p, uint16_t part)
{
	return part < p->of && p->pieces[part].data != NULL;
}

bool
wire_parts_complete(const struct wire_parts *p)
{
	return p->have == p->of;
}

uint16_t
wire_parts_missing(const struct wire_parts *p)
{
	uint16_t i;

	for (i = 0; i < p->of; i++) {
		if (p->pieces[i].data == NULL)
			break;
	}
	return i;
}

int
wire_parts_take(struct wire_parts *p, uint8_t **ret, size_t *ret_len)
{
	uint8_t *whole;
	size_t at = 0;
	uint16_t i;

	if (!wire_parts_complete(p))
		return ERR_INVALID;
	whole = malloc(p->len);
	if (whole == NULL)
		return ERR_NOMEM;
	for (i = 0; i < p->of; i++) {
		memcpy(whole + at, p->pieces[i].data, p->pieces[i].len);
		at += p->pieces[i].len;
	}
	*ret = whole;
	*ret_len = at;
	return 0;
}
