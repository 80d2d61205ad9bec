/* SPDX-License-Identifier: MPL-2.0 */
/* Store: investigators, their sessions, API keys. */
#include "server/store/people.h"

#include "server/store/sql.h"

#include "base/err.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* A number that is no role is none. */
static enum person_role
role_of(sqlite3_stmt *st, int col)
{
	int v = sqlite3_column_int(st, col);

	return (
	    v < PERSON_READER || v > PERSON_ADMIN ? 0 : (enum person_role)v);
}

int
store_investigators(
    struct store *s, store_on_investigator *fn, void *arg, struct err *e)
{
	struct store_investigator i;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT fpr, name, role, keyring, created FROM investigators"
	    " ORDER BY created, fpr",
	    "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		i.fpr = sql_text(st, 0);
		i.name = sql_text(st, 1);
		i.role = role_of(st, 2);
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
bump(struct store *s, const char *what, struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO meta (key, value) VALUES (?, 1)"
	    " ON CONFLICT (key) DO UPDATE"
	    " SET value = CAST(value AS INTEGER) + 1",
	    "t", what));
}

/* The keyring of all is another, and so is who may do what. */
static int
bump_revision(struct store *s, struct err *e)
{
	int rc = bump(s, "investigators", e);

	return (rc != 0 ? rc : bump(s, "doors", e));
}

int64_t
store_doors_revision(struct store *s)
{
	return (
	    sql_number(s, 0, "SELECT value FROM meta WHERE key = 'doors'", ""));
}

int
store_investigator_put(
    struct store *s, const struct store_investigator *i, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO investigators (fpr, name, role, keyring, created)"
	    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (fpr) DO UPDATE SET"
	    " name = excluded.name, role = excluded.role,"
	    " keyring = excluded.keyring",
	    "ttiti", i->fpr, i->name, (int64_t)i->role, i->keyring, i->created);
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
store_investigator_role(
    struct store *s, const char *fpr, enum person_role role, struct err *e)
{
	int rc;

	rc = sql_run(s, e, "UPDATE investigators SET role = ? WHERE fpr = ?",
	    "it", (int64_t)role, fpr);
	if (rc != 0)
		return (rc);
	if (sqlite3_changes(s->db) == 0)
		return (err_set(e, ERR_NOTFOUND,
		    "no investigator has the fingerprint %s", fpr));
	return (bump(s, "doors", e));
}

int
store_investigator_may(struct store *s, const char *fpr, enum server_call call)
{
	int64_t any = 0;
	int rc;

	rc = sql_get(s, NULL, &any,
	    "SELECT COUNT(*) FROM investigators WHERE fpr = ? AND role >= ?",
	    "ti", fpr, (int64_t)call_role(call));
	return (rc != 0 ? rc : any > 0);
}

/* --- callers and their sessions ------------------------------------------ */

static int
key_get(struct store *s, const struct id *hash, int64_t now,
    struct store_caller *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT name, calls, expires FROM apikeys"
	    " WHERE hash = ? AND expires > ?",
	    "di", hash, now);
	if (rc != 0)
		return (rc);
	snprintf(ret->fpr, sizeof(ret->fpr), "key:%.*s", STORE_KEY_NAME_MAX - 1,
	    sql_text(st, 0));
	str_copy(ret->name, sizeof(ret->name), ret->fpr);
	ret->role = 0;
	ret->calls = (uint64_t)sqlite3_column_int64(st, 1);
	ret->expires = sqlite3_column_int64(st, 2);
	rc = sql_read(s, e);
	sqlite3_reset(st);
	return (rc);
}

int
store_caller_get(struct store *s, const struct id *hash, int64_t now,
    struct store_caller *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT i.fpr, i.name, i.role, s.expires FROM sessions s"
	    " JOIN investigators i ON i.fpr = s.fpr"
	    " WHERE s.hash = ? AND s.expires > ?",
	    "di", hash, now);
	if (rc == ERR_NOTFOUND)
		return (key_get(s, hash, now, ret, e));
	if (rc != 0)
		return (rc);
	str_copy(ret->fpr, sizeof(ret->fpr), sql_text(st, 0));
	str_copy(ret->name, sizeof(ret->name), sql_text(st, 1));
	ret->role = role_of(st, 2);
	ret->calls = 0;
	ret->expires = sqlite3_column_int64(st, 3);
	rc = sql_read(s, e);
	sqlite3_reset(st);
	return (rc);
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
store_session_any(struct store *s, const char *fpr, int64_t now)
{
	int64_t any = 0;
	int rc;

	rc = sql_get(s, NULL, &any,
	    "SELECT 1 FROM sessions s JOIN investigators i ON i.fpr = s.fpr"
	    " WHERE s.fpr = ? AND s.expires > ? AND i.role >= ? LIMIT 1",
	    "tii", fpr, now, (int64_t)call_role(CALL_ACTIONS_LAUNCH));
	return (rc != 0 ? rc : (int)any);
}

int
store_session_end(struct store *s, const struct id *hash, struct err *e)
{
	int rc;

	rc = sql_run(s, e, "DELETE FROM sessions WHERE hash = ?", "d", hash);
	return (rc != 0 ? rc : bump(s, "doors", e));
}

