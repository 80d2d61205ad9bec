/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a search found, in little memory: of each entry only what its JSON is
 * made of, and of its path only the end in which it differs from the one
 * before (a walk's neighbours share their directories). Added in order, then
 * read in order.
 */
#ifndef MIG_MODULES_FILE_ENTRIES_H
#define MIG_MODULES_FILE_ENTRIES_H

#include "base/buf.h"

#include <sys/types.h>
#include <time.h>

#define ENTRY_EVERY UINT32_MAX /* no check by itself: all of the search */

struct entry {
	const char *path; /* not terminated; NULL: says that nothing matched,
			     and there are no metadata */
	size_t path_len;
	uint32_t check; /* number in its search, or ENTRY_EVERY */
	mode_t mode;
	int64_t size; /* bytes */
	struct timespec mtime;
	const uint8_t *sha256; /* 32 bytes, or NULL */
};

struct entries {
	size_t n;
	struct buf records;
	struct buf path; /* of the entry that was added or read last */
	struct rd rd;
};

/* max: bytes. */
void entries_init(struct entries *e, size_t max);
void entries_release(struct entries *e);
/* Copies. A failure leaves those that were there. */
int entries_add(struct entries *e, const struct entry *en);

/* Nothing is added any more. Needs no memory. */
void entries_rewind(struct entries *e);
/* Borrowed until the next call; false at the end. */
bool entries_next(struct entries *e, struct entry *ret);

#endif
