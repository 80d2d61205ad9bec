/* SPDX-License-Identifier: MPL-2.0 */
/* Store: which actions were cancelled, and by what. */
#include "server/store/sql.h"

#include "server/store/actions.h"
#include "server/store/waiting.h"

#include "base/err.h"

int
store_cancel_put(struct store *s, int64_t action, const struct store_cancel *k,
    struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO cancels (action, id, created, investigators, reason,"
	    " envelope) VALUES (?, ?, ?, ?, ?, ?)",
	    "idittb", action, &k->id, k->created, k->investigators, k->reason,
	    k->envelope, k->envelope_len);
	if (rc == 0)
		rc = store_waiting_end(s, action, e);
	return (
	    rc != 0 ? rc : store_action_status(s, action, ACTION_CANCELLED, e));
}

int
store_cancel_get(struct store *s, int64_t action, store_on_cancel *fn,
    void *arg, struct err *e)
{
	struct store_cancel k;
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT id, created, investigators, reason, envelope FROM cancels"
	    " WHERE action = ?",
	    "i", action);
	if (rc != 0)
		return (rc);
	sql_id(st, 0, &k.id);
	k.created = sqlite3_column_int64(st, 1);
	k.investigators = sql_text(st, 2);
	k.reason = sql_text(st, 3);
	k.envelope = sql_blob(st, 4, &k.envelope_len);
	if ((rc = sql_read(s, e)) == 0)
		rc = fn(&k, arg);
	sqlite3_reset(st);
	return (rc);
}
