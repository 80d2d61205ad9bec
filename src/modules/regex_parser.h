/* SPDX-License-Identifier: MPL-2.0 */
/* Inside of modules/regex.c and regex_escape.c only: where the parser stands.
 */
#ifndef MIG_MODULES_REGEX_PARSER_H
#define MIG_MODULES_REGEX_PARSER_H

#include "modules/regex_ast.h"

struct flags {
	bool fold, multi, dotall;
};

struct parser {
	const char *start, *p, *end;
	struct regex *re;
	struct err *e;
	struct flags f;
	unsigned int depth;
	bool quoted;          /* between \Q and \E */
	bool check;           /* syntax and cost only */
	bool nomem;           /* for a node */
	bool no_posix_end;    /* no ":]" in what is left */
	struct cclass folded; /* of this class: named ones, folded already */
	size_t adds, cost;    /* of this class, when checking */
};

/* ERR_INVALID, with the place; hint may be "". */
int regex_bad(
    struct parser *ps, const char *at, const char *what, const char *hint);
/* Words for a group that starts there; NULL when nothing is known of it. */
const char *regex_no_group(const char *at, size_t len);
/* Decodes the character at ps->p and steps over it. */
uint32_t regex_next_rune(struct parser *ps);
/* ps->p stands behind the backslash. One character, also within a class. */
int regex_char_escape(
    struct parser *ps, const char *at, uint32_t *ret, bool *ret_raw);

#endif
