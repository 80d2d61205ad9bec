/* SPDX-License-Identifier: MPL-2.0 */
/* Answers on the disk; see spool.h. The table in memory holds sizes and ends
 * only: an answer is read in the pieces that are sent. */
#include "agent/store/spool.h"

#include "agent/store/idmap.h"
#include "agent/store/small.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOUND_KEEP (7 * 86400)
#define KEEP_MS (SPOOL_KEEP_SECONDS * 1000LL)

struct spool {
	char dir[PATH_MAX];
	int dirfd;
	uint64_t quota, used; /* bytes */
	uint64_t unacked;     /* bytes of used */
	uint64_t overdue;     /* bytes of unacked */
	size_t waiting;
	spool_on_item *on_lost;
	void *on_lost_arg;
	struct idmap map; /* of struct spool_item, owned */
	struct {
		uint8_t used[SMALL_BLOCKS_MAX / 8];
		int32_t staged; /* -1: none */
		/* until spool_settle: in the record's order */
		struct found *found; /* owned */
		size_t nfound, next;
		spool_witness *witness; /* NULL: none */
		void *witness_arg;
		int64_t now; /* when it was opened */
	} small;
};

struct found {
	struct small_head head;
	uint32_t block;
	bool proven;
};

static struct spool_item *
find(const struct spool *s, const struct id *id)
{
	return idmap_find(&s->map, id);
}

static void
count(struct spool *s, const struct spool_item *it, int sign)
{
	uint64_t bytes = sign > 0 ? it->len : -(uint64_t)it->len;

	s->used += bytes;
	if (it->acked)
		return;
	s->unacked += bytes;
	s->waiting += sign > 0 ? 1 : (size_t)-1;
	if (it->overdue)
		s->overdue += bytes;
}

/* block: -1 for a file of its own. */
static int
enter(struct spool *s, const struct id *id, int64_t expires, uint32_t len,
    int32_t block)
{
	struct spool_item *it = calloc(1, sizeof(*it));

	if (it == NULL)
		return ERR_NOMEM;
	it->id = *id;
	it->expires = expires;
	it->since_ms = clock_mono_ms();
	it->len = len;
	it->block = block;
	if (idmap_add(&s->map, it) != 0) {
		free(it);
		return ERR_NOMEM;
	}
	count(s, it, 1);
	return 0;
}

/* One directory entry: an answer, or the rest of an unfinished write. */
static int
take_stock(struct spool *s, const char *name, int64_t now)
{
	struct stat st;
	struct id id;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (id_parse(name, &id) != 0) {
		/* <64 hex>.staged, and file_write's temporary of either */
		if (strlen(name) >= ID_HEX_LEN + 7 && name[ID_HEX_LEN] == '.')
			unlinkat(s->dirfd, name, 0);
		return 0;
	}
	if (fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode) || st.st_size > UINT32_MAX)
		return 0;
	return enter(s, &id, now + FOUND_KEEP, (uint32_t)st.st_size, -1);
}

/* --- small ones ----------------------------------------------------------- */

static void
use_block(struct spool *s, uint32_t block, bool used)
{
	uint8_t bit = (uint8_t)(1u << block % 8);

	if (used)
		s->small.used[block / 8] |= bit;
	else
		s->small.used[block / 8] &= (uint8_t)~bit;
}

/* -1: all are in use. */
static int32_t
free_block(const struct spool *s)
{
	int32_t i;

	for (i = 0; i < SMALL_BLOCKS_MAX; i++) {
		if ((s->small.used[i / 8] & 1u << i % 8) == 0)
			return i;
	}
	return -1;
}

