/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/kept.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
/* PCRE2 takes 65536 units of its own code, and what is counted here is more
 * than it needs. */
#define UNITS_MAX 40000
#define CLASS_UNITS 48
#define GROUP_UNITS 16

/* How many units PCRE2 needs at most, from what regex_write writes: \xNN,
 * [...],
 * (?:...), counts, anchors. */
struct weigher {
	const char *p;
	uint64_t sum[DEPTH_MAX], last[DEPTH_MAX]; /* of the part before */
	size_t depth;
};

static void
part(struct weigher *w, uint64_t units)
{
	w->sum[w->depth] += units;
	w->last[w->depth] = units;
}

/* "{2}", "{2,}", "{2,7}": the part before it, so many times. */
static void
count(struct weigher *w)
{
	unsigned long most, n;
	char *end;

	most = strtoul(w->p + 1, &end, 10);
	if (*end == ',') {
		n = strtoul(end + 1, &end, 10);
		most = n > most ? n : most + 1;
	}
	w->sum[w->depth] += w->last[w->depth] * most;
	w->p = *end == '}' ? end + 1 : end;
}

static void class(struct weigher *w)
{
	while (*w->p != '\0' && *w->p != ']')
		w->p++;
	w->p += *w->p == ']';
	part(w, CLASS_UNITS);
}

static bool
close_group(struct weigher *w)
{
	uint64_t units = w->sum[w->depth] + GROUP_UNITS;

	if (w->depth == 0)
		return false;
	w->depth--;
	part(w, units);
	w->p++;
	return true;
}

static bool
open_group(struct weigher *w)
{
	if (++w->depth == DEPTH_MAX)
		return false;
	w->sum[w->depth] = w->last[w->depth] = 0;
	w->p++;
	return true;
}

/* The next of what p points at; false: nested too deeply. */
static bool
step(struct weigher *w)
{
	switch (*w->p) {
	case '(':
		return open_group(w);
	case ')':
		return close_group(w);
	case '[':
		class(w);
		return true;
	case '{':
		count(w);
		return true;
	default:
		w->p += *w->p == '\\' && w->p[1] != '\0' ? 2 : 1;
		part(w, 4);
		return true;
	}
}

static bool
is_small(const char *bytes)
{
	struct weigher w = { .p = bytes };

	while (*w.p != '\0' && w.sum[w.depth] <= UNITS_MAX) {
		if (!step(&w))
			return false;
	}
	return w.depth == 0 && w.sum[0] <= UNITS_MAX;
}

bool
kept_is_sure(const struct match_pattern *patterns, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (patterns[i].bytes != NULL && !is_small(patterns[i].bytes))
			return false;
	}
	return true;
}

static size_t
size_of(const struct match_pattern *p)
{
	return p->bytes == NULL ? 0 : strlen(p->bytes) + 1 + p->literal_len;
}

struct kept *
kept_new(
    const struct match_pattern *patterns, size_t n, enum match_engine engine)
{
	struct kept *k = calloc(1, sizeof(*k));
	struct match_pattern *p;
	uint8_t *at;
	size_t i, size = 1, len;

	for (i = 0; i < n; i++)
		size += size_of(&patterns[i]);
	if (k == NULL || (k->text = malloc(size)) == NULL ||
	    (k->patterns = calloc(n, sizeof(*k->patterns))) == NULL) {
		kept_free(k);
		return NULL;
	}
	k->n = n;
	k->engine = engine;
	for (i = 0, at = k->text; i < n; i++) {
		p = &k->patterns[i];
		*p = patterns[i];
		p->needles = NULL;
		if (p->bytes == NULL)
			continue;
		len = strlen(p->bytes) + 1;
		memcpy(at, p->bytes, len);
		p->bytes = (const char *)at;
		at += len;
		if (p->literal_len > 0)
			memcpy(at, p->literal, p->literal_len);
		p->literal = at;
		at += p->literal_len;
	}
	return k;
}

void
kept_free(struct kept *k)
{
	if (k == NULL)
		return;
	free(k->patterns);
	free(k->text);
	free(k);
}
