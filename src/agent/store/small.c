/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/store/small.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "MIGSML1\n"
#define MAGIC_LEN 8
#define TAIL_AT (SMALL_BLOCK - SMALL_HEAD)
/* The file grows by so many blocks, so that most writes change nothing but
 * their block. */
#define GROW 16

static void
file_path(const char *dir, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/" SMALL_NAME, dir);
}

static int
open_file(const char *dir, int flags, char path[static PATH_MAX], int *ret_fd,
    struct err *e)
{
	int fd = -1;

	file_path(dir, path);
	if (fault_error("small.open", path) == 0)
		fd =
		    open(path, flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, "%s", path);
	*ret_fd = fd;
	return 0;
}

static off_t
at(uint32_t block)
{
	return (off_t)block * SMALL_BLOCK;
}

static int
read_exact(int fd, void *out, size_t len, off_t off)
{
	uint8_t *p = out;
	ssize_t n;

	if (fault_error("small.read", NULL) != 0)
		return -1;
	while (len > 0) {
		n = pread(fd, p, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
write_exact(int fd, const void *data, size_t len, off_t off)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

/* --- heads ---------------------------------------------------------------- */

static void
head_make(const struct small_head *h, uint8_t out[static SMALL_HEAD])
{
	struct buf b = { .data = out, .cap = SMALL_HEAD, .max = SMALL_HEAD };
	struct id sum;

	buf_add(&b, MAGIC, MAGIC_LEN);
	buf_add(&b, h->id.b, ID_LEN);
	buf_add_u64(&b, h->position);
	buf_add_u32(&b, h->len);
	sha256(out, b.len, &sum);
	buf_add(&b, sum.b, ID_LEN);
	BUG_ON(b.error != 0 || b.len != SMALL_HEAD);
}

static int
head_read(const uint8_t *p, struct small_head *ret)
{
	struct small_head h;
	struct id sum, is;
	struct rd r;

	if (memcmp(p, MAGIC, MAGIC_LEN) != 0)
		return ERR_INVALID;
	rd_init(&r, p + MAGIC_LEN, SMALL_HEAD - MAGIC_LEN);
	rd_copy(&r, h.id.b, ID_LEN);
	h.position = rd_u64(&r);
	h.len = rd_u32(&r);
	rd_copy(&r, sum.b, ID_LEN);
	sha256(p, SMALL_HEAD - ID_LEN, &is);
	if (!rd_done(&r) || !id_equal(&is, &sum) || h.len > SMALL_DATA_MAX)
		return ERR_INVALID;
	*ret = h;
	return 0;
}

/* --- the file ------------------------------------------------------------- */

int
small_scan(const char *dir, small_on_block *cb, void *arg, struct err *e)
{
	uint8_t block[SMALL_BLOCK];
	struct small_head h;
	char path[PATH_MAX];
	struct stat st;
	uint32_t i, n;
	int fd, rc;

	rc = open_file(dir, O_RDONLY | O_NONBLOCK, path, &fd, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (rc != 0)
		return rc;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = err_set(e, ERR_INVALID, "%s: not a regular file", path);
		goto out;
	}
	n = st.st_size > at(SMALL_BLOCKS_MAX)
	    ? SMALL_BLOCKS_MAX
	    : (uint32_t)(st.st_size / SMALL_BLOCK);
	for (i = 0; rc == 0 && i < n; i++) {
		if (read_exact(fd, block, sizeof(block), at(i)) != 0)
			rc = cb(i, NULL, NULL, arg);
		else if (head_read(block, &h) == 0 ||
		    head_read(block + TAIL_AT, &h) == 0)
			rc = cb(i, &h, block + SMALL_HEAD, arg);
	}
out:
	close(fd);
	return rc;
}

static int
sync_name(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* Makes room for this block. */
static int
grow(int fd, const char *dir, uint32_t block)
{
	static const uint8_t zeros[SMALL_BLOCK];
	struct stat st;
	uint32_t i;

	if (fstat(fd, &st) != 0)
		return -1;
	if (st.st_size >= at(block + 1))
		return 0;
	/* ahead, so that no failure on the way leaves it undone */
	if (st.st_size == 0 && sync_name(dir) != 0)
		return -1;
	for (i = (uint32_t)(st.st_size / SMALL_BLOCK);
	     i < (block / GROW + 1) * GROW; i++) {
		/* a full disk: there need not be more than this block */
		if (write_exact(fd, zeros, sizeof(zeros), at(i)) != 0)
			return i > block ? 0 : -1;
	}
	return 0;
}

int
small_write(const char *dir, uint32_t block, const struct small_head *h,
    const void *data, struct err *e)
{
	uint8_t bytes[SMALL_BLOCK];
	char path[PATH_MAX];
	int fd, rc;

	BUG_ON(block >= SMALL_BLOCKS_MAX || h->len > SMALL_DATA_MAX);
	head_make(h, bytes);
	memcpy(bytes + SMALL_HEAD, data, h->len);
	memset(bytes + SMALL_HEAD + h->len, 0, SMALL_DATA_MAX - h->len);
	memcpy(bytes + TAIL_AT, bytes, SMALL_HEAD);
	rc = open_file(dir, O_WRONLY | O_CREAT, path, &fd, e);
	if (rc != 0)
		return rc;
	if (fault_error("small.write", path) != 0 ||
	    grow(fd, dir, block) != 0 ||
	    write_exact(fd, bytes, sizeof(bytes), at(block)) != 0)
		rc = err_errno(e, "%s: write", path);
	fault_point("small.written");
	if (rc == 0 &&
	    (fault_error("small.sync", path) != 0 || fdatasync(fd) != 0))
		rc = err_errno(e, "%s: sync", path);
	close(fd);
	return rc;
}

static int
free_block(const char *dir, uint32_t block, int (*sync)(int fd), struct err *e)
{
	static const uint8_t zeros[SMALL_BLOCK];
	char path[PATH_MAX];
	int fd, rc;

	rc = open_file(dir, O_WRONLY, path, &fd, e);
	if (rc != 0)
		return rc;
	if (write_exact(fd, zeros, sizeof(zeros), at(block)) != 0)
		rc = err_errno(e, "%s: write", path);
	else if (sync != NULL && sync(fd) != 0)
		rc = err_errno(e, "%s: sync", path);
	close(fd);
	return rc;
}

int
small_free(const char *dir, uint32_t block, struct err *e)
{
	return free_block(dir, block, fdatasync, e);
}

void
small_drop(const char *dir, uint32_t block)
{
	/* as with a file that cannot be removed: it is found again */
	(void)free_block(dir, block, NULL, NULL);
}

int
small_read(const char *dir, uint32_t block, size_t off, size_t len,
    struct buf *out, struct err *e)
{
	uint8_t *p = buf_reserve(out, len);
	char path[PATH_MAX];
	int fd, rc;

	if (p == NULL)
		return err_set(e, out->error, "%s", err_text(out->error));
	if (off > SMALL_DATA_MAX || len > SMALL_DATA_MAX - off)
		return err_set(
		    e, ERR_IO, "a small answer is shorter than that");
	rc = open_file(dir, O_RDONLY, path, &fd, e);
	if (rc != 0)
		return rc;
	if (read_exact(fd, p, len, at(block) + SMALL_HEAD + (off_t)off) != 0)
		rc = err_errno(e, "%s: read", path);
	else
		out->len += len;
	close(fd);
	return rc;
}
