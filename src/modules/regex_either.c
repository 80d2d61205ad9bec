/* SPDX-License-Identifier: MPL-2.0 */
/* Whether an expression can match a short text of a known form, without an
 * engine; see regex.h. Places are bits: 0 before the first character. */
#include "modules/regex_ast.h"

#define STEPS_MAX 100000

struct tries {
	const struct regex_either *either;
	size_t n;
	uint32_t steps;
};

static bool
class_has(const struct cclass *c, char is)
{
	uint32_t rune = (unsigned char)is;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (rune >= c->r[i].lo && rune <= c->r[i].hi)
			return true;
	return false;
}

static uint32_t
behind_class(const struct tries *t, const struct cclass *c, uint32_t from)
{
	uint32_t to = 0;
	size_t i;

	for (i = 0; i < t->n; i++)
		if ((from >> i & 1) != 0 &&
		    (class_has(c, t->either[i].one) ||
			class_has(c, t->either[i].other)))
			to |= UINT32_C(2) << i;
	return to;
}

static uint32_t
places(const struct tries *t)
{
	return (UINT32_C(2) << t->n) - 1;
}

static uint32_t ends(struct tries *t, const struct node *n, uint32_t from);

static uint32_t
ends_repeat(struct tries *t, const struct node *n, uint32_t from)
{
	uint32_t i, was, to = n->min == 0 ? from : 0;

	for (i = 1; i <= n->max && from != 0; i++) {
		was = from;
		from = ends(t, n->child, from);
		/* nothing new, now and later */
		if (i >= n->min && (from & ~to) == 0)
			break;
		if (i >= n->min || from == was)
			to |= from;
		if (from == was)
			break;
	}
	return to;
}

/* Where matches of n that begin at one of these places can end. */
static uint32_t
ends(struct tries *t, const struct node *n, uint32_t from)
{
	const struct node *c;
	uint32_t to = 0;

	if (from == 0)
		return 0;
	if (t->steps == STEPS_MAX)
		return places(t);
	t->steps++;
	switch (n->type) {
	case NODE_NEVER:
		return 0;
	case NODE_CLASS:
		return behind_class(t, &n->cc, from);
	case NODE_BYTE:
		return from << 1 & places(t);
	case NODE_BOL:
	case NODE_BOT:
		return from & 1;
	case NODE_EOL:
	case NODE_EOT:
		return from & UINT32_C(1) << t->n;
	case NODE_CAT:
		for (c = n->child; c != NULL; c = c->next)
			from = ends(t, c, from);
		return from;
	case NODE_ALT:
		for (c = n->child; c != NULL; c = c->next)
			to |= ends(t, c, from);
		return to;
	case NODE_REPEAT:
		return ends_repeat(t, n, from);
	case NODE_EMPTY:
	case NODE_WORD: /* perhaps */
	case NODE_NOT_WORD:
		break;
	}
	return from;
}

bool
regex_can_match(
    const struct regex *r, const struct regex_either *either, size_t n)
{
	struct tries t = { .either = either, .n = n };

	return ends(&t, r->root, places(&t)) != 0;
}
