/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Targets over SQLite: one table of one row in memory. The row is written by
 * one prepared UPDATE, the condition is one prepared SELECT; everything else
 * is refused by the authorizer and by SQLite's own limits.
 */
#include "target/target.h"

#include "base/buf.h"
#include "base/err.h"
#include "target/functions.h"
#include "target/rewrite.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENGINE_HEAP (16L * 1024 * 1024)
#define ENGINE_STEPS 1000 /* virtual machine steps between two looks */
#define ENGINE_LOOKS 100  /* looks that one match may take */
#define ENGINE_COLUMNS 10
/* Small pieces of memory that SQLite makes and touches at once (48 kB if
 * nobody says so): bytes of one, how many. */
#define ENGINE_PIECE 256
#define ENGINE_PIECES 32
#define ENGINE_SQL_MAX (4 * TARGET_CONDITION_MAX)

struct target_engine {
	sqlite3 *db;
	sqlite3_stmt *update;
	bool guarded;         /* false only while the engine is being made */
	unsigned int looks;   /* of the running statement */
	unsigned int selects; /* seen by the authorizer in one prepare */
	unsigned int targets; /* alive */
};

struct target {
	struct target_engine *engine; /* borrowed */
	sqlite3_stmt *select;         /* NULL: every endpoint */
};

static bool
name_listed(const char *name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcasecmp(name, *list) == 0)
			return true;
	}
	return false;
}

static bool
function_allowed(const char *name)
{
	/* the operators' functions beside the ones a condition may call */
	return name_listed(name, target_functions) || strcmp(name, "->") == 0 ||
	    strcmp(name, "->>") == 0 || strcasecmp(name, "regexp") == 0;
}

static bool
read_allowed(const char *table, const char *column, const char *schema)
{
	if (table == NULL || strcmp(table, TARGET_TABLE) != 0 || column == NULL)
		return false;
	/* no column is read: SQLite does not name the schema then */
	if (column[0] == '\0')
		return schema == NULL || strcmp(schema, "main") == 0;
	return schema != NULL && strcmp(schema, "main") == 0 &&
	    name_listed(column, target_columns);
}

