/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The SQLite back end's connection: opening, migration, transactions and
 * prepared statements. WAL, so readers and the writer do not wait for one
 * another; synchronous=FULL, because an agent forgets what was acknowledged:
 * one sync a commit, and the writer commits in groups.
 */
#include "server/store/sql.h"

#include "server/store/people.h"

#include "base/err.h"
#include "base/hex.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000

/* What people can do about it; the statement helps them only where the mistake
 * is ours. */
static const struct {
	int code, err;
	const char *text;
} conditions[] = {
	{ SQLITE_BUSY, ERR_BUSY, "locked by another program: try again" },
	{ SQLITE_LOCKED, ERR_BUSY, "locked by another program: try again" },
	{ SQLITE_FULL, ERR_FULL,
	    "its disk is full: free room there, it goes on by itself" },
	{ SQLITE_IOERR, ERR_IO, "its files cannot be read or written" },
	{ SQLITE_CANTOPEN, ERR_IO, "its files cannot be opened" },
	{ SQLITE_READONLY, ERR_IO, "its files cannot be written" },
	{ SQLITE_CORRUPT, ERR_IO, "damaged: restore a backup" },
	{ SQLITE_NOTADB, ERR_IO, "damaged: restore a backup" },
	{ SQLITE_NOMEM, ERR_NOMEM, "out of memory" },
	{ SQLITE_INTERRUPT, ERR_CLOSED, "stopped by a signal" },
};

int
sql_error(struct store *s, const char *what, struct err *e)
{
	int code = sqlite3_errcode(s->db) & 0xff;
	int no = sqlite3_system_errno(s->db);
	size_t i;

	if (code == SQLITE_IOERR && (no == ENOSPC || no == EDQUOT))
		code = SQLITE_FULL;
	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (conditions[i].code == code)
			return (err_set(e, conditions[i].err, "store: %s (%s)",
			    conditions[i].text, sqlite3_errmsg(s->db)));
	return (
	    err_set(e, code == SQLITE_CONSTRAINT ? ERR_EXISTS : ERR_INTERNAL,
		"store: %s: %s", what, sqlite3_errmsg(s->db)));
}

sqlite3_stmt *
sql_prepare(struct store *s, const char *sql, struct err *e)
{
	size_t i, slot = ((uintptr_t)sql >> 3) % SQL_STATEMENTS_MAX;

	for (i = 0; i < SQL_STATEMENTS_MAX; i++) {
		size_t at = (slot + i) % SQL_STATEMENTS_MAX;

		if (s->cache[at].sql == sql) {
			sqlite3_reset(s->cache[at].stmt);
			return (s->cache[at].stmt);
		}
		if (s->cache[at].sql != NULL)
			continue;
		if (sqlite3_prepare_v3(s->db, sql, -1,
			SQLITE_PREPARE_PERSISTENT, &s->cache[at].stmt,
			NULL) != SQLITE_OK) {
			sql_error(s, sql, e);
			return (NULL);
		}
		s->cache[at].sql = sql;
		return (s->cache[at].stmt);
	}
	err_bug(__FILE__, __LINE__, "statement cache full");
}

static int
bind_all(struct store *s, sqlite3_stmt *st, const char *fmt, va_list ap,
    struct err *e)
{
	const void *p;
	size_t len;
	int i, rc = SQLITE_OK;

