/* SPDX-License-Identifier: MPL-2.0 */
/* Store: actions, whom each expects an answer from, events, upkeep. */
#include "server/store/actions.h"

#include "server/store/sql.h"

#include "base/err.h"

#define EVENTS_STEP 1000 /* so many more than are kept at most */

#define ACTION_COLUMNS                                                   \
	"a.n, a.id, a.name, a.status, a.online_only, a.created,"         \
	" a.valid_from, a.expire_after, a.expected, a.sent, a.answered," \
	" a.done, a.refused, a.stopped, a.investigators, d.target, a.pruned"

const char *
action_status_text(int status)
{
	static const char *const texts[] = { "open", "complete", "expired",
		"cancelled", "waiting" };

	if (status < 0 || status > ACTION_WAITING)
		return ("unknown");
	return (texts[status]);
}

static void
read_counts(sqlite3_stmt *st, int col, struct store_counts *c)
{
	c->expected = sqlite3_column_int64(st, col);
	c->sent = sqlite3_column_int64(st, col + 1);
	c->answered = sqlite3_column_int64(st, col + 2);
	c->done = sqlite3_column_int64(st, col + 3);
	c->refused = sqlite3_column_int64(st, col + 4);
	c->stopped = sqlite3_column_int64(st, col + 5);
}

static void
read_action(sqlite3_stmt *st, bool envelope, struct store_action *a)
{
	a->n = sqlite3_column_int64(st, 0);
	sql_id(st, 1, &a->id);
	a->name = sql_text(st, 2);
	a->status = sqlite3_column_int(st, 3);
	a->online_only = sqlite3_column_int(st, 4) != 0;
	a->created = sqlite3_column_int64(st, 5);
	a->valid_from = sqlite3_column_int64(st, 6);
	a->expire_after = sqlite3_column_int64(st, 7);
	read_counts(st, 8, &a->counts);
	a->investigators = sql_text(st, 14);
	a->target = sql_text(st, 15);
	a->pruned = sqlite3_column_int64(st, 16);
	a->envelope = NULL;
	a->envelope_len = 0;
	if (envelope)
		a->envelope = sql_blob(st, 17, &a->envelope_len);
}

static int
walk(struct store *s, sqlite3_stmt *st, bool envelope, store_on_action *fn,
    void *arg, size_t *ret_n, struct err *e)
{
	struct store_action a;
	int rc;

	while ((rc = sql_next(s, st, e)) == 1) {
		read_action(st, envelope, &a);
		++*ret_n;
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&a, arg)) != 0) {
			sqlite3_reset(st);
			return (rc);
		}
	}
	return (rc);
}

int
store_action_expects(struct store *s, int64_t n, const struct store_expect *exp,
    size_t nexp, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < nexp && rc == 0; i++)
		rc = sql_run(s, e,
		    "INSERT INTO expected (action, agent, state)"
		    " VALUES (?, ?, ?)",
		    "iii", n, exp[i].agent,
		    (int64_t)(exp[i].sent ? EXPECT_SENT : EXPECT_WAITING));
	return (rc);
}

int
store_action_put(struct store *s, const struct store_action *a,
    const struct store_expect *exp, size_t nexp, int64_t *ret_n, struct err *e)
{
	int64_t n, sent = 0;
	size_t i;
	int rc;

	for (i = 0; i < nexp; i++)
		sent += exp[i].sent;
	rc = sql_run(s, e,
	    "INSERT INTO actions (id, name, status, online_only, created,"
	    " valid_from, expire_after, expected, sent, investigators)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    "dtiiiiiiit", &a->id, a->name, (int64_t)a->status,
	    (int64_t)a->online_only, a->created, a->valid_from, a->expire_after,
	    (int64_t)nexp, sent, a->investigators);
	if (rc != 0)
		return (rc);
	n = sqlite3_last_insert_rowid(s->db);
	rc = sql_run(s, e,
	    "INSERT INTO documents (n, target, envelope) VALUES (?, ?, ?)",
	    "itb", n, a->target, a->envelope, a->envelope_len);
	if (rc != 0 || (rc = store_action_expects(s, n, exp, nexp, e)) != 0)
		return (rc);
	*ret_n = n;
	return (0);
}

