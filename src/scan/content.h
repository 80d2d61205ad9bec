/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One read of a stream that feeds line patterns and digests together.
 *
 *   descriptor -> [decompression] -> digests -> lines (a \r before \n or at
 *   the end is dropped, a missing last \n added) -> patterns
 */
#ifndef MIG_SCAN_CONTENT_H
#define MIG_SCAN_CONTENT_H

#include "scan/decompress.h"
#include "scan/digest.h"
#include "scan/match.h"

enum content_end {
	CONTENT_ALL,        /* read to the end */
	CONTENT_ENOUGH,     /* the caller's enough() said so */
	CONTENT_STOPPED,    /* the caller's stop() said so */
	CONTENT_READ_LIMIT, /* *read_left is used up */
	CONTENT_IO,         /* e says why, as for the next ones */
	CONTENT_SHRUNK,     /* it became shorter while it was read */
	CONTENT_CORRUPT,    /* compressed data is damaged or truncated */
	CONTENT_BOMB,       /* a limit of decompression */
	CONTENT_MEMORY,     /* none for a digest or for decompression */
	CONTENT_UNSUPPORTED /* library missing */
};

struct content_job {
	struct match_state *match; /* NULL: no patterns */
	struct digests *digests;   /* begun with algs; NULL: none */
	bool count_lines;
	bool decompress;           /* by magic */
	uint64_t size;             /* as stat says: what a file grows by while
				      it is read is not of the file that was
				      looked at; 0: unknown */
	uint64_t *read_left;       /* bytes still allowed; counted down */
	bool (*enough)(void *arg); /* asked after each piece; may be NULL */
	void *enough_arg;
	bool (*stop)(void *arg); /* asked before each read; may be NULL */
	void *arg;
	/* results */
	uint64_t lines; /* with count_lines */
	uint64_t bytes; /* read from the descriptor */
};

struct content; /* buffers, reused from file to file */

struct content *content_new(void); /* NULL: out of memory */
void content_free(struct content *c);
/* Reads fd from its offset. The results of match and digests are complete
 * only with CONTENT_ALL; hits are valid in any case. */
enum content_end
content_read(struct content *c, int fd, struct content_job *job, struct err *e);
/* Would content_read decompress this file? Does not move the offset. */
bool content_is_compressed(int fd);

#endif
