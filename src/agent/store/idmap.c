/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Linear probing at a load of at most one half; ids are hashes already, so
 * their first bytes choose the place. Taking out shifts the followers back,
 * so there are no tombstones.
 */
#include "agent/store/idmap.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 16

static size_t
home(const struct idmap *m, const struct id *id)
{
	uint64_t h;

	memcpy(&h, id->b, sizeof(h));
	return (size_t)h & (m->cap - 1);
}

static size_t
probe(const struct idmap *m, const struct id *id)
{
	size_t i = home(m, id);

	while (m->slots[i] != NULL && !id_equal(m->slots[i], id))
		i = (i + 1) & (m->cap - 1);
	return i;
}

void
idmap_release(struct idmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

static int
grow(struct idmap *m)
{
	struct idmap wider = { .cap = m->cap == 0 ? CAP_MIN : m->cap * 2 };
	size_t i;

	wider.slots = calloc(wider.cap, sizeof(wider.slots[0]));
	if (wider.slots == NULL)
		return ERR_NOMEM;
	for (i = 0; i < m->cap; i++) {
		if (m->slots[i] != NULL)
			wider.slots[probe(&wider, m->slots[i])] = m->slots[i];
	}
	wider.n = m->n;
	free(m->slots);
	*m = wider;
	return 0;
}

int
idmap_add(struct idmap *m, void *thing)
{
	size_t i;

	if (m->n * 2 >= m->cap && grow(m) != 0)
		return ERR_NOMEM;
	i = probe(m, thing);
	if (m->slots[i] != NULL)
		return ERR_EXISTS;
	m->slots[i] = thing;
	m->n++;
	return 0;
}

void *
idmap_find(const struct idmap *m, const struct id *id)
{
	return m->n == 0 ? NULL : m->slots[probe(m, id)];
}

void *
idmap_take(struct idmap *m, const struct id *id)
{
	size_t hole, i, want;
	void *thing;

	if (m->n == 0)
		return NULL;
	hole = probe(m, id);
	thing = m->slots[hole];
	if (thing == NULL)
		return NULL;
	m->slots[hole] = NULL;
	m->n--;
	for (i = (hole + 1) & (m->cap - 1); m->slots[i] != NULL;
	     i = (i + 1) & (m->cap - 1)) {
		want = home(m, m->slots[i]);
		/* may the follower move into the hole? only if its home is
		 * not between hole and itself */
		if (((i - want) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue;
		m->slots[hole] = m->slots[i];
		m->slots[i] = NULL;
		hole = i;
	}
	return thing;
}
