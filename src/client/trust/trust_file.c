/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The file of client/trust/trust.h. It is only ever added to, so that clients
 * beside each other lose nothing; who makes it small again, or takes something
 * out, holds the lock beside it (known.lock) and reads what the others wrote
 * first.
 */
#include "client/trust/trust.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "client/trust/linesum.h"
#include "json/json.h"
#include "json/plain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRUST_FILE_MAX (256u * 1024 * 1024)
#define TRUST_LINE_MAX (32u * 1024)
#define SMALL (1024u * 1024) /* not worth making smaller */
#define NUMBER_MAX (INT64_C(1) << 53)

/* --- a line ----------------------------------------------------------------
 */

int
trust_line(const struct trust_entry *te, struct buf *out)
{
	char sum[LINESUM_LEN + 1];
	struct jsonw w;
	size_t at;

	buf_add_str(out, "0123456789abcdef ");
	at = out->len;
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "id", id_hex(&te->id).s);
	if (te->name != NULL)
		jsonw_str(&w, "name", te->name);
	jsonw_i64(&w, "first", te->first_s);
	jsonw_i64(&w, "seen", te->seen_s);
	if (te->has_record) {
		jsonw_u64(&w, "position", te->position);
		jsonw_str(&w, "head", id_hex(&te->head).s);
		jsonw_i64(&w, "recorded", te->record_s);
		jsonw_i64(&w, "clock", te->agent_ms);
	}
	if (te->connection >= 0) {
		jsonw_i64(&w, "connection", te->connection);
		jsonw_i64(&w, "hello", te->hello_ms);
	}
	if (te->row != NULL) {
		jsonw_str(&w, "row", te->row);
		jsonw_i64(&w, "rowseen", te->row_s);
	}
	if (te->lapsed_s != 0)
		jsonw_i64(&w, "lapsed", te->lapsed_s);
	if (te->sticky != 0)
		jsonw_u64(&w, "marks", te->sticky);
	jsonw_object_end(&w);
	buf_add_u8(out, '\n');
	if (out->error != 0)
		return out->error;
	linesum(out->data + at, out->len - at - 1, sum);
	memcpy(out->data + at - 1 - LINESUM_LEN, sum, LINESUM_LEN);
	return 0;
}

/* What one line says; name and row borrow from root or from the line. */
struct said {
	json_t *root; /* owned, or NULL */
	struct trust_entry e;
	const char *name, *row;
};

enum { S_ID, S_NAME, S_ROW, S_HEAD, STRINGS };
enum {
	N_FIRST,
	N_SEEN,
	N_POSITION,
	N_RECORDED,
	N_CLOCK,
	N_CONNECTION,
	N_HELLO,
	N_ROWSEEN,
	N_LAPSED,
	N_MARKS,
	NUMBERS
};

static const char *const strings[STRINGS] = { "id", "name", "row", "head" };

static const struct {
	const char *key;
	int64_t min, max, absent;
} numbers[NUMBERS] = {
	{ "first", 0, NUMBER_MAX, -1 },
	{ "seen", 0, NUMBER_MAX, -1 },
	{ "position", 0, NUMBER_MAX, 0 },
	{ "recorded", 0, NUMBER_MAX, 0 },
	{ "clock", 0, NUMBER_MAX, 0 },
	{ "connection", -1, NUMBER_MAX, -1 },
	{ "hello", 0, NUMBER_MAX, 0 },
	{ "rowseen", 0, NUMBER_MAX, 0 },
	{ "lapsed", 0, NUMBER_MAX, 0 },
	{ "marks", 0, TRUST_STICKY, 0 },
};

struct fields {
	const char *s[STRINGS]; /* NULL: absent */
	int64_t n[NUMBERS];
};

static void
fields_init(struct fields *f)
{
	size_t i;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < NUMBERS; i++)
		f->n[i] = numbers[i].absent;
}

