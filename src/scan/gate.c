/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/gate.h"

#include "base/err.h"
#include "scan/literals.h"

#include <stdlib.h>
#include <string.h>

#define NEEDLES_MAX 16384 /* of all patterns */
#define BEFORE_MAX 4096   /* bytes before a needle, where that has a limit */
#define LINE_KEPT 65536   /* of the begin of a line, where it has none */
#define PLACES_MAX 256    /* needles in a piece; with more all of it passes */
/* How much is looked at before it is judged whether that is worth it, and how
 * much passes then until it is tried again. */
#define TRIED (UINT64_C(8) << 20)
#define TRIED_AGAIN (UINT64_C(64) << 20)

struct needle {
	uint32_t len;
	uint64_t reach; /* what passes from its begin on */
};

struct gate {
	enum match_mode mode;
	struct literals *literals;
	struct needle *needles;
	size_t longest; /* of the needles */
	size_t before;  /* most bytes of a match before one; SIZE_MAX */
	size_t keep;    /* of what came before a piece */
	uint64_t reach; /* the most of all needles */
};

struct place {
	uint64_t begin; /* in the stream */
	uint32_t number;
};

struct gate_state {
	const struct gate *g;
	const struct gate_ops *ops;
	void *arg;
	bool begun;           /* ops->begin was called in this stream */
	bool open;            /* a line, or a part, is being passed */
	uint64_t pos;         /* of the piece at hand, in the stream */
	uint64_t part, until; /* where the open part begins and ends */
	/* what came before the piece; with lines, of the line at hand */
	uint8_t *kept;
	size_t nkept;
	uint8_t *join; /* the end of what was kept, and a begin of the piece */
	struct place places[PLACES_MAX];
	size_t nplaces;
	bool full;       /* there were more, or it was not looked at */
	uint64_t offset; /* of what is scanned, in the stream */
	uint64_t border; /* SIZE_MAX, or where the piece begins: only needles
			    across it count */
	uint64_t seen, passed; /* lately */
	uint64_t rest;         /* of what passes untried */
};

/* --- making it -------------------------------------------------------------
 */

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
reach(const struct match_pattern *p)
{
	/* one more byte than a match: what follows may decide (\b) */
	return p->longest == 0 ? UINT64_MAX : (uint64_t)p->longest + 1;
}

static bool
is_fit(const struct match_pattern *p, enum match_mode mode)
{
	return p->needles != NULL && p->needles->n > 0 &&
	    (mode == MATCH_LINES || p->needles->before <= BEFORE_MAX);
}

/* How many needles there are in all; 0: no gate. */
static size_t
count(const struct match_pattern *patterns, size_t n, enum match_mode mode)
{
	size_t total = 0, i;

	for (i = 0; i < n; i++) {
		if (patterns[i].bytes == NULL)
			continue;
		if (!is_fit(&patterns[i], mode))
			return 0;
		total += patterns[i].needles->n;
	}
	return total > NEEDLES_MAX ? 0 : total;
}

static void
measure(struct gate *g, const struct match_pattern *p)
{
	const struct regex_needles *its = p->needles;
	size_t i;

	if (its->before > g->before)
		g->before = its->before;
	for (i = 0; i < its->n; i++) {
		if (its->list[i].len > g->longest)
			g->longest = its->list[i].len;
	}
}

/* So far that a part which begins behind this one has no needle of it: a match
 * that began with a part, where an anchor errs, would have one. */
static void
reach_far(struct gate *g, size_t n)
{
	uint64_t least = add(g->before, 2 * g->longest + 2);
	size_t i;

	for (i = 0; i < n; i++) {
		if (g->needles[i].reach < least)
			g->needles[i].reach = least;
		if (g->needles[i].reach > g->reach)
			g->reach = g->needles[i].reach;
	}
}

/* A needle of one pattern. */
struct text {
	struct literal literal;
	uint64_t reach;
};

