/* SPDX-License-Identifier: MPL-2.0 */
/* What is true of every match of an expression; see regex.h. */
#include "modules/regex_ast.h"

#include <string.h>

struct run {
	size_t len, best_len;
	uint8_t text[REGEX_LITERAL_MAX], best[REGEX_LITERAL_MAX];
};

static void
run_ends(struct run *r)
{
	if (r->len > r->best_len) {
		memcpy(r->best, r->text, r->len);
		r->best_len = r->len;
	}
	r->len = 0;
}

/* A class of one ASCII character; -1: something else. */
static int
single(const struct node *n)
{
	static const uint8_t none[sizeof(n->cc.raw)];

	if (n->type != NODE_CLASS || n->cc.n != 1 ||
	    n->cc.r[0].lo != n->cc.r[0].hi || n->cc.r[0].lo >= 0x80 ||
	    n->cc.r[0].lo == '\n' || memcmp(n->cc.raw, none, sizeof(none)) != 0)
		return -1;
	return (int)n->cc.r[0].lo;
}

static void
visit(struct run *r, const struct node *n)
{
	const struct node *c;
	int byte = single(n);

	if (byte >= 0) {
		r->text[r->len++] = (uint8_t)byte;
		if (r->len == sizeof(r->text))
			run_ends(r);
		return;
	}
	if (n->type == NODE_CAT ||
	    (n->type == NODE_ALT && n->child != NULL &&
		n->child->next == NULL)) {
		for (c = n->child; c != NULL; c = c->next)
			visit(r, c);
		return;
	}
	if (n->type == NODE_EMPTY)
		return;
	run_ends(r);
	if (n->type == NODE_REPEAT && n->min > 0 && n->child != NULL) {
		visit(r, n->child);
		run_ends(r);
	}
}

size_t
regex_literal(const struct regex *r, uint8_t ret[static REGEX_LITERAL_MAX])
{
	struct run run = { 0 };

	visit(&run, r->root);
	run_ends(&run);
	memcpy(ret, run.best, run.best_len);
	return run.best_len;
}

/* A chain of single characters with anchors at its ends alone. */
static bool
is_plain(const struct node *n, size_t *len, bool *begin, bool *end)
{
	const struct node *c;

	if (n->type == NODE_CAT ||
	    (n->type == NODE_ALT && n->child != NULL &&
		n->child->next == NULL)) {
		for (c = n->child; c != NULL; c = c->next) {
			if (!is_plain(c, len, begin, end))
				return false;
		}
		return true;
	}
	if (n->type == NODE_BOT && *len == 0 && !*end)
		return *begin = true;
	if (n->type == NODE_EOT)
		return *end = true;
	return single(n) >= 0 && !*end && ++*len <= REGEX_LITERAL_MAX;
}

bool
regex_is_plain(const struct regex *r, bool *ret_at_begin, bool *ret_at_end)
{
	bool begin = false, end = false;
	size_t len = 0;

	if (!is_plain(r->root, &len, &begin, &end) || len == 0)
		return false;
	*ret_at_begin = begin;
	*ret_at_end = end;
	return true;
}

/* Matches without taking a byte, wherever it stands. */
static bool
takes_nothing(const struct node *n)
{
	const struct node *c = n->child;

	switch (n->type) {
	case NODE_EMPTY:
		return true;
	case NODE_CAT:
		while (c != NULL && takes_nothing(c))
			c = c->next;
		return c == NULL;
	case NODE_ALT:
		while (c != NULL && !takes_nothing(c))
			c = c->next;
		return c != NULL;
	case NODE_REPEAT:
		return n->min == 0 || takes_nothing(c);
	default:
		return false;
	}
}

/* Every character and stray byte but the newline. */
static bool
is_dot(const struct node *n)
{
	const struct cclass *cc = &n->cc;
	size_t i;

	if (n->type != NODE_CLASS || cc->n != 2 || cc->r[0].lo != 0 ||
	    cc->r[0].hi != '\n' - 1 || cc->r[1].lo != '\n' + 1 ||
	    cc->r[1].hi != RUNE_MAX)
		return false;
	for (i = 0; i < sizeof(cc->raw); i++) {
		if (cc->raw[i] != 0xff)
			return false;
	}
	return true;
}

enum regex_any
regex_any(const struct regex *r)
{
	const struct node *n = r->root;

	if (takes_nothing(n))
		return REGEX_ANY_TEXT;
	/* as parts of one, and at least once */
	while ((n->type == NODE_CAT || n->type == NODE_ALT ||
		   (n->type == NODE_REPEAT && n->min == 1)) &&
	    n->child != NULL && n->child->next == NULL)
		n = n->child;
	return is_dot(n) ? REGEX_ANY_CHARACTER : REGEX_ANY_NOT;
}

static size_t
sum(size_t a, size_t b)
{
	return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t
times(size_t a, uint32_t n)
{
	if (a == 0 || n == 0)
		return 0;
	return a == SIZE_MAX || n == UINT32_MAX || a > SIZE_MAX / n ? SIZE_MAX
								    : a * n;
}

/* Bytes of the longest character. */
static size_t
class_longest(const struct cclass *c)
{
	uint32_t hi = c->n > 0 ? c->r[c->n - 1].hi : 0;

	return hi < 0x80 ? 1 : hi < 0x800 ? 2 : hi < 0x10000 ? 3 : 4;
}

size_t
regex_node_longest(const struct node *n)
{
	const struct node *c;
	size_t all = 0, one;

	switch (n->type) {
	case NODE_CLASS:
		return class_longest(&n->cc);
	case NODE_BYTE:
		return 1;
	case NODE_CAT:
	case NODE_ALT:
		for (c = n->child; c != NULL; c = c->next) {
			one = regex_node_longest(c);
			if (n->type == NODE_CAT)
				all = sum(all, one);
			else if (one > all)
				all = one;
		}
		return all;
	case NODE_REPEAT:
		return times(regex_node_longest(n->child), n->max);
	default:
		return 0;
	}
}

size_t
regex_longest(const struct regex *r)
{
	return regex_node_longest(r->root);
}
