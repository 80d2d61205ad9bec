/* SPDX-License-Identifier: MPL-2.0 */
/* Fields of comma separated values (RFC 4180 section 2) from outside. */
#ifndef MIG_BASE_CSV_H
#define MIG_BASE_CSV_H

#include "base/buf.h"

/* Appends one field, quoted, its text made printable (base/str.h). What a
 * spreadsheet would take for a formula gets an apostrophe before it. What out
 * has no room for is its error. */
int csv_field(struct buf *out, const char *s);

#endif
