/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Store: upkeep. Everything is done in small pieces, so that no answer waits
 * long for its commit:
 *
 *   ended, keep_results over   answers removed piece by piece, then "pruned"
 *   keep_actions over          whom it expected, then document and row
 *   larger than bytes_max      answers of whatever ended, the oldest first;
 *                              then the rest of what ended LATE_SECONDS ago
 *
 * Deleted rows leave unused pages in the file. They are used again first; only
 * when they are many does the file shrink (auto_vacuum = INCREMENTAL).
 */
#include "server/store/upkeep.h"

#include "server/store/sql.h"
#include "server/store/waiting.h"

#include "base/err.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define STEP_ROWS 500
#define STEP_BYTES (16 * 1024 * 1024)
#define SHRINK_PART 8 /* of the pages may be unused */
#define SHRINK_MIN 1024
/* Answers may come so long after an action's end (core/launch.c). */
#define LATE_SECONDS 90000
#define EXPECTED_BYTES 16    /* a row of it, about */
#define PROGRESS_STEPS 10000 /* of SQLite's machine: some ms */

/* The error is told at once: the next call would be asked for its own. */
static int
pragma_number(struct store *s, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return (sql_error(s, sql, e));
	if (sqlite3_step(st) == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	else
		rc = sql_error(s, sql, e);
	sqlite3_finalize(st);
	return (rc);
}

int
store_size(struct store *s, struct store_size *ret, struct err *e)
{
	int64_t pages, size, unused;
	int rc;

	if ((rc = pragma_number(s, "PRAGMA page_count", &pages, e)) != 0 ||
	    (rc = pragma_number(s, "PRAGMA page_size", &size, e)) != 0 ||
	    (rc = pragma_number(s, "PRAGMA freelist_count", &unused, e)) != 0)
		return (rc);
	ret->bytes = (uint64_t)(pages * size);
	ret->free = (uint64_t)(unused * size);
	return (0);
}

/* --- removing ----------------------------------------------------------- */

/* Some answers of an action; *ret_left: there may be more. */
static int
remove_answers(struct store *s, int64_t action, uint64_t *removed,
    bool *ret_left, struct err *e)
{
	int64_t cursor, bytes = 0;
	sqlite3_stmt *st;
	int n, rc;

	*ret_left = true;
	for (n = 0; n < STEP_ROWS && bytes < STEP_BYTES; n++) {
		rc = sql_row(s, e, &st,
		    "SELECT cursor, length(answer) FROM answers"
		    " WHERE action = ? LIMIT 1",
		    "i", action);
		if (rc == ERR_NOTFOUND) {
			*ret_left = false;
			return (0);
		}
		if (rc != 0)
			return (rc);
		cursor = sqlite3_column_int64(st, 0);
		bytes += sqlite3_column_int64(st, 1);
		sqlite3_reset(st);
		rc = sql_run(
		    s, e, "DELETE FROM answers WHERE cursor = ?", "i", cursor);
		if (rc != 0)
			return (rc);
		++*removed;
	}
	return (0);
}

static int
prune_answers(struct store *s, int64_t action, int64_t now,
    struct prune_done *ret, struct err *e)
{
	bool left;
	int rc;

	ret->more = true;
	rc = remove_answers(s, action, &ret->answers, &left, e);
	if (rc != 0 || left)
		return (rc);
	return (sql_run(s, e, "UPDATE actions SET pruned = ? WHERE n = ?", "ii",
	    now * 1000, action));
}

static int
prune_action(
    struct store *s, int64_t action, struct prune_done *ret, struct err *e)
{
	bool left;
	int rc;

	ret->more = true;
	rc = remove_answers(s, action, &ret->answers, &left, e);
	if (rc != 0 || left)
		return (rc);
	rc = sql_run(s, e,
	    "DELETE FROM expected WHERE action = ?1 AND agent IN"
	    " (SELECT agent FROM expected WHERE action = ?1 LIMIT ?2)",
	    "ii", action, (int64_t)STEP_ROWS);
	if (rc != 0 || sqlite3_changes(s->db) == STEP_ROWS)
		return (rc);
	if ((rc = sql_run(s, e, "DELETE FROM cancels WHERE action = ?", "i",
		 action)) != 0 ||
	    (rc = store_waiting_end(s, action, e)) != 0)
		return (rc);
	if ((rc = sql_run(s, e, "DELETE FROM shares WHERE action = ?", "i",
		 action)) != 0 ||
	    (rc = sql_run(s, e, "DELETE FROM documents WHERE n = ?", "i",
		 action)) != 0 ||
	    (rc = sql_run(
		 s, e, "DELETE FROM actions WHERE n = ?", "i", action)) != 0)
		return (rc);
	ret->actions++;
	return (0);
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

/* 0: none. */
static int
oldest_before(
    struct store *s, int64_t before, bool unpruned, int64_t *ret, struct err *e)
{
	*ret = 0;
	if (unpruned)
		return (sql_get(s, e, ret,
		    "SELECT n FROM actions WHERE expire_after < ? AND pruned = "
		    "0"
		    " ORDER BY expire_after LIMIT 1",
		    "i", before));
	return (sql_get(s, e, ret,
	    "SELECT n FROM actions WHERE expire_after < ?"
	    " ORDER BY expire_after LIMIT 1",
	    "i", before));
}

static int64_t
bytes_over(const struct store_size *size, const struct prune_cut *cut)
{
	uint64_t used = size->bytes - size->free;

	return (cut->bytes_max > 0 && used > cut->bytes_max
		? (int64_t)(used - cut->bytes_max)
		: 0);
}

int
store_prune_step(struct store *s, const struct prune_cut *cut,
    struct prune_done *ret, struct err *e)
{
	const struct {
		int64_t before;
		bool action;
	} order[] = {
		{ smaller(cut->results_before, cut->now), false },
		{ smaller(cut->actions_before, cut->now), true },
		/* when it is too large */
		{ cut->now, false },
		{ cut->now - LATE_SECONDS, true },
	};
	struct prune_done done = { 0 };
	struct store_size size = { 0 };
	int64_t n = 0;
	size_t i;
	bool over;
	int rc;

	if ((rc = store_size(s, &size, e)) != 0)
		return (rc);
	over = bytes_over(&size, cut) > 0;
	for (i = 0; i < (over ? 4 : 2) && n == 0; i++) {
		rc = oldest_before(s, order[i].before, !order[i].action, &n, e);
		if (rc != 0)
			return (rc);
		if (n != 0)
			rc = order[i].action
			    ? prune_action(s, n, &done, e)
			    : prune_answers(s, n, cut->now, &done, e);
	}
	if (n == 0)
		done.over = over;
	if (rc == 0)
		*ret = done;
	return (rc);
}

/* --- counting ----------------------------------------------------------- */

/* Rows whose first column are bytes, while there is room to be made. */
static int
count_rows(struct store *s, sqlite3_stmt *st, int64_t *room, uint64_t *ret,
    struct err *e)
{
	int rc = 0;

	while (*room > 0 && (rc = sql_next(s, st, e)) == 1) {
		*room -= sqlite3_column_int64(st, 0);
		++*ret;
	}
	sqlite3_reset(st);
	return (rc < 0 ? rc : 0);
}

/* What goes for the store's size, in the steps' order, after what goes for its
 * time. */
static int
count_early(struct store *s, const struct prune_cut *cut, int64_t gone_before,
    int64_t room, struct prune_count *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if ((rc = sql_bound(s, e, &st,
		 "SELECT length(w.answer) FROM actions a"
		 " JOIN answers w ON w.action = a.n"
		 " WHERE a.expire_after >= ? AND a.expire_after < ?"
		 " ORDER BY a.expire_after",
		 "ii", gone_before, cut->now)) != 0 ||
	    (rc = count_rows(s, st, &room, &ret->early_answers, e)) != 0)
		return (rc);
	if ((rc = sql_bound(s, e, &st,
		 "SELECT length(d.envelope) + a.expected * ? FROM actions a"
		 " JOIN documents d ON d.n = a.n"
		 " WHERE a.expire_after >= ? AND a.expire_after < ?"
		 " ORDER BY a.expire_after",
		 "iii", (int64_t)EXPECTED_BYTES, cut->actions_before,
		 cut->now - LATE_SECONDS)) != 0)
		return (rc);
	rc = count_rows(s, st, &room, &ret->early_actions, e);
	ret->over = room > 0;
	return (rc);
}

int
store_prune_count(struct store *s, const struct prune_cut *cut,
    struct prune_count *ret, struct err *e)
{
	int64_t actions = smaller(cut->actions_before, cut->now);
	int64_t answers = smaller(cut->results_before, cut->now);
	struct prune_count count = { 0 };
	struct store_size size = { 0 };
	int64_t room, n = 0, bytes = 0;
	int rc;

	if (answers < actions) /* they go with their action */
		answers = actions;
	if ((rc = store_size(s, &size, e)) != 0 ||
	    (rc = sql_get(s, e, &n,
		 "SELECT COUNT(*) FROM actions a JOIN answers w"
		 " ON w.action = a.n WHERE a.expire_after < ?",
		 "i", answers)) != 0)
		return (rc);
	count.answers = (uint64_t)n;
	if ((rc = sql_get(s, e, &n,
		 "SELECT COUNT(*) FROM actions WHERE expire_after < ?", "i",
		 actions)) != 0)
		return (rc);
	count.actions = (uint64_t)n;
	if ((room = bytes_over(&size, cut)) > 0 &&
	    (rc = sql_get(s, e, &bytes,
		 "SELECT TOTAL(length(w.answer)) FROM actions a JOIN answers w"
		 " ON w.action = a.n WHERE a.expire_after < ?",
		 "i", answers)) == 0 &&
	    room > bytes)
		rc = count_early(s, cut, answers, room - bytes, &count, e);
	if (rc == 0)
		*ret = count;
	return (rc);
}

/* --- the file ----------------------------------------------------------- */

int
store_shrink(struct store *s, int pages, bool *ret_more, struct err *e)
{
	int64_t all, unused;
	char sql[64];
	int rc;

	*ret_more = false;
	if ((rc = pragma_number(s, "PRAGMA page_count", &all, e)) != 0 ||
	    (rc = pragma_number(s, "PRAGMA freelist_count", &unused, e)) != 0)
		return (rc);
	if (unused < SHRINK_MIN || unused < all / SHRINK_PART)
		return (0);
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", pages);
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return (sql_error(s, sql, e));
	unused -= pages;
	*ret_more =
	    unused >= SHRINK_MIN && unused >= (all - pages) / SHRINK_PART;
	return (0);
}

int
store_vacuum(struct store *s, struct err *e)
{
	if (sqlite3_exec(s->db,
		"PRAGMA auto_vacuum = INCREMENTAL; VACUUM;"
		" PRAGMA wal_checkpoint(TRUNCATE)",
		NULL, NULL, NULL) != SQLITE_OK)
		return (sql_error(s, "VACUUM", e));
	return (0);
}

void
store_interruptible(struct store *s, int (*stops)(void *arg))
{
	sqlite3_progress_handler(s->db, PROGRESS_STEPS, stops, NULL);
}

/* A page that could not be read is among its words, and damage only when the
 * code (SQLITE_CORRUPT, 11) says so. */
static int
not_ok(const char *text, struct err *e)
{
	const char *no_memory = strstr(text, "error code=7");

	if (strstr(text, "get the page") != NULL &&
	    strstr(text, "error code=11") == NULL)
		return (err_set(e,
		    no_memory != NULL && !isdigit((unsigned char)no_memory[12])
			? ERR_NOMEM
			: ERR_IO,
		    "the store could not be checked, as memory ran out or the"
		    " disk does not read: %s",
		    text));
	return (err_set(e, ERR_IO, "the store is damaged: %s", text));
}

int
store_quick_check(struct store *s, struct err *e)
{
	sqlite3_stmt *st;
	const char *text;
	int rc;

	if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) !=
	    SQLITE_OK)
		return (sql_error(s, "quick_check", e));
	if (sqlite3_step(st) != SQLITE_ROW) {
		rc = sql_error(s, "quick_check", e);
	} else {
		text = sql_text(st, 0);
		rc = strcmp(text, "ok") == 0 ? 0 : not_ok(text, e);
	}
	sqlite3_finalize(st);
	return (rc);
}

