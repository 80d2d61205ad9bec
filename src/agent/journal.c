/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Entries of the record file (numbers big endian):
 *   1 epoch     u64 not-before
 *   2 document  32 id, field verdict, field document
 *   3 accepted  32 id, u64 expires, u64 signed
 *   4 started   32 id
 *   5 answered  32 id
 *   6 acked     32 id
 *   7 refused   32 id, u64 expires, u64 signed, u16 reason
 *   8 mark      u64 floor, u64 newest signature
 * Replaying them gives the table in memory; documents stay on the disk.
 */
#include "agent/journal.h"

#include "agent/idmap.h"
#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum entry_type {
	ENTRY_EPOCH = 1,
	ENTRY_DOCUMENT = 2,
	ENTRY_ACCEPTED = 3,
	ENTRY_STARTED = 4,
	ENTRY_ANSWERED = 5,
	ENTRY_ACKED = 6,
	ENTRY_REFUSED = 7,
	ENTRY_MARK = 8,
};

/* Rewriting pays when this much of the file is no longer needed. */
#define DEAD_BYTES_MAX (8 * 1024 * 1024)
#define VERDICT_MAX 8192

struct journal {
	char path[PATH_MAX];
	struct record *file;
	struct idmap map; /* of struct journal_entry, owned here */
	size_t max;
	uint64_t next_sequence;
	int64_t floor, not_before, newest;
	uint64_t marks; /* marks seen, for keep() */
	size_t dead;    /* bytes a rewrite would free */
	bool damaged, fresh;
};

static bool
is_open(const struct journal_entry *en)
{
	return en->state == JOURNAL_ACCEPTED || en->state == JOURNAL_STARTED;
}

static void
free_entries(struct journal *j)
{
	size_t i;

	for (i = 0; i < j->map.cap; i++)
		free(j->map.slots[i]);
	idmap_release(&j->map);
}

static void
forget_all(struct journal *j)
{
	free_entries(j);
	j->next_sequence = 0;
	j->floor = j->not_before = j->newest = 0;
	j->dead = 0;
}

/* --- the table ----------------------------------------------------------- */

static struct journal_entry *
oldest_closed(struct journal *j)
{
	struct journal_entry *en, *best = NULL;
	size_t i;

	for (i = 0; i < j->map.cap; i++) {
		en = j->map.slots[i];
		if (en == NULL || is_open(en))
			continue;
		if (best == NULL || en->expires < best->expires)
			best = en;
	}
	return best;
}

static int
evict(struct journal *j)
{
	struct journal_entry *en;

	while (j->map.n >= j->max) {
		en = oldest_closed(j);
		if (en == NULL)
			return ERR_BUSY;
		if (en->expires > j->floor)
			j->floor = en->expires;
		idmap_take(&j->map, &en->id);
		free(en);
	}
	return 0;
}

/* An entry in this state; made when it is new. */
static int
enter(struct journal *j, const struct id *id, int64_t expires,
    int64_t signed_at, enum journal_state state, uint16_t reason)
{
	struct journal_entry *en = idmap_find(&j->map, id);
	int rc;

	if (en == NULL) {
		rc = evict(j);
		if (rc != 0)
			return rc;
		en = calloc(1, sizeof(*en));
		if (en == NULL)
			return ERR_NOMEM;
		en->id = *id;
		if (idmap_add(&j->map, en) != 0) {
			free(en);
			return ERR_NOMEM;
		}
	}
	en->expires = expires;
	en->sequence = j->next_sequence++;
	en->state = (uint8_t)state;
	en->reason = reason;
	if (signed_at > j->newest)
		j->newest = signed_at;
	return 0;
}

static void
move(struct journal *j, const struct id *id, enum journal_state state)
{
	struct journal_entry *en = idmap_find(&j->map, id);

	/* evicted since: its later states do not matter any more */
	if (en != NULL)
		en->state = (uint8_t)state;
}

/* --- reading ------------------------------------------------------------- */

static int
replay_judged(struct journal *j, uint16_t type, struct rd *r)
{
	int64_t expires, signed_at;
	uint16_t reason = 0;
	struct id id;

	rd_copy(r, id.b, ID_LEN);
	expires = (int64_t)rd_u64(r);
	signed_at = (int64_t)rd_u64(r);
	if (type == ENTRY_REFUSED)
		reason = rd_u16(r);
	if (!rd_done(r) || expires < 0 || signed_at < 0)
		return ERR_INVALID;
	return enter(j, &id, expires, signed_at,
	    type == ENTRY_REFUSED ? JOURNAL_REFUSED : JOURNAL_ACCEPTED, reason);
}

