/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Names under texts: the same answer of many hosts (-group), the same reason
 * of many agents (the summary). Bounded: past the limits names are counted
 * but not kept, and new texts are refused.
 */
#ifndef MIG_CLIENT_ASK_GROUPS_H
#define MIG_CLIENT_ASK_GROUPS_H

#include "base/buf.h"

#define GROUPS_MAX (1u << 24)  /* whatever is asked for */
#define GROUPS_NAMES_MAX 20000 /* names kept under one text */

struct group {
	char *text; /* owned */
	size_t text_len;
	uint64_t hash;
	char **names; /* owned */
	size_t nnames, cap;
	size_t count; /* all, also those whose names were not kept */
};

struct groups {
	struct group *list; /* in the order of first appearance */
	size_t n, cap;
	uint32_t *slots; /* owned; by hash: place in list + 1; 0: none */
	size_t nslots;   /* a power of two */
	size_t bytes, max_bytes; /* of texts */
	size_t max_groups;
};

void groups_init(struct groups *g, size_t max_groups, size_t max_bytes);
void groups_release(struct groups *g);
/* Empties it for reuse. */
void groups_clear(struct groups *g);
/* ERR_TOOBIG when it is a new text and there is no room for it. */
int
groups_add(struct groups *g, const char *text, size_t len, const char *name);
/* The most frequent first; equal counts by text. */
void groups_sort(struct groups *g);
/* Appends "web1, web2, web3 and 7 more"; names in natural order, at most
 * max of them (0: all that were kept). */
int group_names(struct group *g, size_t max, struct buf *out);

#endif
