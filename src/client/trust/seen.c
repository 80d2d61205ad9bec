/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/seen.h"

#include <stdlib.h>
#include <string.h>

void
seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
}

void
seen_release(struct seen *s)
{
	free(s->slots);
	seen_init(s);
}

/* The slot of the key, or the free one where it belongs. Ids are hashes, so
 * their first bytes spread by themselves. */
static struct seen_entry *
seen_slot(struct seen_entry *slots, size_t cap, const struct id *key)
{
	uint64_t h;
	size_t i;

	memcpy(&h, key->b, sizeof(h));
	for (i = (size_t)h & (cap - 1);; i = (i + 1) & (cap - 1))
		if (!slots[i].used || id_equal(&slots[i].key, key))
			return &slots[i];
}

static bool
seen_grow(struct seen *s)
{
	size_t cap = s->cap == 0 ? 256 : s->cap * 2, i;
	struct seen_entry *slots;

	if (s->n >= SEEN_MAX)
		return false;
	slots = calloc(cap, sizeof(*slots));
	if (slots == NULL)
		return false;
	for (i = 0; i < s->cap; i++)
		if (s->slots[i].used)
			*seen_slot(slots, cap, &s->slots[i].key) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->cap = cap;
	return true;
}

enum seen_verdict
seen_add(struct seen *s, const struct id *key, const struct id *value)
{
	struct seen_entry *slot;

	if (s->n * 2 >= s->cap && !seen_grow(s))
		return SEEN_FULL;
	slot = seen_slot(s->slots, s->cap, key);
	if (slot->used)
		return id_equal(&slot->value, value) ? SEEN_SAME
						     : SEEN_DIFFERENT;
	slot->key = *key;
	slot->value = *value;
	slot->used = true;
	s->n++;
	return SEEN_NEW;
}

bool
seen_has(const struct seen *s, const struct id *key)
{
	return s->cap > 0 && seen_slot(s->slots, s->cap, key)->used;
}
