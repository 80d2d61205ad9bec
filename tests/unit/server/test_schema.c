/* SPDX-License-Identifier: MPL-2.0 */
/* A store of any earlier version is brought to this one: the schema is that of
 * a new store, the rows are what they were, and all of it or nothing is done.
 */
#include "server/store/actions.h"
#include "server/store/sql.h"
#include "server/store/store.h"
#include "server/store/upkeep.h"

#include "storetest.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#define TEXT_MAX 65536
#define LATEST 1000

/* What a program of such a version wrote. */
static const struct {
	int from, until; /* versions */
	const char *sql;
} rows[] = {
	{ 1, LATEST, "INSERT INTO meta VALUES ('instance', x'0102')" },
	{ 1, 3,
	    "INSERT INTO investigators (fpr, name, admin, keyring, created)"
	    " VALUES ('f1', 'Ann', 0, 'k1', 1), ('f2', 'Bea', 1, 'k2', 2)" },
	{ 4, LATEST,
	    "INSERT INTO investigators (fpr, name, role, keyring, created)"
	    " VALUES ('f1', 'Ann', 2, 'k1', 1), ('f2', 'Bea', 3, 'k2', 2)" },
	{ 1, LATEST, "INSERT INTO sessions VALUES (x'aa', 'f1', 1, 2)" },
	{ 1, LATEST, "INSERT INTO tokens VALUES (x'bb', 5, 1, 2)" },
	{ 1, LATEST,
	    "INSERT INTO policies (hash, version, created, text)"
	    " VALUES (x'cc', 7, 1, x'70')" },
	{ 1, LATEST,
	    "INSERT INTO agents (n, id, name, enrolled, lastseen)"
	    " VALUES (3, zeroblob(32), 'a3', 1, 44)" },
	{ 1, LATEST,
	    "INSERT INTO hellos VALUES (3, 'linux', 'amd64', 'i', 'v', 'm',"
	    " '{}', '{\"a\":1}', '[]', x'68')" },
	{ 1, LATEST,
	    "INSERT INTO actions (n, id, name, online_only, created,"
	    " valid_from, expire_after, expected, sent, answered, done,"
	    " investigators) VALUES (9, zeroblob(32), 'x', 0, 1, 10, 100, 1,"
	    " 1, 1, 1, '[]')" },
	{ 1, LATEST, "INSERT INTO documents VALUES (9, 'all', x'656e76')" },
	{ 1, LATEST, "INSERT INTO expected VALUES (9, 3, 2, 1, 0, x'dd')" },
	{ 1, LATEST,
	    "INSERT INTO answers (cursor, action, agent, received, status,"
	    " reason, different, answer) VALUES (12, 9, 3, 7, 1, 0, 0,"
	    " x'616e73776572')" },
	{ 1, LATEST, "INSERT INTO events VALUES (20, 1, 'agent', '{}')" },
	{ 3, LATEST, "INSERT INTO certificates VALUES (x'ee', 3, 100)" },
	{ 4, LATEST, "INSERT INTO apikeys VALUES (x'ff', 'k', 1, 2, 3, 'f2')" },
	{ 6, LATEST, "INSERT INTO shares VALUES (9, 'f1', 'f2', 1, x'73')" },
	{ 7, LATEST, "INSERT INTO audit VALUES (1, 2, x'63', 'said')" },
	{ 8, LATEST,
	    "INSERT INTO cancels VALUES (9, zeroblob(32), 1, '[]', 'r',"
	    " x'63')" },
	{ 9, LATEST,
	    "INSERT INTO waiting (action, first, has, needs, missing, bytes,"
	    " expires) VALUES (9, 'f1', 1, 2, 'm', 3, 100)" },
};

/* What is there after it, whatever the version was that had it. */
static const struct {
	int from;
	const char *sql;
	int64_t want;
} after[] = {
	{ 1, "SELECT COUNT(*) FROM meta WHERE value = x'0102'", 1 },
	{ 1, "SELECT role FROM investigators WHERE fpr = 'f1'", 2 },
	{ 1, "SELECT role FROM investigators WHERE fpr = 'f2'", 3 },
	{ 1, "SELECT COUNT(*) FROM investigators WHERE keyring LIKE 'k%'", 2 },
	{ 1, "SELECT expires FROM sessions WHERE hash = x'aa'", 2 },
	{ 1, "SELECT uses FROM tokens WHERE hash = x'bb'", 5 },
	{ 1,
	    "SELECT version FROM policies WHERE hash = x'cc' AND text = x'70'"
	    " AND previous IS NULL AND envelope IS NULL",
	    7 },
	{ 1, "SELECT lastseen FROM agents WHERE n = 3 AND trouble = ''", 44 },
	{ 1, "SELECT COUNT(*) FROM hellos WHERE n = 3 AND hello = x'68'", 1 },
	{ 1, "SELECT done FROM actions WHERE n = 9 AND pruned = 0", 1 },
	{ 1, "SELECT n FROM documents WHERE envelope = x'656e76'", 9 },
	{ 1, "SELECT state FROM expected WHERE action = 9 AND agent = 3", 2 },
	{ 1, "SELECT cursor FROM answers WHERE answer = x'616e73776572'", 12 },
	{ 1, "SELECT cursor FROM events WHERE kind = 'agent'", 20 },
	{ 3, "SELECT ends FROM certificates WHERE serial = x'ee'", 100 },
	{ 4, "SELECT calls FROM apikeys WHERE name = 'k'", 1 },
	{ 6, "SELECT created FROM shares WHERE reader = 'f2'", 1 },
	{ 7, "SELECT time FROM audit WHERE text = 'said'", 2 },
	{ 8, "SELECT action FROM cancels WHERE reason = 'r'", 9 },
	{ 9,
	    "SELECT needs FROM waiting WHERE possible = 1 AND policy = 0"
	    " AND left_out = '[]' AND uncounted = '[]'",
	    2 },
};

