/* SPDX-License-Identifier: MPL-2.0 */
/* Which operands meet in a comparison, and which stand alone. What is not known
 * is any kind: nothing is refused that might be meant. */
#include "target/compare.h"

#include <string.h>

static bool
is_one_of(const struct target_token *t, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (target_token_is(t, *words))
			return true;
	}
	return false;
}

static bool
is_operator(const struct target_token *t, const char *text)
{
	return t->kind == TARGET_OPERATOR && t->len == strlen(text) &&
	    memcmp(t->text, text, t->len) == 0;
}

static bool
fits(enum compare_kind a, enum compare_kind b)
{
	return a < COMPARE_TEXT || b < COMPARE_TEXT || a == b;
}

/* An operand has been read, or so much of it that its kind is known. */
static enum compare_fault
operand(struct compare_level *l, enum compare_kind kind)
{
	if (l->part) {
		l->part = false;
		return COMPARE_GOOD;
	}
	l->last = kind;
	return l->compares && !fits(l->left, kind) ? COMPARE_TYPES
						   : COMPARE_GOOD;
}

static void
begin_comparison(struct compare_level *l)
{
	/* what a comparison gives is compared once more */
	l->left = l->compares ? COMPARE_ANY : l->last;
	l->compares = l->truth = true;
}

static void
begin_anew(struct compare_level *l)
{
	l->compares = l->matches = false;
	l->last = COMPARE_ANY;
}

/* A term ends: is it a condition, if it has to be one? */
static enum compare_fault
end_term(const struct compare_level *l)
{
	return !l->logical || l->compares || l->matches ||
		(l->last != COMPARE_TEXT && l->last != COMPARE_COLUMN)
	    ? COMPARE_GOOD
	    : COMPARE_ALONE;
}

static enum compare_fault
take_operator(struct compare_level *l, const struct target_token *t)
{
	enum compare_fault fault;

	if (!is_operator(t, "->") && !is_operator(t, "->>") &&
	    !is_operator(t, "||")) {
		begin_comparison(l);
		return COMPARE_GOOD;
	}
	l->part = false;
	fault = operand(l, COMPARE_TEXT);
	l->part = true;
	return fault;
}

static enum compare_fault
take_logic(struct compare_level *l)
{
	enum compare_fault fault;

	if (l->between) {
		l->between = false;
		l->left = COMPARE_ANY;
		return COMPARE_GOOD;
	}
	l->logical = l->truth = true;
	fault = end_term(l);
	begin_anew(l);
	return fault;
}

static enum compare_fault
take_word(struct compare_level *l, const struct target_token *t)
{
	static const char *const comparing[] = { "is", "in", "between", NULL };
	static const char *const logic[] = { "and", "or", NULL };
	static const char *const matching[] = { "like", "ilike", "glob",
		"isnull", "notnull", NULL };
	static const char *const numbers[] = { "true", "false", NULL };

	if (target_token_is(t, "not")) {
		l->logical = true;
		return COMPARE_GOOD;
	}
	if (is_one_of(t, comparing)) {
		begin_comparison(l);
		l->between = target_token_is(t, "between");
		return COMPARE_GOOD;
	}
	if (is_one_of(t, logic))
		return take_logic(l);
	if (is_one_of(t, matching)) {
		begin_anew(l);
		l->matches = l->truth = true;
		return COMPARE_GOOD;
	}
	if (target_token_is(t, "null") || target_token_is(t, "escape"))
		return operand(l, COMPARE_ANY);
	return operand(
	    l, is_one_of(t, numbers) ? COMPARE_NUMBER : COMPARE_COLUMN);
}

/* Of several kinds it is any. A column's text is no column any more. */
static void
end_argument(struct compare_level *l)
{
	enum compare_kind kind = l->truth ? COMPARE_ANY
	    : l->last == COMPARE_COLUMN   ? COMPARE_TEXT
					  : l->last;

	if (l->coalesce && l->argument && l->result != kind)
		l->result = COMPARE_ANY;
	else if (l->coalesce)
		l->result = kind;
	l->argument = true;
	l->truth = l->logical = false;
	begin_anew(l);
}

static void
open_level(struct compare *c)
{
	static const char *const texts[] = { "lower", "upper", "substr", NULL };
	static const char *const numbers[] = { "length", "instr", NULL };
	static const char *const others[] = { "coalesce", "like", "glob",
		"json_extract", "in_net", NULL };
	struct compare_level *outer = &c->level[c->depth];
	struct compare_level *l = &c->level[++c->depth];

	memset(l, 0, sizeof(*l));
	l->list = target_token_is(&c->prev, "in");
	l->compares = l->list;
	l->left = outer->left;
	if (is_one_of(&c->prev, texts))
		l->result = COMPARE_TEXT;
	else if (is_one_of(&c->prev, numbers))
		l->result = COMPARE_NUMBER;
	l->coalesce = target_token_is(&c->prev, "coalesce");
	l->function = l->result != COMPARE_ANY || is_one_of(&c->prev, others);
	/* its name was no operand yet */
	if (l->function)
		outer->part = c->part;
}

static enum compare_fault
close_level(struct compare *c)
{
	struct compare_level *l = &c->level[c->depth--];
	struct compare_level *outer = &c->level[c->depth];
	enum compare_fault fault = end_term(l);

	if (fault != COMPARE_GOOD)
		return fault;
	if (l->function)
		end_argument(l);
	if (l->list) {
		outer->last = COMPARE_ANY;
		return COMPARE_GOOD;
	}
	return operand(outer,
	    l->function    ? l->result
		: l->truth ? COMPARE_ANY
			   : l->last);
}

static enum compare_fault
take(struct compare *c, const struct target_token *t)
{
	struct compare_level *l = &c->level[c->depth];
	enum compare_fault fault;

	switch (t->kind) {
	case TARGET_OPEN:
		open_level(c);
		break;
	case TARGET_CLOSE:
		return close_level(c);
	case TARGET_OPERATOR:
		return take_operator(l, t);
	case TARGET_WORD:
		return take_word(l, t);
	case TARGET_STRING:
		return operand(l, COMPARE_TEXT);
	case TARGET_NUMBER:
		return operand(l, COMPARE_NUMBER);
	case TARGET_QUOTED:
		return operand(l, COMPARE_COLUMN);
	case TARGET_COMMA:
		if (l->list)
			break;
		fault = end_term(l);
		end_argument(l);
		return fault;
	case TARGET_END:
		return end_term(l);
	case TARGET_MINUS:
		break;
	}
	return COMPARE_GOOD;
}

enum compare_fault
compare_take(struct compare *c, const struct target_token *t)
{
	bool part = c->level[c->depth].part;
	enum compare_fault fault = take(c, t);

	c->prev = *t;
	c->part = part;
	return fault;
}
