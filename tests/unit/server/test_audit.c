/* SPDX-License-Identifier: MPL-2.0 */
/* The audit log in the store: its chain, its beginning, its end by age. */
#include "server/audit.h"

#include "base/err.h"
#include "json/json.h"
#include "server/store/audit.h"
#include "server/store/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define DAY_MS 86400000

struct fixture {
	char dir[64], path[96];
	struct store *s;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	strcpy(f->dir, "/tmp/mig-test-audit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
	assert_int_equal(store_open(f->path, STORE_WRITE, &f->s, &e), 0);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct fixture *f = *state;
	char path[128];
	size_t i;

	store_close(f->s);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return (0);
}

struct seen {
	struct audit_head at;
	size_t n;
	char last[AUDIT_TEXT_MAX];
};

static int
check(const struct audit_head *head, const void *text, size_t len, void *arg)
{
	struct seen *s = arg;
	json_t *j = json_strict(text, len, AUDIT_TEXT_MAX, NULL);

	assert_non_null(j);
	json_decref(j);
	audit_next(&s->at, text, len);
	assert_int_equal(s->at.n, head->n);
	assert_true(id_equal(&s->at.chain, &head->chain));
	memcpy(s->last, text, len);
	s->last[len] = '\0';
	s->n++;
	return (0);
}

static size_t
walk(struct fixture *f, struct seen *s)
{
	struct audit_head head;

	memset(s, 0, sizeof(*s));
	assert_int_equal(store_audit_floor(f->s, &s->at, NULL), 0);
	assert_int_equal(store_audit(f->s, s->at.n, 100000, check, s, NULL), 0);
	assert_int_equal(store_audit_head(f->s, &head, NULL), 0);
	assert_int_equal(head.n, s->at.n);
	assert_true(id_equal(&head.chain, &s->at.chain));
	return (s->n);
}

static void
add(struct fixture *f, const char *detail, int64_t now)
{
	struct audit_note note = { "aa", "thing", "x", detail };

	assert_int_equal(audit_add(f->s, &note, now, NULL), 0);
}

static void
test_chain(void **state)
{
	struct fixture *f = *state;
	char long_detail[2 * AUDIT_DETAIL_MAX];
	struct audit_note huge = { "aa", "thing", "", long_detail };
	struct seen s;

	assert_int_equal(walk(f, &s), 0);
	add(f, "first", 1000);
	/* the beginning, then the first */
	assert_int_equal(walk(f, &s), 2);
	add(f, "\x1b[2J \xff \xc3\xbc \"quoted\"\n", 2000);
	assert_int_equal(walk(f, &s), 3);
	assert_null(strchr(s.last, '\x1b'));
	assert_non_null(strstr(s.last, "\xc3\xbc"));
	memset(long_detail, '\xff', sizeof(long_detail) - 1);
	long_detail[sizeof(long_detail) - 1] = '\0';
	(void)audit_add(f->s, &huge, 3000, NULL);
	walk(f, &s);
}

/* Two logs that tell the same have other chains. */
static void
test_no_two_alike(void **state)
{
	struct fixture *f = *state;
	struct audit_head one, two;
	void *other = NULL;

	assert_int_equal(setup(&other), 0);
	add(f, "same", 1000);
	add(other, "same", 1000);
	assert_int_equal(store_audit_head(f->s, &one, NULL), 0);
	assert_int_equal(
	    store_audit_head(((struct fixture *)other)->s, &two, NULL), 0);
	assert_int_equal(one.n, two.n);
	assert_false(id_equal(&one.chain, &two.chain));
	teardown(&other);
}

static void
test_age(void **state)
{
	struct fixture *f = *state;
	struct audit_head floor;
	struct seen s;
	int i;

	for (i = 0; i < 40; i++)
		add(f, "entry", (int64_t)i * DAY_MS);
	assert_int_equal(walk(f, &s), 41);
	/* nothing is older than that */
	assert_int_equal(audit_prune(f->s, 40 * 86400, 39LL * DAY_MS, NULL), 0);
	assert_int_equal(walk(f, &s), 41);
	assert_int_equal(audit_prune(f->s, 10 * 86400, 39LL * DAY_MS, NULL), 0);
	assert_int_equal(store_audit_floor(f->s, &floor, NULL), 0);
	/* days 0 to 28 and the beginning are gone, and it is said */
	assert_int_equal(floor.n, 30);
	assert_int_equal(walk(f, &s), 12);
	assert_non_null(strstr(s.last, "log_cut"));
	assert_non_null(strstr(s.last, id_hex(&floor.chain).s));
	/* at once again: not a day over its time */
	assert_int_equal(audit_prune(f->s, 10 * 86400, 39LL * DAY_MS, NULL), 0);
	assert_int_equal(walk(f, &s), 12);
	/* whatever the clock says, the newest stays, and so the chain */
	for (i = 0; i < 5; i++)
		assert_int_equal(
		    audit_prune(f->s, 86400, (int64_t)4000 * DAY_MS, NULL), 0);
	assert_true(walk(f, &s) >= 1);
	add(f, "after", 41LL * DAY_MS);
	walk(f, &s);
	assert_non_null(strstr(s.last, "after"));
}

/* What cannot be told is an error of the store, whatever SQLite calls it. */
static void
test_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct audit_note note = { "aa", "thing", "", "" };
	struct seen s;
	struct err e;
	sqlite3 *db;

	add(f, "before", 1000);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "CREATE TRIGGER t BEFORE INSERT ON audit BEGIN"
			     " SELECT RAISE(ABORT, 'no'); END",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(audit_add(f->s, &note, 2000, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "audit log"));
	assert_int_equal(walk(f, &s), 2);
}

static int
count_steps(void *arg)
{
	++*(int *)arg;
	return (0);
}

/* A piece of a long log is cut off without reading the rest of it. */
static void
test_cutting_a_long_audit_log(void **state)
{
	struct audit_head h = { 0 };
	struct fixture *f = *state;
	int64_t n = 0;
	int steps = 0;
	struct err e;

	assert_int_equal(store_begin(f->s, &e), 0);
	for (h.n = 1; h.n <= 3000; h.n++)
		assert_int_equal(
		    store_audit_put(f->s, &h, h.n <= 2900 ? 1 : 9, "x", &e), 0);
	assert_int_equal(store_commit(f->s, &e), 0);
	sqlite3_progress_handler(f->s->db, 100, count_steps, &steps);
	assert_int_equal(store_audit_prune(f->s, 5, 10, &n, &e), 0);
	sqlite3_progress_handler(f->s->db, 0, NULL, NULL);
	assert_int_equal(n, 10);
	assert_in_range(steps, 0, 10);
	assert_int_equal(store_audit_prune(f->s, 5, 5000, &n, &e), 0);
	assert_int_equal(n, 2890);
	/* the newest stays, however old it is */
	assert_int_equal(store_audit_prune(f->s, 100, 5000, &n, &e), 0);
	assert_int_equal(n, 99);
	assert_int_equal(store_audit_prune(f->s, 100, 5000, &n, &e), 0);
	assert_int_equal(n, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_chain),
		T(test_no_two_alike),
		T(test_age),
		T(test_cutting_a_long_audit_log),
		T(test_cannot_be_written),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
