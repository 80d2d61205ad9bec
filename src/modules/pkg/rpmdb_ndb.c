/* SPDX-License-Identifier: MPL-2.0 */
/*
 * rpm's own database. Little-endian numbers of 32 bits:
 *
 *   page 0    magic "RpmP", version 0, generation, pages of slots, next index
 *             (32 bytes), then slots of 16 bytes
 *   slots     magic "Slot", index of the package, offset and length in blocks
 *             of 16 bytes; offset 0: free
 *   blobs     "BlbS", index, generation, length | data, padding |
 *             Adler-32 of all that, length, "BlbE"
 *
 * The generation changes with every write.
 */
#include "modules/pkg/rpmdb.h"

#include "base/err.h"
#include "modules/pkg/rpmheader.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_LEN 4096
#define SLOT_LEN 16
#define BLOCK_LEN 16
#define HEADER_LEN 32
#define BLOB_HEAD 16
#define BLOB_TAIL 12

struct slot {
	uint32_t index, offset, blocks;
};

struct ndb {
	int fd;
	const struct pkg_reader *r;
	uint64_t size; /* of the file */
	uint32_t generation, pages;
	uint8_t *blob; /* owned; reused */
	size_t cap;
};

static uint32_t
le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* RFC 1950, section 8.2. */
static uint32_t
adler32(const uint8_t *p, size_t len)
{
	uint32_t a = 1, b = 0;
	size_t n;

	while (len > 0) {
		n = len < 5552 ? len : 5552; /* no overflow up to there */
		len -= n;
		for (; n > 0; n--) {
			a += *p++;
			b += a;
		}
		a %= 65521;
		b %= 65521;
	}
	return b << 16 | a;
}

static int
read_header(struct ndb *d, uint32_t *ret_generation, struct err *e)
{
	uint8_t h[HEADER_LEN];
	int rc;

	if ((rc = reader_pread(d->fd, h, sizeof(h), 0, e)) != 0)
		return rc;
	if (memcmp(h, "RpmP", 4) != 0)
		return err_set(
		    e, ERR_INVALID, "it does not begin with \"RpmP\"");
	if (le32(h + 4) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "version %u of rpm's ndb format; only 0 is known",
		    le32(h + 4));
	*ret_generation = le32(h + 8);
	d->pages = le32(h + 12);
	if ((uint64_t)d->pages * PAGE_LEN > d->size || d->pages == 0)
		return err_set(e, ERR_INVALID,
		    "%u pages of slots in a file of %llu bytes", d->pages,
		    (unsigned long long)d->size);
	return 0;
}

/* What the blob's frame says of itself. NULL: it is whole. */
static const char *
frame_fault(const struct slot *s, const uint8_t *b, size_t len)
{
	const uint8_t *tail = b + len - BLOB_TAIL;
	uint32_t data = le32(b + 12);

	if (memcmp(b, "BlbS", 4) != 0 || memcmp(tail + 8, "BlbE", 4) != 0)
		return "its frame is missing";
	if (le32(b + 4) != s->index)
		return "another package stands there";
	if (data > len - BLOB_HEAD - BLOB_TAIL || data != le32(tail + 4))
		return "its length is wrong";
	if (adler32(b, len - BLOB_TAIL) != le32(tail))
		return "its checksum is wrong";
	return NULL;
}

static bool
make_room(struct ndb *d, size_t len)
{
	uint8_t *p;

	if (len <= d->cap)
		return true;
	p = realloc(d->blob, len);
	if (p == NULL)
		return false;
	d->blob = p;
	d->cap = len;
	return true;
}

static int
read_blob(struct ndb *d, const struct slot *s, struct err *e)
{
	uint64_t offset = (uint64_t)s->offset * BLOCK_LEN;
	uint64_t len = (uint64_t)s->blocks * BLOCK_LEN;
	const char *fault;
	int rc;

	if (len < BLOB_HEAD + BLOB_TAIL || len > RPM_HEADER_MAX ||
	    offset < (uint64_t)d->pages * PAGE_LEN || offset > d->size ||
	    len > d->size - offset) {
		reader_damaged(d->r,
		    "package %u: its place is outside of the file", s->index);
		return 0;
	}
	if (!make_room(d, len))
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = reader_pread(d->fd, d->blob, len, offset, e);
	if (rc != 0)
		return rc;
	fault = frame_fault(s, d->blob, len);
	if (fault != NULL)
		reader_damaged(d->r, "package %u: %s", s->index, fault);
	else
		rpmdb_blob(
		    d->r, s->index, d->blob + BLOB_HEAD, le32(d->blob + 12));
	return 0;
}

static int
read_page(struct ndb *d, uint32_t page, struct err *e)
{
	uint8_t slots[PAGE_LEN];
	struct slot s;
	size_t i;
	int rc;

	rc = reader_pread(
	    d->fd, slots, sizeof(slots), (uint64_t)page * PAGE_LEN, e);
	for (i = page == 0 ? HEADER_LEN : 0; rc == 0 && i < PAGE_LEN;
	     i += SLOT_LEN) {
		if (d->r->stop(d->r->arg))
			break;
		s.index = le32(slots + i + 4);
		s.offset = le32(slots + i + 8);
		s.blocks = le32(slots + i + 12);
		if (memcmp(slots + i, "Slot", 4) != 0)
			reader_damaged(d->r, "slot %zu of page %u is none",
			    i / SLOT_LEN, page);
		else if (s.offset != 0)
			rc = read_blob(d, &s, e);
	}
	return rc;
}

int
rpmdb_ndb_read(int fd, const struct pkg_reader *r, struct err *e)
{
	struct ndb d = { .fd = fd, .r = r };
	uint32_t page, pages, after;
	struct stat st;
	int rc;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "looking at it");
	d.size = (uint64_t)st.st_size;
	rc = read_header(&d, &d.generation, e);
	pages = d.pages;
	for (page = 0; rc == 0 && page < pages; page++) {
		if (r->stop(r->arg))
			break;
		rc = read_page(&d, page, e);
	}
	free(d.blob);
	if (rc == 0 || rc == ERR_INVALID) {
		if (read_header(&d, &after, rc == 0 ? e : NULL) == 0 &&
		    after != d.generation)
			rc = err_set(e, ERR_BUSY, "it was written meanwhile");
	}
	return rc;
}
