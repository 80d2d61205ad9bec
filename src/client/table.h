/* SPDX-License-Identifier: MPL-2.0 */
/* Rows for people: columns are as wide as their widest cell. */
#ifndef MIG_CLIENT_TABLE_H
#define MIG_CLIENT_TABLE_H

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 8

struct table {
	size_t columns;
	struct buf cells; /* terminated strings, row by row */
	size_t width[TABLE_COLUMNS_MAX];
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
/* The same, its lines cut to the width of standard output if that is a
 * terminal. */
int table_print_fit(const struct table *t, struct buf *out);

#endif
