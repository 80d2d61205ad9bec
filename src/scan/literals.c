/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/literals.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BITS 18 /* 32 KiB: first level cache */
#define MAP_BITS_MANY 21
#define MANY 16384 /* windows */
#define STEP 4
#define AT_ONCE 4 /* places */
#define FEW 64    /* literals of which every place is looked at */
#define PLACES 1024
#define END UINT32_MAX

struct entry {
	uint32_t window; /* its bytes */
	uint32_t next;   /* in its bucket */
	uint32_t at;     /* of the window in the literal */
	uint32_t number; /* of the literal */
	uint32_t len;
	size_t text; /* into texts */
};

/* Literals of which every step-th byte of a text is the begin of a window:
 * each has step windows that follow one another. */
struct table {
	size_t step, n;
	bool many; /* MAP_BITS_MANY */
	struct entry *list;
	uint32_t *buckets;
	uint64_t *map;
	unsigned int shift; /* of hash to bucket */
	sift_run *run;      /* NULL: this processor has none */
	struct sift sift;
};

struct literals {
	uint8_t *texts;
	struct table tables[2]; /* the long ones, the short ones */
};

struct scan {
	const struct literals *l;
	const struct table *t;
	const uint8_t *text;
	size_t len;
	literal_found *found;
	void *arg;
	bool enough; /* found wants no more */
};

static enum sift_cpu cpu = SIFT_AVX512;

void
literals_limit(enum sift_cpu at_most)
{
	cpu = at_most;
}

static uint32_t
window_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
map_place(uint32_t hashed, bool many)
{
	return hashed >> (32 - (many ? MAP_BITS_MANY : MAP_BITS));
}

static uint32_t
hash(uint32_t window)
{
	return window * 0x9e3779b1u;
}

/* In which table, and so which step, a literal of n is. */
static unsigned int
table_of(const struct literal *lit, size_t n)
{
	return n > FEW && lit->len >= LITERAL_MIN + STEP - 1 ? 0 : 1;
}

/* How often a byte is seen on disks and in memory, as a logarithm, roughly. */
static uint32_t
byte_weight(uint8_t b)
{
	static const char often[] = " etaoinsrl\n\x48\x8b\x89\x0f\x24\x01";

	if (b == 0 || b == 0xff)
		return 8;
	if (memchr(often, b, sizeof(often) - 1) != NULL)
		return 6;
	if (b >= 'a' && b <= 'z')
		return 5;
	return b < 0x80 ? 4 : 3;
}

static uint32_t
weight(const uint8_t *window)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < LITERAL_MIN; i++)
		sum += byte_weight(window[i]);
	return sum;
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

/* Where the step windows begin that the literals have least, and of those the
 * rarest elsewhere. */
static uint32_t
rarest(const struct literal *lit, size_t step, const uint16_t *counts,
    unsigned int shift)
{
	uint32_t best = 0, k, least = UINT32_MAX, n;
	size_t i;

	for (k = 0; k + step - 1 + LITERAL_MIN <= lit->len; k++) {
		n = 0;
		for (i = k; i < k + step; i++)
			n += counts[hash(window_at(lit->bytes + i)) >> shift] *
				64u +
			    weight(lit->bytes + i);
		if (n < least) {
			least = n;
			best = k;
		}
	}
	return best;
}

static void
add(struct table *t, const struct literal *lit, uint32_t number, size_t text,
    uint32_t at)
{
	struct entry *en;
	uint32_t h, *bucket;
	size_t i;

	for (i = 0; i < t->step; i++) {
		en = &t->list[t->n];
		en->text = text;
		en->number = number;
		en->len = (uint32_t)lit->len;
		en->at = at + (uint32_t)i;
		en->window = window_at(lit->bytes + en->at);
		h = hash(en->window);
		bucket = &t->buckets[h >> t->shift];
		en->next = *bucket;
		*bucket = (uint32_t)t->n++;
		h = map_place(h, t->many);
		t->map[h / 64] |= (uint64_t)1 << (h % 64);
	}
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, LITERAL_MIN);
}

/* Windows that are alike make a group: few halves of bytes each. */
static bool
fill_sift(struct table *t)
{
	uint8_t(*windows)[LITERAL_MIN] = calloc(t->n + 1, sizeof(*windows));
	uint8_t group, b;
	size_t i, k;

	if (windows == NULL)
		return false;
	for (i = 0; i < t->n; i++)
		memcpy(windows[i], &t->list[i].window, LITERAL_MIN);
	qsort(windows, t->n, sizeof(*windows), compare);
	for (i = 0; i < t->n; i++) {
		group = (uint8_t)(1u << (i * SIFT_GROUPS / t->n));
		for (k = 0; k < LITERAL_MIN; k++) {
			b = windows[i][k];
			t->sift.low[k][b & 15] |= group;
			t->sift.high[k][b >> 4] |= group;
			t->sift.six[k][b & 63] |= group;
		}
	}
	free(windows);
	return true;
}

