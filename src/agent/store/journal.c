/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The table of the journal and what the monitor asks of it; the file is
 * journal_file.c's.
 *
 * Forgetting: an entry that was refused never ran, and judging it again does
 * no harm. So refused ones go first, the oldest first, and never push out one
 * that was accepted; only the end of an accepted one raises the floor.
 */
#include "agent/store/journal.h"

#include "agent/store/journal_file.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
cell_is_open(const struct cell *c)
{
	return c->pub.state == JOURNAL_ACCEPTED ||
	    c->pub.state == JOURNAL_STARTED;
}

/* --- the table ----------------------------------------------------------- */

void
table_drop(struct journal *j, struct cell *c)
{
	j->dead += c->doc_bytes + c->judged_bytes + c->state_bytes;
	if (!c->accepted)
		TAILQ_REMOVE(&j->refused, c, link);
	idmap_take(&j->map, &c->pub.id);
	free(c);
}

void
table_drop_all(struct journal *j)
{
	size_t i;

	for (i = 0; i < j->map.cap; i++)
		free(j->map.slots[i]);
	idmap_release(&j->map);
	memset(&j->map, 0, sizeof(j->map));
	TAILQ_INIT(&j->refused);
	cancels_release(&j->cancels);
	j->dead = j->mark_bytes = 0;
}

static struct cell *
oldest_closed(const struct journal *j)
{
	struct cell *c, *best = NULL;
	size_t i;

	for (i = 0; i < j->map.cap; i++) {
		c = j->map.slots[i];
		if (c == NULL || cell_is_open(c))
			continue;
		if (best == NULL || c->pub.expires < best->pub.expires)
			best = c;
	}
	return best;
}

static int
make_room(struct journal *j, bool accepted)
{
	struct cell *c;

	while (j->map.n >= j->max) {
		c = TAILQ_FIRST(&j->refused);
		if (c == NULL && !accepted)
			return ERR_TOOBIG;
		if (c == NULL) {
			c = oldest_closed(j);
			if (c == NULL)
				return ERR_BUSY;
			if (c->pub.expires > j->floor)
				j->floor = c->pub.expires;
		}
		table_drop(j, c);
	}
	return 0;
}

int
table_enter(
    struct journal *j, const struct journal_entry *en, struct cell **ret)
{
	struct cell *c = idmap_find(&j->map, &en->id);
	bool accepted = en->state != JOURNAL_REFUSED;
	int rc;

	if (c != NULL)
		table_drop(j, c);
	rc = make_room(j, accepted);
	if (rc != 0)
		return rc;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	c->pub = *en;
	c->accepted = accepted;
	if (idmap_add(&j->map, c) != 0) {
		free(c);
		return ERR_NOMEM;
	}
	if (!accepted)
		TAILQ_INSERT_TAIL(&j->refused, c, link);
	*ret = c;
	return 0;
}

bool
cell_may_move(const struct cell *c, enum journal_state state)
{
	if (state == JOURNAL_STARTED)
		return c->pub.state == JOURNAL_ACCEPTED;
	if (state == JOURNAL_ANSWERED)
		return cell_is_open(c);
	return c->pub.state != JOURNAL_ACKED;
}

void
table_move(
    struct journal *j, struct cell *c, enum journal_state state, size_t bytes)
{
	j->dead += c->state_bytes;
	c->state_bytes = bytes;
	c->pub.state = (uint8_t)state;
	if (!cell_is_open(c)) {
		j->dead += c->doc_bytes;
		c->doc_bytes = 0;
	}
}

/* --- asking --------------------------------------------------------------- */

void
journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	record_free(j->file);
	table_drop_all(j);
	free(j);
}

bool
journal_was_damaged(const struct journal *j)
{
	return j->damaged;
}

bool
journal_was_new(const struct journal *j)
{
	return j->fresh;
}

bool
journal_was_lost(const struct journal *j)
{
	return j->lost;
}

const struct journal_entry *
journal_find(const struct journal *j, const struct id *id)
{
	return idmap_find(&j->map, id);
}

int64_t
journal_floor(const struct journal *j)
{
	return j->floor;
}

int64_t
journal_not_before(const struct journal *j)
{
	return j->not_before;
}

int64_t
journal_newest(const struct journal *j)
{
	return j->newest;
}

size_t
journal_count(const struct journal *j)
{
	return j->map.n;
}

/* --- judging -------------------------------------------------------------- */

