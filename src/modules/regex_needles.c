/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Texts one of which stands in every match; see regex.h.
 *
 * Where a few neighbouring parts of an expression can only be a few texts each,
 * their products are such texts; so are those of any part that must be there,
 * and of an alternative those of all branches together. Of all that there are,
 * those that are likely rarest are taken.
 */
#include "modules/regex_ast.h"

#include <string.h>

#define DEPTH_MAX 24   /* of nodes; deeper ones are not looked into */
#define STEPS_MAX 4096 /* of products, in all */
#define LONG 16        /* bytes; beyond it a text is not much rarer */
#define BEST (LONG * 3 + 8)

struct choice {
	struct regex_needles set;
	int score;
};

struct search {
	unsigned int steps, depth;
};

/* --- all texts of a part ---------------------------------------------------
 */

static bool
add_text(struct regex_needles *s, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->list[i].len == len &&
		    memcmp(s->list[i].bytes, bytes, len) == 0)
			return true;
	}
	if (s->n == REGEX_NEEDLES_MAX || len > REGEX_LITERAL_MAX)
		return false;
	memcpy(s->list[s->n].bytes, bytes, len);
	s->list[s->n++].len = (uint8_t)len;
	return true;
}

static void
only_empty(struct regex_needles *s)
{
	s->n = 1;
	s->list[0].len = 0;
}

/* What class_bytes and put_high in regex_write.c write for it. */
static bool
class_texts(const struct cclass *c, struct regex_needles *ret)
{
	uint8_t text[4];
	uint32_t r;
	size_t i;

	ret->n = 0;
	for (i = 0; i < 128; i++) {
		text[0] = (uint8_t)(0x80 + i);
		if ((c->raw[i / 8] >> (i % 8) & 1) != 0 &&
		    !add_text(ret, text, 1))
			return false;
	}
	for (i = 0; i < c->n; i++) {
		for (r = c->r[i].lo; r <= c->r[i].hi; r++) {
			/* what a line cannot have, and memory can */
			if (r == '\n' ||
			    !add_text(ret, text, regex_utf8(r, text)))
				return false;
		}
	}
	return ret->n > 0;
}

/* One text behind each of a: no two become the same. */
static bool
append(struct regex_needles *a, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (a->list[i].len + len > REGEX_LITERAL_MAX)
			return false;
	}
	for (i = 0; i < a->n; i++) {
		memcpy(a->list[i].bytes + a->list[i].len, bytes, len);
		a->list[i].len = (uint8_t)(a->list[i].len + len);
	}
	return true;
}

/* Each of a before each of b, into a; not at all if that are too many. */
static bool
product(struct regex_needles *a, const struct regex_needles *b)
{
	struct regex_needles out;
	uint8_t text[2 * REGEX_LITERAL_MAX];
	size_t i, k;

	if (b->n == 1)
		return append(a, b->list[0].bytes, b->list[0].len);
	if (a->n * b->n > REGEX_NEEDLES_MAX)
		return false;
	out.n = 0;
	for (i = 0; i < a->n; i++) {
		for (k = 0; k < b->n; k++) {
			memcpy(text, a->list[i].bytes, a->list[i].len);
			memcpy(text + a->list[i].len, b->list[k].bytes,
			    b->list[k].len);
			if (!add_text(&out, text,
				(size_t)a->list[i].len + b->list[k].len))
				return false;
		}
	}
	*a = out;
	return true;
}

static bool
texts(struct search *s, const struct node *n, struct regex_needles *ret);

static bool
cat_texts(struct search *s, const struct node *n, struct regex_needles *ret)
{
	struct regex_needles one;
	const struct node *c;

	only_empty(ret);
	for (c = n->child; c != NULL; c = c->next) {
		if (!texts(s, c, &one) || !product(ret, &one))
			return false;
	}
	return true;
}

static bool
alt_texts(struct search *s, const struct node *n, struct regex_needles *ret)
{
	struct regex_needles one;
	const struct node *c;
	size_t i;

	ret->n = 0;
	for (c = n->child; c != NULL; c = c->next) {
		if (!texts(s, c, &one))
			return false;
		for (i = 0; i < one.n; i++) {
			if (!add_text(ret, one.list[i].bytes, one.list[i].len))
				return false;
		}
	}
	return ret->n > 0;
}

static bool
repeat_texts(struct search *s, const struct node *n, struct regex_needles *ret)
{
	struct regex_needles one;
	uint32_t i;

	only_empty(ret);
	if (n->max == 0)
		return true;
	if (n->max > REGEX_LITERAL_MAX || !texts(s, n->child, &one))
		return false;
	if (n->min == 0 && n->max == 1) {
		for (i = 0; i < one.n; i++) {
			if (!add_text(ret, one.list[i].bytes, one.list[i].len))
				return false;
		}
		return true;
	}
	if (n->min != n->max)
		return false;
	for (i = 0; i < n->min; i++) {
		if (!product(ret, &one))
			return false;
	}
	return true;
}

