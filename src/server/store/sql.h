/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of the SQLite store share: a connection with its prepared
 * statements, and binding by a format string. Private to store/.
 */
#ifndef MIG_SERVER_STORE_SQL_H
#define MIG_SERVER_STORE_SQL_H

#include "server/store/store.h"

#include <sqlite3.h>

#define SQL_STATEMENTS_MAX 128 /* power of two */

struct store {
	sqlite3 *db;
	enum store_mode mode;
	struct {
		const char *sql; /* the literal's address is the key */
		sqlite3_stmt *stmt;
	} cache[SQL_STATEMENTS_MAX];
};

/* The file access of the store's connections (vfs.c); NULL: SQLite's own. In
 * the test build one whose calls fail on demand (vfs_fault.c). */
const char *store_vfs(void);

extern const char *const store_schema[];
extern const int store_schema_version;

/* The prepared statement of a string literal, reset; NULL and e on failure. */
sqlite3_stmt *sql_prepare(struct store *s, const char *sql, struct err *e);
/*
 * fmt, one letter a parameter: i int64_t | t const char * | b const void *,
 * size_t | d const struct id *. Values must live until the statement is done.
 */
/* Runs a statement that returns no row. */
int
sql_run(struct store *s, struct err *e, const char *sql, const char *fmt, ...);
/* First row: *ret stands on it and the caller resets it. ERR_NOTFOUND. */
int sql_row(struct store *s, struct err *e, sqlite3_stmt **ret, const char *sql,
    const char *fmt, ...);
/* Prepared and bound, not stepped. */
int sql_bound(struct store *s, struct err *e, sqlite3_stmt **ret,
    const char *sql, const char *fmt, ...);
/* Next row: 1, end: 0 (and reset), failure: ERR_* (and reset). */
int sql_next(struct store *s, sqlite3_stmt *st, struct err *e);
/* One number; *ret stays as it is when there is no row. For whatever
 * decides: a failure must not be taken for "no". */
int sql_get(struct store *s, struct err *e, int64_t *ret, const char *sql,
    const char *fmt, ...);
/* The same for what is only shown: def when there is no row, or it failed. */
int64_t
sql_number(struct store *s, int64_t def, const char *sql, const char *fmt, ...);
int sql_error(struct store *s, const char *what, struct err *e);

/* The one id that begins with 8 or more hex digits. sql: selects ids BETWEEN ?
 * AND ? LIMIT 2; what: a word for messages. ERR_NOTFOUND, or ERR_INVALID when
 * several begin so. */
int sql_find(struct store *s, const char *sql, const char *prefix,
    const char *what, struct id *ret, struct err *e);

/* After a row's columns were read: they are only whole when there was memory
 * for them. Those of sql_text() may be empty otherwise. */
int sql_read(struct store *s, struct err *e);
/* Never NULL. */
const char *sql_text(sqlite3_stmt *st, int col);
/* Zero when the column does not hold 32 bytes. */
void sql_id(sqlite3_stmt *st, int col, struct id *ret);
const uint8_t *sql_blob(sqlite3_stmt *st, int col, size_t *ret_len);

#endif