static int
known_already(const struct journal *j, const struct id *id, struct err *e)
{
	if (idmap_find(&j->map, id) == NULL)
		return 0;
	return err_set(
	    e, ERR_EXISTS, "action %s is known already", id_short(id).s);
}

/* After a failed sync nobody knows what the disk has, and the file takes
 * nothing more: what was not promised must not be found at the next start. */
static int
sync_or_cut(struct journal *j, uint64_t size, struct err *e)
{
	int rc = record_sync(j->file, e);

	if (rc != 0 && truncate(j->path, (off_t)size) != 0)
		err_wrap(e, "and cutting it back failed");
	return rc;
}

/* The floor must be on the disk before what it stands for is gone; the entry
 * that accepts comes last, alone. */
static int
write_accepted(struct journal *j, struct cell *c,
    const struct journal_action *a, bool mark, struct err *e)
{
	uint64_t size = record_bytes(j->file);
	int rc;

	fault_point("journal.accepting");
	rc = mark ? journal_put_mark(j, e) : 0;
	if (rc == 0)
		rc = journal_put_document(j, c, a, e);
	fault_point("journal.document");
	if (rc == 0)
		rc = journal_put_judged(j, c, a->signed_at, e);
	fault_point("journal.judged");
	if (rc == 0)
		rc = sync_or_cut(j, size, e);
	fault_point("journal.synced");
	return rc;
}

/* Before a new one is entered. */
static int
ready_for(struct journal *j, const struct id *id, struct err *e)
{
	int rc = known_already(j, id, e);

	return rc != 0 ? rc : journal_compact(j, JOURNAL_DEAD_MAX, e);
}

int
journal_accept(struct journal *j, const struct journal_action *a, bool start,
    struct err *e)
{
	struct journal_entry en = { .id = a->id,
		.expires = a->expires,
		.state = start ? JOURNAL_STARTED : JOURNAL_ACCEPTED };
	int64_t floor = j->floor;
	struct cell *c;
	int rc = ready_for(j, &a->id, e);

	if (rc != 0)
		return rc;
	en.sequence = j->next_sequence++;
	rc = table_enter(j, &en, &c);
	if (rc != 0)
		return err_set(e, rc, "journal: %s", err_text(rc));
	rc = write_accepted(j, c, a, floor != j->floor, e);
	if (rc != 0) {
		table_drop(j, c);
		return rc;
	}
	if (a->signed_at > j->newest)
		j->newest = a->signed_at;
	return 0;
}

int
journal_refuse(struct journal *j, const struct journal_action *a,
    uint16_t reason, struct err *e)
{
	int64_t limit = clock_wall_ms() / 1000 + JOURNAL_REFUSED_MAX;
	struct journal_entry en = { .id = a->id,
		.expires = a->expires < limit ? a->expires : limit,
		.state = JOURNAL_REFUSED,
		.reason = reason };
	struct cell *c;
	int rc = ready_for(j, &a->id, e);

	if (rc != 0)
		return rc;
	en.sequence = j->next_sequence++;
	rc = table_enter(j, &en, &c);
	if (rc == ERR_TOOBIG)
		return 0; /* judged again when it comes again */
	if (rc != 0)
		return err_set(e, rc, "journal: %s", err_text(rc));
	rc = journal_put_judged(j, c, 0, e);
	if (rc != 0)
		table_drop(j, c);
	return rc;
}

int
journal_hold(struct journal *j, const struct journal_action *a, uint16_t reason,
    struct err *e)
{
	struct journal_entry en = { .id = a->id,
		.expires = a->expires,
		.state = JOURNAL_HELD,
		.reason = reason };
	int64_t floor = j->floor;
	struct cell *c;
	int rc = ready_for(j, &a->id, e);

	if (rc != 0)
		return rc;
	en.sequence = j->next_sequence++;
	rc = table_enter(j, &en, &c);
	if (rc != 0)
		return err_set(e, rc, "journal: %s", err_text(rc));
	if (floor != j->floor)
		rc = journal_put_mark(j, e);
	if (rc == 0)
		rc = journal_put_judged(j, c, 0, e);
	if (rc != 0)
		table_drop(j, c);
	return rc;
}

int
journal_start(struct journal *j, const struct id *id, struct err *e)
{
	struct cell *c = idmap_find(&j->map, id);

	if (c == NULL || !cell_may_move(c, JOURNAL_STARTED))
		return err_set(e, ERR_INVALID,
		    "action %s is not one that waits to be started",
		    id_short(id).s);
	return journal_put_state(j, c, JOURNAL_STARTED, e);
}

