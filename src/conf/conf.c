/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The configuration engine: one table describes struct, defaults and parser.
 * A key that is not repeatable may stand once in a file; the first line of a
 * repeatable key replaces what was there before (defaults, an earlier file).
 */
#include "conf/conf.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "conf/conf_check.h"
#include "conf/conf_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONF_FILE_MAX (1024 * 1024)

static void *
field(const struct conf_entry *c, void *out)
{
	return (char *)out + c->offset;
}

static bool
has_range(const struct conf_entry *c)
{
	return c->min != 0 || c->max != 0;
}

static bool
in_range(const struct conf_entry *c, int64_t v)
{
	return !has_range(c) || (v >= c->min && v <= c->max);
}

/* Says which values are expected; a number that is out of range or none. */
static int
bad_value(const struct conf_entry *c, const char *value, const char *what,
    struct err *e)
{
	char lo[32], hi[32];

	if (!has_range(c))
		return err_set(
		    e, ERR_INVALID, "%s: '%s' is not %s", c->key, value, what);
	snprintf(lo, sizeof(lo), "%lld", (long long)c->min);
	snprintf(hi, sizeof(hi), "%lld", (long long)c->max);
	if (c->type == CONF_DURATION) {
		if (c->min > 0)
			duration_format(c->min, lo);
		if (c->max > 0)
			duration_format(c->max, hi);
	}
	return err_set(e, ERR_INVALID, "%s: '%s' is not %s from %s to %s",
	    c->key, value, what, lo, hi);
}

static int
set_str(const struct conf_entry *c, const char *value, void *out, struct err *e)
{
	char **p = field(c, out), *copy = strdup(value);

	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", c->key);
	free(*p);
	*p = copy;
	return 0;
}

static int
set_number(
    const struct conf_entry *c, const char *value, void *out, struct err *e)
{
	uint64_t size;
	int64_t v;

	switch (c->type) {
	case CONF_INT:
		if (conf_parse_int(value, &v) != 0 || !in_range(c, v))
			return bad_value(c, value, "a whole number", e);
		break;
	case CONF_DURATION:
		if (conf_parse_duration(value, &v) != 0 || !in_range(c, v))
			return bad_value(c, value,
			    "a time span such as 90s, 15m, 2h or 7d", e);
		break;
	default:
		if (conf_parse_size(value, &size) != 0 ||
		    (has_range(c) &&
			(size > INT64_MAX || !in_range(c, (int64_t)size))))
			return bad_value(c, value,
			    "a size in bytes such as 4096, 64k, 8m or 2g", e);
		memcpy(field(c, out), &size, sizeof(size));
		return 0;
	}
	memcpy(field(c, out), &v, sizeof(v));
	return 0;
}

static int
set_map(const struct conf_entry *c, const struct conf_words *w, void *out,
    struct err *e)
{
	struct conf_map *m = *(struct conf_map **)field(c, out);

	if (w->n != 3)
		return err_set(e, ERR_INVALID,
		    "%s: expected '%s NAME VALUE'; values with spaces stand "
		    "in double quotes",
		    c->key, c->key);
	if (conf_map_find(m, w->word[1]) != NULL)
		return err_set(e, ERR_INVALID, "%s: '%s' is given twice",
		    c->key, w->word[1]);
	if (conf_map_add(m, w->word[1], w->word[2]) != 0)
		return err_set(e, ERR_NOMEM, "%s: out of memory", c->key);
	return 0;
}

static int
set_list(const struct conf_entry *c, const struct conf_words *w, void *out,
    struct err *e)
{
	struct conf_list *l = *(struct conf_list **)field(c, out);
	size_t i;

	if (w->n < 2)
		return err_set(
		    e, ERR_INVALID, "%s: a value is missing", c->key);
	for (i = 1; i < w->n; i++) {
		if (conf_list_add(l, w->word[i]) != 0)
			return err_set(
			    e, ERR_NOMEM, "%s: out of memory", c->key);
	}
	return 0;
}

