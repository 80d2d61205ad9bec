/* SPDX-License-Identifier: MPL-2.0 */
/* Store: the audit log. See audit.h. */
#include "server/store/audit.h"

#include "server/store/sql.h"

#include "base/err.h"

#include <string.h>

#define FLOOR "audit_floor"

static int
read_head(
    struct store *s, sqlite3_stmt *st, struct audit_head *ret, struct err *e)
{
	struct audit_head h;
	int rc;

	h.n = (uint64_t)sqlite3_column_int64(st, 0);
	sql_id(st, 1, &h.chain);
	if ((rc = sql_read(s, e)) == 0)
		*ret = h;
	return (rc);
}

int
store_audit_floor(struct store *s, struct audit_head *ret, struct err *e)
{
	struct audit_head h = { 0 };
	struct buf b;
	struct rd rd;
	int rc;

	buf_init(&b, 64);
	rc = store_meta_get(s, FLOOR, &b, e);
	if (rc == 0) {
		rd_init(&rd, b.data, b.len);
		h.n = rd_u64(&rd);
		rd_copy(&rd, h.chain.b, ID_LEN);
		if (!rd_done(&rd))
			rc = err_set(e, ERR_INVALID,
			    "the store's beginning of the audit log is"
			    " damaged");
	}
	buf_release(&b);
	if (rc == 0 || rc == ERR_NOTFOUND)
		*ret = h;
	return (rc == ERR_NOTFOUND ? 0 : rc);
}

int
store_audit_head(struct store *s, struct audit_head *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	rc = sql_row(s, e, &st,
	    "SELECT n, chain FROM audit ORDER BY n DESC LIMIT 1", "");
	if (rc == ERR_NOTFOUND)
		return (store_audit_floor(s, ret, e));
	if (rc != 0)
		return (rc);
	rc = read_head(s, st, ret, e);
	sqlite3_reset(st);
	return (rc);
}

int
store_audit_at(
    struct store *s, uint64_t n, struct audit_head *ret, struct err *e)
{
	struct audit_head floor;
	sqlite3_stmt *st;
	int rc;

	if ((rc = store_audit_floor(s, &floor, e)) != 0)
		return (rc);
	if (floor.n == n) {
		*ret = floor;
		return (0);
	}
	rc = sql_row(s, e, &st, "SELECT n, chain FROM audit WHERE n = ?", "i",
	    (int64_t)n);
	if (rc != 0)
		return (rc == ERR_NOTFOUND
			? err_set(e, rc, "the audit log has no entry %llu",
			      (unsigned long long)n)
			: rc);
	rc = read_head(s, st, ret, e);
	sqlite3_reset(st);
	return (rc);
}

int
store_audit_put(struct store *s, const struct audit_head *head, int64_t now,
    const char *text, struct err *e)
{
	return (sql_run(s, e,
	    "INSERT INTO audit (n, time, chain, text) VALUES (?, ?, ?, ?)",
	    "iidt", (int64_t)head->n, now, &head->chain, text));
}

int
store_audit(struct store *s, uint64_t after, int limit, store_on_audit *fn,
    void *arg, struct err *e)
{
	struct audit_head h;
	sqlite3_stmt *st;
	const char *text;
	int rc;

	rc = sql_bound(s, e, &st,
	    "SELECT n, chain, text FROM audit WHERE n > ? ORDER BY n LIMIT ?",
	    "ii", (int64_t)after, (int64_t)limit);
	while (rc == 0 && (rc = sql_next(s, st, e)) == 1) {
		text = sql_text(st, 2);
		if ((rc = read_head(s, st, &h, e)) != 0 ||
		    (rc = fn(&h, text, strlen(text), arg)) != 0) {
			sqlite3_reset(st);
			break;
		}
	}
	return (rc);
}

int
store_audit_due(struct store *s, int64_t before, bool *ret, struct err *e)
{
	int64_t yes = 0;
	int rc;

	rc = sql_get(s, e, &yes,
	    "SELECT 1 FROM audit WHERE n = (SELECT MIN(n) FROM audit)"
	    " AND n < (SELECT MAX(n) FROM audit) AND time < ?",
	    "i", before);
	if (rc == 0)
		*ret = yes == 1;
	return (rc);
}

/* The last entry that may go: those before the first that is young enough. */
static int
last_to_go(
    struct store *s, int64_t before, int limit, int64_t *ret, struct err *e)
{
	int64_t first = 0, stays = 0;
	int rc;

	if ((rc = sql_get(s, e, &first, "SELECT MIN(n) FROM audit", "")) != 0 ||
	    (rc = sql_get(s, e, &stays, "SELECT MAX(n) FROM audit", "")) != 0)
		return (rc);
	if (stays > first + limit)
		stays = first + limit;
	rc = sql_get(s, e, &stays,
	    "SELECT n FROM audit WHERE n < ? AND time >= ? ORDER BY n LIMIT 1",
	    "ii", stays, before);
	if (rc != 0)
		return (rc);
	*ret = stays - 1;
	if (first == 0 || *ret < first)
		*ret = 0;
	return (0);
}

int
store_audit_prune(
    struct store *s, int64_t before, int limit, int64_t *ret_n, struct err *e)
{
	struct audit_head h = { 0 };
	int64_t last = 0;
	struct buf b;
	int rc;

	*ret_n = 0;
	rc = last_to_go(s, before, limit, &last, e);
	if (rc != 0 || last == 0)
		return (rc);
	if ((rc = store_audit_at(s, (uint64_t)last, &h, e)) != 0)
		return (rc);
	buf_init(&b, 64);
	buf_add_u64(&b, h.n);
	buf_add(&b, h.chain.b, ID_LEN);
	rc = b.error != 0 ? err_set(e, b.error, "out of memory")
			  : store_meta_set(s, FLOOR, b.data, b.len, e);
	buf_release(&b);
	if (rc == 0)
		rc = sql_run(s, e, "DELETE FROM audit WHERE n <= ?", "i", last);
	if (rc == 0)
		*ret_n = sqlite3_changes(s->db);
	return (rc);
}
