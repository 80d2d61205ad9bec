/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/seen.h"

#include <stdlib.h>

#define BITS 15
/* Smaller ones are as quickly read as looked up, and would push others out. */
#define SIZE_LEAST 4096

struct entry {
	uint64_t dev, ino; /* ino 0: none */
	int64_t changed, changed_ns, size;
	struct seen_how how;
};

struct seen {
	struct entry list[1u << BITS];
};

static size_t
place_of(const struct stat *st)
{
	uint64_t v = (uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 40;

	return (size_t)(v * 0x9e3779b97f4a7c15u >> (64 - BITS));
}

struct seen *
seen_new(void)
{
	return calloc(1, sizeof(struct seen));
}

void
seen_free(struct seen *s)
{
	free(s);
}

bool
seen_find(
    const struct seen *s, const struct stat *st, const struct seen_how *how)
{
	const struct entry *en = &s->list[place_of(st)];

	return st->st_ino != 0 && en->ino == (uint64_t)st->st_ino &&
	    en->dev == (uint64_t)st->st_dev && en->size == st->st_size &&
	    en->changed == st->st_ctim.tv_sec &&
	    en->changed_ns == st->st_ctim.tv_nsec &&
	    en->how.decompress == how->decompress &&
	    (en->how.algs & how->algs) == how->algs &&
	    (en->how.patterns || !how->patterns);
}

void
seen_add(struct seen *s, const struct stat *st, const struct seen_how *how)
{
	struct entry *en = &s->list[place_of(st)];

	if (st->st_size < SIZE_LEAST)
		return;
	en->dev = (uint64_t)st->st_dev;
	en->ino = (uint64_t)st->st_ino;
	en->size = st->st_size;
	en->changed = st->st_ctim.tv_sec;
	en->changed_ns = st->st_ctim.tv_nsec;
	en->how = *how;
}
