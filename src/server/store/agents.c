/* SPDX-License-Identifier: MPL-2.0 */
/* Store: agents, their hellos and presence. */
#include "server/store/sql.h"

#include "server/store/actions.h"
#include "server/store/people.h"

#include "base/err.h"

#include <string.h>

#define AGENT_COLUMNS                                                     \
	"a.n, a.id, a.name, a.online, a.revoked, a.enrolled, a.lastseen," \
	" a.connection, h.n, h.os, h.arch, h.ident, h.version, h.mode,"   \
	" h.environment, h.tags, h.addresses, h.hello, a.trouble"         \
	" FROM agents a LEFT JOIN hellos h ON h.n = a.n"

static void
read_agent(sqlite3_stmt *st, struct store_agent *a)
{
	a->n = sqlite3_column_int64(st, 0);
	sql_id(st, 1, &a->id);
	a->name = sql_text(st, 2);
	a->online = sqlite3_column_int(st, 3) != 0;
	a->revoked = sqlite3_column_int(st, 4) != 0;
	a->enrolled = sqlite3_column_int64(st, 5);
	a->lastseen = sqlite3_column_int64(st, 6);
	a->connection = (uint64_t)sqlite3_column_int64(st, 7);
	a->said_hello = sqlite3_column_type(st, 8) != SQLITE_NULL;
	a->os = sql_text(st, 9);
	a->arch = sql_text(st, 10);
	a->ident = sql_text(st, 11);
	a->version = sql_text(st, 12);
	a->mode = sql_text(st, 13);
	a->environment = sql_text(st, 14);
	a->tags = sql_text(st, 15);
	a->addresses = sql_text(st, 16);
	a->hello = sql_blob(st, 17, &a->hello_len);
	a->trouble = sql_text(st, 18);
}

static int
walk(struct store *s, sqlite3_stmt *st, store_on_agent *fn, void *arg,
    size_t *ret_n, struct err *e)
{
	struct store_agent a;
	int rc;

	while ((rc = sql_next(s, st, e)) == 1) {
		read_agent(st, &a);
		++*ret_n;
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&a, arg)) != 0) {
			sqlite3_reset(st);
			return (rc);
		}
	}
	return (rc);
}

int
store_agents(struct store *s, int64_t after, int limit, store_on_agent *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT " AGENT_COLUMNS " WHERE a.n > ? ORDER BY a.n LIMIT ?", "ii",
	    after, (int64_t)limit);
	return (rc != 0 ? rc : walk(s, st, fn, arg, &n, e));
}

int
store_agent_get(struct store *s, const struct id *id, store_on_agent *fn,
    void *arg, struct err *e)
{
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	rc = sql_bound(
	    s, e, &st, "SELECT " AGENT_COLUMNS " WHERE a.id = ?", "d", id);
	if (rc != 0 || (rc = walk(s, st, fn, arg, &n, e)) != 0)
		return (rc);
	return (
	    n == 1 ? 0 : err_set(e, ERR_NOTFOUND, "no agent %s", id_hex(id).s));
}

int
store_agent_enrol(struct store *s, const struct store_agent *a,
    const struct id *token, int64_t now, int64_t *ret_n, struct err *e)
{
	int64_t revoked = 0, same = 0;
	int rc;

	if ((rc = store_token_check(s, token, &a->id, now, e)) != 0 ||
	    (rc = sql_get(s, e, &revoked,
		 "SELECT revoked FROM agents WHERE id = ?", "d", &a->id)) != 0)
		return (rc);
	if (revoked != 0)
		return (err_set(e, ERR_DENIED,
		    "this agent's identity was revoked: remove it on the"
		    " endpoint and enrol anew"));
	rc = sql_get(s, e, &same,
	    "SELECT 1 FROM agents WHERE id = ? AND token = ?", "dd", &a->id,
	    token);
	if (rc == 0 && same == 0)
		rc = sql_run(s, e,
		    "UPDATE tokens SET uses = uses - 1 WHERE hash = ?", "d",
		    token);
	if (rc != 0)
		return (rc);
	rc = sql_run(s, e,
	    "INSERT INTO agents (id, name, enrolled, token) VALUES (?, ?, ?, ?)"
	    " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
	    " enrolled = excluded.enrolled, token = excluded.token",
	    "dtid", &a->id, a->name, now, token);
	if (rc != 0)
		return (rc);
	return (sql_get(
	    s, e, ret_n, "SELECT n FROM agents WHERE id = ?", "d", &a->id));
}

