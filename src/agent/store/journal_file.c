/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Entries of the journal's record file (numbers big endian):
 *   1 epoch     u64 not-before
 *   2 document  32 id, u64 sequence, field verdict, field document
 *   3 accepted  32 id, u64 sequence, u64 expires, u64 signed, u8 started
 *   4 started   32 id, u64 sequence
 *   5 answered  32 id, u64 sequence
 *   6 acked     32 id, u64 sequence
 *   7 refused   32 id, u64 sequence, u64 expires, u16 reason
 *   8 mark      u64 floor, u64 newest signature accepted
 *   9 cancel    32 id of the cancel, 32 action, u64 expires, u8 right, u8 n,
 *               n times 20 person, field text
 *  10 held      as refused
 *
 * Accepting is the one entry 3; its document stands before it and means
 * nothing alone. The sequence is of one judgement: an id that was forgotten
 * and judged again has another, so what the file still says of the first is
 * never taken for the second. Replaying gives the table in memory; documents
 * stay on the disk.
 */
#include "agent/store/journal_file.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_OVERHEAD 40 /* length, type and chain (record/record.h) */
/* How far in the future a signature may lie (crypto/keyring.h), and the second
 * that has begun. */
#define FUTURE_SLACK 301

/* --- reading ------------------------------------------------------------- */

static void
read_key(struct rd *r, struct journal_entry *ret)
{
	memset(ret, 0, sizeof(*ret));
	rd_copy(r, ret->id.b, ID_LEN);
	ret->sequence = rd_u64(r);
	if (ret->sequence > INT64_MAX)
		r->bad = true;
}

static void
note_sequence(struct journal *j, uint64_t sequence)
{
	if (sequence >= j->next_sequence)
		j->next_sequence = sequence + 1;
}

static int
replay_document(
    struct journal *j, struct rd *r, size_t bytes, struct cell *pending)
{
	struct journal_entry key;

	read_key(r, &key);
	if (r->bad)
		return ERR_INVALID;
	note_sequence(j, key.sequence);
	/* dead until the entry behind it makes it alive */
	j->dead += bytes;
	pending->pub = key;
	pending->doc_bytes = bytes;
	return 0;
}

static int
replay_judged(struct journal *j, uint16_t type, struct rd *r, size_t bytes,
    const struct cell *pending)
{
	struct journal_entry en;
	int64_t signed_at = 0;
	struct cell *c;
	int rc;

	read_key(r, &en);
	en.expires = (int64_t)rd_u64(r);
	if (type == ENTRY_REFUSED || type == ENTRY_HELD) {
		en.reason = rd_u16(r);
		en.state = type == ENTRY_HELD ? JOURNAL_HELD : JOURNAL_REFUSED;
	} else {
		signed_at = (int64_t)rd_u64(r);
		en.state = rd_u8(r) != 0 ? JOURNAL_STARTED : JOURNAL_ACCEPTED;
	}
	if (!rd_done(r) || en.expires < 0 || signed_at < 0)
		return ERR_INVALID;
	note_sequence(j, en.sequence);
	rc = table_enter(j, &en, &c);
	if (rc == ERR_TOOBIG) {
		j->dead += bytes;
		return 0;
	}
	if (rc != 0)
		return rc;
	c->judged_bytes = bytes;
	if (type == ENTRY_ACCEPTED && pending->doc_bytes > 0 &&
	    pending->pub.sequence == en.sequence &&
	    id_equal(&pending->pub.id, &en.id)) {
		c->doc_bytes = pending->doc_bytes;
		j->dead -= c->doc_bytes;
	}
	if (signed_at > j->newest)
		j->newest = signed_at;
	return 0;
}

static int
replay_state(struct journal *j, uint16_t type, struct rd *r, size_t bytes)
{
	enum journal_state state = type == ENTRY_STARTED ? JOURNAL_STARTED
	    : type == ENTRY_ANSWERED                     ? JOURNAL_ANSWERED
							 : JOURNAL_ACKED;
	struct journal_entry key;
	struct cell *c;

	read_key(r, &key);
	if (!rd_done(r))
		return ERR_INVALID;
	c = idmap_find(&j->map, &key.id);
	if (c == NULL || c->pub.sequence != key.sequence ||
	    !cell_may_move(c, state))
		j->dead += bytes; /* of one that was forgotten since */
	else
		table_move(j, c, state, bytes);
	return 0;
}

static int
replay_numbers(struct journal *j, uint16_t type, struct rd *r, size_t bytes,
    uint64_t position)
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
	j->dead += j->mark_bytes;
	j->mark_bytes = bytes;
	j->mark = position;
	return 0;
}

static int
replay_cancel(struct journal *j, struct rd *r, size_t bytes, int64_t now)
{
	struct cancelled c;
	size_t dead;
	int rc;

	if (cancelled_read(r, &c) != 0)
		return ERR_INVALID;
	rc = cancels_enter(&j->cancels, &c, bytes, now, &dead);
	j->dead += dead;
	return rc;
}

