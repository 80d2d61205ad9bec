/* SPDX-License-Identifier: MPL-2.0 */
/* Sets of characters for modules/regex.c: building, negating and the named
 * ones of ASCII. Sorting happens once, in cclass_finish. */
#include "modules/regex_ast.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int
cclass_add(struct cclass *c, uint32_t lo, uint32_t hi)
{
	struct range *r;
	size_t cap;

	if (c->n == c->cap) {
		if (c->cap >= REGEX_RANGES_MAX)
			return ERR_TOOBIG;
		cap = c->cap == 0 ? 4 : c->cap * 2;
		r = reallocarray(c->r, cap, sizeof(*r));
		if (r == NULL)
			return ERR_NOMEM;
		c->r = r;
		c->cap = cap;
	}
	c->r[c->n].lo = lo;
	c->r[c->n++].hi = hi;
	return 0;
}

void
cclass_add_raw(struct cclass *c, uint8_t lo, uint8_t hi)
{
	unsigned int b;

	for (b = lo < 0x80 ? 0x80 : lo; b <= hi; b++)
		c->raw[(b - 0x80) / 8] |= (uint8_t)(1u << (b % 8));
}

void
cclass_release(struct cclass *c)
{
	free(c->r);
	memset(c, 0, sizeof(*c));
}

static int
range_cmp(const void *va, const void *vb)
{
	const struct range *a = va, *b = vb;

	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return a->hi < b->hi ? -1 : a->hi > b->hi;
}

void
cclass_finish(struct cclass *c)
{
	size_t i, n = 0;

	for (i = 1; i < c->n && c->r[i - 1].lo <= c->r[i].lo; i++)
		;
	if (i < c->n) /* tables come sorted */
		qsort(c->r, c->n, sizeof(*c->r), range_cmp);
	for (i = 0; i < c->n; i++) {
		if (n > 0 && c->r[i].lo <= c->r[n - 1].hi + 1) {
			if (c->r[i].hi > c->r[n - 1].hi)
				c->r[n - 1].hi = c->r[i].hi;
		} else {
			c->r[n++] = c->r[i];
		}
	}
	c->n = n;
}

int
cclass_negate(struct cclass *c)
{
	struct cclass out = { 0 };
	uint32_t next = 0;
	size_t i;
	int rc = 0;

	cclass_finish(c);
	for (i = 0; i < c->n && rc == 0; i++) {
		if (c->r[i].lo > next)
			rc = cclass_add(&out, next, c->r[i].lo - 1);
		next = c->r[i].hi + 1;
	}
	if (rc == 0 && next <= RUNE_MAX)
		rc = cclass_add(&out, next, RUNE_MAX);
	for (i = 0; i < sizeof(out.raw); i++)
		out.raw[i] = (uint8_t)~c->raw[i];
	cclass_release(c);
	*c = out;
	return rc;
}

int
cclass_add_class(struct cclass *c, struct cclass *from, bool negated)
{
	size_t i;
	int rc = negated ? cclass_negate(from) : 0;

	for (i = 0; i < from->n && rc == 0; i++)
		rc = cclass_add(c, from->r[i].lo, from->r[i].hi);
	for (i = 0; i < sizeof(c->raw); i++)
		c->raw[i] |= from->raw[i];
	return rc;
}

struct named {
	const char *name;
	const char *ranges; /* pairs of characters */
	size_t n;           /* bytes of it */
};
#define NAMED(name, s)                 \
	{                              \
		name, s, sizeof(s) - 1 \
	}

static const struct named posix_table[] = {
	NAMED("alnum", "09AZaz"),
	NAMED("alpha", "AZaz"),
	NAMED("ascii", "\0\x7f"),
	NAMED("blank", "\t\t  "),
	NAMED("cntrl", "\0\x1f\x7f\x7f"),
	NAMED("digit", "09"),
	NAMED("graph", "!~"),
	NAMED("lower", "az"),
	NAMED("print", " ~"),
	NAMED("punct", "!/:@[`{~"),
	NAMED("space", "\t\r  "),
	NAMED("upper", "AZ"),
	NAMED("word", "09AZaz__"),
	NAMED("xdigit", "09AFaf"),
};

static int
add_pairs(struct cclass *c, const char *pairs, size_t n, bool negated)
{
	struct cclass tmp = { 0 };
	size_t i;
	int rc = 0;

	if (c == NULL)
		return 0;
	for (i = 0; i + 1 < n && rc == 0; i += 2)
		rc = cclass_add(&tmp, (uint8_t)pairs[i], (uint8_t)pairs[i + 1]);
	if (rc == 0)
		rc = cclass_add_class(c, &tmp, negated);
	cclass_release(&tmp);
	return rc;
}

int
cclass_add_perl(struct cclass *c, char letter)
{
	switch (letter) {
	case 'd':
	case 'D':
		return add_pairs(c, "09", 2, letter == 'D');
	case 'w':
	case 'W':
		return add_pairs(c, "09AZaz__", 8, letter == 'W');
	case 's':
	case 'S': /* RE2: without vertical tab */
		return add_pairs(c, "\t\n\f\r  ", 6, letter == 'S');
	default:
		return ERR_NOTFOUND;
	}
}

int
cclass_add_posix(struct cclass *c, const char *name, size_t len, bool negated)
{
	size_t i;

	for (i = 0; i < sizeof(posix_table) / sizeof(posix_table[0]); i++) {
		if (strlen(posix_table[i].name) == len &&
		    memcmp(posix_table[i].name, name, len) == 0)
			return add_pairs(c, posix_table[i].ranges,
			    posix_table[i].n, negated);
	}
	return ERR_NOTFOUND;
}
