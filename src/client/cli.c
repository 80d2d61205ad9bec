/* SPDX-License-Identifier: MPL-2.0 */
#include "client/cli.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define CLI_WORD_MAX 40 /* longer words are not compared */
#define CLI_HELP_COLUMN 26

size_t
cli_distance(const char *a, const char *b, size_t max)
{
	size_t d[3][CLI_WORD_MAX + 1], la = strlen(a), lb = strlen(b), i, j, m;
	size_t *row, *up, *up2;

	if (la > CLI_WORD_MAX || lb > CLI_WORD_MAX)
		return max + 1;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++) {
		row = d[i % 3];
		up = d[(i - 1) % 3];
		up2 = d[(i + 1) % 3];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			m = up[j - 1] + (a[i - 1] != b[j - 1]);
			m = up[j] + 1 < m ? up[j] + 1 : m;
			m = row[j - 1] + 1 < m ? row[j - 1] + 1 : m;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && up2[j - 2] + 1 < m)
				m = up2[j - 2] + 1;
			row[j] = m;
		}
	}
	m = d[la % 3][lb];
	return m > max ? max + 1 : m;
}

const char *
cli_nearest(const char *word, const char *const *known, size_t n)
{
	size_t len = strlen(word), best = len <= 3 ? 1 : len <= 6 ? 2 : 3, i, d;
	const char *found = NULL;

	if (len < 3)
		return NULL; /* everything is near to so little */
	for (i = 0; i < n; i++) {
		d = cli_distance(word, known[i], best);
		if (d <= best && (found == NULL || d < best)) {
			best = d;
			found = known[i];
		}
	}
	return found;
}

static bool
opt_is(const struct opt *o, const char *name, size_t len)
{
	if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
		return true;
	return o->alias != NULL && strlen(o->alias) == len &&
	    memcmp(o->alias, name, len) == 0;
}

static const struct opt *
opt_find(const struct opt *const *tables, const char *name, size_t len)
{
	const struct opt *o;

	for (; *tables != NULL; tables++)
		for (o = *tables; o->name != NULL; o++)
			if (opt_is(o, name, len))
				return o;
	return NULL;
}

static int
opt_unknown(const struct opt *const *tables, const char *word, size_t len,
    struct err *e)
{
	const char *known[512], *near;
	char name[CLI_WORD_MAX + 1];
	const struct opt *o;
	size_t n = 0;

	for (; *tables != NULL; tables++)
		for (o = *tables; o->name != NULL && n < 510; o++) {
			known[n++] = o->name;
			if (o->alias != NULL)
				known[n++] = o->alias;
		}
	if (len > CLI_WORD_MAX)
		len = CLI_WORD_MAX;
	memcpy(name, word, len);
	name[len] = '\0';
	near = cli_nearest(name, known, n);
	if (near != NULL)
		return err_set(e, ERR_INVALID,
		    "unknown option -%s, did you mean -%s?", name, near);
	return err_set(e, ERR_INVALID, "unknown option -%s", name);
}

/* One option at argv[*i]; takes the next word as its value when needed. */
static int
opts_take(const struct opt *const *tables, int argc, char *const *argv, int *i,
    struct opts *ret, struct err *e)
{
	const char *name = argv[*i] + 1, *eq;
	const struct opt *o;
	size_t len;

	if (*name == '-')
		name++;
	eq = strchr(name, '=');
	len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	o = opt_find(tables, name, len);
	if (o == NULL && eq == NULL &&
	    (strcmp(name, "h") == 0 || strcmp(name, "help") == 0)) {
		ret->help = true;
		return 0;
	}
	if (o == NULL)
		return opt_unknown(tables, name, len, e);
	if (o->arg == NULL && eq != NULL)
		return err_set(e, ERR_INVALID, "-%s takes no value", o->name);
	if (o->arg != NULL && eq == NULL && *i + 1 >= argc)
		return err_set(e, ERR_INVALID, "-%s needs a value: -%s %s",
		    o->name, o->name, o->arg);
	if (strcmp(o->name, "h") == 0 && o->arg == NULL)
		ret->help = true;
	ret->values[ret->n].opt = o;
	ret->values[ret->n].value = NULL;
	if (o->arg != NULL)
		ret->values[ret->n].value = eq != NULL ? eq + 1 : argv[++*i];
	ret->n++;
	return 0;
}