	for (i = 1; *fmt != '\0' && rc == SQLITE_OK; fmt++, i++) {
		switch (*fmt) {
		case 'i':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(
			    st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			len = va_arg(ap, size_t);
			rc = p == NULL
			    ? sqlite3_bind_null(st, i)
			    : sqlite3_bind_blob64(st, i, p, len, SQLITE_STATIC);
			break;
		case 'd':
			rc = sqlite3_bind_blob(st, i,
			    va_arg(ap, const struct id *)->b, ID_LEN,
			    SQLITE_STATIC);
			break;
		default:
			err_bug(__FILE__, __LINE__, "bind format");
		}
	}
	return (rc == SQLITE_OK ? 0 : sql_error(s, "bind", e));
}

/* The reason: it decides whether what was to be written is tried again. */
static int
prepare_failed(struct store *s, const char *sql)
{
	return (sql_error(s, sql, NULL));
}

int
sql_bound(struct store *s, struct err *e, sqlite3_stmt **ret, const char *sql,
    const char *fmt, ...)
{
	va_list ap;
	int rc;

	if ((*ret = sql_prepare(s, sql, e)) == NULL)
		return (prepare_failed(s, sql));
	va_start(ap, fmt);
	rc = bind_all(s, *ret, fmt, ap, e);
	va_end(ap);
	return (rc);
}

int
sql_next(struct store *s, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return (1);
	if (rc == SQLITE_DONE)
		rc = 0;
	else
		rc = sql_error(s, sqlite3_sql(st), e);
	sqlite3_reset(st);
	return (rc);
}

int
sql_run(struct store *s, struct err *e, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	if ((st = sql_prepare(s, sql, e)) == NULL)
		return (prepare_failed(s, sql));
	va_start(ap, fmt);
	rc = bind_all(s, st, fmt, ap, e);
	va_end(ap);
	if (rc != 0)
		return (rc);
	rc = sql_next(s, st, e);
	if (rc > 0) {
		sqlite3_reset(st);
		rc = 0;
	}
	return (rc);
}

int
sql_row(struct store *s, struct err *e, sqlite3_stmt **ret, const char *sql,
    const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	if ((st = sql_prepare(s, sql, e)) == NULL)
		return (prepare_failed(s, sql));
	va_start(ap, fmt);
	rc = bind_all(s, st, fmt, ap, e);
	va_end(ap);
	if (rc != 0)
		return (rc);
	rc = sql_next(s, st, e);
	if (rc == 0)
		return (err_set(e, ERR_NOTFOUND, "not found"));
	if (rc < 0)
		return (rc);
	*ret = st;
	return (0);
}

int
sql_get(struct store *s, struct err *e, int64_t *ret, const char *sql,
    const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	if ((st = sql_prepare(s, sql, e)) == NULL)
		return (prepare_failed(s, sql));
	va_start(ap, fmt);
	rc = bind_all(s, st, fmt, ap, e);
	va_end(ap);
	if (rc != 0 || (rc = sql_next(s, st, e)) <= 0)
		return (rc);
	*ret = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return (0);
}

int64_t
sql_number(struct store *s, int64_t def, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	if ((st = sql_prepare(s, sql, NULL)) == NULL)
		return (def);
	va_start(ap, fmt);
	rc = bind_all(s, st, fmt, ap, NULL);
	va_end(ap);
	if (rc == 0 && sql_next(s, st, NULL) == 1) {
		def = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	}
	return (def);
}

int
sql_read(struct store *s, struct err *e)
{
	if ((sqlite3_errcode(s->db) & 0xff) != SQLITE_NOMEM)
		return (0);
	return (sql_error(s, "reading a row", e));
}

const char *
sql_text(sqlite3_stmt *st, int col)
{
	const unsigned char *t = sqlite3_column_text(st, col);

	return (t == NULL ? "" : (const char *)t);
}

const uint8_t *
sql_blob(sqlite3_stmt *st, int col, size_t *ret_len)
{
	const uint8_t *p = sqlite3_column_blob(st, col);

	*ret_len = p == NULL ? 0 : (size_t)sqlite3_column_bytes(st, col);
	return (p);
}

void
sql_id(sqlite3_stmt *st, int col, struct id *ret)
{
	size_t len;
	const uint8_t *p = sql_blob(st, col, &len);

	memset(ret, 0, sizeof(*ret));
	if (len == ID_LEN)
		memcpy(ret->b, p, ID_LEN);
}

static int
exec(struct store *s, const char *sql, struct err *e)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return (sql_error(s, sql, e));
	return (0);
}

static int
user_version(struct store *s, int *ret, struct err *e)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL) !=
	    SQLITE_OK)
		return (sql_error(s, "read the schema's version", e));
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_finalize(st);
		return (sql_error(s, "read the schema's version", e));
	}
	*ret = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return (0);
}