static int
by_bytes(const void *a, const void *b)
{
	const struct text *x = a, *y = b;

	if (x->literal.len != y->literal.len)
		return x->literal.len < y->literal.len ? -1 : 1;
	return memcmp(x->literal.bytes, y->literal.bytes, x->literal.len);
}

static void
collect(struct gate *g, const struct match_pattern *patterns, size_t n,
    struct text *texts)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (patterns[i].bytes == NULL)
			continue;
		measure(g, &patterns[i]);
		for (k = 0; k < patterns[i].needles->n; k++, texts++) {
			texts->literal.bytes =
			    patterns[i].needles->list[k].bytes;
			texts->literal.len = patterns[i].needles->list[k].len;
			texts->reach = reach(&patterns[i]);
		}
	}
}

/* What several patterns have is one needle, which reaches as far as for any. */
static size_t
merge(struct gate *g, struct text *texts, size_t total, struct literal *list)
{
	size_t i, n = 0;

	qsort(texts, total, sizeof(*texts), by_bytes);
	for (i = 0; i < total; i++) {
		if (i == 0 || by_bytes(&texts[i - 1], &texts[i]) != 0) {
			list[n] = texts[i].literal;
			g->needles[n++].len = (uint32_t)texts[i].literal.len;
		}
		if (g->needles[n - 1].reach < texts[i].reach)
			g->needles[n - 1].reach = texts[i].reach;
	}
	return n;
}

static bool
fill(struct gate *g, const struct match_pattern *patterns, size_t n)
{
	size_t total = count(patterns, n, g->mode);
	struct text *texts = calloc(total, sizeof(*texts));
	struct literal *list = calloc(total, sizeof(*list));

	g->needles = calloc(total, sizeof(*g->needles));
	if (texts != NULL && list != NULL && g->needles != NULL) {
		collect(g, patterns, n, texts);
		total = merge(g, texts, total, list);
		g->literals = literals_new(list, total);
	}
	free(texts);
	free(list);
	if (g->literals == NULL)
		return false;
	/* one byte more than a match can need */
	if (g->before > BEFORE_MAX)
		g->keep = LINE_KEPT;
	else
		g->keep = g->before + 2 * g->longest;
	reach_far(g, total);
	return true;
}

int
gate_new(const struct match_pattern *patterns, size_t n, enum match_mode mode,
    struct gate **ret, struct err *e)
{
	struct gate *g;

	*ret = NULL;
	if (mode == MATCH_TEXT || count(patterns, n, mode) == 0)
		return 0;
	g = calloc(1, sizeof(*g));
	if (g != NULL)
		g->mode = mode;
	if (g == NULL || !fill(g, patterns, n)) {
		gate_free(g);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	*ret = g;
	return 0;
}

void
gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	literals_free(g->literals);
	free(g->needles);
	free(g);
}

struct gate_state *
gate_state_new(const struct gate *g, const struct gate_ops *ops, void *arg)
{
	struct gate_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->g = g;
	s->ops = ops;
	s->arg = arg;
	s->kept = malloc(g->keep);
	s->join = malloc(2 * g->longest);
	if (s->kept == NULL || s->join == NULL) {
		gate_state_free(s);
		return NULL;
	}
	return s;
}

void
gate_state_free(struct gate_state *s)
{
	if (s == NULL)
		return;
	free(s->kept);
	free(s->join);
	free(s);
}

/* --- needles ---------------------------------------------------------------
 */

static bool
on_needle(uint32_t number, size_t at, void *arg)
{
	struct gate_state *s = arg;
	uint64_t begin = s->offset + at;
	size_t i;

	if (s->border != UINT64_MAX &&
	    (begin >= s->border ||
		begin + s->g->needles[number].len <= s->border))
		return true;
	if (s->nplaces == PLACES_MAX) {
		s->full = true;
		return false;
	}
	/* they come nearly in order */
	for (i = s->nplaces++; i > 0 && s->places[i - 1].begin > begin; i--)
		s->places[i] = s->places[i - 1];
	s->places[i].begin = begin;
	s->places[i].number = number;
	return true;
}