static int
fields_json(struct fields *f, const json_t *o)
{
	size_t i;

	for (i = 0; i < STRINGS; i++)
		if (json_opt_str(o, "", strings[i], &f->s[i], NULL) != 0)
			return ERR_INVALID;
	for (i = 0; i < NUMBERS; i++)
		if (json_opt_int(o, "", numbers[i].key, numbers[i].min,
			numbers[i].max, &f->n[i], NULL) != 0)
			return ERR_INVALID;
	return 0;
}

static bool
first_time(unsigned int *seen, size_t field)
{
	unsigned int bit = 1u << field;
	bool before = (*seen & bit) != 0;

	*seen |= bit;
	return !before;
}

/* One member of a plain line; false: it is none of those that are written, or
 * is there twice. */
static bool
field_plain(struct fields *f, const struct json_member *m, unsigned int *seen)
{
	size_t i;

	for (i = 0; m->string != NULL && i < STRINGS; i++) {
		if (json_member_is(m, strings[i])) {
			f->s[i] = m->string;
			return first_time(seen, i);
		}
	}
	for (i = 0; m->string == NULL && i < NUMBERS; i++) {
		if (json_member_is(m, numbers[i].key)) {
			f->n[i] = m->number;
			return m->number >= numbers[i].min &&
			    m->number <= numbers[i].max &&
			    first_time(seen, STRINGS + i);
		}
	}
	return false;
}

/* Most lines are plain, and there are many of them. Strings are ended in the
 * line. */
static bool
fields_plain(struct fields *f, char *text, size_t len)
{
	struct json_plain p;
	struct json_member m;
	size_t ends[STRINGS], n = 0;
	unsigned int seen = 0;
	int more;

	json_plain_init(&p, text, len);
	while ((more = json_plain_next(&p, &m)) > 0) {
		if (!field_plain(f, &m, &seen))
			return false;
		if (m.string != NULL)
			ends[n++] = (size_t)(m.string - text) + m.len;
	}
	if (more < 0)
		return false;
	while (n > 0)
		text[ends[--n]] = '\0';
	return true;
}

static int
said_fields(const struct fields *f, struct said *s)
{
	struct trust_entry *te = &s->e;

	if (f->s[S_ID] == NULL || id_parse(f->s[S_ID], &te->id) != 0 ||
	    f->n[N_FIRST] < 0 || f->n[N_SEEN] < 0 ||
	    (f->s[S_HEAD] != NULL && id_parse(f->s[S_HEAD], &te->head) != 0))
		return ERR_INVALID;
	s->name = f->s[S_NAME];
	s->row = f->s[S_ROW];
	te->first_s = f->n[N_FIRST];
	te->seen_s = f->n[N_SEEN];
	te->has_record = f->s[S_HEAD] != NULL;
	te->position = (uint64_t)f->n[N_POSITION];
	te->record_s = f->n[N_RECORDED];
	te->agent_ms = f->n[N_CLOCK];
	te->connection = f->n[N_CONNECTION];
	te->hello_ms = f->n[N_HELLO];
	te->row_s = f->n[N_ROWSEEN];
	te->lapsed_s = f->n[N_LAPSED];
	te->sticky = (unsigned int)f->n[N_MARKS] & TRUST_STICKY;
	return 0;
}

static int
said_json(char *text, size_t len, struct said *s)
{
	struct fields f;

	fields_init(&f);
	if (fields_plain(&f, text, len))
		return said_fields(&f, s);
	fields_init(&f);
	s->root = json_strict(text, len, TRUST_LINE_MAX, NULL);
	if (s->root == NULL || fields_json(&f, s->root) != 0)
		return ERR_INVALID;
	return said_fields(&f, s);
}