/* Two programs may open a new store at once: the version is read again under
 * the write lock. */
static int
migrate(struct store *s, struct err *e)
{
	char pragma[64];
	int rc, v;

	if ((rc = exec(s, "BEGIN IMMEDIATE", e)) != 0)
		return (rc);
	if ((rc = user_version(s, &v, e)) != 0)
		goto out;
	for (; v < store_schema_version; v++) {
		if ((rc = exec(s, store_schema[v], e)) != 0)
			goto out;
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", v);
	if ((rc = exec(s, pragma, e)) != 0)
		goto out;
	rc = exec(s, "COMMIT", e);
out:
	if (rc != 0)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return (rc);
}

/* Never begun anew in silence: all actions and agents would be gone. */
static int
check_filled(struct store *s, struct err *e)
{
	int rc, v;

	if ((rc = user_version(s, &v, e)) != 0 || v > 0)
		return (rc);
	return (err_set(e, ERR_INVALID,
	    "the store is empty or damaged: restore it from a backup"
	    " ('mig-server init' makes the first one)"));
}

static int
check_version(struct store *s, struct err *e)
{
	int rc, v;

	if ((rc = user_version(s, &v, e)) != 0)
		return (rc);
	if (v > store_schema_version)
		return (err_set(e, ERR_UNSUPPORTED,
		    "the store has schema version %d, this program knows up to"
		    " %d: use a newer mig-server",
		    v, store_schema_version));
	if (v == store_schema_version)
		return (0);
	if (s->mode == STORE_READ)
		return (err_set(e, ERR_EXPIRED,
		    "the store has schema version %d, expected %d: the server"
		    " brings it up when it starts",
		    v, store_schema_version));
	return (migrate(s, e));
}

static bool
is_link(const char *path)
{
	struct stat st;

	return (lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
}

int
store_open(
    const char *path, enum store_mode mode, struct store **ret, struct err *e)
{
	struct store *s;
	int flags = SQLITE_OPEN_NOMUTEX, rc;

	if (mode != STORE_WRITE && access(path, F_OK) != 0 && errno == ENOENT)
		return (err_set(e, ERR_NOTFOUND,
		    "%s: there is no store: restore a backup, or run"
		    " `mig-server init` for a new platform",
		    path));
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->mode = mode;
	if (mode == STORE_READ)
		flags |= SQLITE_OPEN_READONLY;
	else
		flags |= SQLITE_OPEN_READWRITE;
	if (mode == STORE_WRITE)
		flags |= SQLITE_OPEN_CREATE;
	if (sqlite3_open_v2(path, &s->db, flags, store_vfs()) != SQLITE_OK) {
		if (s->db == NULL)
			rc = err_set(e, ERR_NOMEM, "out of memory");
		else if (is_link(path))
			rc = err_set(e, ERR_INVALID,
			    "%s: a link; the store is a file (its directory"
			    " may be a link)",
			    path);
		else
			rc = sql_error(s, path, e);
		goto out;
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	/* SQLite would go on without ever trying to write again. */
	if (mode != STORE_READ && sqlite3_db_readonly(s->db, "main") == 1) {
		rc = err_set(e, ERR_IO,
		    "store: its files cannot be written: is the disk mounted"
		    " read-only, or the file another user's?");
		goto out;
	}
	if ((rc = exec(s, "PRAGMA temp_store = MEMORY", e)) != 0)
		goto out;
	/* Before anything is written: what is damaged stays as it is. */
	if (mode != STORE_WRITE && (rc = check_filled(s, e)) != 0)
		goto out;
	/* A mode of the file: setting it writes, and a full disk has no room
	 * for what is so already. */
	if (mode == STORE_WRITE &&
	    (rc = exec(s, "PRAGMA auto_vacuum = INCREMENTAL", e)) != 0)
		goto out;
	if (mode != STORE_READ &&
	    (rc = exec(s,
		 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		 " PRAGMA wal_autocheckpoint = 4000;"
		 " PRAGMA journal_size_limit = 67108864",
		 e)) != 0)
		goto out;
	rc = check_version(s, e);
out:
	if (rc != 0) {
		err_wrap(e, "%s", path);
		store_close(s);
		return (rc);
	}
	*ret = s;
	return (0);
}

void
store_close(struct store *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < SQL_STATEMENTS_MAX; i++)
		sqlite3_finalize(s->cache[i].stmt);
	sqlite3_close(s->db);
	free(s);
}

int
store_begin(struct store *s, struct err *e)
{
	return (sql_run(s, e, "BEGIN IMMEDIATE", ""));
}

int
store_commit(struct store *s, struct err *e)
{
	return (sql_run(s, e, "COMMIT", ""));
}

void
store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		sql_run(s, NULL, "ROLLBACK", "");
}

bool
store_is_open(const struct store *s)
{
	return (!sqlite3_get_autocommit(s->db));
}

int64_t
store_changes(const struct store *s)
{
	return (sqlite3_total_changes64(s->db));
}

int
store_mark(struct store *s, struct err *e)
{
	return (sql_run(s, e, "SAVEPOINT mark", ""));
}

int
store_mark_end(struct store *s, bool keep, struct err *e)
{
	int rc;

	if (!keep && (rc = sql_run(s, e, "ROLLBACK TO mark", "")) != 0)
		return (rc);
	return (sql_run(s, e, "RELEASE mark", ""));
}

void
store_checkpoint(struct store *s)
{
	sqlite3_wal_checkpoint_v2(
	    s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

int
store_meta_get(struct store *s, const char *key, struct buf *out, struct err *e)
{
	sqlite3_stmt *st;
	const uint8_t *p;
	size_t len;
	int rc;

	rc = sql_row(
	    s, e, &st, "SELECT value FROM meta WHERE key = ?", "t", key);
	if (rc != 0)
		return (rc);
	p = sql_blob(st, 0, &len);
	if ((rc = buf_add(out, p, len)) != 0)
		err_code(e, rc, "store: %s", key);
	sqlite3_reset(st);
	return (rc);
}

int
store_meta_set(struct store *s, const char *key, const void *value, size_t len,
    struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO meta (key, value) VALUES (?, ?)"
	    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	    "tb", key, value, len));
}

int64_t
store_investigators_revision(struct store *s)
{
	return (sql_number(s, 0,
	    "SELECT CAST(value AS INTEGER) FROM meta"
	    " WHERE key = 'investigators'",
	    ""));
}

/* --- ids that were shortened ---------------------------------------------- */

/* The range of ids that begin with these digits: padded with 0 and with f. */
static int
prefix_range(const char *prefix, struct id *lo, struct id *hi, struct err *e)
{
	char text[ID_HEX_LEN + 1];
	size_t len = strlen(prefix);

	if (len < 8 || len > ID_HEX_LEN ||
	    strspn(prefix, "0123456789abcdefABCDEF") != len)
		return (err_set(e, ERR_INVALID,
		    "an id is 8 to 64 hex digits, not '%.80s'", prefix));
	memset(text, '0', ID_HEX_LEN);
	text[ID_HEX_LEN] = '\0';
	memcpy(text, prefix, len);
	hex_decode(text, lo->b, ID_LEN);
	memset(text + len, 'f', ID_HEX_LEN - len);
	hex_decode(text, hi->b, ID_LEN);
	return (0);
}

int
sql_find(struct store *s, const char *sql, const char *prefix, const char *what,
    struct id *ret, struct err *e)
{
	struct id lo, hi, found;
	sqlite3_stmt *st;
	int rc, n = 0;

	if ((rc = prefix_range(prefix, &lo, &hi, e)) != 0 ||
	    (rc = sql_bound(s, e, &st, sql, "dd", &lo, &hi)) != 0)
		return (rc);
	while ((rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 0, &found);
		n++;
	}
	if (rc != 0)
		return (rc);
	if (n == 0)
		return (err_set(e, ERR_NOTFOUND, "no %s %s", what, prefix));
	if (n > 1)
		return (err_set(e, ERR_INVALID,
		    "several %ss begin with %s: give more digits", what,
		    prefix));
	*ret = found;
	return (0);
}
