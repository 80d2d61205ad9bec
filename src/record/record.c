/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Append-only record files. One writer at a time, held by a lock on the file.
 *
 * An append is one write at the known end; when it fails, the file is cut
 * back. When even that fails, or a sync failed (after which the kernel may
 * have dropped what was not written), the record is broken: it refuses
 * everything until it is opened, and so checked, again.
 *
 * The file grows ahead of what is written, so that most appends change nothing
 * but bytes that are there, and their sync writes no metadata.
 */
#include "record/record.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "record/record_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOM (16 * 1024) /* the file's size is a multiple of it */

_Static_assert(ROOM < RECORD_ROOM_MAX, "room");

struct record {
	int fd;
	char *path; /* owned */
	struct record_state st;
	bool torn, fresh, broken;
};

static int
open_existing(const char *path, int *ret_fd, struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int rc = errno == EWOULDBLOCK
		    ? err_set(
			  e, ERR_BUSY, "%s: in use by another process", path)
		    : err_errno(e, "%s: lock", path);

		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int
create(const char *path, struct err *e)
{
	uint8_t header[RECORD_HEADER_LEN];

	record_header_make(header, clock_wall_ms());
	return file_write(path, header, sizeof(header), 0600, e);
}

/* Removes what an unfinished append left behind. */
static int
repair(struct record *r, struct err *e)
{
	uint8_t header[RECORD_HEADER_LEN];

	r->torn = true;
	if (r->st.how == RECORD_END_HEADER) {
		/* no entry was ever in it */
		r->fresh = true;
		r->st.created_ms = clock_wall_ms();
		record_header_make(header, r->st.created_ms);
		record_header_chain(header, &r->st.head);
		r->st.end = RECORD_HEADER_LEN;
		if (pwrite(r->fd, header, sizeof(header), 0) !=
		    (ssize_t)sizeof(header))
			return err_errno(e, "%s: write", r->path);
	}
	if (ftruncate(r->fd, r->st.end) != 0 || fsync(r->fd) != 0)
		return err_errno(e, "%s: cutting off a torn entry", r->path);
	r->st.size = r->st.end;
	return 0;
}

int
record_open(const char *path, record_on_entry *on_entry, void *arg,
    struct record **ret, struct err *e)
{
	struct record_visit visit = { .on_entry = on_entry, .arg = arg };
	struct record *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	r->fd = -1;
	r->path = strdup(path);
	if (r->path == NULL) {
		rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
		goto out;
	}
	rc = open_existing(path, &r->fd, e);
	if (rc == ERR_NOTFOUND) {
		r->fresh = true;
		rc = create(path, e);
		if (rc == 0)
			rc = open_existing(path, &r->fd, e);
	}
	if (rc == 0)
		rc = record_read(r->fd, path, &visit, &r->st, e);
	if (rc == 0 && r->st.how != RECORD_END_CLEAN)
		rc = repair(r, e);
out:
	if (rc != 0)
		record_free(r);
	else
		*ret = r;
	return rc;
}

static void
cut_room(struct record *r)
{
	if (r->broken || r->st.size <= r->st.end)
		return;
	/* zeros that stay mean nothing */
	if (ftruncate(r->fd, r->st.end) == 0)
		r->st.size = r->st.end;
}

void
record_free(struct record *r)
{
	if (r == NULL)
		return;
	if (r->fd >= 0) {
		cut_room(r);
		close(r->fd);
	}
	free(r->path);
	free(r);
}

static int
broken(const struct record *r, struct err *e)
{
	return err_set(e, ERR_IO,
	    "%s: an earlier write failed; it must be opened again", r->path);
}

/* Writes header and data at offset off. */
static int
write_entry(
    int fd, const uint8_t *header, const void *data, size_t len, off_t off)
{
	struct iovec iov[2];
	size_t done = 0, total = RECORD_ENTRY_HEADER_LEN + len;
	ssize_t n;
	int i;

	while (done < total) {
		const uint8_t *h = header + done, *d = data;
		size_t ddone = 0;

		i = 0;
		if (done < RECORD_ENTRY_HEADER_LEN) {
			memcpy(&iov[i].iov_base, &h, sizeof(h));
			iov[i++].iov_len = RECORD_ENTRY_HEADER_LEN - done;
		} else {
			ddone = done - RECORD_ENTRY_HEADER_LEN;
		}
		if (ddone < len) {
			d += ddone;
			memcpy(&iov[i].iov_base, &d, sizeof(d));
			iov[i++].iov_len = len - ddone;
		}
		n = pwritev(fd, iov, i, off + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* Behind an entry that made the file longer. On a full disk there is none. */
static void
make_room(struct record *r)
{
	static const uint8_t zeros[4096];
	off_t size = (r->st.end / ROOM + 1) * ROOM, left;
	ssize_t n;

	while ((left = size - r->st.size) > 0) {
		n = pwrite(r->fd, zeros,
		    left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros),
		    r->st.size);
		if (n <= 0)
			return;
		r->st.size += n;
	}
}

int
record_append(struct record *r, uint16_t type, const void *data, size_t len,
    struct err *e)
{
	uint8_t header[RECORD_ENTRY_HEADER_LEN];
	struct id chain;
	int rc;

	if (r->broken)
		return broken(r, e);
	if (len > RECORD_ENTRY_MAX)
		return err_set(e, ERR_TOOBIG,
		    "%s: entry of %zu bytes, at most %d", r->path, len,
		    RECORD_ENTRY_MAX);
	record_entry_make(header, &r->st.head, type, data, len, &chain);
	if (fault_error("record.write", r->path) != 0 ||
	    write_entry(r->fd, header, data, len, r->st.end) != 0) {
		rc = err_errno(e, "%s: write", r->path);
		if (ftruncate(r->fd, r->st.end) != 0)
			r->broken = true;
		r->st.size = r->st.end;
		return rc;
	}
	r->st.head = chain;
	r->st.position++;
	r->st.end += (off_t)(sizeof(header) + len);
	if (r->st.end > r->st.size) {
		r->st.size = r->st.end;
		make_room(r);
	}
	return 0;
}

int
record_sync(struct record *r, struct err *e)
{
	if (r->broken)
		return broken(r, e);
	if (fault_error("record.sync", r->path) != 0 || fdatasync(r->fd) != 0) {
		r->broken = true;
		return err_errno(e, "%s: sync", r->path);
	}
	return 0;
}

uint64_t
record_position(const struct record *r)
{
	return r->st.position;
}

uint64_t
record_bytes(const struct record *r)
{
	return (uint64_t)r->st.end;
}

const struct id *
record_head(const struct record *r)
{
	return &r->st.head;
}

int64_t
record_created_ms(const struct record *r)
{
	return r->st.created_ms;
}

bool
record_was_torn(const struct record *r)
{
	return r->torn;
}

bool
record_was_new(const struct record *r)
{
	return r->fresh;
}

struct rewrite {
	struct record *to;
	record_keep *keep;
	void *arg;
	struct err *e;
};

static int
copy_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct rewrite *w = arg;

	if (!w->keep(position, type, data, len, w->arg))
		return 0;
	return record_append(w->to, type, data, len, w->e);
}

static int
sync_parent(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);
	int fd, rc = 0;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", n > 0 ? (int)n : 1, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", dir);
	if (fsync(fd) != 0)
		rc = err_errno(e, "%s: sync", dir);
	close(fd);
	return rc;
}