struct replaying {
	struct journal *j;
	int64_t now;
	struct cell pending; /* the document just before */
};

static int
replay(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct replaying *p = arg;
	struct journal *j = p->j;
	size_t bytes = ENTRY_OVERHEAD + len;
	struct rd r;
	int rc = ERR_INVALID;

	rd_init(&r, data, len);
	switch (type) {
	case ENTRY_EPOCH:
	case ENTRY_MARK:
		rc = replay_numbers(j, type, &r, bytes, position);
		break;
	case ENTRY_DOCUMENT:
		return replay_document(j, &r, bytes, &p->pending);
	case ENTRY_ACCEPTED:
	case ENTRY_REFUSED:
	case ENTRY_HELD:
		rc = replay_judged(j, type, &r, bytes, &p->pending);
		break;
	case ENTRY_STARTED:
	case ENTRY_ANSWERED:
	case ENTRY_ACKED:
		rc = replay_state(j, type, &r, bytes);
		break;
	case ENTRY_CANCEL:
		rc = replay_cancel(j, &r, bytes, p->now);
		break;
	}
	p->pending.doc_bytes = 0;
	return rc;
}

/* --- writing ------------------------------------------------------------- */

/* Releases b. */
static int
put(struct journal *j, enum entry_type type, struct buf *b, size_t *ret_bytes,
    struct err *e)
{
	int rc;

	if (b->error != 0)
		rc = err_set(
		    e, b->error, "journal entry: %s", err_text(b->error));
	else
		rc = record_append(j->file, (uint16_t)type, b->data, b->len, e);
	if (rc == 0)
		*ret_bytes = ENTRY_OVERHEAD + b->len;
	buf_release(b);
	return rc;
}

static void
start_entry(struct buf *b, size_t max, const struct cell *c)
{
	buf_init(b, max);
	buf_add(b, c->pub.id.b, ID_LEN);
	buf_add_u64(b, c->pub.sequence);
}

int
journal_put_document(struct journal *j, struct cell *c,
    const struct journal_action *a, struct err *e)
{
	struct buf b;

	start_entry(&b, RECORD_ENTRY_MAX, c);
	buf_add_field(&b, a->verdict, a->verdict_len);
	buf_add_field(&b, a->doc, a->doc_len);
	return put(j, ENTRY_DOCUMENT, &b, &c->doc_bytes, e);
}

int
journal_put_judged(
    struct journal *j, struct cell *c, int64_t signed_at, struct err *e)
{
	struct buf b;

	start_entry(&b, 256, c);
	buf_add_u64(&b, (uint64_t)c->pub.expires);
	if (c->pub.state == JOURNAL_REFUSED || c->pub.state == JOURNAL_HELD) {
		buf_add_u16(&b, c->pub.reason);
		return put(j, c->accepted ? ENTRY_HELD : ENTRY_REFUSED, &b,
		    &c->judged_bytes, e);
	}
	buf_add_u64(&b, (uint64_t)signed_at);
	buf_add_u8(&b, c->pub.state == JOURNAL_STARTED);
	return put(j, ENTRY_ACCEPTED, &b, &c->judged_bytes, e);
}

int
journal_put_state(
    struct journal *j, struct cell *c, enum journal_state state, struct err *e)
{
	enum entry_type type = state == JOURNAL_STARTED ? ENTRY_STARTED
	    : state == JOURNAL_ANSWERED                 ? ENTRY_ANSWERED
							: ENTRY_ACKED;
	size_t bytes;
	struct buf b;
	int rc;

	start_entry(&b, 64, c);
	fault_point("journal.state");
	rc = put(j, type, &b, &bytes, e);
	if (rc == 0 && state == JOURNAL_STARTED)
		rc = record_sync(j->file, e);
	fault_point("journal.state_written");
	if (rc == 0)
		table_move(j, c, state, bytes);
	return rc;
}

int
journal_put_mark(struct journal *j, struct err *e)
{
	size_t bytes;
	struct buf b;
	int rc;

	buf_init(&b, 64);
	buf_add_u64(&b, (uint64_t)j->floor);
	buf_add_u64(&b, (uint64_t)j->newest);
	rc = put(j, ENTRY_MARK, &b, &bytes, e);
	if (rc != 0)
		return rc;
	j->dead += j->mark_bytes;
	j->mark_bytes = bytes;
	j->mark = record_position(j->file);
	return 0;
}

int
journal_put_cancel(struct journal *j, const struct cancelled *c,
    size_t *ret_bytes, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, sizeof(*c) + 64);
	cancelled_write(c, &b);
	rc = put(j, ENTRY_CANCEL, &b, ret_bytes, e);
	return rc == 0 ? record_sync(j->file, e) : rc;
}

