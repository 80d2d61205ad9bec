/* SPDX-License-Identifier: MPL-2.0 */
/* Which operands meet in a comparison. What is not known is any kind: nothing
 * is refused that might be meant. */
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

/* An operand has been read, or so much of it that its kind is known. */
static bool
operand(struct compare_level *l, enum compare_kind kind)
{
	if (l->part) {
		l->part = false;
		return true;
	}
	l->last = kind;
	return !l->compares || l->left == COMPARE_ANY || kind == COMPARE_ANY ||
	    l->left == kind;
}

/* What = and the like have on their left; of a comparison, true or false. */
static void
begin_comparison(struct compare_level *l, bool is)
{
	l->left = l->compares ? COMPARE_ANY : l->last;
	l->compares = l->logic = true;
	l->is = is;
}

static void
begin_anew(struct compare_level *l)
{
	l->compares = l->is = false;
	l->last = COMPARE_ANY;
	l->logic = true;
}

static bool
take_operator(struct compare_level *l, const struct target_token *t)
{
	if (!is_operator(t, "->") && !is_operator(t, "->>") &&
	    !is_operator(t, "||")) {
		begin_comparison(l, false);
		return true;
	}
	l->part = false;
	if (!operand(l, COMPARE_TEXT))
		return false;
	l->part = true;
	return true;
}

static bool
take_word(struct compare_level *l, const struct target_token *t)
{
	static const char *const comparing[] = { "in", "between", NULL };
	static const char *const truth[] = { "true", "false", NULL };
	static const char *const parting[] = { "and", "or", "like", "ilike",
		"glob", "escape", "isnull", "notnull", NULL };

	if (target_token_is(t, "not"))
		return true;
	if (target_token_is(t, "is") || is_one_of(t, comparing)) {
		begin_comparison(l, target_token_is(t, "is"));
		return true;
	}
	if (is_one_of(t, parting)) {
		begin_anew(l);
		return true;
	}
	/* x IS TRUE asks for the truth of x, x = TRUE for the number 1 */
	if (is_one_of(t, truth) && !l->is)
		return operand(l, COMPARE_NUMBER);
	return operand(l, COMPARE_ANY);
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
	l->function = l->result != COMPARE_ANY || is_one_of(&c->prev, others);
	/* its name was no operand yet */
	if (l->function)
		outer->part = c->part;
}

static bool
close_level(struct compare *c)
{
	const struct compare_level *l = &c->level[c->depth--];
	struct compare_level *outer = &c->level[c->depth];

	if (l->list) {
		begin_anew(outer);
		return true;
	}
	return operand(outer,
	    l->function    ? l->result
		: l->logic ? COMPARE_ANY
			   : l->last);
}

static bool
take(struct compare *c, const struct target_token *t)
{
	struct compare_level *l = &c->level[c->depth];

	switch (t->kind) {
	case TARGET_OPEN:
		open_level(c);
		return true;
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
		return operand(l, COMPARE_ANY);
	case TARGET_COMMA:
		if (!l->list)
			begin_anew(l);
		return true;
	case TARGET_MINUS:
	case TARGET_END:
		break;
	}
	return true;
}

bool
compare_take(struct compare *c, const struct target_token *t)
{
	bool part = c->level[c->depth].part, fits = take(c, t);

	c->prev = *t;
	c->part = part;
	return fits;
}