static int
note_block(
    uint32_t block, const struct small_head *h, const uint8_t *data, void *arg)
{
	struct spool *s = arg;
	struct found *p;

	if (h == NULL) {
		/* nothing is written there, it may be an answer */
		log_error("spool_block path=%s/" SMALL_NAME " block=%" PRIu32
			  " why=%s",
		    s->dir, block, log_quote("it cannot be read: left out"));
		use_block(s, block, true);
		return 0;
	}
	if (s->small.nfound % 64 == 0) {
		p = reallocarray(
		    s->small.found, s->small.nfound + 64, sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		s->small.found = p;
	}
	p = &s->small.found[s->small.nfound++];
	p->head = *h;
	p->block = block;
	p->proven = false;
	use_block(s, block, true);
	return 0;
}

static int
record_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->head.position < y->head.position
	    ? -1
	    : x->head.position > y->head.position;
}

static int
find_small(struct spool *s, int64_t now, struct err *e)
{
	int rc;

	s->small.staged = -1;
	s->small.now = now;
	rc = small_scan(s->dir, note_block, s, e);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "%s: %s", s->dir, err_text(rc));
	if (rc == 0 && s->small.nfound > 0)
		qsort(s->small.found, s->small.nfound, sizeof(struct found),
		    record_order);
	return rc;
}

void
spool_proven(struct spool *s, const struct id *id, uint64_t position)
{
	struct found *f;
	size_t i;

	while (s->small.next < s->small.nfound &&
	    s->small.found[s->small.next].head.position < position)
		s->small.next++;
	for (i = s->small.next; i < s->small.nfound; i++) {
		f = &s->small.found[i];
		if (f->head.position != position)
			break;
		if (id_equal(&f->head.id, id))
			f->proven = true;
	}
}

static void drop(struct spool *s, struct spool_item *it);

/* In the record's order: a later one takes the place of an earlier. */
static int
take_found(struct spool *s, const struct found *f, struct err *e)
{
	struct spool_item *it = find(s, &f->head.id);
	int rc = 0;

	/* those that are vouched for are found in no order: synced */
	if (it != NULL && it->block >= 0 && f->head.position == 0)
		rc = small_free(s->dir, (uint32_t)it->block, e);
	if (rc != 0)
		return rc;
	if (it != NULL)
		drop(s, it);
	rc = enter(s, &f->head.id, s->small.now + FOUND_KEEP, f->head.len,
	    (int32_t)f->block);
	return rc == 0 ? 0 : err_set(e, rc, "%s: %s", s->dir, err_text(rc));
}

/* From now on it needs no entry of a record. */
static int
vouch(struct spool *s, struct found *f, struct err *e)
{
	struct buf b;
	int rc;

	f->head.position = 0;
	buf_init(&b, SMALL_DATA_MAX);
	rc = small_read(s->dir, f->block, 0, f->head.len, &b, e);
	if (rc == 0)
		rc = small_write(s->dir, f->block, &f->head, b.data, e);
	buf_release(&b);
	return rc;
}

void
spool_on_unproven(struct spool *s, spool_witness *cb, void *arg)
{
	s->small.witness = cb;
	s->small.witness_arg = arg;
}

/* The only one that the record lacks. */
static int
settle_unproven(struct spool *s, struct found *f, struct err *e)
{
	int rc;

	if (s->small.witness != NULL && find(s, &f->head.id) == NULL &&
	    s->small.witness(&f->head.id, s->small.witness_arg)) {
		rc = vouch(s, f, e);
		return rc != 0 ? rc : take_found(s, f, e);
	}
	use_block(s, f->block, false);
	return small_free(s->dir, f->block, e);
}

int
spool_settle(struct spool *s, bool all, struct err *e)
{
	struct found *f, *unproven = NULL;
	bool lost = all;
	size_t i;
	int rc = 0;

	for (i = 0; i < s->small.nfound; i++) {
		f = &s->small.found[i];
		/* of an earlier vouching, which may not have come to its end */
		all = all || f->head.position == 0;
		f->proven = f->proven || f->head.position == 0;
		if (f->proven)
			continue;
		all = all || unproven != NULL;
		unproven = f;
	}
	for (i = 0; rc == 0 && i < s->small.nfound; i++) {
		f = &s->small.found[i];
		/* what a lost record proved, the next one does not */
		if (f->head.position != 0 && (lost || (all && !f->proven)))
			rc = vouch(s, f, e);
		if (rc == 0 && (f->proven || all))
			rc = take_found(s, f, e);
	}
	if (rc == 0 && unproven != NULL && !all)
		rc = settle_unproven(s, unproven, e);
	free(s->small.found);
	s->small.found = NULL;
	s->small.nfound = s->small.next = 0;
	return rc;
}