static bool
keep(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	const struct journal *j = arg;
	struct journal_entry key;
	const struct cell *c;
	struct rd r;

	if (type == ENTRY_EPOCH)
		return true;
	if (type == ENTRY_MARK)
		return position == j->mark;
	rd_init(&r, data, len);
	if (type == ENTRY_CANCEL) {
		rd_copy(&r, key.id.b, ID_LEN);
		return !r.bad && cancels_has(&j->cancels, &key.id);
	}
	read_key(&r, &key);
	c = r.bad ? NULL : idmap_find(&j->map, &key.id);
	if (c == NULL || c->pub.sequence != key.sequence)
		return false;
	switch (type) {
	case ENTRY_DOCUMENT:
		return cell_is_open(c);
	case ENTRY_STARTED:
		return c->pub.state == JOURNAL_STARTED;
	case ENTRY_ANSWERED:
		return c->pub.state == JOURNAL_ANSWERED;
	case ENTRY_ACKED:
		return c->pub.state == JOURNAL_ACKED;
	}
	return true;
}

int
journal_compact(struct journal *j, size_t more_than, struct err *e)
{
	int rc;

	if (j->dead <= more_than)
		return 0;
	rc = journal_put_mark(j, e);
	fault_point("journal.compacting");
	if (rc == 0)
		rc = record_rewrite(j->file, keep, j, e);
	if (rc == 0)
		j->dead = 0;
	return rc;
}

/* --- opening -------------------------------------------------------------- */

static int
begin(struct journal *j, int64_t not_before, struct err *e)
{
	size_t bytes;
	struct buf b;
	int rc;

	j->fresh = true;
	j->not_before = not_before;
	buf_init(&b, 64);
	buf_add_u64(&b, (uint64_t)not_before);
	rc = put(j, ENTRY_EPOCH, &b, &bytes, e);
	if (rc == 0 && (j->floor > 0 || j->newest > 0))
		rc = journal_put_mark(j, e);
	return rc != 0 ? rc : record_sync(j->file, e);
}

static int
sync_directory(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, rc = 0;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", dir);
	if (fsync(fd) != 0)
		rc = err_errno(e, "%s: sync", dir);
	close(fd);
	return rc;
}

/* The new journal takes the damaged one's place when it is whole, so that a
 * crash in between finds the damage again and not an empty beginning. */
static int
replace(struct journal *j, const char *fresh, const char *aside, struct err *e)
{
	if (link(j->path, aside) != 0 && errno != EEXIST &&
	    rename(j->path, aside) != 0)
		return err_errno(
		    e, "%s: putting a damaged journal aside", j->path);
	if (rename(fresh, j->path) != 0)
		return err_errno(e, "%s: rename", fresh);
	return sync_directory(j->path, e);
}

/* Nobody knows what the damaged part said: nothing counts that can have been
 * signed before. What its intact beginning said of time stays true. */
static int
start_anew(struct journal *j, int64_t now, struct err *e)
{
	char aside[PATH_MAX + 32], fresh[PATH_MAX + 8];
	int64_t not_before = now;
	struct stat st;
	int rc;

	snprintf(aside, sizeof(aside), "%s.damaged-%" PRId64, j->path, now);
	snprintf(fresh, sizeof(fresh), "%s.anew", j->path);
	if (stat(j->path, &st) != 0)
		return err_errno(e, "%s", j->path);
	if ((int64_t)st.st_mtime > not_before)
		not_before = (int64_t)st.st_mtime;
	if (j->newest > not_before)
		not_before = j->newest;
	if (j->not_before > not_before)
		not_before = j->not_before;
	if (not_before > INT64_MAX - FUTURE_SLACK)
		not_before = INT64_MAX - FUTURE_SLACK;
	table_drop_all(j);
	j->damaged = true;
	unlink(fresh);
	rc = record_open(fresh, NULL, NULL, &j->file, e);
	if (rc == 0)
		rc = begin(j, not_before + FUTURE_SLACK, e);
	record_free(j->file);
	j->file = NULL;
	if (rc == 0)
		rc = replace(j, fresh, aside, e);
	if (rc != 0)
		return rc;
	/* it says what is in memory already */
	return record_open(j->path, NULL, NULL, &j->file, e);
}

int
journal_open(const char *path, size_t max, int64_t now, bool may_have_run,
    struct journal **ret, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct replaying p = { .j = j, .now = now };
	int rc;

	if (j == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	TAILQ_INIT(&j->refused);
	cancels_init(&j->cancels);
	j->max = max;
	snprintf(j->path, sizeof(j->path), "%s", path);
	rc = record_open(path, replay, &p, &j->file, e);
	if (rc == ERR_INVALID || rc == ERR_TOOBIG)
		rc = start_anew(j, now, e);
	if (rc == 0 && j->not_before == 0) {
		j->lost = may_have_run;
		rc = begin(j, may_have_run ? now + FUTURE_SLACK : now, e);
	}
	if (rc == 0)
		rc = journal_compact(j, JOURNAL_DEAD_MAX / 8, e);
	if (rc != 0) {
		journal_free(j);
		return rc;
	}
	*ret = j;
	return 0;
}