/* word[0] is the key. */
static int
set_words(const struct conf_entry *c, const struct conf_words *w, void *out,
    struct err *e)
{
	if (c->type == CONF_MAP)
		return set_map(c, w, out, e);
	if (c->type == CONF_LIST)
		return set_list(c, w, out, e);
	if (w->n < 2)
		return err_set(
		    e, ERR_INVALID, "%s: a value is missing", c->key);
	if (w->n > 2)
		return err_set(e, ERR_INVALID,
		    "%s: one value is expected; a value with spaces stands in "
		    "double quotes",
		    c->key);
	if (c->type == CONF_STR)
		return set_str(c, w->word[1], out, e);
	if (c->type != CONF_BOOL)
		return set_number(c, w->word[1], out, e);
	if (conf_parse_bool(w->word[1], field(c, out)) != 0)
		return err_set(e, ERR_INVALID, "%s: '%s' is not yes or no",
		    c->key, w->word[1]);
	return 0;
}

static void
clear_repeatable(const struct conf_entry *c, void *out)
{
	if (c->type == CONF_MAP)
		conf_map_clear(*(struct conf_map **)field(c, out));
	else if (c->type == CONF_LIST)
		conf_list_clear(*(struct conf_list **)field(c, out));
}

/* Without memory for its defaults no program can start. */
static void
need_memory(bool there)
{
	if (there)
		return;
	fprintf(stderr, "out of memory for the configuration's defaults\n");
	exit(2);
}

static void
init_field(const struct conf_entry *c, void *out)
{
	static const size_t sizes[] = {
		[CONF_STR] = sizeof(char *),
		[CONF_BOOL] = sizeof(bool),
		[CONF_INT] = sizeof(int64_t),
		[CONF_SIZE] = sizeof(uint64_t),
		[CONF_DURATION] = sizeof(int64_t),
	};
	void *p;

	if (c->type != CONF_MAP && c->type != CONF_LIST) {
		memset(field(c, out), 0, sizes[c->type]);
		return;
	}
	p = calloc(1,
	    c->type == CONF_MAP ? sizeof(struct conf_map)
				: sizeof(struct conf_list));
	need_memory(p != NULL);
	memcpy(field(c, out), &p, sizeof(p));
}

void
conf_defaults(const struct conf_entry *table, size_t n, void *out)
{
	struct conf_words w;
	struct buf line;
	struct err e;
	int rc;
	size_t i;

	for (i = 0; i < n; i++) {
		init_field(&table[i], out);
		if (table[i].def == NULL)
			continue;
		buf_init(&line, CONF_FILE_MAX);
		buf_add_fmt(&line, "%s ", table[i].key);
		if (table[i].type == CONF_STR)
			conf_add_word(&line, table[i].def);
		else
			buf_add_str(&line, table[i].def);
		err_clear(&e);
		rc = line.error;
		if (rc == 0)
			rc = conf_words_split(
			    (const char *)line.data, line.len, &w, &e);
		if (rc == 0)
			rc = set_words(&table[i], &w, out, &e);
		need_memory(rc != ERR_NOMEM);
		/* a default that does not parse is a mistake in the table */
		BUG_ON(rc != 0);
		conf_words_release(&w);
		buf_release(&line);
	}
}

static int
unknown_key(
    const struct conf_entry *table, size_t n, const char *key, struct err *e)
{
	const char *near = conf_nearest(table, n, key);
	struct buf shown;

	buf_init(&shown, 128);
	/* a key too long to show is shown empty */
	if (str_add_printable(&shown, key, strlen(key)) != 0)
		buf_clear(&shown);
	if (near != NULL)
		err_set(e, ERR_INVALID,
		    "unknown key '%.*s', did you mean '%s'?", (int)shown.len,
		    (const char *)shown.data, near);
	else
		err_set(e, ERR_INVALID, "unknown key '%.*s'", (int)shown.len,
		    shown.len > 0 ? (const char *)shown.data : "");
	buf_release(&shown);
	return ERR_INVALID;
}

/* A file that is being read. */
struct reading {
	const struct conf_entry *table;
	size_t n;
	const struct conf_check *checks; /* NULL: none */
	size_t lineno;
	size_t *seen; /* the line in which table[i] stood first, 0 for none */
};

