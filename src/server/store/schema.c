/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The schema, one text a version: store_schema[v] brings version v to v + 1
 * (PRAGMA user_version). A text that was released is never changed.
 *
 * Rows that change often (agents, actions) are small: what is large or rarely
 * read stands in a table of its own (hellos, documents, answers).
 */
#include "server/store/sql.h"

const char *const store_schema[] = {
	/* 0 -> 1 */
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE investigators (fpr TEXT PRIMARY KEY, name TEXT NOT NULL,"
	" admin INTEGER NOT NULL, keyring TEXT NOT NULL,"
	" created INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE sessions (hash BLOB PRIMARY KEY, fpr TEXT NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE tokens (hash BLOB PRIMARY KEY, uses INTEGER NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE policies (hash BLOB PRIMARY KEY,"
	" version INTEGER NOT NULL, created INTEGER NOT NULL,"
	" text BLOB NOT NULL);"
	"CREATE TABLE agents (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
	" name TEXT NOT NULL, enrolled INTEGER NOT NULL,"
	" revoked INTEGER NOT NULL DEFAULT 0,"
	" online INTEGER NOT NULL DEFAULT 0,"
	" lastseen INTEGER NOT NULL DEFAULT 0,"
	" connection INTEGER NOT NULL DEFAULT 0, token BLOB);"
	"CREATE TABLE hellos (n INTEGER PRIMARY KEY, os TEXT NOT NULL,"
	" arch TEXT NOT NULL, ident TEXT NOT NULL, version TEXT NOT NULL,"
	" mode TEXT NOT NULL, environment TEXT NOT NULL, tags TEXT NOT NULL,"
	" addresses TEXT NOT NULL, hello BLOB NOT NULL);"
	"CREATE TABLE actions (n INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id BLOB NOT NULL UNIQUE, name TEXT NOT NULL,"
	" status INTEGER NOT NULL DEFAULT 0, online_only INTEGER NOT NULL,"
	" created INTEGER NOT NULL, valid_from INTEGER NOT NULL,"
	" expire_after INTEGER NOT NULL, expected INTEGER NOT NULL,"
	" sent INTEGER NOT NULL, answered INTEGER NOT NULL DEFAULT 0,"
	" done INTEGER NOT NULL DEFAULT 0,"
	" refused INTEGER NOT NULL DEFAULT 0,"
	" stopped INTEGER NOT NULL DEFAULT 0,"
	" investigators TEXT NOT NULL);"
	"CREATE INDEX actions_expire ON actions (expire_after);"
	"CREATE TABLE documents (n INTEGER PRIMARY KEY, target TEXT NOT NULL,"
	" envelope BLOB NOT NULL);"
	"CREATE TABLE expected (action INTEGER NOT NULL,"
	" agent INTEGER NOT NULL, state INTEGER NOT NULL,"
	" status INTEGER NOT NULL DEFAULT 0,"
	" reason INTEGER NOT NULL DEFAULT 0, hash BLOB,"
	" PRIMARY KEY (action, agent)) WITHOUT ROWID;"
	"CREATE TABLE answers (cursor INTEGER PRIMARY KEY AUTOINCREMENT,"
	" action INTEGER NOT NULL, agent INTEGER NOT NULL,"
	" received INTEGER NOT NULL, status INTEGER NOT NULL,"
	" reason INTEGER NOT NULL, different INTEGER NOT NULL,"
	" answer BLOB NOT NULL);"
	"CREATE INDEX answers_action ON answers (action);"
	"CREATE TABLE events (cursor INTEGER PRIMARY KEY AUTOINCREMENT,"
	" time INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);",
	/* 1 -> 2: answers go before their action; what is wrong with an agent
	 */
	"ALTER TABLE actions ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX actions_unpruned ON actions (expire_after)"
	" WHERE pruned = 0;"
	"ALTER TABLE agents ADD COLUMN trouble TEXT NOT NULL DEFAULT '';",
	/* 2 -> 3: which certificates an agent has, for when it is revoked */
	"CREATE TABLE certificates (serial BLOB PRIMARY KEY,"
	" agent INTEGER NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX certificates_ends ON certificates (ends);",
	/* 3 -> 4: a role instead of "is an admin" (server/calls.h); API keys */
	"ALTER TABLE investigators RENAME COLUMN admin TO role;"
	"UPDATE investigators SET role ="
	" CASE WHEN role = 0 THEN 2 ELSE 3 END;"
	"CREATE TABLE apikeys (hash BLOB PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE, calls INTEGER NOT NULL,"
	" created INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" by TEXT NOT NULL) WITHOUT ROWID;",
	/* 4 -> 5: a policy's predecessor, and its signed form */
	"ALTER TABLE policies ADD COLUMN previous BLOB;"
	"ALTER TABLE policies ADD COLUMN envelope BLOB;",
	/* 5 -> 6: keys of actions, handed on to further readers */
	"CREATE TABLE shares (action INTEGER NOT NULL, by TEXT NOT NULL,"
	" reader TEXT NOT NULL, created INTEGER NOT NULL,"
	" envelope BLOB NOT NULL, PRIMARY KEY (action, by, reader))"
	" WITHOUT ROWID;",
	/* 6 -> 7: the audit log */
	"CREATE TABLE audit (n INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
	" chain BLOB NOT NULL, text TEXT NOT NULL);",
	/* 7 -> 8: what ended an action before its time */
	"CREATE TABLE cancels (action INTEGER PRIMARY KEY, id BLOB NOT NULL,"
	" created INTEGER NOT NULL, investigators TEXT NOT NULL,"
	" reason TEXT NOT NULL, envelope BLOB NOT NULL);",
	/* 8 -> 9: actions that wait for more signatures */
	"CREATE TABLE waiting (action INTEGER PRIMARY KEY,"
	" first TEXT NOT NULL, has INTEGER NOT NULL, needs INTEGER NOT NULL,"
	" missing TEXT NOT NULL, bytes INTEGER NOT NULL,"
	" expires INTEGER NOT NULL);",
	/* 9 -> 10: what a policy that came later says of them */
	"ALTER TABLE waiting ADD COLUMN possible INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE waiting ADD COLUMN policy INTEGER NOT NULL DEFAULT 0;",
	/* 10 -> 11: signatures that do not count */
	"ALTER TABLE waiting ADD COLUMN left_out TEXT NOT NULL DEFAULT '[]';"
	"ALTER TABLE waiting ADD COLUMN uncounted TEXT NOT NULL DEFAULT '[]';",
	/* 11 -> 12: the few answers that are not an agent's first are found
	 * without those of all the others */
	"CREATE INDEX answers_different ON answers (action, agent)"
	" WHERE different;",
};

const int store_schema_version =
    (int)(sizeof(store_schema) / sizeof(store_schema[0]));
