/* SPDX-License-Identifier: MPL-2.0 */
/* Store: investigators, their sessions, enrolment tokens, policies. */
#include "server/store/people.h"

#include "server/store/sql.h"

#include "base/err.h"
#include "base/str.h"

int
store_investigators(
    struct store *s, store_on_investigator *fn, void *arg, struct err *e)
{
	struct store_investigator i;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT fpr, name, admin, keyring, created FROM investigators"
	    " ORDER BY created, fpr",
	    "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		i.fpr = sql_text(st, 0);
		i.name = sql_text(st, 1);
		i.admin = sqlite3_column_int(st, 2) != 0;
		i.keyring = sql_text(st, 3);
		i.created = sqlite3_column_int64(st, 4);
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&i, arg)) != 0)
			sqlite3_reset(st);
		else
			continue;
		break;
	}
	return (rc);
}

static int
bump_revision(struct store *s, struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO meta (key, value) VALUES ('investigators', 1)"
	    " ON CONFLICT (key) DO UPDATE"
	    " SET value = CAST(value AS INTEGER) + 1",
	    ""));
}

int
store_investigator_put(
    struct store *s, const struct store_investigator *i, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO investigators (fpr, name, admin, keyring, created)"
	    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (fpr) DO UPDATE SET"
	    " name = excluded.name, admin = excluded.admin,"
	    " keyring = excluded.keyring",
	    "ttiti", i->fpr, i->name, (int64_t)i->admin, i->keyring,
	    i->created);
	return (rc != 0 ? rc : bump_revision(s, e));
}

int
store_investigator_remove(struct store *s, const char *fpr, struct err *e)
{
	int rc;

	rc = sql_run(s, e, "DELETE FROM investigators WHERE fpr = ?", "t", fpr);
	if (rc != 0)
		return (rc);
	if (sqlite3_changes(s->db) == 0)
		return (err_set(e, ERR_NOTFOUND,
		    "no investigator has the fingerprint %s", fpr));
	rc = sql_run(s, e, "DELETE FROM sessions WHERE fpr = ?", "t", fpr);
	return (rc != 0 ? rc : bump_revision(s, e));
}

int
store_session_put(struct store *s, const struct id *hash, const char *fpr,
    int64_t now, int64_t expires, struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO sessions (hash, fpr, created, expires)"
	    " VALUES (?, ?, ?, ?)",
	    "dtii", hash, fpr, now, expires));
}

int
store_session_get(struct store *s, const struct id *hash, int64_t now,
    struct store_session *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT i.fpr, i.name, i.admin, s.expires FROM sessions s"
	    " JOIN investigators i ON i.fpr = s.fpr"
	    " WHERE s.hash = ? AND s.expires > ?",
	    "di", hash, now);
	if (rc != 0)
		return (rc);
	str_copy(ret->fpr, sizeof(ret->fpr), sql_text(st, 0));
	str_copy(ret->name, sizeof(ret->name), sql_text(st, 1));
	ret->admin = sqlite3_column_int(st, 2) != 0;
	ret->expires = sqlite3_column_int64(st, 3);
	rc = sql_read(s, e);
	sqlite3_reset(st);
	return (rc);
}

int
store_session_any(struct store *s, const char *fpr, int64_t now)
{
	int64_t any = 0;
	int rc;

	rc = sql_get(s, NULL, &any,
	    "SELECT 1 FROM sessions WHERE fpr = ? AND expires > ? LIMIT 1",
	    "ti", fpr, now);
	return (rc != 0 ? rc : (int)any);
}

int
store_session_end(struct store *s, const struct id *hash, struct err *e)
{
	return (
	    sql_run(s, e, "DELETE FROM sessions WHERE hash = ?", "d", hash));
}

int
store_forget_secrets(struct store *s, struct err *e)
{
	int rc = sql_run(s, e, "DELETE FROM sessions", "");

	return (rc != 0 ? rc : sql_run(s, e, "DELETE FROM tokens", ""));
}

int
store_token_put(struct store *s, const struct id *hash, int64_t uses,
    int64_t now, int64_t expires, struct err *e)
{
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
		    " `mig-server token`"));
	if (expires <= now)
		return (err_set(e, ERR_AUTH,
		    "the enrolment token is past its end: make a new one with"
		    " `mig-server token`"));
	if (uses > 0 || same == 1)
		return (0);
	return (err_set(e, ERR_AUTH,
	    "the enrolment token was used up: make a new one with"
	    " `mig-server token`"));
}

int
store_policy_put(struct store *s, const struct id *hash, uint64_t version,
    const void *text, size_t len, int64_t now, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO policies (hash, version, created, text)"
	    " VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
	    "diib", hash, (int64_t)version, now, text, len);
	if (rc != 0)
		return (rc);
	return (store_meta_set(s, "policy", hash->b, ID_LEN, e));
}

int
store_policy_get(struct store *s, const struct id *hash, struct id *ret_hash,
    struct buf *out, struct err *e)
{
	sqlite3_stmt *st;
	const uint8_t *p;
	size_t len;
	int rc;

	if (hash != NULL)
		rc = sql_row(s, e, &st,
		    "SELECT hash, text FROM policies WHERE hash = ?", "d",
		    hash);
	else
		rc = sql_row(s, e, &st,
		    "SELECT hash, text FROM policies WHERE hash ="
		    " (SELECT value FROM meta WHERE key = 'policy')",
		    "");
	if (rc != 0)
		return (rc);
	p = sql_blob(st, 1, &len);
	if ((rc = sql_read(s, e)) == 0 && out != NULL &&
	    (rc = buf_add(out, p, len)) != 0)
		err_set(e, rc, "the policy is too large");
	if (rc == 0 && ret_hash != NULL)
		sql_id(st, 0, ret_hash);
	sqlite3_reset(st);
	return (rc);
}
