/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files that were read to their end and had nothing of what is asked, so that
 * a second name of the same file (a link of either kind) does not read it
 * again. Bounded: what does not fit is forgotten and read again.
 */
#ifndef MIG_MODULES_FILE_SEEN_H
#define MIG_MODULES_FILE_SEEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct seen;

/* How a file is read. */
struct seen_how {
	uint32_t algs; /* DIGEST_BITs */
	bool patterns, decompress;
};

struct seen *seen_new(void); /* NULL: out of memory */
void seen_free(struct seen *s);
/* Was the file, as it is now, read this way or one that tells more? */
bool seen_find(
    const struct seen *s, const struct stat *st, const struct seen_how *how);
void
seen_add(struct seen *s, const struct stat *st, const struct seen_how *how);

#endif
