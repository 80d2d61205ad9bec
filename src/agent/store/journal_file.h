/* SPDX-License-Identifier: MPL-2.0 */
/* The journal's table and its file. Private to journal.c (the table) and
 * journal_file.c (entries, replay, compaction, opening). */
#ifndef MIG_AGENT_STORE_JOURNAL_FILE_H
#define MIG_AGENT_STORE_JOURNAL_FILE_H

#include "agent/store/idmap.h"
#include "agent/store/journal.h"
#include "record/record.h"

#include <limits.h>
#include <sys/queue.h>

/* Rewriting pays when this much of the file is no longer needed. */
#define JOURNAL_DEAD_MAX (8 * 1024 * 1024)
#define JOURNAL_VERDICT_MAX 8192

enum entry_type {
	ENTRY_EPOCH = 1,
	ENTRY_DOCUMENT = 2,
	ENTRY_ACCEPTED = 3,
	ENTRY_STARTED = 4,
	ENTRY_ANSWERED = 5,
	ENTRY_ACKED = 6,
	ENTRY_REFUSED = 7,
	ENTRY_MARK = 8,
	ENTRY_CANCEL = 9,
	ENTRY_HELD = 10,
};

struct cell {
	struct journal_entry pub; /* first: idmap */
	TAILQ_ENTRY(cell) link;   /* in refused, unless accepted */
	/* what the file holds of it and still needs */
	size_t doc_bytes, judged_bytes, state_bytes;
	bool accepted; /* also after its state has moved on */
};

struct journal {
	char path[PATH_MAX];
	struct record *file;
	struct idmap map;                /* of struct cell, owned here */
	TAILQ_HEAD(cells, cell) refused; /* oldest first */
	struct cancels cancels;          /* owned */
	size_t max;
	uint64_t next_sequence;
	int64_t floor, not_before, newest;
	uint64_t mark;     /* position of the last mark, for keep() */
	size_t mark_bytes; /* of that one; 0: none */
	size_t dead;       /* bytes a rewrite would free */
	bool damaged, lost, fresh;
};

/* --- the table: journal.c ------------------------------------------------- */
bool cell_is_open(const struct cell *c);
/* A new cell with this state; what had its id goes. ERR_NOMEM, ERR_BUSY:
 * everything is open, ERR_TOOBIG: no room for a refused one. */
int table_enter(
    struct journal *j, const struct journal_entry *en, struct cell **ret);
/* Its bytes count as dead from now on. */
void table_drop(struct journal *j, struct cell *c);
void table_drop_all(struct journal *j);
bool cell_may_move(const struct cell *c, enum journal_state state);
/* bytes: the entry in the file that says so. */
void table_move(
    struct journal *j, struct cell *c, enum journal_state state, size_t bytes);

/* --- the file: journal_file.c --------------------------------------------- */
/* Each appends one entry and counts its bytes. */
int journal_put_document(struct journal *j, struct cell *c,
    const struct journal_action *a, struct err *e);
int journal_put_judged(
    struct journal *j, struct cell *c, int64_t signed_at, struct err *e);
int journal_put_state(
    struct journal *j, struct cell *c, enum journal_state state, struct err *e);
int journal_put_mark(struct journal *j, struct err *e);
/* Appends and syncs. */
int journal_put_cancel(struct journal *j, const struct cancelled *c,
    size_t *ret_bytes, struct err *e);
/* Rewrites the file without what is dead, when there is more of it. */
int journal_compact(struct journal *j, size_t more_than, struct err *e);

#endif
