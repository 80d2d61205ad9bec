/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Mistakes that SQLite takes for a condition, as it looks at types alone.
 *
 * A text and a number: each number is less than each text and equal to none,
 * so tags->>'rank' > 5 and environment->>'uid' <> 0 hold for every endpoint
 * that has the field, whatever stands in it. Columns are not concerned, there a
 * number is taken for its text.
 *
 * A text where a condition is wanted: one that does not begin with digits is
 * false, so NOT tags->>'production' holds for the endpoints that have it.
 */
#ifndef MIG_TARGET_COMPARE_H
#define MIG_TARGET_COMPARE_H

#include "target/token.h"

#define COMPARE_DEPTH_MAX 64 /* parentheses */

enum compare_kind {
	COMPARE_ANY, /* not known, or no matter */
	COMPARE_COLUMN,
	COMPARE_TEXT,
	COMPARE_NUMBER,
};

/* Of the condition itself, or of what stands in one pair of parentheses. */
struct compare_level {
	enum compare_kind left;   /* of the comparison that goes on */
	enum compare_kind last;   /* of the operand that was read last */
	enum compare_kind result; /* of a function */
	bool compares;            /* something has to fit left */
	bool between;             /* its AND has still to come */
	bool matches;             /* by LIKE and the like */
	bool truth;   /* what it is, is true or false, as far as read */
	bool logical; /* there was NOT, AND or OR */
	bool part;    /* what comes belongs to the operator before it */
	bool list;    /* of IN */
	bool function;
	bool coalesce; /* that one: its kind is that of its arguments */
	bool argument; /* there was one */
};

struct compare { /* zeros: nothing was read yet */
	struct compare_level level[COMPARE_DEPTH_MAX + 1];
	unsigned int depth;
	struct target_token prev;
	bool part; /* belonged prev to the operator before it? */
};

enum compare_fault {
	COMPARE_GOOD = 0,
	COMPARE_TYPES, /* a text is compared with a number */
	COMPARE_ALONE, /* a text stands where a condition is wanted */
};

/* The next token of a condition, its end (TARGET_END) as well; its parentheses
 * are balanced so far and no more than COMPARE_DEPTH_MAX deep. */
enum compare_fault
compare_take(struct compare *c, const struct target_token *t);

#endif
