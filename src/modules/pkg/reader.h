/* SPDX-License-Identifier: MPL-2.0 */
/* What readers of package databases tell: every package that is installed, and
 * every record that is damaged. */
#ifndef MIG_MODULES_PKG_READER_H
#define MIG_MODULES_PKG_READER_H

#include "modules/pkg/version.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stat;
struct timespec;

struct package {
	enum pkg_type type;
	const char *name, *version; /* [epoch:]version-release */
	const char *arch;           /* "" where it has none */
	const char *state;          /* "" when whole, else dpkg's word */
};

struct pkg_reader {
	void (*package)(const struct package *p, void *arg);
	/* A record was passed by; what is for people. */
	void (*damaged)(const char *what, void *arg);
	bool (*stop)(void *arg); /* asked often: end early, without error */
	void *arg;
};

/* A regular file of a directory, for reading, without following links:
 * ERR_NOTFOUND, ERR_DENIED, ERR_INVALID (something else than a file), ERR_IO.
 */
int pkg_open_file(int dirfd, const char *name, int *ret_fd, struct err *e);
/* Nobody wrote between the two, as far as the file's times tell. */
bool reader_same_file(const struct stat *a, const struct stat *b);
/* They do not tell: what is written in the same tick of the clock as the last
 * change before leaves no trace. now is of CLOCK_REALTIME_COARSE. */
bool
reader_is_fresh(const struct timespec *written, const struct timespec *now);
/* All len bytes at offset. ERR_INVALID when the file ends before. */
int reader_pread(int fd, void *out, size_t len, uint64_t offset, struct err *e);
/* damaged() with a formatted text. */
void reader_damaged(const struct pkg_reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