/* Makes the new file, with the old one's creation time: what was refused
 * because it was older than the file stays refused. */
static int
rewrite_start(
    struct record *r, const char *tmp, struct record *to, struct err *e)
{
	uint8_t header[RECORD_HEADER_LEN];

	memset(to, 0, sizeof(*to));
	to->path = r->path;
	unlink(tmp);
	to->fd = fault_error("record.rewrite", r->path) != 0
	    ? -1
	    : open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to->fd < 0)
		return err_errno(e, "%s", tmp);
	/* nobody else can have it yet */
	if (flock(to->fd, LOCK_EX | LOCK_NB) != 0)
		return err_errno(e, "%s: lock", tmp);
	to->st.created_ms = r->st.created_ms;
	to->st.end = to->st.size = sizeof(header);
	record_header_make(header, to->st.created_ms);
	record_header_chain(header, &to->st.head);
	return fd_write_all(to->fd, header, sizeof(header), e);
}

int
record_rewrite(struct record *r, record_keep *keep, void *arg, struct err *e)
{
	struct record_state seen;
	struct record to;
	struct rewrite w = { &to, keep, arg, e };
	struct record_visit visit = { .on_entry = copy_entry, .arg = &w };
	char tmp[PATH_MAX];
	int rc;

	if (r->broken)
		return broken(r, e);
	if (snprintf(tmp, sizeof(tmp), "%s.new", r->path) >= (int)sizeof(tmp))
		return err_set(e, ERR_TOOBIG, "%s: path too long", r->path);
	rc = rewrite_start(r, tmp, &to, e);
	if (rc == 0)
		rc = record_read(r->fd, r->path, &visit, &seen, e);
	if (rc == 0)
		rc = record_sync(&to, e);
	if (rc == 0 &&
	    (fault_error("record.rename", r->path) != 0 ||
		rename(tmp, r->path) != 0))
		rc = err_errno(e, "%s: rename", r->path);
	if (rc != 0) {
		if (to.fd >= 0)
			close(to.fd);
		unlink(tmp);
		err_wrap(e, "compacting");
		return rc;
	}
	close(r->fd);
	r->fd = to.fd;
	r->st = to.st;
	return sync_parent(r->path, e);
}

int
record_verify(const char *path, record_on_entry *on_entry,
    record_on_chain *on_chain, void *arg, struct record_found *ret,
    struct err *e)
{
	struct record_visit visit = { on_entry, on_chain, arg };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	struct record_state st;

	if (fd < 0)
		return err_errno(e, "%s", path);
	memset(&st, 0, sizeof(st));
	rc = record_read(fd, path, &visit, &st, e);
	close(fd);
	if (rc != 0)
		return rc;
	ret->created_ms = st.created_ms;
	ret->position = st.position;
	ret->head = st.head;
	ret->torn = st.how != RECORD_END_CLEAN;
	return 0;
}

int
record_scan(
    const char *path, record_on_entry *on_entry, void *arg, struct err *e)
{
	struct record_found found;

	return record_verify(path, on_entry, NULL, arg, &found, e);
}