int
store_schema_of(struct store *s, int *ret, struct err *e)
{
	int64_t v;
	int rc = pragma_number(s, "PRAGMA user_version", &v, e);

	if (rc == 0)
		*ret = (int)v;
	return (rc);
}

int
store_copy(struct store *s, const char *path, struct err *e)
{
	sqlite3_stmt *st;
	int rc = 0;

	if (sqlite3_prepare_v2(s->db, "VACUUM INTO ?", -1, &st, NULL) !=
	    SQLITE_OK)
		return (sql_error(s, "VACUUM INTO", e));
	if (sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE)
		rc = sql_error(s, "a copy of the store", e);
	if (rc == ERR_FULL)
		rc = err_set(e, ERR_FULL, "no room for a copy of the store");
	sqlite3_finalize(st);
	return (rc != 0 ? err_wrap(e, "%s", path) : 0);
}

int64_t
store_answers_by(struct store *s, int status)
{
	switch (status) {
	case 1:
		return (sql_number(s, 0, "SELECT SUM(done) FROM actions", ""));
	case 2:
		return (
		    sql_number(s, 0, "SELECT SUM(refused) FROM actions", ""));
	default:
		return (
		    sql_number(s, 0, "SELECT SUM(stopped) FROM actions", ""));
	}
}