static int64_t
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	int64_t n = -1;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return (n);
}

static void
run(sqlite3 *db, const char *sql)
{
	char *error = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
}

/* Every table and index, in words. */
static void
schema_of(sqlite3 *db, char text[static TEXT_MAX])
{
	sqlite3_stmt *st;
	size_t n = 0;

	text[0] = '\0';
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT type, name, tbl_name, sql FROM"
			     " sqlite_master ORDER BY type, name",
			     -1, &st, NULL),
	    SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s %s %s %s\n",
		    sql_text(st, 0), sql_text(st, 1), sql_text(st, 2),
		    sql_text(st, 3));
	sqlite3_finalize(st);
	assert_true(n > 0 && n < TEXT_MAX);
}

/* The fixture's store made anew, as a program of that version left it. */
static void
make_version(struct fixture *f, int version)
{
	char pragma[64];
	sqlite3 *db;
	size_t i;
	int v;

	store_close(f->r);
	store_close(f->w);
	f->r = f->w = NULL;
	remove_store(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	run(db,
	    "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
	    " PRAGMA synchronous = OFF; BEGIN");
	for (v = 0; v < version; v++)
		run(db, store_schema[v]);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].from <= version && version <= rows[i].until)
			run(db, rows[i].sql);
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
	run(db, pragma);
	run(db, "COMMIT");
	sqlite3_close(db);
}

static void
check_rows(sqlite3 *db, int version)
{
	size_t i;

	for (i = 0; i < sizeof(after) / sizeof(after[0]); i++)
		if (after[i].from <= version &&
		    number(db, after[i].sql) != after[i].want)
			fail_msg("of version %d: %s", version, after[i].sql);
}

static void
test_every_version(void **state)
{
	static char fresh[TEXT_MAX], text[TEXT_MAX];
	struct fixture *f = *state;
	struct err e;
	int v;

	schema_of(f->w->db, fresh);
	for (v = 1; v <= store_schema_version; v++) {
		make_version(f, v);
		assert_int_equal(
		    store_open(f->path, STORE_EXISTING, &f->w, &e), 0);
		schema_of(f->w->db, text);
		assert_string_equal(text, fresh);
		assert_int_equal(number(f->w->db, "PRAGMA user_version"),
		    store_schema_version);
		assert_int_equal(store_quick_check(f->w, &e), 0);
		check_rows(f->w->db, v);
		/* and it is read, and once more opened, as any other */
		assert_int_equal(store_open(f->path, STORE_READ, &f->r, &e), 0);
		assert_int_equal(store_agents_total(f->r), 1);
		assert_int_equal(store_actions_total(f->r), 1);
		assert_int_equal(store_answers_total(f->r), 1);
	}
}

/* Its words name both versions, and what it reads stays as it is. */
static void
test_reading_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	char want[64];
	struct err e;
	sqlite3 *db;

	make_version(f, 1);
	snprintf(
	    want, sizeof(want), "version 1, expected %d", store_schema_version);
	assert_int_equal(store_open(f->path, STORE_READ, &s, &e), ERR_EXPIRED);
	assert_non_null(strstr(e.msg, want));
	assert_null(s);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(number(db, "PRAGMA user_version"), 1);
	sqlite3_close(db);
}

/* A step in the middle fails: those before it are taken back. */
static void
test_all_or_nothing(void **state)
{
	static char before[TEXT_MAX], text[TEXT_MAX];
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e;
	sqlite3 *db;

	make_version(f, 2);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	run(db, "CREATE TABLE cancels (in_the_way)");
	schema_of(db, before);
	assert_int_not_equal(store_open(f->path, STORE_EXISTING, &s, &e), 0);
	assert_non_null(strstr(e.msg, "cancels"));
	assert_null(s);
	schema_of(db, text);
	assert_string_equal(text, before);
	assert_int_equal(number(db, "PRAGMA user_version"), 2);
	assert_int_equal(number(db, "SELECT SUM(admin) FROM investigators"), 1);
	/* what was in the way is gone */
	run(db, "DROP TABLE cancels");
	sqlite3_close(db);
	assert_int_equal(store_open(f->path, STORE_EXISTING, &f->w, &e), 0);
	check_rows(f->w->db, 2);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_every_version),
		T(test_reading_changes_nothing),
		T(test_all_or_nothing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