static int
check_words(const struct conf_check *checks, const struct conf_entry *c,
    const struct conf_words *w, struct err *e)
{
	size_t i;

	for (; checks != NULL && checks->key != NULL; checks++) {
		if (strcmp(checks->key, c->key) != 0)
			continue;
		for (i = c->type == CONF_MAP ? 2 : 1; i < w->n; i++) {
			if (checks->check(w->word[i], e) != 0)
				return err_wrap(e, "%s", c->key);
		}
	}
	return 0;
}

static int
parse_words(
    struct reading *r, const struct conf_words *w, void *out, struct err *e)
{
	const struct conf_entry *c = NULL;
	size_t i;
	int rc;

	for (i = 0; i < r->n && c == NULL; i++) {
		if (strcmp(r->table[i].key, w->word[0]) == 0)
			c = &r->table[i];
	}
	if (c == NULL)
		return unknown_key(r->table, r->n, w->word[0], e);
	i = (size_t)(c - r->table);
	if (r->seen[i] == 0) {
		r->seen[i] = r->lineno;
		clear_repeatable(c, out);
	} else if (c->type != CONF_MAP && c->type != CONF_LIST) {
		return err_set(e, ERR_INVALID,
		    "%s is given twice, first in line %zu", c->key, r->seen[i]);
	}
	rc = set_words(c, w, out, e);
	return rc == 0 ? check_words(r->checks, c, w, e) : rc;
}

static int
parse_text(struct reading *r, const char *file, const struct buf *text,
    void *out, struct err *e)
{
	const char *p = text->len > 0 ? (const char *)text->data : "";
	const char *end = p + text->len, *eol;
	struct conf_words w;
	size_t linelen;
	int rc = 0;

	r->seen = calloc(r->n + 1, sizeof(*r->seen));
	if (r->seen == NULL)
		return err_set(e, ERR_NOMEM, "%s: out of memory", file);
	r->lineno = 1;
	for (; p < end && rc == 0; p = eol + 1, r->lineno++) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		linelen = (size_t)(eol - p);
		if (linelen > 0 && p[linelen - 1] == '\r')
			linelen--;
		rc = conf_words_split(p, linelen, &w, e);
		if (rc == 0 && w.n > 0)
			rc = parse_words(r, &w, out, e);
		conf_words_release(&w);
		if (rc != 0)
			err_wrap(e, "%s:%zu", file, r->lineno);
		if (eol == end)
			break;
	}
	free(r->seen);
	return rc;
}

int
conf_parse(const struct conf_entry *table, size_t n, const char *file,
    const char *text, size_t len, void *out, struct err *e)
{
	struct reading r = { .table = table, .n = n };
	struct buf b;
	int rc;

	buf_init(&b, len);
	rc = buf_add(&b, text, len);
	if (rc == 0)
		rc = parse_text(&r, file, &b, out, e);
	else
		err_set(e, rc, "%s: out of memory", file);
	buf_release(&b);
	return rc;
}

int
conf_load_checked(const struct conf_entry *table, size_t n,
    const struct conf_check *checks, const char *path, void *out, struct err *e)
{
	struct reading r = { .table = table, .n = n, .checks = checks };
	struct buf text;
	int rc;

	buf_init(&text, CONF_FILE_MAX);
	rc = file_read(path, &text, e);
	if (rc == 0)
		rc = parse_text(&r, path, &text, out, e);
	buf_release(&text);
	return rc;
}

int
conf_load(const struct conf_entry *table, size_t n, const char *path, void *out,
    struct err *e)
{
	return conf_load_checked(table, n, NULL, path, out, e);
}

void
conf_release(const struct conf_entry *table, size_t n, void *conf)
{
	void *none = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct conf_entry *c = &table[i];
		void *p;

		if (c->type != CONF_STR && c->type != CONF_MAP &&
		    c->type != CONF_LIST)
			continue;
		memcpy(&p, field(c, conf), sizeof(p));
		if (p != NULL && c->type != CONF_STR)
			clear_repeatable(c, conf);
		free(p);
		memcpy(field(c, conf), &none, sizeof(none));
	}
}

const char *
conf_map_find(const struct conf_map *m, const char *key)
{
	size_t i;

	for (i = 0; m != NULL && i < m->n; i++) {
		if (strcmp(m->keys[i], key) == 0)
			return m->values[i];
	}
	return NULL;
}
