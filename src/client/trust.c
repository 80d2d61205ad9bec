/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRUST_FILE_MAX (64u * 1024 * 1024)

static struct trust_entry *
trust_find(const struct trust *t, const struct id *id)
{
	size_t i;

	for (i = t->n; i > 0; i--)
		if (id_equal(&t->list[i - 1].id, id))
			return &t->list[i - 1];
	return NULL;
}

static int
trust_append(struct trust *t, const struct id *id, const char *name)
{
	struct trust_entry *p;
	size_t cap;

	if (t->n >= TRUST_ENTRIES_MAX)
		return ERR_TOOBIG;
	if (t->n == t->cap) {
		cap = t->cap == 0 ? 256 : t->cap * 2;
		p = reallocarray(t->list, cap, sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		t->list = p;
		t->cap = cap;
	}
	t->list[t->n].id = *id;
	t->list[t->n].name = strndup(name, TRUST_NAME_MAX);
	if (t->list[t->n].name == NULL)
		return ERR_NOMEM;
	t->n++;
	return 0;
}

/* "<id> <seconds> <name>"; 1: it is none. */
static int
trust_line(struct trust *t, char *line, size_t len)
{
	char *when, *name;
	uint64_t seconds;
	struct id id;

	when = strchr(line, ' ');
	name = when == NULL ? NULL : strchr(when + 1, ' ');
	if (name == NULL || strlen(line) != len)
		return 1;
	*when++ = '\0';
	*name++ = '\0';
	if (id_parse(line, &id) != 0 || *name == '\0' ||
	    str_u64(when, 0, UINT64_MAX, &seconds) != 0)
		return 1;
	return trust_append(t, &id, name);
}

/* A crash may have left a part of the last line; any other line that is none
 * was damaged, and is told. */
static int
trust_lines(struct trust *t, char *text, size_t len)
{
	char *end;
	size_t number;
	int r = 0;

	for (number = 1; r >= 0 && len > 0; number++) {
		end = memchr(text, '\n', len);
		t->torn = end == NULL;
		if (t->torn)
			break;
		*end = '\0';
		r = trust_line(t, text, (size_t)(end - text));
		if (r == 1 && t->bad_line == 0)
			t->bad_line = number;
		len -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	return r < 0 ? r : 0;
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
		r = trust_lines(t, (char *)b.data, b.len);
		if (r != 0)
			err_set(e, r,
			    "%s: too many lines; move it away to start anew",
			    path);
	}
	buf_release(&b);
	t->first_new = t->n;
	return r;
}

const char *
trust_name(const struct trust *t, const struct id *id)
{
	const struct trust_entry *p = trust_find(t, id);

	return p != NULL ? p->name : NULL;
}

enum trust_verdict
trust_see(struct trust *t, const struct id *id, const char *name,
    const char **ret_other)
{
	const struct trust_entry *mine = trust_find(t, id);
	static struct id_hex other_id;
	enum trust_verdict v = TRUST_FIRST;
	size_t i;

	*ret_other = NULL;
	if (mine != NULL && strcmp(mine->name, name) == 0)
		return TRUST_KNOWN;
	if (mine != NULL) {
		*ret_other = mine->name;
		v = TRUST_RENAMED;
	}
	for (i = t->n; v == TRUST_FIRST && i > 0; i--)
		if (strcmp(t->list[i - 1].name, name) == 0 &&
		    trust_find(t, &t->list[i - 1].id) == &t->list[i - 1]) {
			other_id = id_short(&t->list[i - 1].id);
			*ret_other = other_id.s;
			v = TRUST_NAME_TAKEN;
		}
	(void)trust_append(t, id, name); /* full: it is warned again */
	/* the list may have moved, the names have not */
	return v;
}

int
trust_save(struct trust *t, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	struct buf b;
	size_t i;
	int r;

	if (t->first_new >= t->n)
		return 0;
	buf_init(&b, TRUST_FILE_MAX);
	for (i = t->first_new; i < t->n; i++)
		buf_add_fmt(&b, "%s %" PRId64 " %s\n", id_hex(&t->list[i].id).s,
		    now, t->list[i].name);
	if (b.error != 0) {
		r = err_set(e, b.error, "%s: too much at once", t->path);
		goto out;
	}
	r = file_append(t->path, b.data, b.len, 0600, e);
	if (r == 0) {
		t->first_new = t->n;
		t->torn = false;
	}
out:
	buf_release(&b);
	return r;
}

void
trust_release(struct trust *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free(t->list[i].name);
	free(t->list);
	free(t->path);
	memset(t, 0, sizeof(*t));
}