static bool
table_init(struct table *t, size_t step, size_t n)
{
	unsigned int bits = 4;
	size_t windows = n * step;

	while (bits < 24 && ((size_t)1 << bits) < windows * 2)
		bits++;
	t->step = step;
	t->many = windows > MANY;
	t->shift = 32 - bits;
	t->list = calloc(windows + 1, sizeof(*t->list));
	t->buckets = malloc(sizeof(*t->buckets) << bits);
	t->map =
	    calloc(map_place(UINT32_MAX, t->many) / 64 + 1, sizeof(*t->map));
	if (t->list == NULL || t->buckets == NULL || t->map == NULL)
		return false;
	memset(t->buckets, 0xff, sizeof(*t->buckets) << bits);
	return true;
}

/* The rarest windows of each literal. */
static bool
fill(struct literals *l, const struct literal *list, size_t n)
{
	unsigned int shift = l->tables[0].shift < l->tables[1].shift
	    ? l->tables[0].shift
	    : l->tables[1].shift;
	uint16_t *counts = count_windows(list, n, shift);
	struct table *t;
	size_t i, text = 0;

	if (counts == NULL)
		return false;
	for (i = 0; i < n; i++) {
		t = &l->tables[table_of(&list[i], n)];
		memcpy(l->texts + text, list[i].bytes, list[i].len);
		add(t, &list[i], (uint32_t)i, text,
		    rarest(&list[i], t->step, counts, shift));
		text += list[i].len;
	}
	free(counts);
	return fill_sift(&l->tables[0]) && fill_sift(&l->tables[1]);
}

struct literals *
literals_new(const struct literal *list, size_t n)
{
	struct literals *l = calloc(1, sizeof(*l));
	size_t i, total = 0, in[2] = { 0, 0 };

	if (l == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		total += list[i].len;
		in[table_of(&list[i], n)]++;
	}
	l->texts = malloc(total + 1);
	if (l->texts == NULL || !table_init(&l->tables[0], STEP, in[0]) ||
	    !table_init(&l->tables[1], 1, in[1]) || !fill(l, list, n)) {
		literals_free(l);
		return NULL;
	}
	l->tables[0].run = sift_fourth(cpu);
	l->tables[1].run = sift_every(cpu);
	return l;
}

void
literals_free(struct literals *l)
{
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < 2; i++) {
		free(l->tables[i].list);
		free(l->tables[i].buckets);
		free(l->tables[i].map);
	}
	free(l->texts);
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

static void
look_up(struct scan *s, size_t at)
{
	const struct table *t = s->t;
	uint32_t window = window_at(s->text + at), i;

	for (i = t->buckets[hash(window) >> t->shift]; i != END && !s->enough;
	     i = t->list[i].next) {
		if (t->list[i].window == window &&
		    stands_at(s->l, &t->list[i], s->text, s->len, at))
			s->enough = !s->found(
			    t->list[i].number, at - t->list[i].at, s->arg);
	}
}

static inline uint64_t
marked(const struct scan *s, size_t at, bool many)
{
	uint32_t m = map_place(hash(window_at(s->text + at)), many);

	return s->t->map[m / 64] >> (m % 64) & 1;
}

/* The places that the first look leaves, as far as it can look: first those
 * whose window is not marked are dropped, without a branch. Returns where the
 * text goes on. */
static size_t
scan_sifted(struct scan *s)
{
	uint32_t places[PLACES];
	bool many = s->t->many;
	size_t at = 0, n, k, i;

	if (s->t->run == NULL || s->len > UINT32_MAX)
		return 0;
	while (s->len - at >= SIFT_NEEDS && !s->enough) {
		n = s->t->run(
		    &s->t->sift, s->text, s->len, &at, places, PLACES);
		for (i = 0, k = 0; i < n; i++) {
			places[k] = places[i];
			k += marked(s, places[i], many);
		}
		for (i = 0; i < k; i++)
			look_up(s, places[i]);
	}
	return at;
}

/* step and many are constants where it is called: the loop is all there is. */
static inline void
scan(struct scan *s, const size_t step, const bool many)
{
	size_t at = scan_sifted(s), k;
	uint64_t any;

	for (; at + AT_ONCE * step + LITERAL_MIN <= s->len && !s->enough;
	     at += AT_ONCE * step) {
		any = marked(s, at, many) | marked(s, at + step, many) |
		    marked(s, at + 2 * step, many) |
		    marked(s, at + 3 * step, many);
		if (any == 0)
			continue;
		for (k = 0; k < AT_ONCE; k++) {
			if (marked(s, at + k * step, many))
				look_up(s, at + k * step);
		}
	}
	for (; at + LITERAL_MIN <= s->len && !s->enough; at += step) {
		if (marked(s, at, many))
			look_up(s, at);
	}
}

void
literals_scan(const struct literals *l, const void *text, size_t len,
    literal_found *found, void *arg)
{
	struct scan s = { l, NULL, text, len, found, arg, false };
	const struct table *t;

	for (t = l->tables; t < l->tables + 2 && !s.enough; t++) {
		s.t = t;
		if (t->n == 0)
			continue;
		if (t->step == STEP && !t->many)
			scan(&s, STEP, false);
		else if (t->step == STEP)
			scan(&s, STEP, true);
		else if (!t->many)
			scan(&s, 1, false);
		else
			scan(&s, 1, true);
	}
}