int
opts_parse(const struct opt *const *tables, int argc, char *const *argv,
    struct opts *ret, struct err *e)
{
	struct opts o = { 0 };
	bool only_words = false;
	int i, r = 0;

	if (argc > CLI_VALUES_MAX)
		return err_set(e, ERR_TOOBIG,
		    "more than %d words on the command line", CLI_VALUES_MAX);
	o.values = calloc((size_t)argc + 1, sizeof(*o.values));
	o.words = calloc((size_t)argc + 1, sizeof(*o.words));
	if (o.values == NULL || o.words == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; r == 0 && i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (only_words || argv[i][0] != '-' || argv[i][1] == '\0')
			o.words[o.nwords++] = argv[i];
		else
			r = opts_take(tables, argc, argv, &i, &o, e);
	}
	if (r != 0) {
		opts_release(&o);
		return r;
	}
	*ret = o;
	return 0;
}

int
opts_segment(const struct opt *const *tables, int argc, char *const *argv)
{
	const struct opt *o;
	const char *name, *eq;
	int i;

	for (i = 0; i < argc && strcmp(argv[i], CLI_AND) != 0; i++) {
		if (strcmp(argv[i], "--") == 0)
			return argc;
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			continue;
		name = argv[i] + 1 + (argv[i][1] == '-');
		eq = strchr(name, '=');
		o = opt_find(tables, name, strcspn(name, "="));
		if (o != NULL && o->arg != NULL && eq == NULL)
			i++;
	}
	return i < argc ? i : argc;
}

int
opts_collect(const struct opts *o, const struct opt *const *tables, size_t n,
    struct opts *to, struct err *e)
{
	const struct opt *t, *end;
	struct opt_value *more;
	size_t i, k;
	bool known;

	more = reallocarray(to->values, to->n + o->n + 1, sizeof(*more));
	if (more == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	to->values = more;
	for (i = 0; i < o->n; i++) {
		known = false;
		for (k = 0; k < n; k++) {
			t = tables[k];
			for (end = t; end->name != NULL; end++)
				;
			known = known ||
			    (o->values[i].opt >= t && o->values[i].opt < end);
		}
		if (!known)
			to->values[to->n++] = o->values[i];
	}
	return 0;
}

void
opts_release(struct opts *o)
{
	free(o->values);
	free(o->words);
	memset(o, 0, sizeof(*o));
}

const char *
opts_get(const struct opts *o, const char *name)
{
	const char *v = NULL;
	size_t i;

	for (i = 0; i < o->n; i++)
		if (strcmp(o->values[i].opt->name, name) == 0)
			v = o->values[i].value;
	return v;
}

int
opts_once(
    const struct opts *o, const char *name, const char **ret, struct err *e)
{
	size_t i, n = 0;

	for (i = 0; i < o->n; i++)
		n += strcmp(o->values[i].opt->name, name) == 0;
	if (n > 1)
		return err_set(
		    e, ERR_INVALID, "-%s was given %zu times: once", name, n);
	*ret = opts_get(o, name);
	return 0;
}

bool
opts_has(const struct opts *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		if (strcmp(o->values[i].opt->name, name) == 0)
			return true;
	return false;
}

int
cli_wrap(struct buf *out, size_t column, const char *text)
{
	size_t at = column, n, i, chars;

	for (;; text += n) {
		text += strspn(text, " ");
		n = strcspn(text, " ");
		for (i = 0, chars = 0; i < n; i++)
			chars += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (n == 0)
			return buf_add_str(out, "\n");
		if (at > column && at + 1 + chars > CLI_WIDTH) {
			buf_add_fmt(out, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			buf_add_str(out, " ");
			at++;
		}
		buf_add(out, text, n);
		at += chars;
	}
}

int
opts_help(const struct opt *table, struct buf *out)
{
	const struct opt *o;
	size_t start, used;

	for (o = table; o->name != NULL; o++) {
		start = out->len;
		buf_add_fmt(out, "  -%s", o->name);
		if (o->alias != NULL)
			buf_add_fmt(out, ", -%s", o->alias);
		if (o->arg != NULL)
			buf_add_fmt(out, " %s", o->arg);
		used = out->len - start;
		if (used >= CLI_HELP_COLUMN) {
			buf_add_str(out, "\n");
			used = 0;
		}
		buf_add_fmt(out, "%*s", (int)(CLI_HELP_COLUMN - used), "");
		cli_wrap(out, CLI_HELP_COLUMN, o->help);
	}
	return out->error;
}
