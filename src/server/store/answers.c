/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Store: answers. The first answer of an agent to an action counts; the
 * digest in its row of "expected" recognises an equal one without reading the
 * stored bytes.
 */
#include "server/store/sql.h"

#include "server/store/actions.h"

#include "base/err.h"
#include "crypto/sha256.h"

#include <string.h>

static int
insert(struct store *s, const struct store_answer *a, bool different,
    struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO answers (action, agent, received, status, reason,"
	    " different, answer) VALUES (?, ?, ?, ?, ?, ?, ?)",
	    "iiiiiib", a->action, a->agent, a->received, (int64_t)a->status,
	    (int64_t)a->reason, (int64_t)different, a->data, a->len));
}

/* Not the first: equal ones are ignored, a few different ones kept. */
static int
put_again(struct store *s, const struct store_answer *a, bool equal,
    bool *ret_new, struct err *e)
{
	sqlite3_stmt *st;
	const uint8_t *p;
	int64_t n = 0;
	size_t len;
	int rc;

	*ret_new = false;
	if (equal)
		return (0);
	rc = sql_bound(s, e, &st,
	    "SELECT answer FROM answers WHERE action = ? AND agent = ?"
	    " AND different",
	    "ii", a->action, a->agent);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		p = sql_blob(st, 0, &len);
		rc = sql_read(s, e);
		n++;
		if (rc == 0 && len == a->len && memcmp(p, a->data, len) == 0) {
			sqlite3_reset(st);
			return (0);
		}
	}
	if (rc != 0 || n >= STORE_DIFFERENT_MAX)
		return (rc);
	if ((rc = insert(s, a, true, e)) == 0)
		*ret_new = true;
	return (rc);
}

/* The row of "expected": 0 first answer, 1 answered before with this digest,
 * 2 with another; adds the row when there is none. */
static int
claim(struct store *s, const struct store_answer *a, const struct id *hash,
    struct err *e)
{
	struct id old;
	int64_t added = 0;
	sqlite3_stmt *st;
	int rc, state;

	rc = sql_row(s, e, &st,
	    "SELECT state, hash FROM expected WHERE action = ? AND agent = ?",
	    "ii", a->action, a->agent);
	if (rc == 0) {
		state = sqlite3_column_int(st, 0);
		sql_id(st, 1, &old);
		rc = sql_read(s, e);
		sqlite3_reset(st);
		if (rc != 0)
			return (rc);
		if (state == EXPECT_ANSWERED)
			return (id_equal(&old, hash) ? 1 : 2);
		/* one that was not known to be sent proves that it was */
		added = state == EXPECT_WAITING ? 1 : 0;
	} else if (rc == ERR_NOTFOUND) {
		rc = store_expect_add(s, a->action, a->agent, true, e);
		if (rc != 0)
			return (rc);
	} else {
		return (rc);
	}
	rc = sql_run(s, e,
	    "UPDATE expected SET state = 2, status = ?, reason = ?, hash = ?"
	    " WHERE action = ? AND agent = ?",
	    "iidii", (int64_t)a->status, (int64_t)a->reason, hash, a->action,
	    a->agent);
	if (rc == 0 && added != 0)
		rc = sql_run(s, e,
		    "UPDATE actions SET sent = sent + 1 WHERE n = ?", "i",
		    a->action);
	return (rc);
}

int
store_answer_put(
    struct store *s, const struct store_answer *a, bool *ret_new, struct err *e)
{
	struct id hash;
	int64_t there = 0;
	int rc;

	/* Pruned while the answer was on its way: it would come back. */
	rc = sql_get(s, e, &there,
	    "SELECT 1 FROM actions WHERE n = ? AND pruned = 0", "i", a->action);
	if (rc != 0)
		return (rc);
	if (there == 0) {
		*ret_new = false;
		return (0);
	}
	sha256(a->data, a->len, &hash);
	if ((rc = claim(s, a, &hash, e)) != 0)
		return (rc < 0 ? rc : put_again(s, a, rc == 1, ret_new, e));
	if ((rc = insert(s, a, false, e)) != 0)
		return (rc);
	rc = sql_run(s, e,
	    "UPDATE actions SET answered = answered + 1,"
	    " done = done + (?1 = 1), refused = refused + (?1 = 2),"
	    " stopped = stopped + (?1 = 3),"
	    " status = CASE WHEN status = 0 AND answered + 1 >= expected"
	    " THEN 1 ELSE status END WHERE n = ?2",
	    "ii", (int64_t)a->status, a->action);
	if (rc == 0)
		*ret_new = true;
	return (rc);
}

int
store_answers(struct store *s, int64_t action, int64_t after, int limit,
    store_on_answer *fn, void *arg, struct err *e)
{
	struct store_answer a;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT w.cursor, w.agent, a.id, w.received, w.status, w.reason,"
	    " w.different, w.answer FROM answers w JOIN agents a"
	    " ON a.n = w.agent WHERE w.action = ? AND w.cursor > ?"
	    " ORDER BY w.cursor LIMIT ?",
	    "iii", action, after, (int64_t)limit);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		a.cursor = sqlite3_column_int64(st, 0);
		a.action = action;
		a.agent = sqlite3_column_int64(st, 1);
		sql_id(st, 2, &a.agent_id);
		a.received = sqlite3_column_int64(st, 3);
		a.status = sqlite3_column_int(st, 4);
		a.reason = sqlite3_column_int(st, 5);
		a.different = sqlite3_column_int(st, 6) != 0;
		a.data = sql_blob(st, 7, &a.len);
		if ((rc = sql_read(s, e)) == 0 && (rc = fn(&a, arg)) == 0)
			continue;
		sqlite3_reset(st);
		break;
	}
	return (rc);
}

int64_t
store_answers_total(struct store *s)
{
	return (sql_number(s, -1, "SELECT COUNT(*) FROM answers", ""));
}
