/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Berkeley DB, the hash that rpm kept its headers in until version 4.16. All
 * numbers are in the byte order of the machine that made it.
 *
 *   meta page  12 magic, 16 version, 20 page size, 24 encryption, 26 flags,
 *              32 last page, 72 highest bucket, 96 spares[32]
 *   bucket b   begins at page b + spares[bits of b]; pages of it are chained
 *   page       8 own number, 16 next, 20 entries (16 bits), 22 end of free
 *              room or length (16 bits), 25 type, 26 offsets of items
 *   item       first byte 1: data itself; 3: at 4 page, at 8 length of data
 *              on a chain of overflow pages (type 7)
 *
 * Items come in pairs: key (a number of 4 bytes), header. Key 0 is no header.
 */
#include "modules/pkg/rpmdb.h"

#include "base/err.h"
#include "modules/pkg/rpmheader.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define HASH_MAGIC 0x00061561u
#define META_LEN 512
#define PAGE_HEAD 26
#define PAGE_MIN 512u
#define PAGE_MAX 65536u
#define META_CHECKSUM 0x01
#define PAGE_HASH_UNSORTED 2
#define PAGE_OVERFLOW 7
#define PAGE_HASH_META 8
#define PAGE_HASH 13
#define ITEM_DATA 1
#define ITEM_OFFPAGE 3

struct bdb {
	int fd;
	const struct pkg_reader *r;
	bool swapped;
	uint32_t page_len, last, buckets, spares[32];
	uint32_t visited; /* hash pages; more than there are is a loop */
	uint8_t *page;    /* owned */
	uint8_t *over;    /* owned; overflow pages */
	uint8_t *data;    /* owned; a header */
	size_t cap;
};

static uint32_t
u32(const struct bdb *d, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return d->swapped ? bswap_32(v) : v;
}

static uint16_t
u16(const struct bdb *d, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return d->swapped ? bswap_16(v) : v;
}

/* A file that was cut is read as far as it goes. */
static void
fit_to_file(struct bdb *d, uint64_t size)
{
	uint64_t pages = size / d->page_len;

	if (pages > d->last)
		return;
	reader_damaged(d->r, "the file ends before its page %u of %u",
	    (uint32_t)pages, d->last);
	d->last = pages > 0 ? (uint32_t)pages - 1 : 0;
	if (d->buckets >= d->last)
		d->buckets = d->last > 0 ? d->last - 1 : 0;
}

static int
read_meta(struct bdb *d, uint64_t size, struct err *e)
{
	uint8_t m[META_LEN];
	uint32_t version;
	unsigned int i;
	int rc;

	if ((rc = reader_pread(d->fd, m, sizeof(m), 0, e)) != 0)
		return rc;
	d->swapped = u32(d, m + 12) == bswap_32(HASH_MAGIC);
	if (u32(d, m + 12) != HASH_MAGIC)
		return err_set(e, ERR_INVALID, "it is no hash of Berkeley DB");
	version = u32(d, m + 16);
	if (version < 8 || version > 10)
		return err_set(e, ERR_UNSUPPORTED,
		    "version %u of Berkeley DB's hash; 8 to 10 are known",
		    version);
	if (m[24] != 0 || (m[26] & META_CHECKSUM) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "it is encrypted or has checksums, which rpm never asks "
		    "for");
	d->page_len = u32(d, m + 20);
	d->last = u32(d, m + 32);
	d->buckets = u32(d, m + 72);
	for (i = 0; i < 32; i++)
		d->spares[i] = u32(d, m + 96 + 4 * i);
	if (d->page_len < PAGE_MIN || d->page_len > PAGE_MAX ||
	    (d->page_len & (d->page_len - 1)) != 0 || d->buckets >= d->last)
		return err_set(e, ERR_INVALID,
		    "pages of %u bytes, %u pages, %u buckets: damaged",
		    d->page_len, d->last, d->buckets);
	fit_to_file(d, size);
	return 0;
}

/* A page with its own number on it, or why not. */
static int
read_page(struct bdb *d, uint32_t number, uint8_t *out, struct err *e)
{
	int rc;

	if (number == 0 || number > d->last)
		return err_set(e, ERR_INVALID, "page %u is outside", number);
	rc = reader_pread(
	    d->fd, out, d->page_len, (uint64_t)number * d->page_len, e);
	if (rc == 0 && u32(d, out + 8) != number)
		rc = err_set(e, ERR_INVALID, "page %u says it is page %u",
		    number, u32(d, out + 8));
	return rc;
}