/* "<id> <seconds> <name>" */
static int
said_old(char *line, struct said *s)
{
	char *when, *name;
	uint64_t seconds;

	when = strchr(line, ' ');
	name = when == NULL ? NULL : strchr(when + 1, ' ');
	if (name == NULL)
		return ERR_INVALID;
	*when++ = '\0';
	*name++ = '\0';
	if (id_parse(line, &s->e.id) != 0 || *name == '\0' ||
	    str_u64(when, 0, NUMBER_MAX, &seconds) != 0)
		return ERR_INVALID;
	s->e.first_s = s->e.seen_s = (int64_t)seconds;
	s->e.connection = -1;
	s->name = name;
	return 0;
}

/* line is terminated, and written to. */
static int
said_parse(char *line, size_t len, struct said *s)
{
	memset(s, 0, sizeof(*s));
	if (strlen(line) != len || len > TRUST_LINE_MAX)
		return ERR_INVALID;
	if (len <= LINESUM_LEN + 1 || line[LINESUM_LEN] != ' ')
		return said_old(line, s);
	if (!linesum_is(line + LINESUM_LEN + 1, len - LINESUM_LEN - 1, line))
		return ERR_INVALID;
	return said_json(line + LINESUM_LEN + 1, len - LINESUM_LEN - 1, s);
}

/* Text of the file is ours, or of whoever exported it: shown later. */
static bool
said_is_printable(const struct said *s)
{
	struct buf b;
	bool same;

	if (s->name == NULL)
		return true;
	buf_init(&b, 16 * TRUST_NAME_MAX);
	str_add_printable(&b, s->name, strlen(s->name));
	same = strlen(s->name) <= TRUST_NAME_MAX && buf_str(&b) != NULL &&
	    strcmp(buf_str(&b), s->name) == 0;
	buf_release(&b);
	return same;
}

/* --- on top of what is there ------------------------------------------------
 */

static int
take_row(struct trust_entry *te, const struct said *s)
{
	char *row;

	if (s->row == NULL || strlen(s->row) > TRUST_ROW_MAX)
		return 0;
	row = strdup(s->row);
	if (row == NULL)
		return ERR_NOMEM;
	free(te->row);
	te->row = row;
	te->row_s = s->e.row_s;
	return 0;
}

/* Entries only get newer, in whatever order clients have written. */
static int
apply(struct trust *t, const struct said *s)
{
	const struct trust_entry *from = &s->e;
	struct trust_entry *te = trust_find(t, &from->id);
	int r = 0;

	if (te == NULL) {
		te = trust_add(t, &from->id);
		if (te == NULL)
			return ERR_TOOBIG;
		te->first_s = from->first_s;
	}
	if (from->first_s < te->first_s)
		te->first_s = from->first_s;
	if (from->seen_s > te->seen_s)
		te->seen_s = from->seen_s;
	if (from->lapsed_s > te->lapsed_s)
		te->lapsed_s = from->lapsed_s;
	te->sticky |= from->sticky;
	if (s->name != NULL)
		r = trust_rename(t, te, s->name);
	if (r == 0 && from->connection >= 0 &&
	    from->connection >= te->connection) {
		r = take_row(te, s);
		te->hello_ms = from->hello_ms;
		te->connection = from->connection;
	}
	if (from->has_record &&
	    (!te->has_record || from->position > te->position)) {
		te->has_record = true;
		te->position = from->position;
		te->head = from->head;
		te->record_s = from->record_s;
		te->agent_ms = from->agent_ms;
	}
	return r;
}

/* Calls on_line for each; a crash may have left a part of the last one. */
typedef int on_said(struct trust *t, const struct said *s, void *arg);