int
store_agent_hello(struct store *s, const struct store_agent *a, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "INSERT INTO hellos (n, os, arch, ident, version, mode,"
	    " environment, tags, addresses, hello)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	    " ON CONFLICT (n) DO UPDATE SET os = excluded.os,"
	    " arch = excluded.arch, ident = excluded.ident,"
	    " version = excluded.version, mode = excluded.mode,"
	    " environment = excluded.environment, tags = excluded.tags,"
	    " addresses = excluded.addresses, hello = excluded.hello",
	    "ittttttttb", a->n, a->os, a->arch, a->ident, a->version, a->mode,
	    a->environment, a->tags, a->addresses, a->hello, a->hello_len);
	if (rc != 0)
		return (rc);
	return (sql_run(s, e,
	    "UPDATE agents SET name = ?, online = NOT revoked, connection = ?,"
	    " lastseen = ?, trouble = '' WHERE n = ?",
	    "tiii", a->name, (int64_t)a->connection, a->lastseen, a->n));
}

int
store_agent_trouble(struct store *s, int64_t n, const char *text, struct err *e)
{
	return (sql_run(s, e,
	    "UPDATE agents SET trouble = ?, online = 0 WHERE n = ?", "ti", text,
	    n));
}

int
store_agent_presence(struct store *s, int64_t n, bool online,
    uint64_t connection, int64_t lastseen, struct err *e)
{
	return (sql_run(s, e,
	    "UPDATE agents SET online = ? AND NOT revoked, connection = ?,"
	    " lastseen = ?"
	    " WHERE n = ?",
	    "iiii", (int64_t)online, (int64_t)connection, lastseen, n));
}

int64_t
store_agents_total(struct store *s)
{
	return (sql_number(s, -1, "SELECT COUNT(*) FROM agents", ""));
}

int
store_agents_offline(struct store *s, struct err *e)
{
	return (sql_run(s, e, "UPDATE agents SET online = 0 WHERE online", ""));
}

int
store_agent_revoke(struct store *s, const struct id *id, struct err *e)
{
	int rc;

	rc = sql_run(s, e,
	    "UPDATE agents SET revoked = 1, online = 0 WHERE id = ?", "d", id);
	if (rc == 0 && sqlite3_changes(s->db) == 0)
		rc = err_set(e, ERR_NOTFOUND, "no agent %s", id_hex(id).s);
	return (rc);
}

int
store_certificate_put(struct store *s, const struct id *agent,
    const void *serial, size_t len, int64_t ends, struct err *e)
{
	return (sql_run(s, e,
	    "INSERT OR REPLACE INTO certificates (serial, agent, ends)"
	    " SELECT ?, n, ? FROM agents WHERE id = ?",
	    "bid", serial, len, ends, agent));
}

int
store_certificates_revoked(
    struct store *s, int64_t now, store_on_serial *fn, void *arg, struct err *e)
{
	sqlite3_stmt *st;
	const uint8_t *serial;
	size_t len;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT serial FROM (SELECT c.serial AS serial, ROW_NUMBER() OVER"
	    " (PARTITION BY c.agent ORDER BY c.ends DESC, c.serial) AS place"
	    " FROM certificates c JOIN agents a ON a.n = c.agent"
	    " WHERE a.revoked <> 0 AND c.ends > ?)"
	    " WHERE place <= ? ORDER BY serial",
	    "ii", now, (int64_t)STORE_SERIALS_AGENT_MAX);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		serial = sql_blob(st, 0, &len);
		if ((rc = fn(serial, len, arg)) != 0)
			sqlite3_reset(st);
	}
	return (rc);
}

int
store_agent_find(
    struct store *s, const char *prefix, struct id *ret, struct err *e)
{
	return (sql_find(s,
	    "SELECT id FROM agents WHERE id BETWEEN ? AND ? LIMIT 2", prefix,
	    "agent", ret, e));
}

int
store_action_find(
    struct store *s, const char *prefix, struct id *ret, struct err *e)
{
	return (sql_find(s,
	    "SELECT id FROM actions WHERE id BETWEEN ? AND ? LIMIT 2", prefix,
	    "action", ret, e));
}
