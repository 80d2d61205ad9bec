/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What every module's answer has, while it grows and when it is written:
 *
 *   {"foundanything": bool, "success": bool, "elements": {...},
 *    "statistics": {"exectime": "1.5ms", ..., "notexamined": {WORD: count}},
 *    "errors": ["WORD: what: why", ...] | null}
 *
 * Bounded: entries by the output limit, texts by maxerrors and their own room.
 *
 *   outcome_init; outcome_gap, outcome_note, outcome_keep while looking;
 *   outcome_begin, the elements, outcome_statistics, own numbers, outcome_end
 */
#ifndef MIG_MODULES_COMMON_OUTCOME_H
#define MIG_MODULES_COMMON_OUTCOME_H

#include "base/buf.h"
#include "modules/common/rows.h"

#include <time.h>

struct err;
struct jsonw;

#define OUTCOME_ERRORS_MAX 10000
#define OUTCOME_KINDS_MAX 32

/* A reason why something was not examined. A module's kinds are a table by
 * its own enum; module->ordinary names those that leave no doubt. */
struct outcome_kind {
	const char *word;    /* in statistics.notexamined and before texts */
	const char *summary; /* one line for all of them: "WORD: N SUMMARY; the
				first: WHAT"; NULL: a line each */
	bool silent;         /* no line at all, the number says it */
};

struct outcome {
	const struct outcome_kind *kinds; /* borrowed */
	size_t nkinds;
	uint64_t counts[OUTCOME_KINDS_MAX];
	char *first[OUTCOME_KINDS_MAX]; /* owned: of those with a summary */
	size_t output_max;              /* of entries */
	size_t output_used;
	bool full;          /* nothing more fits */
	bool out_of_memory; /* ... for that reason */
	struct buf errors;  /* JSON strings with commas between */
	uint64_t nerrors, unreturned, maxerrors;
	struct buf notes; /* likewise: always returned */
	struct timespec begin;
};

/* maxerrors 0: as many as may be. output_max: of the whole answer; an eighth is
 * kept for what stands beside the entries. The clock of exectime starts. */
void outcome_init(struct outcome *o, const struct outcome_kind *kinds,
    size_t nkinds, int64_t maxerrors, size_t output_max);
void outcome_release(struct outcome *o);

/* Something was not examined. what (a path, a process) and why may be NULL. */
void outcome_gap(
    struct outcome *o, unsigned int kind, const char *what, const char *why);
/* A text that is returned in any case. Like the others it begins with "WORD: "
 * where it is about a kind: of those that leave no doubt, so do their texts. */
void outcome_note(struct outcome *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* What ended the work, so that something was not examined: a gap whose text is
 * returned in any case, also when memory ran out. */
void outcome_end_by(struct outcome *o, unsigned int kind, const char *why);
/* Takes the room of an entry, bytes of JSON; else sets full and returns
 * false. */
bool outcome_take(struct outcome *o, size_t bytes);
/* An entry was appended to list from before on: keeps it if the answer has room
 * for it, else takes it out again, sets full and returns false. */
bool outcome_keep(struct outcome *o, struct buf *list, size_t before);
/* The same for an entry that is kept as a row; json is what it will be. */
bool outcome_keep_row(struct outcome *o, struct rows *rows,
    const struct rows_field *row, const struct buf *json);

/* {"foundanything":..., "success":..., "elements":{ */
void
outcome_begin(struct outcome *o, struct jsonw *w, bool found, bool success);
/* }, "statistics":{"exectime":..., "notexamined":{...} */
void outcome_statistics(struct outcome *o, struct jsonw *w);
/* "rights":[{"wanted", "had", "notseen"}] of this module's rows (rights.h). */
void outcome_rights(struct jsonw *w, const char *module, uint32_t facts);
/* "rights":{"reads", "notseen"}, of modules that read files. */
void outcome_file_rights(struct jsonw *w, uint32_t facts);
/* }, "errors":...}: the answer is whole. */
int outcome_end(struct outcome *o, struct jsonw *w, struct err *e);

#endif
