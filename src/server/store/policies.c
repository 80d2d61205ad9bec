/* SPDX-License-Identifier: MPL-2.0 */
#include "server/store/policies.h"

#include "server/store/sql.h"

#include "base/err.h"

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
		err_code(e, rc, "the policy");
	if (rc == 0 && ret_hash != NULL)
		sql_id(st, 0, ret_hash);
	sqlite3_reset(st);
	return (rc);
}

int
store_policy_step(struct store *s, const struct store_policy *p, struct err *e)
{
	int64_t newest = 0, other = 0;
	int rc;

	rc = sql_get(s, e, &other,
	    "SELECT 1 FROM policies WHERE previous = ? AND hash <> ?"
	    " AND envelope IS NOT NULL",
	    "dd", &p->previous, &p->hash);
	if (rc == 0 && other != 0)
		rc = err_set(e, ERR_EXISTS,
		    "another policy follows there already: a policy has one"
		    " successor");
	if (rc != 0)
		return (rc);
	rc = sql_get(s, e, &newest,
	    "SELECT version FROM policies WHERE hash ="
	    " (SELECT value FROM meta WHERE key = 'policy')",
	    "");
	if (rc != 0)
		return (rc);
	rc = sql_run(s, e,
	    "INSERT INTO policies (hash, version, created, text, previous,"
	    " envelope) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE"
	    " SET previous = excluded.previous, envelope = excluded.envelope",
	    "diibdb", &p->hash, (int64_t)p->version, p->created, p->text,
	    p->len, &p->previous, p->envelope, p->envelope_len);
	if (rc != 0 || (int64_t)p->version <= newest)
		return (rc);
	return (store_meta_set(s, "policy", p->hash.b, ID_LEN, e));
}

int
store_policies(struct store *s, store_on_policy *fn, void *arg, struct err *e)
{
	struct store_policy p = { .text = NULL };
	sqlite3_stmt *st;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT hash, previous, version, created, envelope, hash ="
	    " (SELECT value FROM meta WHERE key = 'policy')"
	    " FROM policies ORDER BY version, created",
	    "");
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		sql_id(st, 0, &p.hash);
		sql_id(st, 1, &p.previous);
		p.version = (uint64_t)sqlite3_column_int64(st, 2);
		p.created = sqlite3_column_int64(st, 3);
		p.envelope = sql_blob(st, 4, &p.envelope_len);
		p.current = sqlite3_column_int(st, 5) != 0;
		if (p.envelope_len == 0)
			p.envelope = NULL;
		if ((rc = sql_read(s, e)) != 0 || (rc = fn(&p, arg)) != 0)
			sqlite3_reset(st);
		else
			continue;
		break;
	}
	return (rc);
}

int
store_policy_envelope(
    struct store *s, const struct id *hash, struct buf *out, struct err *e)
{
	sqlite3_stmt *st;
	const uint8_t *p;
	size_t len;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT envelope FROM policies WHERE hash = ?"
	    " AND envelope IS NOT NULL",
	    "d", hash);
	if (rc != 0)
		return (rc);
	p = sql_blob(st, 0, &len);
	if ((rc = sql_read(s, e)) == 0 && (rc = buf_add(out, p, len)) != 0)
		err_code(e, rc, "the policy");
	sqlite3_reset(st);
	return (rc);
}
