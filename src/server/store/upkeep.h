/* SPDX-License-Identifier: MPL-2.0 */
/* The store's upkeep: removing what was kept long enough, giving space back,
 * how large it is, whether it is sound, a copy of it. See store.h. */
#ifndef MIG_SERVER_STORE_UPKEEP_H
#define MIG_SERVER_STORE_UPKEEP_H

#include "server/store/store.h"

/* What may go. Never what has not ended yet at now, whatever the rest says. */
struct prune_cut {
	int64_t now;            /* unix s */
	int64_t results_before; /* answers of actions that ended earlier (s) */
	int64_t actions_before; /* the rest of actions that ended earlier (s) */
	/* Beyond it answers of what ended longest ago go, then the rest of
	 * actions to which no answer comes any more; 0: none. */
	uint64_t bytes_max;
};

struct prune_done {
	uint64_t answers, actions; /* removed */
	bool more;                 /* there is more to remove */
	bool over; /* larger than bytes_max, and nothing may go */
};

/* A small piece of the work, inside the caller's transaction: some rows of one
 * action. An action keeps its counts when its answers are gone. */
int store_prune_step(struct store *s, const struct prune_cut *cut,
    struct prune_done *ret, struct err *e);

struct prune_count {
	uint64_t answers, actions;             /* for reasons of time */
	uint64_t early_answers, early_actions; /* for bytes_max, about */
	bool over;                             /* and would still be larger */
};

/* How much steps would remove; removes nothing. */
int store_prune_count(struct store *s, const struct prune_cut *cut,
    struct prune_count *ret, struct err *e);

struct store_size {
	uint64_t bytes, free; /* of the file; of it unused */
};
int store_size(struct store *s, struct store_size *ret, struct err *e);
/* Gives up to so many unused pages back to the file system; nothing while few
 * of the pages are unused: they are used again. *ret_more: those left are not
 * few. */
int store_shrink(struct store *s, int pages, bool *ret_more, struct err *e);
/* Writes the whole file anew without the unused pages; needs as much room
 * again. */
int store_vacuum(struct store *s, struct err *e);

/* From here on what takes long ends with ERR_CLOSED once stops() is not 0. */
void store_interruptible(struct store *s, int (*stops)(void *arg));

/* PRAGMA quick_check: ERR_IO with the first thing that is wrong. */
int store_quick_check(struct store *s, struct err *e);
int store_schema_of(struct store *s, int *ret, struct err *e);
/* A consistent copy of a store that is in use, in a new file at path. */
int store_copy(struct store *s, const char *path, struct err *e);

/* Answers stored since ever, by status (1 done, 2 refused, 3 stopped), also
 * those that were removed. */
int64_t store_answers_by(struct store *s, int status);

#endif