/* Forgotten since, or further already: nothing to write. */
static int
change(struct journal *j, const struct id *id, enum journal_state state,
    struct err *e)
{
	struct cell *c = idmap_find(&j->map, id);

	if (c == NULL || !cell_may_move(c, state))
		return 0;
	return journal_put_state(j, c, state, e);
}

int
journal_answer(struct journal *j, const struct id *id, struct err *e)
{
	return change(j, id, JOURNAL_ANSWERED, e);
}

int
journal_ack(struct journal *j, const struct id *id, struct err *e)
{
	return change(j, id, JOURNAL_ACKED, e);
}

/* --- cancels -------------------------------------------------------------- */

int
journal_cancel(
    struct journal *j, const struct cancelled *c, int64_t now, struct err *e)
{
	size_t bytes, dead;
	int rc;

	if (cancels_has(&j->cancels, &c->id))
		return err_set(
		    e, ERR_EXISTS, "this cancel is remembered already");
	rc = journal_compact(j, JOURNAL_DEAD_MAX, e);
	if (rc == 0)
		rc = journal_put_cancel(j, c, &bytes, e);
	if (rc != 0)
		return rc;
	rc = cancels_enter(&j->cancels, c, bytes, now, &dead);
	j->dead += dead;
	return rc == 0 ? 0 : err_set(e, rc, "journal: %s", err_text(rc));
}

bool
journal_has_cancel(const struct journal *j, const struct id *cancel)
{
	return cancels_has(&j->cancels, cancel);
}

const struct cancelled *
journal_cancelled(const struct journal *j, const struct id *action,
    const struct signed_by *by, int64_t now)
{
	return cancels_find(&j->cancels, action, by, now);
}

size_t
journal_cancels(const struct journal *j)
{
	return j->cancels.n;
}

/* --- recovery ------------------------------------------------------------ */

struct each {
	struct journal *j;
	journal_on_open *cb;
	void *arg;
};

static int
each_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct each *each = arg;
	struct journal_action a;
	uint64_t sequence;
	struct cell *c;
	struct rd r;

	if (type != ENTRY_DOCUMENT)
		return 0;
	memset(&a, 0, sizeof(a));
	rd_init(&r, data, len);
	rd_copy(&r, a.id.b, ID_LEN);
	sequence = rd_u64(&r);
	a.verdict = rd_field(&r, JOURNAL_VERDICT_MAX, &a.verdict_len);
	a.doc = rd_field(&r, RECORD_ENTRY_MAX, &a.doc_len);
	if (!rd_done(&r))
		return ERR_INVALID;
	c = idmap_find(&each->j->map, &a.id);
	if (c == NULL || c->pub.sequence != sequence || !cell_is_open(c))
		return 0;
	a.expires = c->pub.expires;
	return each->cb(&c->pub, &a, each->arg);
}

int
journal_each_open(
    struct journal *j, journal_on_open *cb, void *arg, struct err *e)
{
	struct each each = { j, cb, arg };
	size_t i, open = 0;

	for (i = 0; i < j->map.cap; i++)
		open +=
		    j->map.slots[i] != NULL && cell_is_open(j->map.slots[i]);
	if (open == 0)
		return 0;
	return record_scan(j->path, each_entry, &each, e);
}

static int
newest_first(const void *a, const void *b)
{
	const struct journal_entry *const *x = a, *const *y = b;

	return (*x)->sequence < (*y)->sequence ? 1
	    : (*x)->sequence > (*y)->sequence  ? -1
					       : 0;
}

size_t
journal_known(const struct journal *j, int64_t now, struct id *out, size_t max)
{
	struct journal_entry **list, *en;
	size_t i, n = 0;

	if (j->map.n == 0)
		return 0;
	list = calloc(j->map.n, sizeof(struct journal_entry *));
	if (list == NULL)
		return 0;
	for (i = 0; i < j->map.cap; i++) {
		en = j->map.slots[i];
		if (en != NULL && en->expires > now)
			list[n++] = en;
	}
	qsort(list, n, sizeof(struct journal_entry *), newest_first);
	if (n > max)
		n = max;
	for (i = 0; i < n; i++)
		out[i] = list[i]->id;
	free(list);
	return n;
}
