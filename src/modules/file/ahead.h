/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files that are read by several threads while the walk goes on. They come back
 * in the order in which they were met, so an answer does not depend on the
 * number of threads; everything but the reading is done by the thread of the
 * walk.
 *
 *   ahead_next -> (fill it) -> ahead_add -> [file_reader_read] -> ahead_first
 *      -> (verdicts) -> ahead_drop
 */
#ifndef MIG_MODULES_FILE_AHEAD_H
#define MIG_MODULES_FILE_AHEAD_H

#include "base/buf.h"
#include "modules/file/read.h"
#include "modules/file/subject.h"

struct ahead;

#define AHEAD_FILES 64 /* at most, and open: a link's target is so twice */

struct ahead_file {
	struct walk_entry en; /* its path is in .path; no scopes */
	struct buf path;
	struct subject subject; /* open until read; .en is the one here */
	uint32_t *searches;     /* room for all */
	bool known;             /* it need not be read: nothing of it */
	bool again;             /* a hit reads it once more: it stays open */
	uint64_t any;           /* bytes may be read */
	struct file_reading reading;
	struct match_found found; /* of its patterns */
};

/* stop: asked by the walk's thread while it reads itself. percent: of a core,
 * for all threads together; 0: any. threads: the walk's own is one. p must be
 * as it will be, with its matcher for contents woken. ERR_NOMEM,
 * ERR_UNSUPPORTED: there can be no threads. */
int ahead_new(const struct plan *p, unsigned int threads, uint32_t percent,
    bool (*stop)(void *arg), void *arg, struct ahead **ret, struct err *e);
/* What is being read is left at once. The bytes that were read of what was not
 * dropped. */
uint64_t ahead_free(struct ahead *a);
/* A place to fill, but for what is to come of it; NULL: there is none. */
struct ahead_file *ahead_next(struct ahead *a);
/* Takes subject, which must be open, and its entry. ERR_NOMEM. */
int ahead_add(struct ahead *a, struct subject *s);
size_t ahead_used(const struct ahead *a);
/* Is this file, under whatever name, among them? */
bool ahead_has(const struct ahead *a, const struct stat *st);
/* The oldest, once it was read; ms as in crew_first. NULL: not yet, or none. */
struct ahead_file *ahead_first(struct ahead *a, int ms);
/* Where the oldest is, read or not; NULL: there is none. */
const char *ahead_path(const struct ahead *a);
void ahead_drop(struct ahead *a);

#endif