/* False: so much of what came lately passed that this much is not looked at. */
static bool
is_tried(struct gate_state *s, size_t len)
{
	if (s->rest == 0 && s->seen > TRIED) {
		if (s->passed > s->seen / 2)
			s->rest = TRIED_AGAIN;
		s->seen = s->passed = 0;
	}
	if (s->rest == 0) {
		s->seen += len;
		return true;
	}
	s->rest -= s->rest < len ? s->rest : len;
	s->passed = 0;
	return false;
}

/* Of the needles that begin before the piece and end in it. */
static void
find_across(struct gate_state *s, const uint8_t *data, size_t len)
{
	size_t most = s->g->longest - 1;
	size_t before = s->nkept < most ? s->nkept : most;
	size_t behind = len < most ? len : most;

	if (before == 0)
		return;
	memcpy(s->join, s->kept + s->nkept - before, before);
	memcpy(s->join + before, data, behind);
	s->offset = s->pos - before;
	s->border = s->pos;
	literals_scan(s->g->literals, s->join, before + behind, on_needle, s);
}

static void
find(struct gate_state *s, const uint8_t *data, size_t len)
{
	s->nplaces = 0;
	s->full = !is_tried(s, len);
	if (s->full)
		return;
	find_across(s, data, len);
	if (s->full)
		return;
	s->offset = s->pos;
	s->border = UINT64_MAX;
	literals_scan(s->g->literals, data, len, on_needle, s);
}

/* --- passing ---------------------------------------------------------------
 */

static void
begin(struct gate_state *s, uint64_t base)
{
	s->begun = true;
	s->ops->begin(base, s->arg);
}

static void
pass(struct gate_state *s, uint8_t *data, size_t len)
{
	if (len == 0)
		return;
	if (!s->begun)
		begin(s, 0);
	s->passed += len;
	s->ops->pass(data, len, s->arg);
}

static void
pass_kept(struct gate_state *s)
{
	pass(s, s->kept, s->nkept);
	s->nkept = 0;
}

/* The last g->keep bytes of what was kept and of this. */
static void
keep(struct gate_state *s, const uint8_t *data, size_t len)
{
	size_t most = s->g->keep, old;

	if (len >= most) {
		memcpy(s->kept, data + len - most, most);
		s->nkept = most;
		return;
	}
	old = s->nkept + len > most ? most - len : s->nkept;
	memmove(s->kept, s->kept + s->nkept - old, old);
	memcpy(s->kept + old, data, len);
	s->nkept = old + len;
}

/* --- lines -----------------------------------------------------------------
 */

/* The line that is open, to its end; how much that was. */
static size_t
pass_open(struct gate_state *s, uint8_t *data, size_t len)
{
	const uint8_t *nl = memchr(data, '\n', len);
	size_t n = nl == NULL ? len : (size_t)(nl - data) + 1;

	pass(s, data, n);
	s->open = nl == NULL;
	return n;
}

/* The line, at least from at on, that has this needle; where the next begins,
 * or len. */
static size_t
pass_line(
    struct gate_state *s, uint8_t *data, size_t len, size_t at, size_t needle)
{
	const uint8_t *nl = memrchr(data + at, '\n', needle - at);

	if (nl != NULL)
		at = (size_t)(nl - data) + 1;
	else if (at == 0)
		pass_kept(s);
	s->nkept = 0;
	return at + pass_open(s, data + at, len - at);
}

/* The begin of a line in which there is nothing so far. */
static void
keep_line(struct gate_state *s, uint8_t *data, size_t len)
{
	const uint8_t *nl = len > 0 ? memrchr(data, '\n', len) : NULL;
	size_t begun = nl == NULL ? 0 : (size_t)(nl - data) + 1;

	if (nl != NULL)
		s->nkept = 0;
	if (s->g->before > BEFORE_MAX && s->nkept + len - begun > s->g->keep) {
		/* all of it may be needed, and is more than can be kept */
		pass_kept(s);
		pass(s, data + begun, len - begun);
		s->open = true;
		return;
	}
	keep(s, data + begun, len - begun);
}

