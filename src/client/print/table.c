/* SPDX-License-Identifier: MPL-2.0 */
#include "client/print/table.h"

#include "base/clock.h"
#include "base/str.h"

#include <langinfo.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define TABLE_BYTES_MAX (256u * 1024 * 1024)
#define TABLE_PAD_MAX 60 /* a wider cell does not push all others away */
#define TABLE_HEX_MIN 32 /* digits of what is a fingerprint */
#define TABLE_GAP 2

void
table_init(struct table *t, const char *const *head)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->cells, TABLE_BYTES_MAX);
	while (t->columns < TABLE_COLUMNS_MAX && head[t->columns] != NULL)
		t->columns++;
	for (; *head != NULL && t->n < t->columns; head++)
		table_cell(t, *head);
}

void
table_release(struct table *t)
{
	buf_release(&t->cells);
}

/* Columns of the character at s, and its bytes: 0 for what is put on the one
 * before it, 2 for the wide ones of East Asia; 1 where the locale does not know
 * it. */
static size_t
char_width(const char *s, size_t *ret_len)
{
	uint32_t cp = 0;
	int w;

	*ret_len = str_utf8(s, strnlen(s, 4), &cp);
	if (*ret_len == 0) {
		*ret_len = 1;
		return 1;
	}
	w = wcwidth((wchar_t)cp);
	return w >= 0 ? (size_t)w : 1;
}

static size_t
text_width(const char *s)
{
	size_t n = 0, len;

	for (; *s != '\0'; s += len)
		n += char_width(s, &len);
	return n;
}

static enum table_kind
kind_of_title(const char *s)
{
	return strcmp(s, "ID") == 0 || strcmp(s, "TOKEN") == 0 ? TABLE_ID
							       : TABLE_TEXT;
}

static enum table_kind
kind_of_cell(const char *s)
{
	size_t n = strlen(s);

	if (n == RFC3339_LEN && s[4] == '-' && s[10] == 'T' && s[n - 1] == 'Z')
		return TABLE_TIME;
	if (n >= TABLE_HEX_MIN && strspn(s, "0123456789abcdefABCDEF") == n)
		return TABLE_HEX;
	return TABLE_TEXT;
}

void
table_cell(struct table *t, const char *text)
{
	size_t at = t->cells.len, w, column = t->n % t->columns;
	enum table_kind kind;

	if (text == NULL || *text == '\0')
		text = "-";
	str_add_printable(&t->cells, text, strlen(text));
	buf_add_u8(&t->cells, 0);
	if (t->cells.error != 0)
		return;
	kind = t->n < t->columns ? kind_of_title(text) : kind_of_cell(text);
	if (t->kind[column] == TABLE_TEXT)
		t->kind[column] = kind;
	t->n++;
	w = text_width((const char *)t->cells.data + at);
	if (w > t->width[column])
		t->width[column] = w;
}

void
table_time(struct table *t, int64_t ms)
{
	char when[RFC3339_LEN + 1];

	if (ms <= 0) {
		table_cell(t, "never");
		return;
	}
	rfc3339_format(ms / 1000, when);
	table_cell(t, when);
}

int
table_print(const struct table *t, struct buf *out)
{
	const char *p = (const char *)t->cells.data;
	size_t i, column, w, pad;

	for (i = 0; i < t->n; i++, p += strlen(p) + 1) {
		column = i % t->columns;
		buf_add_str(out, p);
		if (column + 1 == t->columns) {
			buf_add_str(out, "\n");
			continue;
		}
		w = text_width(p);
		pad = t->width[column] < TABLE_PAD_MAX ? t->width[column]
						       : TABLE_PAD_MAX;
		buf_add_fmt(
		    out, "%*s", (int)((pad > w ? pad - w : 0) + TABLE_GAP), "");
	}
	/* a table that lost cells shall not pass for one that is short */
	if (out->error == 0)
		out->error = t->cells.error;
	return out->error;
}

/* --- on a terminal ---------------------------------------------------------
 */

static size_t
line_width(const size_t *width, size_t columns)
{
	size_t i, n = 0;

	for (i = 0; i < columns; i++)
		n += width[i] + (i + 1 < columns ? TABLE_GAP : 0);
	return n;
}