static int
replay_state(struct journal *j, uint16_t type, struct rd *r)
{
	struct id id;

	rd_copy(r, id.b, ID_LEN);
	if (!rd_done(r))
		return ERR_INVALID;
	move(j, &id,
	    type == ENTRY_STARTED        ? JOURNAL_STARTED
		: type == ENTRY_ANSWERED ? JOURNAL_ANSWERED
					 : JOURNAL_ACKED);
	return 0;
}

static int
replay_numbers(struct journal *j, uint16_t type, struct rd *r)
{
	int64_t a = (int64_t)rd_u64(r), b = 0;

	if (type == ENTRY_MARK)
		b = (int64_t)rd_u64(r);
	if (!rd_done(r) || a < 0 || b < 0)
		return ERR_INVALID;
	if (type == ENTRY_EPOCH) {
		j->not_before = a;
		return 0;
	}
	if (a > j->floor)
		j->floor = a;
	if (b > j->newest)
		j->newest = b;
	return 0;
}

static int
replay(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct journal *j = arg;
	struct rd r;

	rd_init(&r, data, len);
	switch (type) {
	case ENTRY_EPOCH:
	case ENTRY_MARK:
		return replay_numbers(j, type, &r);
	case ENTRY_DOCUMENT:
		j->dead += len;
		return len > ID_LEN ? 0 : ERR_INVALID;
	case ENTRY_ACCEPTED:
	case ENTRY_REFUSED:
		return replay_judged(j, type, &r);
	case ENTRY_STARTED:
	case ENTRY_ANSWERED:
	case ENTRY_ACKED:
		return replay_state(j, type, &r);
	}
	return ERR_INVALID;
}

/* --- writing ------------------------------------------------------------- */

static int
put(struct journal *j, enum entry_type type, const struct buf *b, struct err *e)
{
	if (b->error != 0)
		return err_set(
		    e, b->error, "journal entry: %s", err_text(b->error));
	return record_append(j->file, (uint16_t)type, b->data, b->len, e);
}

static int
put_id(
    struct journal *j, enum entry_type type, const struct id *id, struct err *e)
{
	return record_append(j->file, (uint16_t)type, id->b, ID_LEN, e);
}

static int
put_judged(struct journal *j, enum entry_type type,
    const struct journal_action *a, uint16_t reason, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, 256);
	buf_add(&b, a->id.b, ID_LEN);
	buf_add_u64(&b, (uint64_t)a->expires);
	buf_add_u64(&b, (uint64_t)a->signed_at);
	if (type == ENTRY_REFUSED)
		buf_add_u16(&b, reason);
	rc = put(j, type, &b, e);
	buf_release(&b);
	return rc;
}

static int
put_mark(struct journal *j, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, 64);
	buf_add_u64(&b, (uint64_t)j->floor);
	buf_add_u64(&b, (uint64_t)j->newest);
	rc = put(j, ENTRY_MARK, &b, e);
	buf_release(&b);
	return rc;
}

static bool
keep(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct journal *j = arg;
	const struct journal_entry *en;
	struct id id;

	if (type == ENTRY_EPOCH)
		return true;
	if (type == ENTRY_MARK)
		return position == j->marks;
	if (len < ID_LEN)
		return false;
	memcpy(id.b, data, ID_LEN);
	en = idmap_find(&j->map, &id);
	if (en == NULL)
		return false;
	return type != ENTRY_DOCUMENT || is_open(en);
}

static int
compact(struct journal *j, struct err *e)
{
	int rc = put_mark(j, e);

	if (rc != 0)
		return rc;
	j->marks = record_position(j->file);
	rc = record_rewrite(j->file, keep, j, e);
	if (rc == 0)
		j->dead = 0;
	return rc;
}

static int
begin(struct journal *j, int64_t now, struct err *e)
{
	struct buf b;
	int rc;

	j->fresh = true;
	j->not_before = now;
	buf_init(&b, 64);
	buf_add_u64(&b, (uint64_t)now);
	rc = put(j, ENTRY_EPOCH, &b, e);
	buf_release(&b);
	return rc != 0 ? rc : record_sync(j->file, e);
}

/* Puts a damaged file aside and starts a new one. */
static int
start_anew(struct journal *j, int64_t now, struct err *e)
{
	char aside[PATH_MAX + 32];

	snprintf(aside, sizeof(aside), "%s.damaged-%" PRId64, j->path, now);
	if (rename(j->path, aside) != 0)
		return err_errno(
		    e, "%s: putting a damaged journal aside", j->path);
	forget_all(j);
	j->damaged = true;
	return record_open(j->path, replay, j, &j->file, e);
}

