/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/groups.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

void
groups_init(struct groups *g, size_t max_groups, size_t max_bytes)
{
	memset(g, 0, sizeof(*g));
	g->max_groups = max_groups;
	g->max_bytes = max_bytes;
}

void
groups_release(struct groups *g)
{
	size_t i, j;

	for (i = 0; i < g->n; i++) {
		for (j = 0; j < g->list[i].nnames; j++)
			free(g->list[i].names[j]);
		free(g->list[i].names);
		free(g->list[i].text);
	}
	free(g->list);
	free(g->slots);
	memset(g, 0, sizeof(*g));
}

void
groups_clear(struct groups *g)
{
	size_t max_groups = g->max_groups, max_bytes = g->max_bytes;

	groups_release(g);
	groups_init(g, max_groups, max_bytes);
}

/* FNV-1a; a collision only costs a comparison. */
static uint64_t
text_hash(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

static bool
group_is(const struct group *p, const char *text, size_t len, uint64_t hash)
{
	return p->hash == hash && p->text_len == len &&
	    memcmp(p->text, text, len) == 0;
}

static struct group *
groups_find(struct groups *g, const char *text, size_t len, uint64_t hash)
{
	size_t i;

	if (g->nslots == 0)
		return NULL;
	for (i = hash & (g->nslots - 1); g->slots[i] != 0;
	     i = (i + 1) & (g->nslots - 1))
		if (group_is(&g->list[g->slots[i] - 1], text, len, hash))
			return &g->list[g->slots[i] - 1];
	return NULL;
}

/* Of list[at], which is not in there yet: there is always a free slot. */
static void
groups_place(struct groups *g, size_t at)
{
	size_t i = g->list[at].hash & (g->nslots - 1);

	while (g->slots[i] != 0)
		i = (i + 1) & (g->nslots - 1);
	g->slots[i] = (uint32_t)at + 1;
}

static void
groups_index(struct groups *g)
{
	size_t i;

	memset(g->slots, 0, g->nslots * sizeof(*g->slots));
	for (i = 0; i < g->n; i++)
		groups_place(g, i);
}

/* For one more; at most half of the slots are taken. */
static int
groups_grow(struct groups *g)
{
	size_t cap = g->cap == 0 ? 16 : g->cap * 2;
	struct group *p;
	uint32_t *slots;

	if (g->n < g->cap)
		return 0;
	p = reallocarray(g->list, cap, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	g->list = p;
	slots = reallocarray(g->slots, cap * 2, sizeof(*slots));
	if (slots == NULL)
		return ERR_NOMEM;
	g->slots = slots;
	g->nslots = cap * 2;
	g->cap = cap;
	groups_index(g);
	return 0;
}

static int
groups_new(struct groups *g, const char *text, size_t len, uint64_t hash,
    struct group **ret)
{
	struct group *p;

	if (g->n >= g->max_groups || g->n >= GROUPS_MAX ||
	    len > g->max_bytes - g->bytes)
		return ERR_TOOBIG;
	if (groups_grow(g) != 0)
		return ERR_NOMEM;
	p = &g->list[g->n];
	memset(p, 0, sizeof(*p));
	p->text = malloc(len + 1);
	if (p->text == NULL)
		return ERR_NOMEM;
	memcpy(p->text, text, len);
	p->text[len] = '\0';
	p->text_len = len;
	p->hash = hash;
	g->bytes += len;
	groups_place(g, g->n++);
	*ret = p;
	return 0;
}

int
groups_add(struct groups *g, const char *text, size_t len, const char *name)
{
	uint64_t hash = text_hash(text, len);
	struct group *p = groups_find(g, text, len, hash);
	size_t cap;
	char **n;
	int r;

	if (p == NULL && (r = groups_new(g, text, len, hash, &p)) != 0)
		return r;
	p->count++;
	if (p->nnames >= GROUPS_NAMES_MAX)
		return 0;
	if (p->nnames == p->cap) {
		cap = p->cap == 0 ? 4 : p->cap * 2;
		n = reallocarray(p->names, cap, sizeof(*n));
		if (n == NULL)
			return ERR_NOMEM;
		p->names = n;
		p->cap = cap;
	}
	p->names[p->nnames] = strdup(name);
	if (p->names[p->nnames] == NULL)
		return ERR_NOMEM;
	p->nnames++;
	return 0;
}

static int
group_compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int r;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	r = memcmp(x->text, y->text,
	    x->text_len < y->text_len ? x->text_len : y->text_len);
	if (r != 0)
		return r;
	return x->text_len < y->text_len ? -1 : x->text_len > y->text_len;
}

void
groups_sort(struct groups *g)
{
	if (g->n < 2)
		return;
	qsort(g->list, g->n, sizeof(*g->list), group_compare);
	groups_index(g);
}

static int
name_compare(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

int
group_names(struct group *g, size_t max, struct buf *out)
{
	size_t i, n = g->nnames;

	if (g->nnames > 1)
		qsort(g->names, g->nnames, sizeof(*g->names), name_compare);
	/* naming all is shorter than "and 1 more" */
	if (max > 0 && n > max && g->count > max + 1)
		n = max;
	for (i = 0; i < n; i++)
		buf_add_fmt(out, "%s%s", i > 0 ? ", " : "", g->names[i]);
	if (g->count > n)
		buf_add_fmt(
		    out, "%s%zu more", n > 0 ? " and " : "", g->count - n);
	return out->error;
}
