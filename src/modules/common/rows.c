/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A record:
 *
 *   16 bits: which fields differ from the row before, the first is the lowest;
 *   the highest: all are empty in front of this row
 *   for each of them: numbers (put_varint), bytes it shares with the one before
 * and bytes that follow; the bytes that follow
 */
#include "modules/common/rows.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define ALONE 0x8000u

void
rows_init(struct rows *r, size_t fields, size_t max)
{
	BUG_ON(fields > ROWS_FIELDS_MAX);
	memset(r, 0, sizeof(*r));
	r->fields = fields;
	buf_init(&r->records, max);
}

void
rows_release(struct rows *r)
{
	size_t i;

	buf_release(&r->records);
	for (i = 0; r->last != NULL && i < r->fields; i++)
		buf_release(&r->last[i]);
	free(r->last);
	r->last = NULL;
}

static size_t
shared_len(const struct buf *before, const struct rows_field *f)
{
	const uint8_t *p = f->p;
	size_t n = 0;

	while (n < before->len && n < f->len && before->data[n] == p[n])
		n++;
	return n;
}

static void
forget(struct rows *r)
{
	size_t i;

	for (i = 0; r->last != NULL && i < r->fields; i++)
		buf_clear(&r->last[i]);
}

static int
make_last(struct rows *r)
{
	size_t i;

	r->last = calloc(r->fields, sizeof(*r->last));
	if (r->last == NULL)
		return ERR_NOMEM;
	for (i = 0; i < r->fields; i++)
		buf_init(&r->last[i], r->records.max);
	return 0;
}

/* So that nothing fails once a row is begun. NULL: what failed has its error.
 */
static uint8_t *
make_room(struct rows *r, const struct rows_field *row)
{
	size_t i, most = 2;

	for (i = 0; i < r->fields; i++) {
		if (row[i].len > r->last[i].len &&
		    buf_reserve(&r->last[i], row[i].len - r->last[i].len) ==
			NULL)
			return NULL;
		most += 2 * VARINT_MAX + row[i].len;
	}
	return buf_reserve(&r->records, most);
}

static int
take_error(struct rows *r)
{
	int rc = r->records.error;
	size_t i;

	r->records.error = 0;
	for (i = 0; i < r->fields; i++) {
		if (rc == 0)
			rc = r->last[i].error;
		r->last[i].error = 0;
	}
	return rc;
}

static uint8_t *
put_field(struct buf *last, const struct rows_field *f, uint8_t *p)
{
	size_t shared = shared_len(last, f), rest = f->len - shared;

	p = put_varint(p, shared);
	p = put_varint(p, rest);
	if (rest > 0) {
		memcpy(p, (const uint8_t *)f->p + shared, rest);
		memcpy(last->data + shared, p, rest);
	}
	last->len = f->len;
	return p + rest;
}

static bool
is_same(const struct buf *last, const struct rows_field *f)
{
	return last->len == f->len &&
	    (f->len == 0 || memcmp(last->data, f->p, f->len) == 0);
}

int
rows_add(struct rows *r, const struct rows_field *row)
{
	unsigned int head = r->alone ? ALONE : 0;
	uint8_t *begin, *p;
	size_t i;
	int rc;

	if (r->last == NULL && (rc = make_last(r)) != 0)
		return rc;
	begin = make_room(r, row);
	if (begin == NULL)
		return take_error(r);
	for (i = 0, p = begin + 2; i < r->fields; i++) {
		if (is_same(&r->last[i], &row[i]))
			continue;
		head |= 1u << i;
		p = put_field(&r->last[i], &row[i], p);
	}
	begin[0] = (uint8_t)(head >> 8);
	begin[1] = (uint8_t)head;
	r->records.len += (size_t)(p - begin);
	r->alone = false;
	r->n++;
	return 0;
}

struct rows_mark
rows_mark(const struct rows *r)
{
	return (struct rows_mark){ r->n, r->records.len };
}

void
rows_take_back(struct rows *r, struct rows_mark mark)
{
	if (r->n == mark.n)
		return;
	r->n = mark.n;
	r->records.len = mark.len;
	r->alone = true;
	forget(r);
}

void
rows_rewind(struct rows *r)
{
	rd_init(&r->rd, r->records.data, r->records.len);
	forget(r);
}

/* It has room: it was that long when it was added. */
static void
get_field(struct rd *r, struct buf *last)
{
	size_t rest;

	last->len = rd_varint(r);
	rest = rd_varint(r);
	if (rest > 0)
		buf_add(last, rd_bytes(r, rest), rest);
}

bool
rows_next(struct rows *r, struct rows_field *ret)
{
	unsigned int head;
	size_t i;

	if (r->rd.left == 0)
		return false;
	head = rd_u16(&r->rd);
	if ((head & ALONE) != 0)
		forget(r);
	for (i = 0; i < r->fields; i++) {
		if ((head & 1u << i) != 0)
			get_field(&r->rd, &r->last[i]);
		BUG_ON(r->rd.bad || r->last[i].error != 0);
		ret[i].len = r->last[i].len;
		ret[i].p = ret[i].len > 0 ? (const void *)r->last[i].data : "";
	}
	return true;
}
