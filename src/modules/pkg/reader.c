/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/reader.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 512
#define TICK_NS 20000000 /* ticks are 1 to 10 ms */

int
pkg_open_file(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	struct stat st;
	int fd;

	fd = openat(dirfd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INVALID,
		    "it is a symbolic link; no package manager makes one "
		    "there");
	if (fd < 0)
		return err_errno(e, "opening it");
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID, "it is not a regular file");
	}
	*ret_fd = fd;
	return 0;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
reader_same_file(const struct stat *a, const struct stat *b)
{
	/* mtime can be set */
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    same_time(&a->st_mtim, &b->st_mtim) &&
	    same_time(&a->st_ctim, &b->st_ctim);
}

bool
reader_is_fresh(const struct timespec *written, const struct timespec *now)
{
	int64_t age;

	if (written->tv_sec > now->tv_sec || written->tv_sec < now->tv_sec - 1)
		return false;
	age = (now->tv_sec - written->tv_sec) * 1000000000ll + now->tv_nsec -
	    written->tv_nsec;
	return age >= 0 && age < TICK_NS;
}

int
reader_pread(int fd, void *out, size_t len, uint64_t offset, struct err *e)
{
	uint8_t *p = out;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "reading");
		if (n == 0)
			return err_set(e, ERR_INVALID,
			    "it ends at byte %llu, in the middle of a record",
			    (unsigned long long)offset);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

void
reader_damaged(const struct pkg_reader *r, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->damaged(text, r->arg);
}
