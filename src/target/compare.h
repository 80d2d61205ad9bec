/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Comparisons of a text with a number. SQLite compares what is no column by
 * its type alone: each number is less than each text and equal to none. So
 * tags->>'rank' > 5 and environment->>'uid' <> 0 hold for every endpoint that
 * has the field, whatever stands in it: that is a mistake and no condition.
 * Columns are not concerned, there a number is taken for its text.
 */
#ifndef MIG_TARGET_COMPARE_H
#define MIG_TARGET_COMPARE_H

#include "target/token.h"

#define COMPARE_DEPTH_MAX 64 /* parentheses */

enum compare_kind { COMPARE_ANY, COMPARE_TEXT, COMPARE_NUMBER };

/* Of the condition itself, or of what stands in one pair of parentheses. */
struct compare_level {
	enum compare_kind left;   /* of the comparison that goes on */
	enum compare_kind last;   /* of the operand that was read last */
	enum compare_kind result; /* of a function */
	bool compares;            /* something has to fit left */
	bool is;                  /* by IS */
	bool logic;               /* its value is true or false */
	bool part; /* what comes belongs to the operator before it */
	bool list; /* of IN */
	bool function;
};

struct compare { /* zeros: nothing was read yet */
	struct compare_level level[COMPARE_DEPTH_MAX + 1];
	unsigned int depth;
	struct target_token prev;
	bool part; /* belonged prev to the operator before it? */
};

/* The next token of a condition whose parentheses are balanced so far and no
 * more than COMPARE_DEPTH_MAX deep. False: with it a text is compared with a
 * number. */
bool compare_take(struct compare *c, const struct target_token *t);

#endif
