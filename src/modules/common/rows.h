/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What was found, in little memory: rows of fields, of each only where it
 * differs from the row before (its neighbours share directories, architectures,
 * prefixes of names and addresses). Added in order, then read in order.
 */
#ifndef MIG_MODULES_COMMON_ROWS_H
#define MIG_MODULES_COMMON_ROWS_H

#include "base/buf.h"

#define ROWS_FIELDS_MAX 15

struct rows_field {
	const void *p; /* not terminated; never NULL when read */
	size_t len;
};

struct rows {
	size_t fields; /* of a row */
	size_t n;
	struct buf records;
	struct buf *last; /* owned: the row added or read last, or NULL */
	bool alone;       /* the next row says all of itself */
	struct rd rd;
};

/* A state to go back to. */
struct rows_mark {
	size_t n, len;
};

/* max: bytes. Allocates nothing until a row is added. */
void rows_init(struct rows *r, size_t fields, size_t max);
void rows_release(struct rows *r);
/* Copies. A failure leaves those that were there. */
int rows_add(struct rows *r, const struct rows_field *row);
struct rows_mark rows_mark(const struct rows *r);
/* Takes out what was added since. */
void rows_take_back(struct rows *r, struct rows_mark mark);

/* Nothing is added any more. Needs no memory. */
void rows_rewind(struct rows *r);
/* As many as there are fields; borrowed until the next call. False at the end.
 */
bool rows_next(struct rows *r, struct rows_field *ret);

#endif
