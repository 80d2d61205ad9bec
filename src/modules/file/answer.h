/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The answer while it grows: entries by search, counts and texts of what was
 * not examined. Bounded: entries by output_max as the JSON that they become
 * when the answer is written, texts by the searches' maxerrors
 * (common/outcome.h).
 *
 * A match-any search names each check without a hit by an entry with file ""
 * up to ANSWER_MISSES_MAX; beyond, one more such entry stands for the rest
 * and statistics.unmatched = {label: count} says how many there are in all.
 */
#ifndef MIG_MODULES_FILE_ANSWER_H
#define MIG_MODULES_FILE_ANSWER_H

#include "base/buf.h"
#include "modules/common/outcome.h"
#include "modules/file/entries.h"
#include "modules/file/param.h"
#include "scan/digest.h"
#include "scan/skip.h"

#include <sys/stat.h>

struct err;
struct jsonw;

#define ANSWER_ECHO_MAX 4096  /* bytes of a search in each entry */
#define ANSWER_PLACE_MAX 4096 /* bytes of the path where a limit ended it */
#define ANSWER_MISSES_MAX 64  /* match-any: entries for checks without a hit */

struct answer_search {
	struct entries entries;
	struct buf echo;    /* "search" of its match-all entries */
	struct buf options; /* what stands behind "," in the others: the same in
			       each */
	size_t most;        /* values of a list in an echo */
	uint64_t hits;
	uint64_t *check_hits; /* match-any: by check */
	uint64_t unmatched;   /* match-any: checks without a hit */
};

struct answer {
	const struct file_params *params; /* borrowed */
	struct answer_search *searches;
	struct outcome common;
	struct buf measured;             /* an entry's JSON, for its length */
	bool out_of_memory;              /* that is why common.full */
	bool found_only;                 /* entries are counted, not kept */
	uint32_t rights;                 /* enum right_fact, of this process */
	char ended_at[ANSWER_PLACE_MAX]; /* empty: it came to its end */
	uint64_t files, openfailed, totalhits, bytes, directories;
};

int answer_init(struct answer *a, const struct file_params *p,
    size_t output_max, struct err *e);
void answer_release(struct answer *a);

/* A file that matches; check is NULL for match-all. sha256 may be NULL. False
 * when there is no more room. */
bool answer_hit(struct answer *a, size_t search, const struct file_check *check,
    const char *path, const struct stat *st, const uint8_t *sha256);
/* path and why may be NULL. */
void answer_skip(
    struct answer *a, enum skip reason, const char *path, const char *why);
/* Appends the whole answer, once. */
int answer_write(
    struct answer *a, const char *engine, struct buf *out, struct err *e);

#endif
