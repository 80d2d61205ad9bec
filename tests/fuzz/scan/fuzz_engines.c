/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One engine against the other: two bytes of how, one to four expressions each
 * ended by a zero byte, a text. What PCRE2 finds in one piece is what it finds
 * in many, and what is found as a worker looks: by Hyperscan where it can,
 * behind a gate, with the ends of expressions trimmed. Only what was told may
 * be missing.
 */
#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"
#include "scan/match.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS 4
#define EXPRESSION_MAX 100
#define COST_MAX 20000
#define FILLER (3 * MATCH_CARRY)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct how {
	enum match_mode mode;
	bool whole_lines, needles, trim;
	enum match_engine engine;
	size_t step;
	bool filler; /* so much in the middle that a match can be lost */
};

struct question {
	size_t n;
	struct match_pattern patterns[PATTERNS];
	struct regex_needles needles[PATTERNS];
	uint8_t literals[PATTERNS][REGEX_LITERAL_MAX];
	struct buf bytes[PATTERNS];
};

struct found {
	bool here, gave_up, cut[PATTERNS];
	uint64_t hits[PATTERNS];
};

static void
look(const struct question *q, const struct how *how, enum match_engine engine,
    const struct buf *text, size_t step, struct found *ret)
{
	struct match_state *st;
	struct match *m;
	size_t bad, at, n, i;
	uint8_t *copy;

	memset(ret, 0, sizeof(*ret));
	if (match_new(q->patterns, q->n, how->mode, engine, &m, &bad, NULL) !=
	    0)
		return;
	if (match_state_new(m, &st, NULL) != 0)
		abort();
	match_begin(st);
	for (at = 0; at < text->len; at += n) {
		n = text->len - at < step ? text->len - at : step;
		copy = malloc(n);
		memcpy(copy, text->data + at, n);
		match_feed(st, copy, n);
		free(copy);
	}
	match_end(st);
	ret->here = true;
	ret->gave_up = st->gave_up != NULL;
	for (i = 0; i < q->n; i++) {
		ret->hits[i] = st->hits[i];
		ret->cut[i] = st->is_cut[i];
	}
	match_state_free(st);
	match_free(m);
}

/* False: it is not to be asked. */
static bool
add(struct question *q, const char *source, const struct how *how, bool trim)
{
	struct match_pattern *p = &q->patterns[q->n];
	enum regex_form form = REGEX_TEXT;
	struct regex *re;
	uint64_t cost;
	bool ok;

	if (strlen(source) > EXPRESSION_MAX ||
	    regex_check(source, &cost, NULL) != 0 || cost > COST_MAX ||
	    regex_parse(source, &re, NULL) != 0)
		return false;
	if (how->mode == MATCH_LINES)
		form = how->whole_lines || regex_is_nullable(re)
		    ? REGEX_WHOLE_LINES
		    : REGEX_LINES;
	if (trim)
		regex_trim(re);
	buf_init(&q->bytes[q->n], 1024 * 1024);
	ok = regex_write(re, form, &q->bytes[q->n]) == 0 &&
	    buf_str(&q->bytes[q->n]) != NULL;
	p->bytes = ok ? buf_str(&q->bytes[q->n]) : NULL;
	p->count = form == REGEX_WHOLE_LINES;
	p->longest = regex_longest(re);
	if (p->longest == SIZE_MAX)
		p->longest = 0;
	p->literal = q->literals[q->n];
	p->literal_len = regex_literal(re, q->literals[q->n]);
	regex_needles(re, &q->needles[q->n]);
	if (how->needles)
		p->needles = &q->needles[q->n];
	q->n++;
	regex_free(re);
	return true;
}

static void
release(struct question *q)
{
	while (q->n > 0)
		buf_release(&q->bytes[--q->n]);
}

static void
compare(const struct found *one, const struct found *other)
{
	size_t i;

	if (!one->here || !other->here || one->gave_up || other->gave_up)
		return;
	for (i = 0; i < PATTERNS; i++) {
		if (one->hits[i] != other->hits[i] && !one->cut[i] &&
		    !other->cut[i])
			abort();
	}
}

static void
ask(const struct question *plain, const struct question *asked,
    const struct how *how, const struct buf *text)
{
	struct found whole, pieces, worker;

	look(plain, how, MATCH_PCRE2, text, text->len, &whole);
	look(asked, how, MATCH_PCRE2, text, how->step, &pieces);
	look(asked, how, how->engine, text, how->step, &worker);
	compare(&whole, &pieces);
	compare(&whole, &worker);
}

/* With the filler in its middle, and the newline that ends what has lines. */
static void
make_text(
    struct buf *out, const struct how *how, const uint8_t *data, size_t len)
{
	size_t half = len / 2, i;

	buf_add(out, data, half);
	for (i = 0; how->filler && i < FILLER; i++)
		buf_add_u8(out, half > 0 ? data[half - 1] : 'x');
	buf_add(out, data + half, len - half);
	if (how->mode == MATCH_LINES)
		buf_add_u8(out, '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct question plain = { .n = 0 }, asked = { .n = 0 };
	struct how how = { 0 };
	const uint8_t *at = data + 2, *zero;
	struct buf text;
	size_t n;

	if (size < 3 || size > 4096)
		return 0;
	how.mode = (data[0] & 1) != 0 ? MATCH_LINES : MATCH_STREAM;
	how.whole_lines = (data[0] & 2) != 0;
	how.needles = (data[0] & 4) != 0;
	how.engine = (data[0] & 8) != 0 ? MATCH_HYPERSCAN : MATCH_BEST;
	how.trim = how.mode == MATCH_STREAM && (data[0] & 16) != 0;
	how.filler = (data[0] & 32) != 0;
	how.step = how.filler ? MATCH_CARRY + data[1] * 1024u : 1 + data[1];
	for (n = 1 + (data[0] >> 6); n > 0; n--) {
		zero = memchr(at, 0, size - (size_t)(at - data));
		if (zero == NULL ||
		    !add(&plain, (const char *)at, &how, false) ||
		    !add(&asked, (const char *)at, &how, how.trim))
			goto out;
		at = zero + 1;
	}
	buf_init(&text, FILLER + 8192);
	make_text(&text, &how, at, size - (size_t)(at - data));
	ask(&plain, &asked, &how, &text);
	buf_release(&text);
out:
	release(&plain);
	release(&asked);
	return 0;
}
