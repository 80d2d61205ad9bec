/* SPDX-License-Identifier: MPL-2.0 */
/* Rows for people: columns are as wide as their widest cell. */
#ifndef MIG_CLIENT_PRINT_TABLE_H
#define MIG_CLIENT_PRINT_TABLE_H

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 8

/* What a column holds, by its title or cells: what is cut first, and how far,
 * where a terminal is too narrow. */
enum table_kind { TABLE_TEXT, TABLE_ID, TABLE_TIME, TABLE_HEX };

struct table {
	size_t columns;
	struct buf cells; /* terminated strings, row by row */
	size_t width[TABLE_COLUMNS_MAX];
	enum table_kind kind[TABLE_COLUMNS_MAX];
	size_t n; /* cells */
};

/* head: column titles, NULL terminated. */
void table_init(struct table *t, const char *const *head);
void table_release(struct table *t);
/* The next cell; text from outside is made printable. NULL is "-". */
void table_cell(struct table *t, const char *text);
/* Unix milliseconds as local-independent UTC time; 0 is "never". */
void table_time(struct table *t, int64_t ms);
int table_print(const struct table *t, struct buf *out);
/* In lines of at most width columns: cells are cut, widest columns first,
 * and end in mark; columns at the end are left out when no cutting makes them
 * fit. ret_left: how many of these. */
int table_print_width(const struct table *t, size_t width, const char *mark,
    struct buf *out, size_t *ret_left);
/* The same for standard output if that is a terminal; says on standard error
 * which columns are left out. */
int table_print_fit(const struct table *t, struct buf *out);

#endif
