/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One reading of an open file, for all searches that want it so. It knows the
 * plan but changes nothing of it: threads may read at once, each with a reader
 * of its own.
 */
#ifndef MIG_MODULES_FILE_READ_H
#define MIG_MODULES_FILE_READ_H

#include "base/err.h"
#include "modules/file/plan.h"
#include "scan/content.h"

/* What a thread reads with. */
struct file_reader {
	struct content *content;
	struct match_state *lines; /* NULL: no search has contents */
	struct digests *digests;   /* NULL: nor digests */
};

struct file_reading {
	const struct plan *plan;
	int fd; /* from where it stands */
	uint64_t size;
	const uint32_t *searches; /* that want it; borrowed */
	size_t n;
	bool patterns; /* their contents are looked for */
	bool decompress;
	uint32_t algs; /* DIGEST_BITs */
	uint64_t *read_left;
	bool (*stop)(void *arg);
	void *arg;
	/* what came of it; hits are in the reader */
	enum content_end end;
	struct err e; /* why it did not end well */
	uint64_t bytes, lines;
	uint32_t digests; /* DIGEST_BITs of those below */
	uint8_t digest[DIGEST_ALGS][DIGEST_LEN_MAX];
};

/* A reader that shares p with others; p's matcher for contents is woken. */
int
file_reader_init(struct file_reader *r, const struct plan *p, struct err *e);
void file_reader_release(struct file_reader *r);
/* Do some of these count lines, so that everything is to be read? */
bool
file_reading_counts(const struct plan *p, const uint32_t *searches, size_t n);
void file_reader_read(struct file_reader *r, struct file_reading *rd);

#endif