/* One that was staged before and not committed is written over. */
static int
stage_small(struct spool *s, const struct id *id, uint64_t position,
    const void *data, size_t len, struct err *e)
{
	struct small_head h = {
		.id = *id, .position = position, .len = (uint32_t)len
	};
	uint32_t block = (uint32_t)s->small.staged;

	use_block(s, block, true);
	return small_write(s->dir, block, &h, data, e);
}

/* What was staged before becomes no answer, whatever the record will say. */
static void
unstage_small(struct spool *s)
{
	if (s->small.staged < 0)
		return;
	small_drop(s->dir, (uint32_t)s->small.staged);
	use_block(s, (uint32_t)s->small.staged, false);
	s->small.staged = -1;
}

/* --- opening -------------------------------------------------------------- */

int
spool_open(const char *dir, uint64_t quota, int64_t now, struct spool **ret,
    struct err *e)
{
	struct spool *s = calloc(1, sizeof(*s));
	struct dirent *de;
	DIR *d = NULL;
	int rc;

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->dirfd = -1;
	s->quota = quota;
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	rc = file_mkdirs(dir, 0700, e);
	if (rc != 0)
		goto out;
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = s->dirfd < 0 ? NULL : opendir(dir);
	if (d == NULL) {
		rc = err_errno(e, "%s", dir);
		goto out;
	}
	while (rc == 0 && (de = readdir(d)) != NULL)
		rc = take_stock(s, de->d_name, now);
	if (rc != 0)
		rc = err_set(e, rc, "%s: %s", dir, err_text(rc));
	else
		rc = find_small(s, now, e);
out:
	if (d != NULL)
		closedir(d);
	if (rc != 0)
		spool_free(s);
	else
		*ret = s;
	return rc;
}

void
spool_free(struct spool *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->map.cap; i++)
		free(s->map.slots[i]);
	idmap_release(&s->map);
	free(s->small.found);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s);
}

void
spool_each(struct spool *s, spool_on_item *cb, void *arg)
{
	size_t i;

	for (i = 0; i < s->map.cap; i++) {
		if (s->map.slots[i] != NULL)
			cb(s->map.slots[i], arg);
	}
}

void
spool_describe(
    struct spool *s, const struct id *id, int64_t expires, bool acked)
{
	struct spool_item *it = find(s, id);

	if (it == NULL)
		return;
	count(s, it, -1);
	it->expires = expires;
	if (acked && !it->acked)
		it->since_ms = clock_mono_ms();
	it->acked = acked;
	it->overdue = false;
	count(s, it, 1);
}

const struct spool_item *
spool_find(const struct spool *s, const struct id *id)
{
	return find(s, id);
}

/* What it lies in is free or another's. */
static void
forget(struct spool *s, struct spool_item *it)
{
	if (it->block >= 0)
		use_block(s, (uint32_t)it->block, false);
	count(s, it, -1);
	idmap_take(&s->map, &it->id);
	free(it);
}

static void
drop(struct spool *s, struct spool_item *it)
{
	if (it->block < 0)
		unlinkat(s->dirfd, id_hex(&it->id).s, 0);
	else
		small_drop(s->dir, (uint32_t)it->block);
	forget(s, it);
}

static struct spool_item *
oldest(struct spool *s, bool acked)
{
	struct spool_item *it, *best = NULL;
	size_t i;

	for (i = 0; i < s->map.cap; i++) {
		it = s->map.slots[i];
		if (it == NULL || it->acked != acked ||
		    (!acked && !it->overdue))
			continue;
		if (best == NULL || it->expires < best->expires)
			best = it;
	}
	return best;
}