static int
authorize(void *arg, int action, const char *a, const char *b,
    const char *schema, const char *trigger)
{
	struct target_engine *t = arg;

	if (!t->guarded)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_SELECT:
		return t->selects++ == 0 ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_READ:
		return read_allowed(a, b, schema) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_FUNCTION:
		return b != NULL && function_allowed(b) ? SQLITE_OK
							: SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static int
progress(void *arg)
{
	struct target_engine *t = arg;

	return t->guarded && ++t->looks > ENGINE_LOOKS;
}

static void
set_limits(sqlite3 *db)
{
	static const struct {
		int id, value;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, 256 * 1024 },
		{ SQLITE_LIMIT_SQL_LENGTH, ENGINE_SQL_MAX },
		{ SQLITE_LIMIT_COLUMN, 16 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 500 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 1 },
		{ SQLITE_LIMIT_VDBE_OP, 25000 },
		{ SQLITE_LIMIT_FUNCTION_ARG, 16 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1024 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, ENGINE_COLUMNS },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 0 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		sqlite3_limit(db, limits[i].id, limits[i].value);
}

static int
set_config(sqlite3 *db, struct err *e)
{
	static const struct {
		int id, value;
	} config[] = {
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
	};
	size_t i;
	int is;

	for (i = 0; i < sizeof(config) / sizeof(config[0]); i++) {
		if (sqlite3_db_config(db, config[i].id, config[i].value, &is) !=
			SQLITE_OK ||
		    is != config[i].value)
			return err_set(e, ERR_UNSUPPORTED,
			    "target: this SQLite (%s) lacks a setting",
			    sqlite3_libversion());
	}
	return 0;
}

static int
engine_exec(struct target_engine *t, const char *sql, struct err *e)
{
	if (sqlite3_exec(t->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return err_set(e, ERR_UNSUPPORTED, "target: SQLite: %s",
		    sqlite3_errmsg(t->db));
	return 0;
}

/* What the rest relies on must be so in this SQLite. */
static int
engine_check(struct target_engine *t, struct err *e)
{
	static const char sql[] =
	    "SELECT 'a' LIKE 'A' OR NOT 'a' LIKE 'a' OR "
	    "NOT 'ab' REGEXP 'A%' OR '{\"n\":1}'->>'n' IS NOT '1'";
	sqlite3_stmt *s = NULL;
	int bad = 1;

	if (sqlite3_prepare_v2(t->db, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		bad = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	if (bad)
		return err_set(e, ERR_UNSUPPORTED,
		    "target: this SQLite (%s) does not compare as expected",
		    sqlite3_libversion());
	return 0;
}

static int
engine_fill(struct target_engine *t, struct err *e)
{
	int rc;

	rc = engine_exec(t,
	    "PRAGMA journal_mode=OFF; PRAGMA temp_store=MEMORY; "
	    "PRAGMA case_sensitive_like=ON; "
	    "CREATE TABLE t (id TEXT, name TEXT, os TEXT, arch TEXT, "
	    "ident TEXT, version TEXT, mode TEXT, environment TEXT, "
	    "tags TEXT, addresses TEXT); INSERT INTO t (id) VALUES ('')",
	    e);
	if (rc != 0)
		return rc;
	if (sqlite3_prepare_v3(t->db,
		"UPDATE t SET id=?1, name=?2, os=?3, arch=?4, ident=?5, "
		"version=?6, mode=?7, environment=?8, tags=?9, addresses=?10",
		-1, SQLITE_PREPARE_PERSISTENT, &t->update, NULL) != SQLITE_OK)
		return err_set(e, ERR_UNSUPPORTED, "target: SQLite: %s",
		    sqlite3_errmsg(t->db));
	return engine_check(t, e);
}

struct target_engine *
target_engine_new(long memory, struct err *e)
{
	static bool heap_set;
	struct target_engine *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL) {
		err_set(e, ERR_NOMEM, "target: out of memory");
		return NULL;
	}
	if (!heap_set && memory >= 0)
		sqlite3_hard_heap_limit64(memory == 0 ? ENGINE_HEAP : memory);
	heap_set = true;
	if (sqlite3_open_v2(":memory:", &t->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK) {
		err_set(e, ERR_NOMEM, "target: SQLite: %s",
		    t->db == NULL ? "out of memory" : sqlite3_errmsg(t->db));
		goto fail;
	}
	sqlite3_db_config(t->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, ENGINE_PIECE,
	    ENGINE_PIECES);
	sqlite3_set_authorizer(t->db, authorize, t);
	sqlite3_progress_handler(t->db, ENGINE_STEPS, progress, t);
	rc = set_config(t->db, e);
	if (rc == 0)
		rc = target_functions_add(t->db, e);
	if (rc == 0)
		rc = engine_fill(t, e);
	if (rc != 0)
		goto fail;
	set_limits(t->db);
	t->guarded = true;
	return t;
fail:
	target_engine_free(t);
	return NULL;
}

void
target_engine_free(struct target_engine *t)
{
	if (t == NULL)
		return;
	BUG_ON(t->targets > 0);
	sqlite3_finalize(t->update);
	sqlite3_close(t->db);
	free(t);
}

/* SQLite's message of a failed prepare or step, with its code as ours. */
static int
engine_error(struct target_engine *t, int rc, struct err *e)
{
	switch (rc) {
	case SQLITE_NOMEM:
		return err_set(e, ERR_NOMEM, "target: needs too much memory");
	case SQLITE_INTERRUPT:
		return err_set(
		    e, ERR_INVALID, "target: takes too long to evaluate");
	case SQLITE_AUTH:
		return err_set(e, ERR_INVALID,
		    "target: uses what is not allowed in a condition (%s)",
		    sqlite3_errmsg(t->db));
	default:
		return err_set(
		    e, ERR_INVALID, "target: %s", sqlite3_errmsg(t->db));
	}
}

static int
prepare_select(
    struct target_engine *t, struct buf *sql, sqlite3_stmt **ret, struct err *e)
{
	const char *text = buf_str(sql), *tail = NULL;
	sqlite3_stmt *s = NULL;
	int rc;

	if (text == NULL)
		return err_set(
		    e, sql->error, "target: %s", err_text(sql->error));
	t->selects = 0;
	t->looks = 0;
	rc = sqlite3_prepare_v3(t->db, text, (int)sql->len + 1,
	    SQLITE_PREPARE_PERSISTENT, &s, &tail);
	if (rc != SQLITE_OK)
		return engine_error(t, rc, e);
	if (s == NULL || (tail != NULL && *tail != '\0') ||
	    sqlite3_column_count(s) != 1 || !sqlite3_stmt_readonly(s) ||
	    sqlite3_bind_parameter_count(s) != 0) {
		sqlite3_finalize(s);
		return err_set(e, ERR_INVALID, "target: not one condition");
	}
	*ret = s;
	return 0;
}

static int
prepare_condition(struct target_engine *t, const char *condition,
    sqlite3_stmt **ret, struct err *e)
{
	struct buf sql;
	int rc;

	buf_init(&sql, ENGINE_SQL_MAX);
	buf_add_str(&sql, "SELECT (");
	rc = target_rewrite(condition, &sql, e);
	buf_add_str(&sql, ") FROM " TARGET_TABLE);
	if (rc == 0)
		rc = prepare_select(t, &sql, ret, e);
	buf_release(&sql);
	return rc;
}

int
target_prepare(struct target_engine *t, const char *condition,
    struct target **ret, struct err *e)
{
	struct target *new = calloc(1, sizeof(*new));
	int rc;

	if (new == NULL)
		return err_set(e, ERR_NOMEM, "target: out of memory");
	rc = target_is_all(condition)
	    ? 0
	    : prepare_condition(t, condition, &new->select, e);
	if (rc != 0) {
		free(new);
		return rc;
	}
	new->engine = t;
	t->targets++;
	*ret = new;
	return 0;
}

void
target_free(struct target *t)
{
	if (t == NULL)
		return;
	sqlite3_finalize(t->select);
	t->engine->targets--;
	free(t);
}

static int
write_row(struct target_engine *t, const struct target_row *row, struct err *e)
{
	const char *const values[ENGINE_COLUMNS] = { row->id, row->name,
		row->os, row->arch, row->ident, row->version, row->mode,
		row->environment, row->tags, row->addresses };
	int i, rc = SQLITE_OK;

	for (i = 0; i < ENGINE_COLUMNS && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_text(
		    t->update, i + 1, values[i], -1, SQLITE_STATIC);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(t->update);
		sqlite3_reset(t->update);
	}
	sqlite3_clear_bindings(t->update);
	if (rc != SQLITE_DONE)
		return engine_error(t, rc, e);
	return 0;
}

static int
read_verdict(sqlite3_stmt *s, bool *ret, struct err *e)
{
	switch (sqlite3_column_type(s, 0)) {
	case SQLITE_INTEGER:
		*ret = sqlite3_column_int64(s, 0) != 0;
		return 0;
	case SQLITE_NULL:
		return err_set(e, ERR_INVALID,
		    "target: evaluates to NULL (a field that is not there?)");
	default:
		return err_set(e, ERR_INVALID,
		    "target: gives a value, expected a condition that is true "
		    "or false");
	}
}

int
target_match(
    struct target *t, const struct target_row *row, bool *ret, struct err *e)
{
	int rc;

	if (t->select == NULL) {
		*ret = true;
		return 0;
	}
	t->engine->looks = 0;
	rc = write_row(t->engine, row, e);
	if (rc != 0)
		return rc;
	rc = sqlite3_step(t->select);
	if (rc == SQLITE_ROW)
		rc = read_verdict(t->select, ret, e);
	else
		rc = engine_error(t->engine, rc, e);
	sqlite3_reset(t->select);
	return rc;
}
