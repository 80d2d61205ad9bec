/* SPDX-License-Identifier: MPL-2.0 */
/* From a condition to the SQL that SQLite gets: only known words, columns and
 * functions, balanced parentheses, ILIKE as SQLite's REGEXP operator (which
 * functions.c implements as a LIKE that ignores case). */
#ifndef MIG_TARGET_REWRITE_H
#define MIG_TARGET_REWRITE_H

#include "base/buf.h"

struct err;

#define TARGET_TABLE "t"
/* Names in the order of struct target_row; ends with NULL. */
extern const char *const target_columns[];
/* Names a condition may call; ends with NULL. */
extern const char *const target_functions[];

/* Does it hold of every endpoint? (Others may too.) */
bool target_is_all(const char *condition);
/* Appends the condition, written anew; an empty one or "all" gives "1". */
int target_rewrite(const char *condition, struct buf *out, struct err *e);

#endif
