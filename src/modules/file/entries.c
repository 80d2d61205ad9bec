/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A record; numbers as put_varint() writes them:
 *
 *   number: 4 * (check + 1, 0 for ENTRY_EVERY), + 2 with a path, + 1 with a
 *   digest
 *   with a path: numbers: bytes it shares with the path before, bytes that
 *   follow, size, mode, seconds (the sign in the lowest bit), nanoseconds; the
 *   bytes that follow
 *   with a digest: 32 bytes
 */
#include "modules/file/entries.h"

#include "base/err.h"

#include <string.h>

#define NUMBERS 7
#define SHA256_LEN 32

void
entries_init(struct entries *e, size_t max)
{
	memset(e, 0, sizeof(*e));
	buf_init(&e->records, max);
	buf_init(&e->path, max);
}

void
entries_release(struct entries *e)
{
	buf_release(&e->records);
	buf_release(&e->path);
}

static uint64_t
fold_sign(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t
unfold_sign(uint64_t v)
{
	return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

static uint8_t *
put_bytes(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *
put_file(struct entries *e, const struct entry *en, size_t shared, uint8_t *p)
{
	size_t rest = en->path_len - shared;

	p = put_varint(p, shared);
	p = put_varint(p, rest);
	p = put_varint(p, (uint64_t)en->size);
	p = put_varint(p, en->mode);
	p = put_varint(p, fold_sign(en->mtime.tv_sec));
	p = put_varint(p, (uint64_t)en->mtime.tv_nsec);
	p = put_bytes(p, en->path + shared, rest);
	memcpy(e->path.data + shared, en->path + shared, rest);
	e->path.len = en->path_len;
	return p;
}

static size_t
shared_len(const struct buf *before, const struct entry *en)
{
	size_t n = 0;

	while (n < before->len && n < en->path_len &&
	    before->data[n] == (uint8_t)en->path[n])
		n++;
	return n;
}

int
entries_add(struct entries *e, const struct entry *en)
{
	size_t shared = en->path != NULL ? shared_len(&e->path, en) : 0;
	size_t rest = en->path != NULL ? en->path_len - shared : 0;
	uint8_t *begin, *p;
	int rc;

	begin = p =
	    buf_reserve(&e->records, NUMBERS * VARINT_MAX + rest + SHA256_LEN);
	if (p == NULL || buf_reserve(&e->path, rest) == NULL) {
		rc = p == NULL ? e->records.error : e->path.error;
		e->records.error = e->path.error = 0;
		return rc;
	}
	p = put_varint(p,
	    4 * (en->check == ENTRY_EVERY ? 0 : (uint64_t)en->check + 1) +
		(en->path != NULL ? 2 : 0) + (en->sha256 != NULL ? 1 : 0));
	if (en->path != NULL)
		p = put_file(e, en, shared, p);
	if (en->sha256 != NULL)
		p = put_bytes(p, en->sha256, SHA256_LEN);
	e->records.len += (size_t)(p - begin);
	e->n++;
	return 0;
}

void
entries_rewind(struct entries *e)
{
	rd_init(&e->rd, e->records.data, e->records.len);
	buf_clear(&e->path);
}

/* The path has room: it was that long when it was added. */
static void
get_file(struct entries *e, struct entry *ret)
{
	size_t rest;

	e->path.len = rd_varint(&e->rd);
	rest = rd_varint(&e->rd);
	ret->size = (int64_t)rd_varint(&e->rd);
	ret->mode = (mode_t)rd_varint(&e->rd);
	ret->mtime.tv_sec = unfold_sign(rd_varint(&e->rd));
	ret->mtime.tv_nsec = (long)rd_varint(&e->rd);
	buf_add(&e->path, rd_bytes(&e->rd, rest), rest);
	ret->path = (const char *)e->path.data;
	ret->path_len = e->path.len;
}

bool
entries_next(struct entries *e, struct entry *ret)
{
	uint64_t head;

	if (e->rd.left == 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	head = rd_varint(&e->rd);
	ret->check = head < 4 ? ENTRY_EVERY : (uint32_t)(head / 4 - 1);
	if ((head & 2) != 0)
		get_file(e, ret);
	if ((head & 1) != 0)
		ret->sha256 = rd_bytes(&e->rd, SHA256_LEN);
	BUG_ON(e->rd.bad || e->path.error != 0);
	return true;
}
