/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Checking a record file, entry by entry.
 *
 * Zeros up to the end of the file are room. Torn or damaged? A crash while
 * appending leaves the beginning of one entry, or an entry of which whole
 * blocks were never written and read as zeros. That is torn. Everything else
 * that does not verify is damage. A damaged length can make a good file look
 * torn: so before bytes are called a torn tail, they are searched for an entry
 * that continues the chain of the one in question, and taken for a whole entry
 * with another length. Where either fits, the file is damaged, and nothing is
 * ever cut off it.
 */
#include "record/record_read.h"

#include "base/buf.h"
#include "base/err.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "MIGREC3\n"
#define MAGIC_LEN 8
#define BLOCK 4096
/* Work spent on the search for a continuation; beyond it: damaged. */
#define SEARCH_BYTES_MAX (64 * 1024 * 1024)
/* So many zeros behind the last other byte may be an entry's own. */
#define OWN_ZEROS_MAX 64

struct entry_header {
	uint32_t len;
	uint16_t type, zero;
	struct id chain;
};

struct reader {
	int fd;
	const char *path;
	off_t size;    /* of the file when reading began */
	uint8_t *data; /* owned; room for cap bytes */
	size_t cap;
	const struct record_visit *visit;
	struct record_state st;
};

static void
put_be(uint8_t *p, uint64_t v, size_t n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

void
record_header_make(uint8_t out[RECORD_HEADER_LEN], int64_t created_ms)
{
	memcpy(out, MAGIC, MAGIC_LEN);
	put_be(out + MAGIC_LEN, (uint64_t)created_ms, 8);
}

void
record_header_chain(const uint8_t in[RECORD_HEADER_LEN], struct id *ret)
{
	sha256(in, RECORD_HEADER_LEN, ret);
}

/* len_type: the first six bytes of the entry's header. */
static void
chain_next(const struct id *prev, const uint8_t len_type[6], const void *data,
    size_t len, struct id *ret)
{
	struct sha256 sha;

	sha256_begin(&sha);
	sha256_add(&sha, prev->b, ID_LEN);
	sha256_add(&sha, len_type, 6);
	sha256_add(&sha, data, len);
	sha256_final(&sha, ret);
}

void
record_entry_make(uint8_t out[RECORD_ENTRY_HEADER_LEN], const struct id *prev,
    uint16_t type, const void *data, size_t len, struct id *ret)
{
	put_be(out, len, 4);
	put_be(out + 4, type, 2);
	put_be(out + 6, 0, 2);
	chain_next(prev, out, data, len, ret);
	memcpy(out + 8, ret->b, ID_LEN);
}

static void
entry_header_read(const uint8_t *p, struct entry_header *h)
{
	struct rd r;

	rd_init(&r, p, RECORD_ENTRY_HEADER_LEN);
	h->len = rd_u32(&r);
	h->type = rd_u16(&r);
	h->zero = rd_u16(&r);
	rd_copy(&r, h->chain.b, ID_LEN);
}

static int
read_at(struct reader *r, off_t off, void *out, size_t len, struct err *e)
{
	uint8_t *p = out;
	ssize_t n;

	while (len > 0) {
		n = pread(r->fd, p, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "%s: read", r->path);
		if (n == 0)
			return err_set(e, ERR_IO,
			    "%s: became shorter while it was read", r->path);
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
room(struct reader *r, size_t len, struct err *e)
{
	uint8_t *p;

	if (len <= r->cap)
		return 0;
	p = realloc(r->data, len);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", r->path);
	r->data = p;
	r->cap = len;
	return 0;
}

static int
damaged(struct reader *r, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "%s: entry %llu at byte %lld is damaged; the file is left as it "
	    "is",
	    r->path, (unsigned long long)r->st.position + 1,
	    (long long)r->st.end);
}

/* How much of it there is before the zeros at its end. */
static size_t
used_bytes(const uint8_t *p, size_t len)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	return len;
}

/* Whether a block of these bytes was never written, or what the first or the
 * last block has of them. start: where they are in the file. */
static bool
block_is_missing(const uint8_t *p, size_t len, off_t start)
{
	size_t from, to;

	for (from = 0; from < len; from = to) {
		to = from + BLOCK - (size_t)((start + (off_t)from) % BLOCK);
		if (to > len)
			to = len;
		if (used_bytes(p + from, to - from) == 0)
			return true;
	}
	return false;
}

/* Whether somewhere in the tail an entry continues the chain whose value the
 * first header of the tail claims. True also when there are too many candidates
 * to be sure. */
static bool
continues_somewhere(const uint8_t *tail, size_t len)
{
	size_t p, budget = SEARCH_BYTES_MAX;
	struct entry_header first, h;
	struct id chain;

	if (len < 2 * RECORD_ENTRY_HEADER_LEN)
		return false;
	entry_header_read(tail, &first);
	for (p = RECORD_ENTRY_HEADER_LEN; p <= len - RECORD_ENTRY_HEADER_LEN;
	     p++) {
		entry_header_read(tail + p, &h);
		if (h.zero != 0 || h.len > RECORD_ENTRY_MAX ||
		    h.len > len - p - RECORD_ENTRY_HEADER_LEN)
			continue;
		if (h.len + 128 > budget)
			return true;
		budget -= h.len + 128;
		chain_next(&first.chain, tail + p,
		    tail + p + RECORD_ENTRY_HEADER_LEN, h.len, &chain);
		if (id_equal(&chain, &h.chain))
			return true;
	}
	return false;
}

/* Whether the tail begins with a whole entry of so many bytes, but for what its
 * length says. */
static bool
is_entry_of(const struct reader *r, const uint8_t *tail, size_t len)
{
	uint8_t len_type[6];
	struct entry_header h;
	struct id chain;

	entry_header_read(tail, &h);
	put_be(len_type, len - RECORD_ENTRY_HEADER_LEN, 4);
	put_be(len_type + 4, h.type, 2);
	chain_next(&r->st.head, len_type, tail + RECORD_ENTRY_HEADER_LEN,
	    len - RECORD_ENTRY_HEADER_LEN, &chain);
	return id_equal(&chain, &h.chain);
}

/* Nothing is missing of such an entry, so no crash made it so. Where it ends is
 * not known: it may end with zeros. */
static bool
whole_but_for_length(
    const struct reader *r, const uint8_t *tail, size_t used, size_t len)
{
	size_t n =
	    used < RECORD_ENTRY_HEADER_LEN ? RECORD_ENTRY_HEADER_LEN : used;
	size_t last = used + OWN_ZEROS_MAX < len ? used + OWN_ZEROS_MAX : len;

	for (; n <= last; n++) {
		if (is_entry_of(r, tail, n))
			return true;
	}
	return len > last && is_entry_of(r, tail, len);
}

/*
 * The bytes from st.end to the end of the file are not a valid entry. claimed:
 * what the one they begin would have, 0: no entry is so long.
 */
static int
judge_tail(struct reader *r, size_t claimed, struct err *e)
{
	size_t len = (size_t)(r->size - r->st.end), used, own;
	bool torn;
	int rc;

	/* one unfinished entry and its room cannot be longer than this */
	if (len > RECORD_ENTRY_HEADER_LEN + RECORD_ENTRY_MAX + RECORD_ROOM_MAX)
		return damaged(r, e);
	rc = room(r, len, e);
	if (rc == 0)
		rc = read_at(r, r->st.end, r->data, len, e);
	if (rc != 0)
		return rc;
	used = used_bytes(r->data, len);
	if (used == 0 && len <= RECORD_ROOM_MAX)
		return 0;
	own = claimed < len ? claimed : len;
	torn = (claimed > len ||
		   block_is_missing(
		       r->data, own > used ? own : used, r->st.end)) &&
	    !continues_somewhere(r->data, len) &&
	    !whole_but_for_length(r, r->data, used, len);
	if (!torn)
		return damaged(r, e);
	r->st.how = RECORD_END_TORN;
	return 0;
}

static void
tell_chain(const struct reader *r)
{
	if (r->visit->on_chain != NULL)
		r->visit->on_chain(r->st.position, &r->st.head, r->visit->arg);
}

/* 1: an entry was read; 0: the end, clean or torn; negative: error. */
static int
read_entry(struct reader *r, struct err *e)
{
	uint8_t raw[RECORD_ENTRY_HEADER_LEN];
	off_t left = r->size - r->st.end;
	struct entry_header h;
	struct id chain;
	int rc;

	if (left == 0)
		return 0;
	if (left < RECORD_ENTRY_HEADER_LEN)
		return judge_tail(r, RECORD_ENTRY_HEADER_LEN, e);
	rc = read_at(r, r->st.end, raw, sizeof(raw), e);
	if (rc != 0)
		return rc;
	entry_header_read(raw, &h);
	left -= RECORD_ENTRY_HEADER_LEN;
	if (h.zero != 0 || h.len > RECORD_ENTRY_MAX)
		return judge_tail(r, 0, e);
	if (h.len > left)
		return judge_tail(r, RECORD_ENTRY_HEADER_LEN + h.len, e);
	rc = room(r, h.len, e);
	if (rc == 0)
		rc = read_at(
		    r, r->st.end + RECORD_ENTRY_HEADER_LEN, r->data, h.len, e);
	if (rc != 0)
		return rc;
	chain_next(&r->st.head, raw, r->data, h.len, &chain);
	if (!id_equal(&chain, &h.chain))
		return judge_tail(r, RECORD_ENTRY_HEADER_LEN + h.len, e);
	r->st.head = chain;
	r->st.position++;
	r->st.end += RECORD_ENTRY_HEADER_LEN + (off_t)h.len;
	tell_chain(r);
	if (r->visit->on_entry == NULL)
		return 1;
	rc = r->visit->on_entry(
	    r->st.position, h.type, r->data, h.len, r->visit->arg);
	if (rc < 0)
		return err_set(e, rc, "%s: entry %llu: %s", r->path,
		    (unsigned long long)r->st.position, err_text(rc));
	return 1;
}

static int
read_header(struct reader *r, struct err *e)
{
	uint8_t raw[RECORD_HEADER_LEN];
	size_t have = RECORD_HEADER_LEN;
	struct rd rd;
	int rc;

	if (r->size < RECORD_HEADER_LEN)
		have = (size_t)r->size;
	rc = read_at(r, 0, raw, have, e);
	if (rc != 0)
		return rc;
	if (memcmp(raw, MAGIC, have < MAGIC_LEN ? have : MAGIC_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "%s: not a record file (it does not begin with MIGREC3)",
		    r->path);
	if (have < RECORD_HEADER_LEN) {
		r->st.how = RECORD_END_HEADER;
		return 0;
	}
	rd_init(&rd, raw + MAGIC_LEN, 8);
	r->st.created_ms = (int64_t)rd_u64(&rd);
	r->st.end = RECORD_HEADER_LEN;
	record_header_chain(raw, &r->st.head);
	tell_chain(r);
	return 0;
}

int
record_read(int fd, const char *path, const struct record_visit *visit,
    struct record_state *ret, struct err *e)
{
	struct reader r = { .fd = fd, .path = path, .visit = visit };
	struct stat sb;
	int rc;

	if (fstat(fd, &sb) != 0)
		return err_errno(e, "%s", path);
	if (!S_ISREG(sb.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a regular file", path);
	r.size = r.st.size = sb.st_size;
	rc = read_header(&r, e);
	if (rc == 0 && r.st.how == RECORD_END_CLEAN) {
		do {
			rc = read_entry(&r, e);
		} while (rc > 0);
	}
	free(r.data);
	if (rc == 0)
		*ret = r.st;
	return rc;
}
