/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/content.h"

#include "base/err.h"
#include "os/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define ALIGNED 4096 /* the kernel copies faster to such a place */

struct content {
	struct content_job *job;
	struct err *e;
	bool any;     /* bytes went to the patterns */
	bool newline; /* the last of them was \n */
	bool failed;  /* a digest failed */
	_Alignas(ALIGNED) uint8_t buf[READ_SIZE];
};

struct content *
content_new(void)
{
	struct content *c = aligned_alloc(ALIGNED, sizeof(*c));

	if (c != NULL)
		memset(c, 0, offsetof(struct content, buf));
	return c;
}

void
content_free(struct content *c)
{
	free(c);
}

static void
feed(struct content *c, uint8_t *data, size_t len)
{
	const uint8_t *p;
	size_t left;

	if (len == 0)
		return;
	c->any = true;
	c->newline = data[len - 1] == '\n';
	for (p = data, left = len;
	     c->job->count_lines && (p = memchr(p, '\n', left)) != NULL; p++) {
		c->job->lines++;
		left = len - (size_t)(p + 1 - data);
	}
	/* may change data */
	if (c->job->match != NULL)
		match_feed(c->job->match, data, len);
}

/* decompress_sink: also for what needs no decompression. */
static bool
piece(void *arg, uint8_t *data, size_t len)
{
	struct content *c = arg;
	struct content_job *job = c->job;

	if (job->digests != NULL && digests_add(job->digests, data, len) != 0)
		c->failed = true;
	if (job->match != NULL || job->count_lines)
		feed(c, data, len);
	if (job->stop != NULL && job->stop(job->arg))
		return false;
	return job->enough == NULL || !job->enough(job->enough_arg);
}

static void
finish(struct content *c)
{
	uint8_t nl = '\n';

	if (c->any && !c->newline)
		feed(c, &nl, 1);
	if (c->job->match != NULL)
		match_end(c->job->match);
}

static enum content_end
end_of_error(int rc)
{
	switch (rc) {
	case ERR_INVALID:
		return CONTENT_CORRUPT;
	case ERR_TOOBIG:
		return CONTENT_BOMB;
	case ERR_NOMEM:
		return CONTENT_MEMORY;
	default:
		return CONTENT_UNSUPPORTED;
	}
}

static enum content_end
had_enough(struct content_job *job)
{
	return job->stop != NULL && job->stop(job->arg) ? CONTENT_STOPPED
							: CONTENT_ENOUGH;
}

static ssize_t
read_some(struct content *c, int fd)
{
	size_t want = sizeof(c->buf);
	ssize_t n;

	if (want > *c->job->read_left)
		want = (size_t)*c->job->read_left;
	do {
		n = read(fd, c->buf, want);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		*c->job->read_left -= (uint64_t)n;
		c->job->bytes += (uint64_t)n;
	}
	return n;
}

/* What stat says of a kernel view's size means nothing. */
static bool
size_holds(const struct content_job *job, int fd)
{
	return job->size > 0 && !os_fs_is_virtual(fd);
}

/* The end of a file that may have been cut while it was read. */
static enum content_end
at_end(struct content *c, int fd)
{
	struct content_job *job = c->job;

	if (job->bytes >= job->size || !size_holds(job, fd))
		return CONTENT_ALL;
	err_set(c->e, ERR_IO,
	    "it had %llu bytes and became shorter while it was read",
	    (unsigned long long)job->size);
	return CONTENT_SHRUNK;
}

/* How many of the n bytes just read count, and whether they are the last. */
static size_t
within_size(const struct content *c, int fd, size_t n, bool *ret_last)
{
	const struct content_job *job = c->job;

	/* a short read up to the known end saves the one that finds it, and
	 * for a full one there may be nothing left that may be read */
	*ret_last = job->bytes == job->size &&
	    (n < sizeof(c->buf) ||
		(*job->read_left == 0 && size_holds(job, fd)));
	if (job->bytes <= job->size || !size_holds(job, fd))
		return n;
	*ret_last = true;
	return n - (size_t)(job->bytes - job->size);
}

static enum content_end
read_pieces(struct content *c, int fd, struct decompress **d)
{
	struct content_job *job = c->job;
	enum decompress_kind kind;
	bool first = true, last;
	size_t len;
	ssize_t n;
	int rc;

	for (;; first = false) {
		if (job->stop != NULL && job->stop(job->arg))
			return CONTENT_STOPPED;
		if (*job->read_left == 0)
			return CONTENT_READ_LIMIT;
		if ((n = read_some(c, fd)) < 0) {
			err_errno(c->e, "read");
			return CONTENT_IO;
		}
		if (n == 0 && at_end(c, fd) != CONTENT_ALL)
			return CONTENT_SHRUNK;
		if (n == 0)
			break;
		len = within_size(c, fd, (size_t)n, &last);
		kind = first && job->decompress ? decompress_detect(c->buf, len)
						: DECOMPRESS_NONE;
		if (kind != DECOMPRESS_NONE) {
			rc = decompress_new(
			    kind, &decompress_default_limits, d, c->e);
			if (rc != 0)
				return end_of_error(rc);
		}
		rc = 0;
		if (*d != NULL)
			rc = decompress_feed(*d, c->buf, len, piece, c, c->e);
		else if (!piece(c, c->buf, len))
			rc = ERR_CLOSED;
		if (rc == ERR_CLOSED)
			return had_enough(job);
		if (rc != 0)
			return end_of_error(rc);
		if (last)
			break;
	}
	rc = *d != NULL ? decompress_end(*d, c->e) : 0;
	return rc == 0 ? CONTENT_ALL : end_of_error(rc);
}

enum content_end
content_read(struct content *c, int fd, struct content_job *job, struct err *e)
{
	struct decompress *d = NULL;
	enum content_end end;

	c->job = job;
	c->e = e;
	c->any = c->newline = c->failed = false;
	job->lines = job->bytes = 0;
	if (job->match != NULL)
		match_begin(job->match);
	end = read_pieces(c, fd, &d);
	decompress_free(d);
	if (end == CONTENT_ALL)
		finish(c);
	if (c->failed && end == CONTENT_ALL) {
		err_set(e, ERR_NOMEM, "no memory for a digest");
		end = CONTENT_MEMORY;
	}
	return end;
}

bool
content_is_compressed(int fd)
{
	uint8_t magic[DECOMPRESS_MAGIC_LEN];
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	return n > 0 && decompress_detect(magic, (size_t)n) != DECOMPRESS_NONE;
}