int
store_actions(struct store *s, int64_t before, int limit, store_on_action *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT " ACTION_COLUMNS
	    " FROM actions a JOIN documents d ON d.n = a.n"
	    " WHERE a.n < ? ORDER BY a.n DESC LIMIT ?",
	    "ii", before > 0 ? before : INT64_MAX, (int64_t)limit);
	return (rc != 0 ? rc : walk(s, st, false, fn, arg, &n, e));
}

int
store_actions_waiting(struct store *s, int64_t before, int limit,
    store_on_action *fn, void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT " ACTION_COLUMNS
	    " FROM waiting w JOIN actions a ON a.n = w.action"
	    " JOIN documents d ON d.n = a.n"
	    " WHERE w.action < ? ORDER BY w.action DESC LIMIT ?",
	    "ii", before > 0 ? before : INT64_MAX, (int64_t)limit);
	return (rc != 0 ? rc : walk(s, st, false, fn, arg, &n, e));
}

int
store_action_get(struct store *s, const struct id *id, store_on_action *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT " ACTION_COLUMNS
	    ", d.envelope FROM actions a JOIN documents d ON d.n = a.n"
	    " WHERE a.id = ?",
	    "d", id);
	if (rc != 0 || (rc = walk(s, st, true, fn, arg, &n, e)) != 0)
		return (rc);
	return (n == 1
		? 0
		: err_set(e, ERR_NOTFOUND, "no action %s", id_hex(id).s));
}

int
store_actions_live(struct store *s, int64_t expire_after, store_on_action *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT " ACTION_COLUMNS
	    ", d.envelope FROM actions a JOIN documents d ON d.n = a.n"
	    " WHERE a.expire_after > ? ORDER BY a.n",
	    "i", expire_after);
	return (rc != 0 ? rc : walk(s, st, true, fn, arg, &n, e));
}

int
store_action_status(struct store *s, int64_t n, int status, struct err *e)
{
	return (sql_run(s, e, "UPDATE actions SET status = ? WHERE n = ?", "ii",
	    (int64_t)status, n));
}

int
store_actions_expire(
    struct store *s, int64_t before, int64_t *ret_n, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE actions SET status = ? WHERE status = ?"
	    " AND expire_after < ?",
	    "iii", (int64_t)ACTION_EXPIRED, (int64_t)ACTION_OPEN, before);
	if (rc == 0)
		*ret_n = sqlite3_changes(s->db);
	return (rc);
}

int
store_action_counts(struct store *s, int64_t n, int *ret_status,
    struct store_counts *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT status, expected, sent, answered, done, refused, stopped"
	    " FROM actions WHERE n = ?",
	    "i", n);
	if (rc != 0)
		return (rc);
	*ret_status = sqlite3_column_int(st, 0);
	read_counts(st, 1, ret);
	sqlite3_reset(st);
	return (0);
}

int
store_expected(struct store *s, int64_t action, int64_t after, int limit,
    store_on_expected *fn, void *arg, struct err *e)
{
	struct store_expected x;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT x.agent, a.id, a.name, a.online, a.lastseen, x.state,"
	    " x.status, x.reason, a.enrolled FROM expected x JOIN agents a"
	    " ON a.n = x.agent WHERE x.action = ? AND x.agent > ?"
	    " ORDER BY x.agent LIMIT ?",
	    "iii", action, after, (int64_t)limit);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		x.agent = sqlite3_column_int64(st, 0);
		sql_id(st, 1, &x.agent_id);
		x.agent_name = sql_text(st, 2);
		x.online = sqlite3_column_int(st, 3) != 0;
		x.lastseen = sqlite3_column_int64(st, 4);
		x.state = sqlite3_column_int(st, 5);
		x.status = sqlite3_column_int(st, 6);
		x.reason = sqlite3_column_int(st, 7);
		x.enrolled = sqlite3_column_int64(st, 8);
		if ((rc = sql_read(s, e)) == 0 && (rc = fn(&x, arg)) == 0)
			continue;
		sqlite3_reset(st);
		break;
	}
	return (rc);
}