static bool
texts(struct search *s, const struct node *n, struct regex_needles *ret)
{
	bool ok = false;

	if (s->depth == DEPTH_MAX || ++s->steps > STEPS_MAX)
		return false;
	s->depth++;
	switch (n->type) {
	case NODE_NEVER:
	case NODE_BYTE:
		break;
	case NODE_CLASS:
		ok = class_texts(&n->cc, ret);
		break;
	case NODE_CAT:
		ok = cat_texts(s, n, ret);
		break;
	case NODE_ALT:
		ok = alt_texts(s, n, ret);
		break;
	case NODE_REPEAT:
		ok = repeat_texts(s, n, ret);
		break;
	default: /* nothing, and what only looks */
		only_empty(ret);
		ok = true;
		break;
	}
	s->depth--;
	return ok;
}

/* --- the best of them ------------------------------------------------------
 */

static size_t
plus(size_t a, size_t b)
{
	return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

/* How rare a text is, roughly: in what is read, letters are frequent. */
static int
rarity(const uint8_t *bytes, size_t len)
{
	int sum = 0;
	size_t i;

	for (i = 0; i < len && i < LONG; i++)
		sum += (bytes[i] >= 'a' && bytes[i] <= 'z') ||
			bytes[i] == ' ' || bytes[i] == 0
		    ? 3
		    : 4;
	return sum;
}

/* Of all its texts together, and whether what comes before has a limit; 0: of
 * no use. */
static int
score(const struct regex_needles *s)
{
	int its, least = LONG * 4, bits = 0;
	size_t i;

	if (s->n == 0)
		return 0;
	for (i = 0; i < s->n; i++) {
		if (s->list[i].len < REGEX_NEEDLE_MIN)
			return 0;
		its = rarity(s->list[i].bytes, s->list[i].len);
		if (its < least)
			least = its;
	}
	for (i = 1; i < s->n; i *= 2)
		bits++;
	return least - bits * 2 + (s->before == SIZE_MAX ? 1 : 8);
}

static void
offer(struct choice *best, const struct regex_needles *set)
{
	int its = score(set);

	if (its > best->score) {
		best->score = its;
		best->set = *set;
	}
}

static void find(
    struct search *s, const struct node *n, size_t before, struct choice *best);

/* The products of the parts from c on, as long as it goes. Returns where it is
 * no use to begin again before: a single text has no better part. */
static const struct node *
find_from(
    struct search *s, const struct node *c, size_t before, struct choice *best)
{
	const struct node *next = c->next;
	struct regex_needles set, one;

	only_empty(&set);
	set.before = before;
	for (; c != NULL && best->score < BEST; c = c->next) {
		if (!texts(s, c, &one))
			return set.n == 1 ? c : next;
		if (!product(&set, &one))
			return next;
		set.before = before;
		offer(best, &set);
	}
	return set.n == 1 ? NULL : next;
}

static void
find_cat(
    struct search *s, const struct node *n, size_t before, struct choice *best)
{
	const struct node *c, *again = n->child;

	for (c = n->child;
	     c != NULL && s->steps < STEPS_MAX && best->score < BEST;
	     c = c->next) {
		if (c == again)
			again = find_from(s, c, before, best);
		if (again == c)
			again = c->next;
		if (c->type == NODE_ALT || c->type == NODE_REPEAT ||
		    c->type == NODE_CAT)
			find(s, c, before, best);
		before = plus(before, regex_node_longest(c));
	}
}

static void
find_alt(
    struct search *s, const struct node *n, size_t before, struct choice *best)
{
	struct regex_needles all = { .n = 0, .before = 0 };
	const struct node *c;
	struct choice one;
	size_t i;

	for (c = n->child; c != NULL; c = c->next) {
		one.score = 0;
		find(s, c, before, &one);
		if (one.score == 0)
			return;
		for (i = 0; i < one.set.n; i++) {
			if (!add_text(&all, one.set.list[i].bytes,
				one.set.list[i].len))
				return;
		}
		if (one.set.before > all.before)
			all.before = one.set.before;
	}
	offer(best, &all);
}

static void
find(struct search *s, const struct node *n, size_t before, struct choice *best)
{
	struct regex_needles set;

	if (s->depth == DEPTH_MAX || s->steps >= STEPS_MAX)
		return;
	s->depth++;
	if (n->type == NODE_CAT) {
		find_cat(s, n, before, best);
	} else if (n->type == NODE_ALT) {
		find_alt(s, n, before, best);
	} else if (n->type == NODE_REPEAT) {
		/* the first of its turns has one */
		if (n->min > 0)
			find(s, n->child, before, best);
	} else if (texts(s, n, &set)) {
		set.before = before;
		offer(best, &set);
	}
	s->depth--;
}

void
regex_needles(const struct regex *r, struct regex_needles *ret)
{
	struct search s = { 0, 0 };
	struct choice best = { .score = 0 };

	find(&s, r->root, 0, &best);
	if (best.score > 0)
		*ret = best.set;
	else
		ret->n = 0;
}