static int
each_line(struct trust *t, char *text, size_t len, on_said *on, void *arg)
{
	struct said s;
	size_t number;
	char *end;
	int r = 0;

	for (number = 1; r == 0 && len > 0; number++) {
		end = memchr(text, '\n', len);
		t->torn = end == NULL;
		if (t->torn)
			break;
		*end = '\0';
		if (said_parse(text, (size_t)(end - text), &s) == 0 &&
		    said_is_printable(&s))
			r = on(t, &s, arg);
		else if (t->bad_line == 0)
			t->bad_line = number;
		json_decref(s.root);
		len -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	return r;
}

static int
load_one(struct trust *t, const struct said *s, void *arg)
{
	return apply(t, s);
}

int
trust_load(struct trust *t, const char *path, struct err *e)
{
	struct buf b;
	int r;

	memset(t, 0, sizeof(*t));
	t->path = strdup(path);
	if (t->path == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	buf_init(&b, TRUST_FILE_MAX);
	r = file_read(path, &b, e);
	if (r == ERR_NOTFOUND) {
		r = 0;
	} else if (r == 0) {
		t->bytes = b.len;
		r = each_line(t, (char *)b.data, b.len, load_one, NULL);
		if (r != 0)
			err_set(e, r, "%s: %s; move it away to start anew",
			    path,
			    r == ERR_TOOBIG ? "too many agents" : err_text(r));
	}
	buf_release(&b);
	return r;
}

/* --- writing ----------------------------------------------------------------
 */

/* Appends the lines that are wanted; NULL: all. */
static int
write_lines(const struct trust *t, bool only_changed, struct buf *out)
{
	size_t i;

	for (i = 0; i < t->n && out->error == 0; i++)
		if (!only_changed || t->list[i].changed)
			trust_line(&t->list[i], out);
	return out->error;
}

/* What others added since, and what is new here, each agent once; added to the
 * end where a line was damaged since, as that would be lost. The lock is held.
 */
static int
write_anew(struct trust *t, const struct buf *fresh, struct err *e)
{
	struct trust now;
	struct buf all, copy;
	int r;

	buf_init(&all, TRUST_FILE_MAX);
	buf_init(&copy, TRUST_FILE_MAX);
	r = trust_load(&now, t->path, e);
	if (r == 0 && now.bad_line > 0) {
		t->bad_line = now.bad_line;
		r = file_append(t->path, fresh->data, fresh->len, 0600, e);
		goto out;
	}
	if (r == 0)
		r = buf_add(&copy, fresh->data, fresh->len);
	if (r == 0)
		r = each_line(
		    &now, (char *)copy.data, copy.len, load_one, NULL);
	if (r == 0)
		r = write_lines(&now, false, &all);
	if (r != 0)
		err_set(e, r, "%s: %s", t->path, err_text(r));
	else
		r = file_write(t->path, all.data, all.len, 0600, e);
	if (r == 0)
		t->bytes = all.len;
out:
	trust_release(&now);
	buf_release(&all);
	buf_release(&copy);
	return r;
}

/* Bytes that the entries alone need, near enough. */
static size_t
live_bytes(const struct trust *t)
{
	size_t i, n = 0;

	for (i = 0; i < t->n; i++) {
		n += 320;
		if (t->list[i].row != NULL)
			n += strlen(t->list[i].row) * 5 / 4;
	}
	return n;
}

int
trust_save(struct trust *t, struct err *e)
{
	struct buf fresh;
	size_t i;
	int r, lock = -1;

	buf_init(&fresh, TRUST_FILE_MAX);
	r = write_lines(t, true, &fresh);
	if (r != 0)
		err_set(e, r, "%s: too much at once", t->path);
	if (r != 0 || fresh.len == 0)
		goto out;
	r = file_lock(t->path, &lock, e);
	if (r != 0)
		goto out;
	/* what was damaged stays to be seen until somebody has moved it away */
	if (t->bad_line == 0 && t->bytes + fresh.len > SMALL &&
	    t->bytes + fresh.len > 3 * live_bytes(t))
		r = write_anew(t, &fresh, e);
	else
		r = file_append(t->path, fresh.data, fresh.len, 0600, e);
	if (r != 0)
		goto out;
	t->bytes += fresh.len;
	t->torn = false;
	for (i = 0; i < t->n; i++)
		t->list[i].changed = false;
out:
	if (lock >= 0)
		close(lock);
	buf_release(&fresh);
	return r;
}

/* Writes the file anew without those that are chosen, or, accept, with marks of
 * their names taken off. */
static int
rewrite(const char *path, bool accept, trust_choose *choose, void *arg,
    size_t *ret_n, struct err *e)
{
	struct trust_entry *te;
	struct trust t;
	struct buf all;
	size_t i, n = 0;
	int r, lock = -1;

	buf_init(&all, TRUST_FILE_MAX);
	r = file_lock(path, &lock, e);
	if (r != 0)
		return r;
	r = trust_load(&t, path, e);
	if (r == 0 && t.bad_line > 0)
		r = err_set(e, ERR_INVALID,
		    "%s: line %zu is damaged, and would be lost: take it out "
		    "first, or move the file away to start anew",
		    path, t.bad_line);
	for (i = 0; r == 0 && i < t.n; i++) {
		te = &t.list[i];
		if (choose(te, arg)) {
			n += !accept || (te->sticky & TRUST_NAMES) != 0;
			te->sticky &= ~(unsigned int)TRUST_NAMES;
			if (!accept)
				continue;
		}
		r = trust_line(te, &all);
	}
	if (r == 0 && n > 0)
		r = file_write(path, all.data, all.len, 0600, e);
	if (r == 0)
		*ret_n = n;
	close(lock);
	trust_release(&t);
	buf_release(&all);
	return r;
}

int
trust_remove(const char *path, trust_choose *choose, void *arg, size_t *ret_n,
    struct err *e)
{
	return rewrite(path, false, choose, arg, ret_n, e);
}

int
trust_accept(const char *path, trust_choose *choose, void *arg, size_t *ret_n,
    struct err *e)
{
	return rewrite(path, true, choose, arg, ret_n, e);
}

/* --- from another client -----------------------------------------------------
 */

static int
import_one(struct trust *t, const struct said *s, void *arg)
{
	struct trust_entry *te = trust_find(t, &s->e.id);
	struct trust_import *im = arg;
	bool newer;
	int r;

	if (te != NULL && te->name != NULL && s->name != NULL &&
	    strcmp(te->name, s->name) != 0) {
		im->conflicts++;
		return 0;
	}
	if ((te == NULL || te->name == NULL) && s->name != NULL &&
	    trust_namesake(t, &s->e.id, s->name) != NULL) {
		im->conflicts++;
		return 0;
	}
	/* the same place in the record with another head is no news to take */
	if (te != NULL && te->has_record && s->e.has_record &&
	    te->position == s->e.position && !id_equal(&te->head, &s->e.head)) {
		te->sticky |= TRUST_COPIED;
		te->changed = true;
		im->conflicts++;
		return 0;
	}
	newer = te != NULL &&
	    (s->e.position > te->position || s->e.connection > te->connection ||
		(s->e.sticky & ~te->sticky) != 0);
	if (te != NULL && !newer) {
		im->same++;
		return 0;
	}
	r = apply(t, s);
	if (r != 0)
		return r;
	if (te == NULL)
		im->added++;
	else
		im->newer++;
	trust_find(t, &s->e.id)->changed = true;
	return 0;
}

int
trust_import(struct trust *t, const void *text, size_t len,
    struct trust_import *ret, struct err *e)
{
	size_t bad_here = t->bad_line;
	bool torn_here = t->torn;
	struct buf copy;
	int r;

	memset(ret, 0, sizeof(*ret));
	t->bad_line = 0;
	t->torn = false;
	buf_init(&copy, TRUST_FILE_MAX);
	r = buf_add(&copy, text, len);
	if (r == 0)
		r = each_line(t, (char *)copy.data, copy.len, import_one, ret);
	if (r != 0)
		err_set(e, r, "too much to import: %s", err_text(r));
	ret->bad = t->bad_line;
	if (ret->bad == 0 && t->torn)
		ret->bad = SIZE_MAX;
	t->bad_line = bad_here;
	t->torn = torn_here;
	buf_release(&copy);
	return r;
}