static void
pass_all(struct gate_state *s, uint8_t *data, size_t len)
{
	pass_kept(s);
	s->open = data[len - 1] != '\n';
	pass(s, data, len);
}

static void
feed_lines(struct gate_state *s, uint8_t *data, size_t len)
{
	size_t at = 0, i, needle;

	if (s->open) {
		at = pass_open(s, data, len);
		data += at;
		len -= at;
		s->pos += at;
	}
	if (len == 0)
		return;
	find(s, data, len);
	if (s->full) {
		pass_all(s, data, len);
		return;
	}
	for (at = 0, i = 0; i < s->nplaces && at < len; i++) {
		needle = s->places[i].begin < s->pos
		    ? 0
		    : (size_t)(s->places[i].begin - s->pos);
		if (needle >= at)
			at = pass_line(s, data, len, at, needle);
	}
	if (!s->open)
		keep_line(s, data + at, len - at);
}

/* --- other streams ---------------------------------------------------------
 */

/* What was kept from this offset of the stream on, as far as it was. */
static void
begin_part(struct gate_state *s, uint64_t from)
{
	size_t n = 0;

	if (from < s->pos) {
		n = (size_t)(s->pos - from);
		if (n > s->nkept)
			n = s->nkept;
		from = s->pos - n;
	}
	begin(s, from);
	s->open = true;
	s->part = from;
	pass(s, s->kept + s->nkept - n, n);
}

/* The open part from at on, as far as it goes. */
static uint64_t
pass_part(struct gate_state *s, uint8_t *data, size_t len, uint64_t at)
{
	uint64_t end = s->pos + len;

	if (s->until < end)
		end = s->until;
	if (end > at) {
		pass(s, data + (at - s->pos), (size_t)(end - at));
		at = end;
	}
	return at;
}

/* A longer needle that has this one in it begins before it and may end in the
 * next piece: its part must not have to begin before this one then. */
static uint64_t
part_of(const struct gate_state *s, const struct place *p, uint64_t *ret_end)
{
	uint64_t more = (uint64_t)s->g->before + s->g->longest + 1;

	*ret_end = add(p->begin, s->g->needles[p->number].reach);
	return p->begin > more ? p->begin - more : 0;
}

static void
feed_stream(struct gate_state *s, uint8_t *data, size_t len)
{
	uint64_t at = s->pos, from, to;
	size_t i;

	if (s->open && s->until == UINT64_MAX) {
		pass(s, data, len);
		return;
	}
	find(s, data, len);
	if (s->full) {
		/* not all are known: everything from the first possible on */
		s->nplaces = 0;
		if (!s->open)
			begin_part(s, 0);
		s->until = add(s->pos + len, s->g->reach);
	}
	/* a long needle may end behind others that began later */
	for (i = 0; i < s->nplaces; i++) {
		from = part_of(s, &s->places[i], &to);
		if (s->open && from > s->until) {
			pass_part(s, data, len, at);
			s->open = false;
		}
		if (!s->open)
			s->until = 0;
		if (!s->open || from < s->part) {
			begin_part(s, from);
			at = from > s->pos ? from : s->pos;
		}
		if (to > s->until)
			s->until = to;
	}
	if (s->open) {
		pass_part(s, data, len, at);
		s->open = s->until >= s->pos + len;
	}
	keep(s, data, len);
}

/* --- the stream ------------------------------------------------------------
 */

void
gate_restart(struct gate_state *s)
{
	s->seen = s->passed = s->rest = 0;
}

void
gate_begin(struct gate_state *s)
{
	s->begun = s->open = false;
	s->pos = s->until = 0;
	s->nkept = 0;
}

void
gate_feed(struct gate_state *s, uint8_t *data, size_t len)
{
	uint64_t end = s->pos + len;

	if (len == 0)
		return;
	if (s->g->mode == MATCH_LINES)
		feed_lines(s, data, len);
	else
		feed_stream(s, data, len);
	s->pos = end;
}

bool
gate_end(struct gate_state *s)
{
	return s->begun && s->open;
}
