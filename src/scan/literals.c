/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/literals.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BITS 17 /* 16 KiB */
#define END UINT32_MAX

struct entry {
	uint32_t window; /* its bytes */
	uint32_t next;   /* in its bucket */
	uint32_t at;     /* of the window in the literal */
	uint32_t len;
	size_t text; /* into texts */
};

struct literals {
	struct entry *list;
	size_t n;
	uint8_t *texts;
	uint32_t *buckets;
	unsigned int shift; /* of hash to bucket */
	uint64_t map[(1u << MAP_BITS) / 64];
};

static uint32_t
window_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t
hash(uint32_t window)
{
	return window * 0x9e3779b1u;
}

/* How often each window occurs in all literals; by hash, roughly. */
static uint16_t *
count_windows(const struct literal *list, size_t n, unsigned int shift)
{
	uint16_t *counts = calloc((size_t)1 << (32 - shift), sizeof(*counts));
	uint16_t *c;
	size_t i, k;

	for (i = 0; counts != NULL && i < n; i++) {
		for (k = 0; k + LITERAL_MIN <= list[i].len; k++) {
			c = &counts[hash(window_at(list[i].bytes + k)) >>
			    shift];
			if (*c < UINT16_MAX)
				(*c)++;
		}
	}
	return counts;
}

static uint32_t
rarest_window(
    const struct literal *lit, const uint16_t *counts, unsigned int shift)
{
	uint32_t best = 0, k, least = UINT32_MAX, n;

	for (k = 0; k + LITERAL_MIN <= lit->len; k++) {
		n = counts[hash(window_at(lit->bytes + k)) >> shift];
		if (n < least) {
			least = n;
			best = k;
		}
	}
	return best;
}

static void
add(struct literals *l, uint32_t i, const struct literal *lit, size_t text,
    uint32_t at)
{
	struct entry *en = &l->list[i];
	uint32_t h, *bucket;

	memcpy(l->texts + text, lit->bytes, lit->len);
	en->text = text;
	en->len = (uint32_t)lit->len;
	en->at = at;
	en->window = window_at(lit->bytes + at);
	h = hash(en->window);
	bucket = &l->buckets[h >> l->shift];
	en->next = *bucket;
	*bucket = i;
	h >>= 32 - MAP_BITS;
	l->map[h / 64] |= (uint64_t)1 << (h % 64);
}

struct literals *
literals_new(const struct literal *list, size_t n)
{
	struct literals *l = calloc(1, sizeof(*l));
	unsigned int shift = 28; /* 16 buckets */
	uint16_t *counts;
	size_t i, total = 0;

	if (l == NULL)
		return NULL;
	while (shift > 8 && ((size_t)1 << (32 - shift)) < n * 2)
		shift--;
	for (i = 0; i < n; i++)
		total += list[i].len;
	l->shift = shift;
	l->n = n;
	l->list = calloc(n + 1, sizeof(*l->list));
	l->texts = malloc(total + 1);
	l->buckets = malloc(sizeof(*l->buckets) << (32 - shift));
	counts = count_windows(list, n, shift);
	if (l->list == NULL || l->texts == NULL || l->buckets == NULL ||
	    counts == NULL) {
		free(counts);
		literals_free(l);
		return NULL;
	}
	memset(l->buckets, 0xff, sizeof(*l->buckets) << (32 - shift));
	for (i = 0, total = 0; i < n; total += list[i++].len)
		add(l, (uint32_t)i, &list[i], total,
		    rarest_window(&list[i], counts, shift));
	free(counts);
	return l;
}

void
literals_free(struct literals *l)
{
	if (l == NULL)
		return;
	free(l->list);
	free(l->texts);
	free(l->buckets);
	free(l);
}

static bool
stands_at(const struct literals *l, const struct entry *en, const uint8_t *text,
    size_t len, size_t window_at_offset)
{
	size_t begin;

	if (window_at_offset < en->at)
		return false;
	begin = window_at_offset - en->at;
	return len - begin >= en->len &&
	    memcmp(text + begin, l->texts + en->text, en->len) == 0;
}

void
literals_scan(const struct literals *l, const void *data, size_t len,
    void (*found)(uint32_t number, void *arg), void *arg)
{
	const uint8_t *text = data;
	uint32_t window, h, i, m;
	size_t at;

	for (at = 0; at + LITERAL_MIN <= len; at++) {
		window = window_at(text + at);
		h = hash(window);
		m = h >> (32 - MAP_BITS);
		if ((l->map[m / 64] >> (m % 64) & 1) == 0)
			continue;
		for (i = l->buckets[h >> l->shift]; i != END;
		     i = l->list[i].next) {
			if (l->list[i].window == window &&
			    stands_at(l, &l->list[i], text, len, at))
				found(i, arg);
		}
	}
}
