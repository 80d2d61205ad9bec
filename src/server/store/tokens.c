/* SPDX-License-Identifier: MPL-2.0 */
/* Store: enrolment tokens, by the digest of what agents show. */
#include "server/store/people.h"

#include "server/store/sql.h"

#include "base/err.h"

int
store_token_put(struct store *s, const struct id *hash, int64_t uses,
    int64_t now, int64_t expires, struct err *e)
{
	int64_t same = 0;
	int rc;

	rc = sql_get(
	    s, e, &same, "SELECT 1 FROM tokens WHERE hash = ?", "d", hash);
	if (rc != 0)
		return (rc);
	if (same == 1)
		return (err_set(e, ERR_EXISTS, "there is this token already"));
	return (sql_run(s, e,
	    "INSERT INTO tokens (hash, uses, created, expires)"
	    " VALUES (?, ?, ?, ?)",
	    "diii", hash, uses, now, expires));
}

int
store_token_check(struct store *s, const struct id *hash,
    const struct id *agent, int64_t now, struct err *e)
{
	int64_t expires = -1, uses = 0, same = 0;
	int rc;

	if ((rc = sql_get(s, e, &expires,
		 "SELECT expires FROM tokens WHERE hash = ?", "d", hash)) !=
		0 ||
	    (rc = sql_get(s, e, &uses, "SELECT uses FROM tokens WHERE hash = ?",
		 "d", hash)) != 0 ||
	    (rc = sql_get(s, e, &same,
		 "SELECT 1 FROM agents WHERE id = ? AND token = ?", "dd", agent,
		 hash)) != 0)
		return (rc);
	if (expires < 0)
		return (err_set(e, ERR_AUTH,
		    "the enrolment token is unknown: make one with"
		    " `mig token make`"));
	if (expires <= now)
		return (err_set(e, ERR_AUTH,
		    "the enrolment token is past its end: make a new one with"
		    " `mig token make`"));
	if (uses > 0 || same == 1)
		return (0);
	return (err_set(e, ERR_AUTH,
	    "the enrolment token was used up: make a new one with"
	    " `mig token make`"));
}

int
store_tokens(struct store *s, store_on_token *fn, void *arg, struct err *e)
{
	struct store_token t;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT hash, uses, created, expires FROM tokens"
	    " ORDER BY created, hash",
	    "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 0, &t.hash);
		t.uses = sqlite3_column_int64(st, 1);
		t.created = sqlite3_column_int64(st, 2);
		t.expires = sqlite3_column_int64(st, 3);
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&t, arg)) != 0) {
			sqlite3_reset(st);
			break;
		}
	}
	return (rc);
}

int
store_token_remove(
    struct store *s, const char *prefix, struct id *ret, struct err *e)
{
	struct id hash;
	int rc;

	rc = sql_find(s,
	    "SELECT hash FROM tokens WHERE hash BETWEEN ? AND ? LIMIT 2",
	    prefix, "enrolment token", &hash, e);
	if (rc == 0)
		rc = sql_run(
		    s, e, "DELETE FROM tokens WHERE hash = ?", "d", &hash);
	if (rc == 0)
		*ret = hash;
	return (rc);
}
