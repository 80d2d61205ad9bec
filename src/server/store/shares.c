/* SPDX-License-Identifier: MPL-2.0 */
#include "server/store/shares.h"

#include "server/store/sql.h"

#include "base/err.h"

static int
action_number(
    struct store *s, const struct id *action, int64_t *ret, struct err *e)
{
	int64_t n = -1;
	int rc;

	rc = sql_get(
	    s, e, &n, "SELECT n FROM actions WHERE id = ?", "d", action);
	if (rc == 0 && n < 0)
		rc = err_set(
		    e, ERR_NOTFOUND, "no action %s", id_short(action).s);
	if (rc == 0)
		*ret = n;
	return (rc);
}

int
store_share_put(struct store *s, const struct id *action,
    const struct store_share *x, struct err *e)
{
	int64_t n, others = 0;
	int rc;

	if ((rc = action_number(s, action, &n, e)) != 0)
		return (rc);
	rc = sql_get(s, e, &others,
	    "SELECT COUNT(*) FROM shares WHERE action = ?"
	    " AND NOT (by = ? AND reader = ?)",
	    "itt", n, x->by, x->reader);
	if (rc != 0)
		return (rc);
	if (others >= STORE_SHARES_MAX)
		return (err_set(e, ERR_TOOBIG,
		    "the key of action %s was handed on %d times already",
		    id_short(action).s, STORE_SHARES_MAX));
	return (sql_run(s, e,
	    "INSERT INTO shares (action, by, reader, created, envelope)"
	    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (action, by, reader)"
	    " DO UPDATE SET created = excluded.created,"
	    " envelope = excluded.envelope",
	    "ittib", n, x->by, x->reader, x->created, x->envelope,
	    x->envelope_len));
}

int
store_shares(struct store *s, const struct id *action, store_on_share *fn,
    void *arg, struct err *e)
{
	struct store_share x;
	sqlite3_stmt *st;
	int64_t n;
	int rc;

	if ((rc = action_number(s, action, &n, e)) != 0)
		return (rc);
	rc = sql_bound(s, e, &st,
	    "SELECT by, reader, created, envelope FROM shares"
	    " WHERE action = ? ORDER BY created, by, reader",
	    "i", n);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		x.by = sql_text(st, 0);
		x.reader = sql_text(st, 1);
		x.created = sqlite3_column_int64(st, 2);
		x.envelope = sql_blob(st, 3, &x.envelope_len);
		if ((rc = sql_read(s, e)) == 0 && (rc = fn(&x, arg)) == 0)
			continue;
		sqlite3_reset(st);
		break;
	}
	return (rc);
}

int
store_shares_remove(struct store *s, const struct id *action, const char *by,
    int64_t *ret_n, struct err *e)
{
	int64_t n;
	int rc;

	if ((rc = action_number(s, action, &n, e)) != 0)
		return (rc);
	rc = sql_run(s, e, "DELETE FROM shares WHERE action = ? AND by = ?",
	    "it", n, by);
	if (rc == 0)
		*ret_n = sqlite3_changes(s->db);
	return (rc);
}