static void
make_room(struct spool *s, size_t len)
{
	struct spool_item *it;

	while (s->used + len > s->quota && (it = oldest(s, true)) != NULL)
		drop(s, it);
	while (s->used + len > s->quota && (it = oldest(s, false)) != NULL) {
		if (s->on_lost != NULL)
			s->on_lost(it, s->on_lost_arg);
		drop(s, it);
	}
}

void
spool_on_lost(struct spool *s, spool_on_item *cb, void *arg)
{
	s->on_lost = cb;
	s->on_lost_arg = arg;
}

uint64_t
spool_room(const struct spool *s)
{
	uint64_t kept = s->unacked - s->overdue;

	return kept >= s->quota ? 0 : s->quota - kept;
}

size_t
spool_waiting(const struct spool *s)
{
	return s->waiting;
}

static void
staged_path(const struct spool *s, const struct id *id, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.staged", s->dir, id_hex(id).s);
}

int
spool_reserve(struct spool *s, size_t len, bool refusal, struct err *e)
{
	uint64_t kept = s->unacked - s->overdue, most = s->quota;

	if (refusal && len <= SPOOL_SMALL)
		most += SPOOL_POOL;
	if (len > UINT32_MAX || kept > most || len > most - kept)
		return err_set(e, ERR_BUSY,
		    "no room for an answer of %zu bytes in %s", len, s->dir);
	make_room(s, len);
	return 0;
}

int
spool_stage(struct spool *s, const struct id *id, uint64_t position,
    const void *data, size_t len, struct err *e)
{
	char path[PATH_MAX + ID_HEX_LEN + 16];

	if (len <= SMALL_DATA_MAX && s->small.staged < 0)
		s->small.staged = free_block(s);
	if (len <= SMALL_DATA_MAX && s->small.staged >= 0)
		return stage_small(s, id, position, data, len, e);
	unstage_small(s);
	/* the name is synced by spool_commit, with the one that counts */
	staged_path(s, id, path, sizeof(path));
	return file_write_unnamed(path, data, len, 0600, e);
}

static int
commit_small(struct spool *s, const struct id *id, int64_t expires, size_t len)
{
	struct spool_item *it = find(s, id);
	int rc;

	if (it != NULL)
		drop(s, it);
	rc = enter(s, id, expires, (uint32_t)len, s->small.staged);
	if (rc == 0)
		s->small.staged = -1;
	return rc;
}

static int
commit_file(struct spool *s, const struct id *id, int64_t expires, size_t len,
    struct err *e)
{
	char from[PATH_MAX + ID_HEX_LEN + 16], to[PATH_MAX + ID_HEX_LEN + 2];
	struct spool_item *it = find(s, id);
	int rc;

	staged_path(s, id, from, sizeof(from));
	snprintf(to, sizeof(to), "%s/%s", s->dir, id_hex(id).s);
	if (fault_error("spool.rename", to) != 0 || rename(from, to) != 0)
		return err_errno(e, "%s: rename", from);
	fault_point("spool.renamed");
	if (it != NULL && it->block < 0) {
		forget(s, it);
		it = NULL;
	}
	if (fault_error("spool.sync", to) != 0 || fsync(s->dirfd) != 0)
		return err_errno(e, "%s: sync", s->dir);
	if (it != NULL) {
		/* synced as well: after a crash it would win over the file */
		rc = small_free(s->dir, (uint32_t)it->block, e);
		if (rc != 0)
			return rc;
		forget(s, it);
	}
	return enter(s, id, expires, (uint32_t)len, -1);
}

int
spool_commit(struct spool *s, const struct id *id, int64_t expires, size_t len,
    struct err *e)
{
	int rc = s->small.staged >= 0 ? commit_small(s, id, expires, len)
				      : commit_file(s, id, expires, len, e);

	return rc == ERR_NOMEM ? err_set(e, rc, "out of memory") : rc;
}