int
journal_open(const char *path, size_t max, int64_t now, struct journal **ret,
    struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));
	int rc;

	if (j == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	j->max = max;
	snprintf(j->path, sizeof(j->path), "%s", path);
	rc = record_open(path, replay, j, &j->file, e);
	if (rc == ERR_INVALID || rc == ERR_TOOBIG)
		rc = start_anew(j, now, e);
	if (rc == 0 && j->not_before == 0)
		rc = begin(j, now, e);
	if (rc == 0 && j->dead > DEAD_BYTES_MAX / 8)
		rc = compact(j, e);
	if (rc != 0) {
		journal_free(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void
journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	record_free(j->file);
	free_entries(j);
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

/* The floor must be on the disk before what it stands for is gone. */
static int
enter_and_mark(struct journal *j, const struct journal_action *a,
    enum journal_state state, uint16_t reason, struct err *e)
{
	int64_t floor = j->floor;
	int rc = enter(j, &a->id, a->expires, a->signed_at, state, reason);

	if (rc != 0)
		return err_set(e, rc, "journal: %s", err_text(rc));
	return floor == j->floor ? 0 : put_mark(j, e);
}

static void
undo(struct journal *j, const struct id *id)
{
	free(idmap_take(&j->map, id));
}

int
journal_accept(struct journal *j, const struct journal_action *a, bool start,
    struct err *e)
{
	struct buf b;
	int rc;

	if (idmap_find(&j->map, &a->id) != NULL)
		return err_set(e, ERR_EXISTS, "action %s is known already",
		    id_short(&a->id).s);
	if (j->dead > DEAD_BYTES_MAX && (rc = compact(j, e)) != 0)
		return rc;
	buf_init(&b, RECORD_ENTRY_MAX);
	buf_add(&b, a->id.b, ID_LEN);
	buf_add_field(&b, a->verdict, a->verdict_len);
	buf_add_field(&b, a->doc, a->doc_len);
	rc = put(j, ENTRY_DOCUMENT, &b, e);
	j->dead += b.len;
	buf_release(&b);
	if (rc == 0)
		rc = put_judged(j, ENTRY_ACCEPTED, a, 0, e);
	if (rc == 0 && start)
		rc = put_id(j, ENTRY_STARTED, &a->id, e);
	if (rc == 0)
		rc = enter_and_mark(
		    j, a, start ? JOURNAL_STARTED : JOURNAL_ACCEPTED, 0, e);
	if (rc == 0)
		rc = record_sync(j->file, e);
	/* not on the disk for certain: nobody may believe it was accepted */
	if (rc != 0)
		undo(j, &a->id);
	return rc;
}

int
journal_start(struct journal *j, const struct id *id, struct err *e)
{
	int rc = put_id(j, ENTRY_STARTED, id, e);

	if (rc == 0)
		rc = record_sync(j->file, e);
	if (rc == 0)
		move(j, id, JOURNAL_STARTED);
	return rc;
}

int
journal_refuse(struct journal *j, const struct journal_action *a,
    uint16_t reason, struct err *e)
{
	int rc;

	if (idmap_find(&j->map, &a->id) != NULL)
		return err_set(e, ERR_EXISTS, "action %s is known already",
		    id_short(&a->id).s);
	rc = put_judged(j, ENTRY_REFUSED, a, reason, e);
	if (rc == 0)
		rc = enter_and_mark(j, a, JOURNAL_REFUSED, reason, e);
	return rc;
}

int
journal_answer(struct journal *j, const struct id *id, struct err *e)
{
	int rc = put_id(j, ENTRY_ANSWERED, id, e);

	if (rc == 0)
		move(j, id, JOURNAL_ANSWERED);
	return rc;
}

int
journal_ack(struct journal *j, const struct id *id, struct err *e)
{
	int rc = put_id(j, ENTRY_ACKED, id, e);

	if (rc == 0)
		move(j, id, JOURNAL_ACKED);
	return rc;
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
	const struct journal_entry *en;
	struct journal_action a;
	struct rd r;

	if (type != ENTRY_DOCUMENT)
		return 0;
	memset(&a, 0, sizeof(a));
	rd_init(&r, data, len);
	rd_copy(&r, a.id.b, ID_LEN);
	a.verdict = rd_field(&r, VERDICT_MAX, &a.verdict_len);
	a.doc = rd_field(&r, RECORD_ENTRY_MAX, &a.doc_len);
	if (!rd_done(&r))
		return ERR_INVALID;
	en = idmap_find(&each->j->map, &a.id);
	if (en == NULL || !is_open(en))
		return 0;
	a.expires = en->expires;
	return each->cb(en, &a, each->arg);
}

int
journal_each_open(
    struct journal *j, journal_on_open *cb, void *arg, struct err *e)
{
	struct each each = { j, cb, arg };
	size_t i, open = 0;

	for (i = 0; i < j->map.cap; i++)
		open += j->map.slots[i] != NULL && is_open(j->map.slots[i]);
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