int
store_sessions_end(
    struct store *s, const char *fpr, int64_t *ret_n, struct err *e)
{
	int rc;

	rc = sql_run(s, e, "DELETE FROM sessions WHERE fpr = ?", "t", fpr);
	if (rc != 0)
		return (rc);
	*ret_n = sqlite3_changes(s->db);
	return (bump(s, "doors", e));
}

int
store_sessions(struct store *s, const char *fpr, int64_t now,
    store_on_session *fn, void *arg, struct err *e)
{
	struct store_session x;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT s.hash, s.fpr, i.name, s.created, s.expires"
	    " FROM sessions s JOIN investigators i ON i.fpr = s.fpr"
	    " WHERE s.expires > ?1 AND (?2 = '' OR s.fpr = ?2)"
	    " ORDER BY s.created, s.hash",
	    "it", now, fpr != NULL ? fpr : "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 0, &x.hash);
		x.fpr = sql_text(st, 1);
		x.name = sql_text(st, 2);
		x.created = sqlite3_column_int64(st, 3);
		x.expires = sqlite3_column_int64(st, 4);
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&x, arg)) != 0) {
			sqlite3_reset(st);
			break;
		}
	}
	return (rc);
}

int
store_session_find(struct store *s, const char *prefix, struct id *ret_hash,
    char ret_fpr[static STORE_FPR_HEX + 1], struct err *e)
{
	struct id hash;
	sqlite3_stmt *st;
	int rc;

	rc = sql_find(s,
	    "SELECT hash FROM sessions WHERE hash BETWEEN ? AND ? LIMIT 2",
	    prefix, "session", &hash, e);
	if (rc == 0)
		rc = sql_row(s, e, &st,
		    "SELECT fpr FROM sessions WHERE hash = ?", "d", &hash);
	if (rc != 0)
		return (rc);
	str_copy(ret_fpr, STORE_FPR_HEX + 1, sql_text(st, 0));
	*ret_hash = hash;
	rc = sql_read(s, e);
	sqlite3_reset(st);
	return (rc);
}

/* --- API keys ------------------------------------------------------------- */

int
store_keys(struct store *s, store_on_key *fn, void *arg, struct err *e)
{
	struct store_key k;
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT hash, name, calls, created, expires, by FROM apikeys"
	    " ORDER BY created, name",
	    "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 0, &k.hash);
		k.name = sql_text(st, 1);
		k.calls = (uint64_t)sqlite3_column_int64(st, 2);
		k.created = sqlite3_column_int64(st, 3);
		k.expires = sqlite3_column_int64(st, 4);
		k.by = sql_text(st, 5);
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&k, arg)) != 0) {
			sqlite3_reset(st);
			break;
		}
	}
	return (rc);
}

int
store_key_put(
    struct store *s, const struct store_key *k, int64_t now, struct err *e)
{
	int64_t n = 0, same = 0;
	int rc;

	if ((rc = sql_run(s, e,
		 "DELETE FROM apikeys WHERE name = ? AND expires <= ?", "ti",
		 k->name, now)) != 0 ||
	    (rc = sql_get(s, e, &n, "SELECT COUNT(*) FROM apikeys", "")) != 0 ||
	    (rc = sql_get(s, e, &same,
		 "SELECT 1 FROM apikeys WHERE name = ? OR hash = ?", "td",
		 k->name, &k->hash)) != 0)
		return (rc);
	if (same == 1)
		return (err_set(e, ERR_EXISTS,
		    "there is an API key '%s' already (or one with this"
		    " secret): revoke it first, or take another name",
		    k->name));
	if (n >= STORE_KEYS_MAX)
		return (err_set(e, ERR_DENIED,
		    "there are %d API keys already: revoke some first",
		    STORE_KEYS_MAX));
	return (sql_run(s, e,
	    "INSERT INTO apikeys (hash, name, calls, created, expires, by)"
	    " VALUES (?, ?, ?, ?, ?, ?)",
	    "dtiiit", &k->hash, k->name, (int64_t)k->calls, k->created,
	    k->expires, k->by));
}

int
store_key_remove(struct store *s, const char *name, struct err *e)
{
	int rc;

	rc = sql_run(s, e, "DELETE FROM apikeys WHERE name = ?", "t", name);
	if (rc != 0)
		return (rc);
	if (sqlite3_changes(s->db) == 0)
		return (
		    err_set(e, ERR_NOTFOUND, "there is no API key '%s'", name));
	return (bump(s, "doors", e));
}

int
store_key_end(struct store *s, int64_t now,
    char ret_name[static STORE_KEY_NAME_MAX], struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT name FROM apikeys WHERE expires <= ? LIMIT 1", "i", now);
	if (rc != 0)
		return (rc);
	str_copy(ret_name, STORE_KEY_NAME_MAX, sql_text(st, 0));
	rc = sql_read(s, e);
	sqlite3_reset(st);
	return (rc != 0 ? rc : store_key_remove(s, ret_name, e));
}

int
store_forget_secrets(struct store *s, struct err *e)
{
	int rc = sql_run(s, e, "DELETE FROM sessions", "");

	if (rc == 0)
		rc = sql_run(s, e, "DELETE FROM apikeys", "");
	return (rc != 0 ? rc : sql_run(s, e, "DELETE FROM tokens", ""));
}
