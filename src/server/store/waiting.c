/* SPDX-License-Identifier: MPL-2.0 */
#include "server/store/waiting.h"

#include "server/store/sql.h"

#include "base/err.h"

static int
check_room(struct store *s, const struct store_action *a,
    const struct store_waiting *w, struct err *e)
{
	int64_t all = 0, own = 0, bytes = 0;
	int rc;

	if ((rc = sql_get(s, e, &all, "SELECT COUNT(*) FROM waiting", "")) !=
		0 ||
	    (rc = sql_get(s, e, &own,
		 "SELECT COUNT(*) FROM waiting WHERE first = ?", "t",
		 w->first)) != 0 ||
	    (rc = sql_get(s, e, &bytes,
		 "SELECT COALESCE(SUM(bytes), 0) FROM waiting", "")) != 0)
		return (rc);
	if (own >= STORE_WAITING_PERSON_MAX)
		return (err_set(e, ERR_TOOBIG,
		    "%d actions of yours wait for signatures already: cancel"
		    " one (mig actions --waiting)",
		    STORE_WAITING_PERSON_MAX));
	if (all >= STORE_WAITING_MAX ||
	    bytes + (int64_t)a->envelope_len > STORE_WAITING_BYTES_MAX)
		return (err_set(e, ERR_TOOBIG,
		    "as many actions wait for signatures as may (%d, %d MiB"
		    " together)",
		    STORE_WAITING_MAX, STORE_WAITING_BYTES_MAX >> 20));
	return (0);
}

static const char *
list(const char *json)
{
	return (json != NULL ? json : "[]");
}

int
store_waiting_put(struct store *s, const struct store_action *a,
    const struct store_waiting *w, int64_t *ret_n, struct err *e)
{
	int rc;

	if ((rc = store_action_put(s, a, NULL, 0, ret_n, e)) != 0 ||
	    (rc = check_room(s, a, w, e)) != 0)
		return (rc);
	return (sql_run(s, e,
	    "INSERT INTO waiting (action, first, has, needs, missing, bytes,"
	    " expires, possible, policy, left_out, uncounted)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    "itiitiiiitt", *ret_n, w->first, w->has, w->needs, w->missing,
	    (int64_t)a->envelope_len, a->expire_after, (int64_t)w->possible,
	    (int64_t)w->policy, list(w->left_out), list(w->uncounted)));
}

/* Still the one that the change was made for? */
static int
replace_envelope(
    struct store *s, const struct store_action *a, size_t was, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE documents SET envelope = ? WHERE n = ?"
	    " AND length(envelope) = ?"
	    " AND EXISTS (SELECT 1 FROM waiting WHERE action = n)",
	    "bii", a->envelope, a->envelope_len, a->n, (int64_t)was);
	if (rc == 0 && sqlite3_changes(s->db) == 0)
		rc = err_set(e, ERR_EXISTS, "the action was changed meanwhile");
	if (rc != 0)
		return (rc);
	return (
	    sql_run(s, e, "UPDATE actions SET investigators = ? WHERE n = ?",
		"ti", a->investigators, a->n));
}

int
store_waiting_sign(struct store *s, const struct store_action *a,
    const struct store_waiting *w, size_t was, struct err *e)
{
	int rc;

	if ((rc = replace_envelope(s, a, was, e)) != 0)
		return (rc);
	return (sql_run(s, e,
	    "UPDATE waiting SET has = ?, needs = ?, missing = ?, bytes = ?,"
	    " possible = ?, policy = ?, uncounted = ? WHERE action = ?",
	    "iitiiiti", w->has, w->needs, w->missing, (int64_t)a->envelope_len,
	    (int64_t)w->possible, (int64_t)w->policy, list(w->uncounted),
	    a->n));
}

int
store_waiting_judge(struct store *s, int64_t action, size_t was,
    const struct store_waiting *w, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE waiting SET has = ?, needs = ?, missing = ?, possible = ?,"
	    " policy = ?, uncounted = ? WHERE action = ? AND bytes = ?",
	    "iitiitii", w->has, w->needs, w->missing, (int64_t)w->possible,
	    (int64_t)w->policy, list(w->uncounted), action, (int64_t)was);
	if (rc == 0 && sqlite3_changes(s->db) == 0)
		rc = err_set(e, ERR_EXISTS, "the action was changed meanwhile");
	return (rc);
}

int
store_waiting_launch(struct store *s, const struct store_action *a, size_t was,
    const struct store_expect *exp, size_t nexp, struct err *e)
{
	int64_t sent = 0;
	size_t i;
	int rc;

	if ((rc = replace_envelope(s, a, was, e)) != 0 ||
	    (rc = store_waiting_end(s, a->n, e)) != 0 ||
	    (rc = store_action_expects(s, a->n, exp, nexp, e)) != 0)
		return (rc);
	for (i = 0; i < nexp; i++)
		sent += exp[i].sent;
	return (sql_run(s, e,
	    "UPDATE actions SET status = ?, expected = ?, sent = ?"
	    " WHERE n = ?",
	    "iiii", (int64_t)ACTION_OPEN, (int64_t)nexp, sent, a->n));
}

int
store_waiting_end(struct store *s, int64_t action, struct err *e)
{
	return (
	    sql_run(s, e, "DELETE FROM waiting WHERE action = ?", "i", action));
}

int
store_waiting_expire(
    struct store *s, int64_t now, int64_t *ret_n, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE actions SET status = ? WHERE n IN"
	    " (SELECT action FROM waiting WHERE expires <= ?)",
	    "ii", (int64_t)ACTION_EXPIRED, now);
	if (rc == 0)
		rc = sql_run(
		    s, e, "DELETE FROM waiting WHERE expires <= ?", "i", now);
	if (rc == 0)
		*ret_n = sqlite3_changes(s->db);
	return (rc);
}

int
store_waiting_get(struct store *s, int64_t action, store_on_waiting *fn,
    void *arg, struct err *e)
{
	struct store_waiting w;
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT first, has, needs, missing, possible, policy, left_out,"
	    " uncounted FROM waiting WHERE action = ?",
	    "i", action);
	if (rc != 0)
		return (rc);
	w.first = sql_text(st, 0);
	w.has = sqlite3_column_int64(st, 1);
	w.needs = sqlite3_column_int64(st, 2);
	w.missing = sql_text(st, 3);
	w.possible = sqlite3_column_int64(st, 4) != 0;
	w.policy = (uint64_t)sqlite3_column_int64(st, 5);
	w.left_out = sql_text(st, 6);
	w.uncounted = sql_text(st, 7);
	if ((rc = sql_read(s, e)) == 0)
		rc = fn(&w, arg);
	sqlite3_reset(st);
	return (rc);
}

int
store_waiting_after(struct store *s, int64_t after, int limit,
    store_on_waiting_id *fn, void *arg, struct err *e)
{
	sqlite3_stmt *st;
	struct id id;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT a.n, a.id FROM waiting w JOIN actions a ON a.n = w.action"
	    " WHERE w.action > ? ORDER BY w.action LIMIT ?",
	    "ii", after, (int64_t)limit);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 1, &id);
		if ((rc = fn(sqlite3_column_int64(st, 0), &id, arg)) != 0)
			sqlite3_reset(st);
	}
	return (rc);
}

int64_t
store_waiting_total(struct store *s)
{
	return (sql_number(s, 0, "SELECT COUNT(*) FROM waiting", ""));
}

int64_t
store_waiting_due(struct store *s, int64_t now)
{
	return (sql_number(
	    s, 0, "SELECT COUNT(*) FROM waiting WHERE expires <= ?", "i", now));
}