int64_t
store_expected_online(struct store *s, int64_t action)
{
	return (sql_number(s, 0,
	    "SELECT COUNT(*) FROM expected x JOIN agents a ON a.n = x.agent"
	    " WHERE x.action = ? AND x.state < 2 AND a.online",
	    "i", action));
}

bool
store_sent_online(struct store *s, int64_t action)
{
	return (sql_number(s, 0,
		    "SELECT EXISTS (SELECT 1 FROM expected x JOIN agents a"
		    " ON a.n = x.agent WHERE x.action = ? AND x.state = 1"
		    " AND a.online)",
		    "i", action) != 0);
}

int
store_expect_add(
    struct store *s, int64_t action, int64_t agent, bool sent, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO expected (action, agent, state) VALUES (?, ?, ?)"
	    " ON CONFLICT DO NOTHING",
	    "iii", action, agent,
	    (int64_t)(sent ? EXPECT_SENT : EXPECT_WAITING));
	if (rc != 0 || sqlite3_changes(s->db) == 0)
		return (rc);
	return (sql_run(s, e,
	    "UPDATE actions SET expected = expected + 1, sent = sent + ?,"
	    " status = CASE status WHEN 1 THEN 0 ELSE status END WHERE n = ?",
	    "ii", (int64_t)sent, action));
}

int
store_expect_sent(struct store *s, int64_t action, int64_t agent, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE expected SET state = 1"
	    " WHERE action = ? AND agent = ? AND state = 0",
	    "ii", action, agent);
	if (rc != 0 || sqlite3_changes(s->db) == 0)
		return (rc);
	return (sql_run(s, e, "UPDATE actions SET sent = sent + 1 WHERE n = ?",
	    "i", action));
}

int64_t
store_actions_total(struct store *s)
{
	return (sql_number(s, -1, "SELECT COUNT(*) FROM actions", ""));
}

int
store_event_put(struct store *s, int64_t now, const char *kind,
    const char *json, struct err *e)
{
	int64_t cursor;
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO events (time, kind, data) VALUES (?, ?, ?)", "itt",
	    now, kind, json);
	if (rc != 0)
		return (rc);
	/* Agents that come and go again and again must not fill the disk
	 * until it is time to prune. */
	cursor = sqlite3_last_insert_rowid(s->db);
	if (cursor % EVENTS_STEP != 0)
		return (0);
	return (sql_run(s, e, "DELETE FROM events WHERE cursor <= ?", "i",
	    cursor - STORE_EVENTS_KEPT));
}

int
store_events(struct store *s, int64_t after, int limit, store_on_event *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT cursor, kind, data FROM events WHERE cursor > ?"
	    " ORDER BY cursor LIMIT ?",
	    "ii", after, (int64_t)limit);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		rc = fn(sqlite3_column_int64(st, 0), sql_text(st, 1),
		    sql_text(st, 2), arg);
		if (rc == 0)
			continue;
		sqlite3_reset(st);
		break;
	}
	return (rc);
}

int64_t
store_events_last(struct store *s)
{
	return (sql_number(s, 0, "SELECT MAX(cursor) FROM events", ""));
}

int
store_prune(struct store *s, int64_t now, struct err *e)
{
	int rc;

	if ((rc = sql_run(s, e, "DELETE FROM sessions WHERE expires <= ?", "i",
		 now)) != 0)
		return (rc);
	/* A week's grace: an enrolment with an old token is told so. */
	if ((rc = sql_run(s, e, "DELETE FROM tokens WHERE expires <= ?", "i",
		 now - INT64_C(7) * 86400000)) != 0)
		return (rc);
	if ((rc = sql_run(s, e, "DELETE FROM certificates WHERE ends <= ?", "i",
		 now / 1000)) != 0)
		return (rc);
	return (sql_run(s, e,
	    "DELETE FROM events WHERE cursor <="
	    " (SELECT MAX(cursor) FROM events) - ?",
	    "i", (int64_t)STORE_EVENTS_KEPT));
}
