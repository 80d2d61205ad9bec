/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sets of characters for modules/regex.c: case folding, and the categories and
 * scripts of Unicode. Expanding those is the dear part of an expression, so
 * what was made once is kept for the life of the process: at most a few
 * hundred KB, as the tables are what they are.
 */
#include "modules/regex_ast.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* Two characters that differ in case only. */
struct pair {
	uint32_t from, to;
};

static struct pair *pairs; /* sorted by from; both directions */
static size_t npairs;
static struct cclass *cache; /* for each table: [negated][folded] */

static int
pair_cmp(const void *va, const void *vb)
{
	const struct pair *a = va, *b = vb;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->to < b->to ? -1 : a->to > b->to;
}

/* {what it folds to, character}, sorted; and each target with itself. */
static size_t
fold_groups(struct pair *out)
{
	const struct unicode_fold *f;
	uint32_t ch, to;
	size_t i, n = 0;

	for (i = 0; i < unicode_nfolds; i++) {
		f = &unicode_folds[i];
		for (ch = f->lo; ch <= f->hi; ch += f->stride) {
			to = (uint32_t)((int32_t)ch + f->delta);
			if (to < 0x80)
				continue;
			if (n + 2 > 2 * REGEX_FOLDS_MAX)
				return n;
			out[n++] = (struct pair){ to, ch };
			out[n++] = (struct pair){ to, to };
		}
	}
	qsort(out, n, sizeof(*out), pair_cmp);
	return n;
}

/* Every two members of a group, in both directions. */
static size_t
group_pairs(const struct pair *g, size_t n, struct pair *out)
{
	size_t i, k, end, made = 0;

	for (i = 0; i < n; i++) {
		for (end = i; end < n && g[end].from == g[i].from; end++)
			;
		for (k = i + 1; k < end; k++) {
			if (g[k].to == g[i].to)
				continue;
			out[made++] = (struct pair){ g[i].to, g[k].to };
			out[made++] = (struct pair){ g[k].to, g[i].to };
		}
	}
	return made;
}

/* Groups are small: of n members with doubles, no more than 8 n pairs. */
static int
make_pairs(void)
{
	struct pair *groups, *all;
	size_t n;

	if (pairs != NULL)
		return 0;
	groups = calloc(2 * REGEX_FOLDS_MAX, sizeof(*groups));
	all = calloc(2 * REGEX_FOLDS_MAX, 8 * sizeof(*all));
	if (groups == NULL || all == NULL) {
		free(groups);
		free(all);
		return ERR_NOMEM;
	}
	n = fold_groups(groups);
	npairs = group_pairs(groups, n, all);
	qsort(all, npairs, sizeof(*all), pair_cmp);
	free(groups);
	pairs = all;
	return 0;
}

static int
fold_ascii(struct cclass *c, size_t n)
{
	uint32_t lo, hi;
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		lo = c->r[i].lo < 'a' ? 'a' : c->r[i].lo;
		hi = c->r[i].hi > 'z' ? 'z' : c->r[i].hi;
		if (lo <= hi)
			rc = cclass_add(c, lo - 32, hi - 32);
		lo = c->r[i].lo < 'A' ? 'A' : c->r[i].lo;
		hi = c->r[i].hi > 'Z' ? 'Z' : c->r[i].hi;
		if (lo <= hi && rc == 0)
			rc = cclass_add(c, lo + 32, hi + 32);
	}
	return rc;
}

static bool
has(const struct range *r, size_t n, uint32_t rune)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (rune < r[mid].lo)
			hi = mid;
		else if (rune > r[mid].hi)
			lo = mid + 1;
		else
			return true;
	}
	return false;
}

/* The first pair from this character or a later one. */
static size_t
first_pair(uint32_t from)
{
	size_t lo = 0, hi = npairs, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (pairs[mid].from < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* New ranges stand behind the first n, which stay sorted. */
static int
fold_unicode(struct cclass *c, size_t n)
{
	uint32_t to, last = 0;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		for (k = first_pair(c->r[i].lo);
		     k < npairs && pairs[k].from <= c->r[i].hi && rc == 0;
		     k++) {
			to = pairs[k].to;
			if (to == last || has(c->r, n, to))
				continue;
			rc = cclass_add(c, to, to);
			last = to;
		}
	}
	return rc;
}

int
cclass_fold(struct cclass *c)
{
	int rc;

	cclass_finish(c);
	rc = fold_ascii(c, c->n);
	cclass_finish(c);
	if (rc != 0 || c->n == 0 || c->r[c->n - 1].hi < 0x80)
		return rc;
	if ((rc = make_pairs()) != 0)
		return rc;
	rc = fold_unicode(c, c->n);
	cclass_finish(c);
	return rc;
}

static int
add_table(struct cclass *c, const struct unicode_table *t)
{
	const uint16_t *run = unicode_runs + t->start;
	uint32_t at = 0, i;
	int rc = 0;

	for (i = 0; i < t->n && rc == 0; i++) {
		at += run[2 * i];
		if (run[2 * i + 1] > 0)
			rc = cclass_add(c, at, at + run[2 * i + 1] - 1);
		at += run[2 * i + 1];
	}
	return rc;
}

/* NULL: no such table. */
static const struct unicode_table *
find_table(const char *name, size_t len)
{
	size_t lo = 0, hi = unicode_ntables, mid;
	int cmp;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		cmp = strncmp(name, unicode_tables[mid].name, len);
		if (cmp == 0 && unicode_tables[mid].name[len] == '\0')
			return &unicode_tables[mid];
		if (cmp <= 0) /* also when it is a part of the longer name */
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Made when first asked for; *ret stays the cache's. */
static int
cached(const struct unicode_table *t, bool negated, bool folded,
    struct cclass **ret)
{
	struct cclass *c;
	int rc;

	if (cache == NULL)
		cache = calloc(unicode_ntables, 4 * sizeof(*cache));
	if (cache == NULL)
		return ERR_NOMEM;
	c = &cache[4 * (size_t)(t - unicode_tables) + 2 * negated + folded];
	*ret = c;
	if (c->r != NULL)
		return 0;
	rc = add_table(c, t);
	cclass_finish(c);
	if (rc == 0 && negated)
		rc = cclass_negate(c);
	if (rc == 0 && folded)
		rc = cclass_fold(c);
	if (rc != 0)
		cclass_release(c);
	return rc;
}

static bool
is_any(const char *name, size_t len)
{
	return len == 3 && memcmp(name, "Any", 3) == 0;
}

int
cclass_add_unicode(
    struct cclass *c, const char *name, size_t len, bool negated, bool folded)
{
	const struct unicode_table *t = find_table(name, len);
	struct cclass any = { 0 }, *from;
	int rc;

	if (is_any(name, len)) {
		rc = cclass_add(&any, 0, RUNE_MAX);
		if (rc == 0)
			rc = cclass_add_class(c, &any, negated);
		cclass_release(&any);
		return rc;
	}
	if (t == NULL)
		return ERR_NOTFOUND;
	rc = cached(t, negated, folded, &from);
	return rc == 0 ? cclass_add_class(c, from, false) : rc;
}

int
cclass_unicode_ranges(const char *name, size_t len)
{
	const struct unicode_table *t = find_table(name, len);

	if (is_any(name, len))
		return 1;
	return t == NULL ? -1 : (int)t->n + 1;
}