/* Of the first n the widest column of a kind above least; n when there is none.
 */
static size_t
widest(const struct table *t, size_t n, const size_t *width,
    enum table_kind kind, size_t least)
{
	size_t i, best = n;

	for (i = 0; i < n; i++) {
		if (t->kind[i] == kind && width[i] > least &&
		    (best == n || width[i] > width[best]))
			best = i;
	}
	return best;
}

/* The widths of the first n columns. Takes from the widest, and first from what
 * loses least: of a fingerprint or a time the beginning says most. An id is
 * whole as long as it can be: it is what one copies. */
static void
shrink(const struct table *t, size_t n, size_t max, size_t *width)
{
	static const struct {
		enum table_kind kind;
		size_t least;
	} steps[] = {
		{ TABLE_HEX, 17 },
		{ TABLE_TEXT, 24 },
		{ TABLE_TIME, 17 }, /* to the minute */
		{ TABLE_HEX, 9 },
		{ TABLE_TEXT, 12 },
		{ TABLE_TIME, 11 }, /* the day */
		{ TABLE_TEXT, 8 },
		{ TABLE_ID, 9 },
	};
	size_t total, i, c, over;

	memcpy(width, t->width, n * sizeof(*width));
	total = line_width(width, n);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		while (total > max &&
		    (c = widest(t, n, width, steps[i].kind, steps[i].least)) <
			n) {
			/* at once what nobody else could have given */
			over = width[c] > max ? width[c] - max : 1;
			width[c] -= over;
			total -= over;
		}
	}
}

/* Appends text in at most width columns, and returns in how many; mark says
 * that there is more. */
static size_t
cell_cut(struct buf *out, const char *s, size_t width, const char *mark)
{
	size_t used = text_width(mark), w, len;
	const char *p;

	if (used > width) {
		mark = "";
		used = 0;
	}
	for (p = s; *p != '\0'; p += len) {
		w = char_width(p, &len);
		if (used + w > width)
			break;
		used += w;
	}
	buf_add(out, s, (size_t)(p - s));
	buf_add_str(out, mark);
	return used;
}

int
table_print_width(const struct table *t, size_t width, const char *mark,
    struct buf *out, size_t *ret_left)
{
	const char *p = (const char *)t->cells.data;
	size_t i, column, w, each[TABLE_COLUMNS_MAX], shown = t->columns;

	shrink(t, shown, width, each);
	while (shown > 1 && line_width(each, shown) > width)
		shown--;
	shrink(t, shown, width, each); /* these have the room of the others */
	if (each[0] > width)
		each[0] = width;
	*ret_left = t->columns - shown;
	for (i = 0; i < t->n; i++, p += strlen(p) + 1) {
		column = i % t->columns;
		if (column >= shown)
			continue;
		w = text_width(p);
		if (w > each[column])
			w = cell_cut(out, p, each[column], mark);
		else
			buf_add_str(out, p);
		if (column + 1 == shown)
			buf_add_str(out, "\n");
		else
			buf_add_fmt(out, "%*s",
			    (int)(each[column] - w + TABLE_GAP), "");
	}
	return out->error != 0 ? out->error : t->cells.error;
}

/* Their titles are the last of the first row. */
static void
say_left(const struct table *t, size_t left)
{
	const char *p = (const char *)t->cells.data;
	size_t i;

	fprintf(stderr, "mig: the terminal is too narrow for");
	for (i = 0; i < t->columns; i++, p += strlen(p) + 1)
		if (i + left >= t->columns)
			fprintf(stderr, "%s %s",
			    i + left > t->columns ? "," : "", p);
	fprintf(stderr, ": -json or a pipe shows all columns\n");
}

int
table_print_fit(const struct table *t, struct buf *out)
{
	const char *mark =
	    strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\u2026" : "...";
	struct winsize w;
	size_t left;
	int r;

	if (isatty(STDOUT_FILENO) != 1 ||
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
		return table_print(t, out);
	r = table_print_width(t, w.ws_col, mark, out, &left);
	if (r == 0 && left > 0)
		say_left(t, left);
	return r;
}
