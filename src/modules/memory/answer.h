/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The answer while it grows: of each entry what its JSON is made of, by search,
 * beside what every answer has (common/outcome.h). Bounded.
 *
 *   {"process": {"name", "pid", "deleted"?}, "search": {...},
 *    "matches"?: [{"bytes" or "content", "address"?, "end", "mapping",
 *                  "permissions"}]}
 *
 * A search without a hit has one entry with name "" and pid 0; a match-any
 * search one for each check without a hit, up to ANSWER_MISSES_MAX, and then
 * one for all others (statistics.unmatched has their number).
 */
#ifndef MIG_MODULES_MEMORY_ANSWER_H
#define MIG_MODULES_MEMORY_ANSWER_H

#include "modules/common/outcome.h"
#include "modules/memory/plan.h"
#include "modules/opener.h"

struct err;

#define ANSWER_ECHO_MAX 4096 /* bytes of a search in each entry */
#define ANSWER_MISSES_MAX 64 /* match-any: entries for checks without hit */
#define ANSWER_PLACES_MAX 64 /* matches in one entry */
#define ANSWER_PROCESS_MAX (OPENER_NAME_MAX + 64) /* bytes of its text */
#define ANSWER_FAILURES_MAX 30                    /* without logfailures */
#define ANSWER_FAILURES_ALL 20000

enum memory_gap {
	GAP_UNREADABLE, /* a process that may not be looked into */
	GAP_VANISHED,   /* ended while it was looked at */
	GAP_ZOMBIE,     /* ended before */
	GAP_OWN,        /* of this agent */
	GAP_AGENT,      /* of another agent */
	GAP_PAGES,      /* pages in memory that cannot be read */
	GAP_ABSENT,     /* mapped files, not in memory and not read */
	GAP_DEVICE,     /* mappings of devices */
	GAP_TIME,
	GAP_CPU,
	GAP_STOPPED,
	GAP_READ,
	GAP_OUTPUT,
	GAP_MEMORY,
	GAP_ENGINE, /* an expression was given up */
	GAPS
};

/* Where in a process a check was found. */
struct place {
	bool found;
	uint64_t end; /* behind its last byte */
	char permissions[5];
	char mapping[128]; /* path or "[heap]"; cut; "" for nameless memory */
};

struct answer_search {
	struct buf entries; /* records, see answer.c */
	struct buf echo;    /* "search" of its match-all entries */
	size_t most;        /* values of a list in an echo */
	uint64_t hits;
	uint64_t unmatched;
	uint64_t cuts;   /* processes in which a match may have been lost */
	char *first_cut; /* owned; the first of them */
};

struct memory_answer {
	struct outcome common;
	const struct memory_plan *plan; /* borrowed */
	struct answer_search *searches;
	struct buf found;     /* processes that entries are about: records */
	size_t found_at;      /* where that of the last one begins */
	uint32_t found_pid;   /* its number; 0: none yet */
	struct buf measured;  /* an entry's JSON, for its length */
	uint64_t *check_hits; /* match-any: by check */
	struct buf failures;  /* JSON strings with commas between */
	size_t nfailures[GAPS], failures_max; /* of each kind */
	uint32_t rights;                      /* enum right_fact */
	bool found_only; /* entries are counted, not kept */
	uint64_t processes, bytes, absent, totalhits;
	char ended_at[ANSWER_PROCESS_MAX]; /* empty: it came to its end */
};

int memory_answer_init(struct memory_answer *a, const struct memory_plan *plan,
    size_t output_max, struct err *e);
void memory_answer_release(struct memory_answer *a);

/* A process that a search found; check UINT32_MAX: by all of its checks.
 * places are by check; NULL: it did not look at memory. False when there is no
 * more room. */
bool memory_answer_hit(struct memory_answer *a, uint32_t search, uint32_t check,
    const struct opener_process *p, const struct place *places);
/* "process 7 /usr/bin/sleep" */
void memory_answer_process(
    const struct opener_process *p, char out[static ANSWER_PROCESS_MAX]);
/* A process that was not, or not wholly, looked at. */
void memory_answer_failure(struct memory_answer *a, enum memory_gap gap,
    const struct opener_process *p, const char *why);
/* A process in which a match of this check may have been lost. */
void memory_answer_cut(struct memory_answer *a, uint32_t search, uint32_t check,
    const struct opener_process *p);
/* Appends the whole answer. */
int
memory_answer_write(struct memory_answer *a, struct buf *out, struct err *e);

#endif