static int
read_overflow(struct bdb *d, uint32_t number, uint32_t len, struct err *e)
{
	uint32_t at = 0, n, pages = 0;
	uint8_t *p;
	int rc;

	if (len > RPM_HEADER_MAX || len / d->page_len > d->last)
		return err_set(e, ERR_INVALID, "a header of %u bytes", len);
	if (len > d->cap) {
		p = realloc(d->data, len);
		if (p == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		d->data = p;
		d->cap = len;
	}
	while (at < len) {
		if (d->r->stop(d->r->arg))
			return err_set(e, ERR_CLOSED, "stopped");
		/* a page may hold as little as a byte */
		if (pages++ >= d->last)
			return err_set(
			    e, ERR_INVALID, "its pages go round in a circle");
		if ((rc = read_page(d, number, d->over, e)) != 0)
			return rc;
		n = u16(d, d->over + 22);
		if (d->over[25] != PAGE_OVERFLOW || n == 0 || n > len - at ||
		    n > d->page_len - PAGE_HEAD)
			return err_set(e, ERR_INVALID,
			    "page %u does not go on with a header", number);
		memcpy(d->data + at, d->over + PAGE_HEAD, n);
		at += n;
		number = u32(d, d->over + 16);
	}
	return 0;
}

/* The bytes of item i of the page; false when it is not within. */
static bool
find_item(const struct bdb *d, uint32_t i, uint32_t *ret_at, uint32_t *ret_len)
{
	const uint8_t *offsets = d->page + PAGE_HEAD;
	uint32_t begin = u16(d, offsets + 2 * i), end = d->page_len;

	if (i > 0)
		end = u16(d, offsets + 2 * (i - 1));
	if (begin < PAGE_HEAD || end > d->page_len || begin >= end)
		return false;
	*ret_at = begin;
	*ret_len = end - begin;
	return true;
}

/* One pair; damage is told, not returned. */
static int
read_pair(struct bdb *d, uint32_t page, uint32_t i, struct err *e)
{
	uint32_t key, key_len, at, len, number = 0;
	const uint8_t *item;
	struct err why;
	int rc;

	if (!find_item(d, i, &key, &key_len) ||
	    !find_item(d, i + 1, &at, &len)) {
		reader_damaged(
		    d->r, "item %u of page %u is outside of it", i, page);
		return 0;
	}
	item = d->page + at;
	if (key_len == 5 && d->page[key] == ITEM_DATA)
		number = u32(d, d->page + key + 1);
	if (key_len == 5 && number == 0)
		return 0;
	if (item[0] == ITEM_DATA) {
		rpmdb_blob(d->r, number, item + 1, len - 1);
	} else if (item[0] == ITEM_OFFPAGE && len >= 12) {
		len = u32(d, item + 8);
		rc = read_overflow(d, u32(d, item + 4), len, &why);
		if (rc == ERR_NOMEM || rc == ERR_IO)
			return err_set(e, rc, "%s", why.msg);
		if (rc == ERR_CLOSED)
			return 0;
		if (rc != 0)
			reader_damaged(d->r, "package %u: %s", number, why.msg);
		else
			rpmdb_blob(d->r, number, d->data, len);
	} else {
		reader_damaged(
		    d->r, "package %u: an item of kind %u", number, item[0]);
	}
	return 0;
}

static int
read_bucket(struct bdb *d, uint32_t bucket, struct err *e)
{
	uint32_t bits = bucket == 0 ? 0 : 32 - (uint32_t)__builtin_clz(bucket);
	uint32_t number = bits < 32 ? bucket + d->spares[bits] : 0, n, i;
	int rc;

	do {
		if (d->visited++ >= d->last)
			return err_set(
			    e, ERR_INVALID, "its pages go round in a circle");
		if ((rc = read_page(d, number, d->page, e)) != 0)
			return rc;
		if (d->page[25] != PAGE_HASH && d->page[25] != PAGE_HASH_META &&
		    d->page[25] != PAGE_HASH_UNSORTED)
			return err_set(e, ERR_INVALID,
			    "page %u is of kind %u, not of a bucket", number,
			    d->page[25]);
		n = u16(d, d->page + 20);
		if (n > (d->page_len - PAGE_HEAD) / 2)
			return err_set(e, ERR_INVALID,
			    "page %u claims %u items", number, n);
		for (i = 0; i + 1 < n && rc == 0 && !d->r->stop(d->r->arg);
		     i += 2)
			rc = read_pair(d, number, i, e);
		number = u32(d, d->page + 16);
	} while (rc == 0 && number != 0 && !d->r->stop(d->r->arg));
	return rc;
}

static int
read_buckets(struct bdb *d, struct err *e)
{
	uint64_t bucket;
	struct err why;
	int rc;

	for (bucket = 0; bucket <= d->buckets; bucket++) {
		if (d->r->stop(d->r->arg))
			return 0;
		rc = read_bucket(d, (uint32_t)bucket, &why);
		if (rc == ERR_NOMEM || rc == ERR_IO || d->visited > d->last)
			return err_set(e, rc, "%s", why.msg);
		if (rc != 0)
			reader_damaged(d->r, "bucket %llu: %s",
			    (unsigned long long)bucket, why.msg);
	}
	return 0;
}

int
rpmdb_bdb_read(int fd, const struct pkg_reader *r, struct err *e)
{
	struct bdb d = { .fd = fd, .r = r };
	struct stat before, after;
	struct timespec now;
	int rc;

	if (fstat(fd, &before) != 0)
		return err_errno(e, "looking at it");
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	rc = read_meta(&d, (uint64_t)before.st_size, e);
	if (rc == 0) {
		d.page = malloc(d.page_len);
		d.over = malloc(d.page_len);
		rc = d.page == NULL || d.over == NULL
		    ? err_set(e, ERR_NOMEM, "out of memory")
		    : read_buckets(&d, e);
	}
	free(d.page);
	free(d.over);
	free(d.data);
	if ((rc == 0 || rc == ERR_INVALID) && fstat(fd, &after) == 0 &&
	    (!reader_same_file(&before, &after) ||
		reader_is_fresh(&before.st_ctim, &now)))
		return err_set(e, ERR_BUSY, "it was written meanwhile");
	return rc;
}
