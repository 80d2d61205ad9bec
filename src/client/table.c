/* SPDX-License-Identifier: MPL-2.0 */
#include "client/table.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (256u * 1024 * 1024)
#define TABLE_PAD_MAX 60 /* a wider cell does not push all others away */

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

/* Columns a UTF-8 text takes, near enough: its characters. */
static size_t
text_width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void
table_cell(struct table *t, const char *text)
{
	size_t at = t->cells.len, w, column = t->n % t->columns;

	if (text == NULL || *text == '\0')
		text = "-";
	str_add_printable(&t->cells, text, strlen(text));
	buf_add_u8(&t->cells, 0);
	if (t->cells.error != 0)
		return;
	t->n++;
	w = text_width((const char *)t->cells.data + at);
	if (w > t->width[column])
		t->width[column] = w < TABLE_PAD_MAX ? w : TABLE_PAD_MAX;
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

/* Appends at most max columns of the text, which is counted off. */
static void
text_cut(struct buf *out, const char *s, size_t *max)
{
	const char *p = s;

	for (; *p != '\0'; p++) {
		if (((unsigned char)*p & 0xc0) == 0x80)
			continue;
		if (*max == 0)
			break;
		--*max;
	}
	buf_add(out, s, (size_t)(p - s));
}

static int
table_lines(const struct table *t, size_t width, struct buf *out)
{
	const char *p = (const char *)t->cells.data;
	size_t i, column, w, left = width;
	char pad[TABLE_PAD_MAX + 3];

	for (i = 0; i < t->n; i++, p += strlen(p) + 1) {
		column = i % t->columns;
		text_cut(out, p, &left);
		if (column + 1 == t->columns) {
			buf_add_str(out, "\n");
			left = width;
			continue;
		}
		w = text_width(p);
		snprintf(pad, sizeof(pad), "%*s",
		    (int)(t->width[column] > w ? t->width[column] - w : 0) + 2,
		    "");
		text_cut(out, pad, &left);
	}
	return out->error != 0 ? out->error : t->cells.error;
}

int
table_print(const struct table *t, struct buf *out)
{
	return table_lines(t, SIZE_MAX, out);
}

int
table_print_fit(const struct table *t, struct buf *out)
{
	struct winsize w;

	if (isatty(STDOUT_FILENO) != 1 ||
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
		return table_print(t, out);
	return table_lines(t, w.ws_col, out);
}