int
spool_put(struct spool *s, const struct id *id, int64_t expires,
    const void *data, size_t len, struct err *e)
{
	int rc = spool_reserve(s, len, false, e);

	if (rc == 0)
		rc = spool_stage(s, id, 0, data, len, e);
	return rc != 0 ? rc : spool_commit(s, id, expires, len, e);
}

int
spool_read(struct spool *s, const struct id *id, size_t off, size_t len,
    struct buf *out, struct err *e)
{
	uint8_t *p = buf_reserve(out, len);
	const struct spool_item *it = find(s, id);
	ssize_t n = 0;
	int fd;

	if (p == NULL)
		return err_set(e, out->error, "%s", err_text(out->error));
	if (fault_error("spool.read", s->dir) != 0)
		return err_errno(e, "%s/%s", s->dir, id_hex(id).s);
	if (it != NULL && it->block >= 0)
		return off > it->len || len > it->len - off
		    ? err_set(e, ERR_IO, "the answer to %s is shorter",
			  id_short(id).s)
		    : small_read(s->dir, (uint32_t)it->block, off, len, out, e);
	fd = openat(s->dirfd, id_hex(id).s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(e, "%s/%s", s->dir, id_hex(id).s);
	while (len > 0) {
		n = pread(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p += n;
		off += (size_t)n;
		len -= (size_t)n;
		out->len += (size_t)n;
	}
	close(fd);
	if (n < 0)
		return err_errno(e, "%s/%s", s->dir, id_hex(id).s);
	if (len > 0)
		return err_set(e, ERR_IO, "%s/%s is shorter than it was",
		    s->dir, id_hex(id).s);
	return 0;
}

void
spool_ack(struct spool *s, const struct id *id)
{
	struct spool_item *it = find(s, id);

	if (it != NULL)
		spool_describe(s, id, it->expires, true);
}

int64_t
spool_repeat(struct spool *s, const struct id *id, int64_t mono_ms)
{
	const int64_t price_us = SPOOL_REPEAT_SECONDS * 1000000LL;
	struct spool_item *it = find(s, id);

	return it == NULL ? 0
			  : bucket_take(&it->said, SPOOL_REPEATS * price_us,
				price_us, mono_ms);
}

int64_t
spool_clean_in_ms(const struct spool *s, int64_t now, int64_t mono_ms)
{
	const struct spool_item *it;
	int64_t best = -1, ms, kept;
	size_t i;

	for (i = 0; i < s->map.cap; i++) {
		it = s->map.slots[i];
		/* the overdue wait for room or an acknowledgement */
		if (it == NULL || (it->overdue && !it->acked))
			continue;
		kept = KEEP_MS - (mono_ms - it->since_ms);
		ms = (it->expires + SPOOL_KEEP_SECONDS - now) * 1000;
		ms = ms > kept ? ms : kept;
		ms = ms > 0 ? ms : 0;
		if (best < 0 || ms < best)
			best = ms;
	}
	return best;
}

size_t
spool_clean(struct spool *s, int64_t now, int64_t mono_ms)
{
	struct spool_item *it;
	size_t i, n = 0;

	for (i = 0; i < s->map.cap;) {
		it = s->map.slots[i];
		if (it == NULL || it->expires > now - SPOOL_KEEP_SECONDS ||
		    mono_ms - it->since_ms < KEEP_MS) {
			i++;
			continue;
		}
		if (!it->acked) {
			count(s, it, -1);
			it->overdue = true;
			count(s, it, 1);
			i++;
			continue;
		}
		/* taking out moves others into this slot: look at it again */
		drop(s, it);
		n++;
	}
	return n;
}

static int
count_block(
    uint32_t block, const struct small_head *h, const uint8_t *data, void *arg)
{
	size_t *n = arg;

	*n += h != NULL;
	return 0;
}

size_t
spool_count(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	size_t n = 0;

	while (d != NULL && (de = readdir(d)) != NULL)
		n += strlen(de->d_name) == ID_HEX_LEN;
	if (d != NULL)
		closedir(d);
	(void)small_scan(dir, count_block, &n, NULL);
	return n;
}
