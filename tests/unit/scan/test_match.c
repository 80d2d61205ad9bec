/* SPDX-License-Identifier: MPL-2.0 */
/* What expressions match, by both engines: the same answers as expected and
 * as each other, also when the text comes in small pieces. */
#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"
#include "scan/match.h"
#include "../rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t its_literal[REGEX_LITERAL_MAX];
static struct match_pattern found; /* literal and plain of the last one */

/* A copy, as it may be changed. */
static void
feed(struct match_state *st, const char *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, data, len);
	match_feed(st, copy, len);
	free(copy);
}

static char *
write_regex(const char *source, bool count, enum match_mode mode)
{
	enum regex_form form = REGEX_TEXT;
	struct regex *re;
	struct buf out;
	struct err e;
	char *text = NULL;

	if (regex_parse(source, &re, &e) != 0)
		fail_msg("%s: %s", source, e.msg);
	buf_init(&out, 1024 * 1024);
	if (mode == MATCH_LINES)
		form = count || regex_is_nullable(re) ? REGEX_WHOLE_LINES
						      : REGEX_LINES;
	if (regex_write(re, form, &out) == 0)
		text = strdup(buf_str(&out));
	found = (struct match_pattern){ .literal = its_literal };
	found.literal_len = regex_literal(re, its_literal);
	found.longest = regex_longest(re);
	if (found.longest == SIZE_MAX)
		found.longest = 0;
	found.plain = form != REGEX_WHOLE_LINES &&
	    regex_is_plain(re, &found.at_begin, &found.at_end);
	found.any = regex_any(re);
	buf_release(&out);
	regex_free(re);
	return text;
}

/* Number of hits of one expression; -1: this engine is not here. */
static long
run(enum match_engine engine, const char *source, bool count,
    enum match_mode mode, const char *text, size_t len, size_t step)
{
	struct match_pattern p = { .count = count };
	struct match *m;
	struct match_state *st;
	struct err e;
	size_t bad, at, n;
	char *bytes = write_regex(source, count, mode);
	long hits;
	int rc;

	if (engine == MATCH_PLAIN)
		p = found;
	p.longest = found.longest;
	p.bytes = bytes;
	rc = match_new(&p, 1, mode, engine, &m, &bad, &e);
	if (rc == ERR_UNSUPPORTED) {
		free(bytes);
		return -1;
	}
	if (rc != 0) {
		/* what Hyperscan refuses goes to PCRE2 */
		assert_int_equal(engine, MATCH_HYPERSCAN);
		free(bytes);
		return run(MATCH_BEST, source, count, mode, text, len, step);
	}
	assert_int_equal(match_state_new(m, &st, &e), 0);
	if (mode == MATCH_TEXT) {
		match_text(st, text, len);
	} else {
		match_begin(st);
		for (at = 0; at < len; at += n) {
			n = len - at < step ? len - at : step;
			feed(st, text + at, n);
		}
		match_end(st);
	}
	assert_null(st->gave_up);
	hits = (long)st->hits[0];
	match_state_free(st);
	match_free(m);
	free(bytes);
	return hits;
}

static void
expect(const char *source, bool count, enum match_mode mode, const char *text,
    size_t len, long want)
{
	static const size_t steps[] = { 1, 3, 100000 };
	static const enum match_engine engines[] = { MATCH_HYPERSCAN,
		MATCH_PCRE2, MATCH_BEST, MATCH_PLAIN };
	size_t i, k;
	long got;

	for (i = 0; i < 4; i++) {
		for (k = 0; k < 3; k++) {
			got = run(engines[i], source, count, mode, text, len,
			    steps[k]);
			if (got != -1 && got != want)
				fail_msg("%s on '%s' engine %d step %zu: %ld,"
					 " wanted %ld",
				    source, text, (int)engines[i], steps[k],
				    got, want);
		}
	}
}

static void
test_lines(void **state)
{
	static const struct {
		const char *re, *text;
		long lines; /* how many match */
	} table[] = {
		{ "foo", "foo\nbar\nfoo foo\n", 2 },
		{ "^foo$", "foo\nfoobar\nfoo\n", 2 },
		{ "foo$", "xfoo\nfoox\n", 1 },
		{ "\\Afoo\\z", "foo\nfoo\n", 2 },
		{ "^$", "\na\n\n", 2 },
		{ "^$", "a\nb\n", 0 },
		{ "a*", "b\n\nc\n", 3 },
		{ "^\\s*$", "a\n \t\n\n", 2 },
		{ "foo\\sbar", "foo\nbar\n", 0 },
		{ "foo[^x]bar", "foo\nbar\nfoo-bar\n", 1 },
		{ "(?s)foo.bar", "foo\nbar\n", 0 },
		{ "foo\\n", "foo\n", 0 },
		{ "a|\\nb", "b\na\n", 1 },
		{ "(?i)RoOt", "ROOT\nroot\nroo\n", 2 },
		{ "\\bfoo\\b", "foo\nfood\na foo.\n", 2 },
		{ "\\Bfoo", "foo\nxfoo\n", 1 },
		{ "^.$", "\xc3\xa9\nab\n\xff\n", 2 },
		{ "caf\xc3\xa9", "caf\xc3\xa9\ncafe\n", 1 },
		{ "[\xc3\xa0-\xc3\xbf]x", "\xc3\xa9x\nex\n", 1 },
		{ "(?i)\xc3\x89", "\xc3\xa9\n\xc3\x89\n", 2 },
		{ "\\pLx", "ax\n1x\n\xce\xb1x\n", 2 },
		{ "\\p{Greek}", "a\n\xce\xb1\n", 1 },
		{ "\\PL", "abc\nab1\n", 1 },
		{ "\\xff\\xfe", "\xff\xfe\n\xc3\xbf\xc3\xbe\nx\n", 2 },
		{ "^[^a]+$", "bcd\nba\n\xff\xfe\n", 2 },
		{ "x{3,5}y", "xxy\nxxxy\nxxxxxxy\n", 2 },
		{ "^(?:ab|cd){2}$", "abcd\nab\ncdcd\n", 2 },
		{ "(?:^a|b$)", "ax\nxb\nxax\n", 2 },
		{ "(a$|b)c", "ac\nbc\n", 1 },
		{ "\\Qa.b\\E", "a.b\naxb\n", 1 },
		{ "^\\Qa+b\\E+$", "a+bb\na+ba+b\n", 1 },
		{ "^a\\Q\\E*\\Q|)\\E$", "aa|)\n|)\na\n", 2 },
		{ "^(?:\\Qa)|\\E{2}|x)$", "a)||\nx\na)|\n", 2 },
		{ "[[:^alpha:]]", "abc\nab1\n", 1 },
		{ "(?m)^b", "ab\nba\n", 1 },
		{ "a.{0,30}b", "a-b\na\nb\n", 1 },
		{ "", "\nx\n", 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		expect(table[i].re, true, MATCH_LINES, table[i].text,
		    strlen(table[i].text), table[i].lines);
		expect(table[i].re, false, MATCH_LINES, table[i].text,
		    strlen(table[i].text), table[i].lines > 0);
	}
}

static void
test_text(void **state)
{
	static const struct {
		const char *re, *text;
		long hit;
	} table[] = {
		{ "^passwd$", "passwd", 1 },
		{ "^passwd$", "passwd\n", 0 },
		{ "^b$", "a\nb", 0 },
		{ "(?m)^b$", "a\nb", 1 },
		{ "a.b", "a\nb", 0 },
		{ "(?s)a.b", "a\nb", 1 },
		{ "a[^x]b", "a\nb", 1 },
		{ ".", "", 0 },
		{ "", "", 1 },
		{ "^-rw", "-rw-r--r--", 1 },
		{ "\\.txt$", "a.txt", 1 },
		{ "^[\\x80-\\xff]$", "\xe9", 1 },
		{ "(?m)\\n^$", "a\n", 1 },
		{ "(?m)^$", "a\n", 1 },
		{ "(?m)^b*$", "a\n", 1 },
		{ "(?m)^b*$", "a", 0 },
		{ "(?m)a^", "a\n", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		expect(table[i].re, false, MATCH_TEXT, table[i].text,
		    strlen(table[i].text), table[i].hit);
}

/* Without its JIT PCRE2 takes a hundred bytes and more for each turn. */
static void
test_memory_is_bounded(void **state)
{
	const size_t len = 1024 * 1024;
	const struct match_pattern p = { .bytes = "(*NO_JIT)\\A(?:a|b)*[cd]" };
	char *text = malloc(len);
	struct match_state *st;
	struct match *m;
	struct err e;
	size_t bad;

	assert_non_null(text);
	memset(text, 'a', len);
	assert_int_equal(
	    match_new(&p, 1, MATCH_TEXT, MATCH_PCRE2, &m, &bad, &e), 0);
	assert_int_equal(match_state_new(m, &st, &e), 0);
	match_text(st, text, 10000);
	assert_null(st->gave_up);
	match_text(st, text, len);
	assert_non_null(st->gave_up);
	assert_int_equal(st->nids, 0);
	match_state_free(st);
	match_free(m);
	free(text);
}

/* Newlines are ordinary, and where pieces meet nothing is lost or seen that is
 * not there. */
static void
test_stream(void **state)
{
	static const struct {
		const char *re, *text;
		long hit;
	} table[] = {
		{ "foo", "xfo", 0 },
		{ "foo", "xfoox", 1 },
		{ "GET /x\\r\\nHost", "GET /x\r\nHost: y", 1 },
		{ "a.b", "a\nb", 0 },
		{ "(?s)a.b", "a\nb", 1 },
		{ "a[^x]b", "a\nb", 1 },
		{ "^foo", "foo bar", 1 },
		{ "^foo", "a\nfoo", 0 },
		{ "(?m)^foo", "a\nfoo", 1 },
		{ "(?m)^foo", "afoo", 0 },
		{ "(?m)o\\n^", "foo\n", 1 },
		{ "(?m)^$", "foo\n", 1 },
		{ "(?m)^$", "foo", 0 },
		{ "bar$", "foo bar", 1 },
		{ "bar$", "bar foo", 0 },
		{ "bar$", "bar\n", 0 },
		{ "(?m)bar$", "bar\nfoo", 1 },
		{ "(?m)bar$", "barx\nfoo", 0 },
		{ "\\bfoo\\b", "a foo b", 1 },
		{ "\\bfoo\\b", "afoo foob", 0 },
		{ "foo\\B", "foob", 1 },
		{ "foo\\B", "foo", 0 },
		{ "(?s)a.*z", "a\n0123456789\nz", 1 },
		{ "x{3,5}y", "xxxxxxy", 1 },
		{ "(?i)RoOt", "rooROOT", 1 },
		{ "caf\xc3\xa9", "caf\xc3\xa9", 1 },
		{ "\\xff\\xfe", "\xff\xfe", 1 },
		{ "", "", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		expect(table[i].re, false, MATCH_STREAM, table[i].text,
		    strlen(table[i].text), table[i].hit);
}

/* Where the first match ends, by every engine. */
static void
test_stream_ends(void **state)
{
	static const enum match_engine engines[] = { MATCH_HYPERSCAN,
		MATCH_PCRE2, MATCH_PLAIN };
	static const char needle[] = "needle";
	size_t len = 3 * MATCH_CARRY, i, bad, at;
	char *text = calloc(1, len);
	struct match_state *st;
	struct match *m;
	struct err e;
	struct match_pattern p = { .literal = (const uint8_t *)needle,
		.literal_len = 6,
		.plain = true,
		.longest = 6 };

	p.bytes = "needle";
	assert_non_null(text);
	memcpy(text + 100003, needle, 6);
	for (i = 0; i < 3; i++) {
		if (match_new(&p, 1, MATCH_STREAM, engines[i], &m, &bad, &e) !=
		    0)
			continue;
		assert_int_equal(match_state_new(m, &st, &e), 0);
		match_begin(st);
		/* 100005 divides by 15: the second piece ends in the needle */
		for (at = 0; at < len; at += 6667)
			feed(st, text + at, len - at < 6667 ? len - at : 6667);
		match_end(st);
		assert_int_equal(st->nids, 1);
		assert_int_equal(st->last[0], 100009);
		match_state_free(st);
		match_free(m);
	}
	free(text);
}

/* Of one pattern among n. */
struct outcome {
	bool hit, cut;
};

struct run_of {
	enum match_engine engine;
	size_t n;
	const char *others; /* form of the other patterns */
};

static void
feed_twice(struct match_state *st, const uint8_t *text, size_t len, size_t at,
    struct outcome *ret)
{
	size_t i;

	/* what was of the first stream is forgotten */
	for (i = 0; i < 2; i++) {
		match_begin(st);
		feed(st, (const char *)text, at);
		feed(st, (const char *)text + at, len - at);
		match_end(st);
	}
	assert_null(st->gave_up);
	assert_int_equal(st->nids, st->hits[0]);
	assert_int_equal(st->ncut, st->is_cut[0]);
	ret->hit = st->hits[0] > 0;
	ret->cut = st->ncut > 0 && !ret->hit;
}

/* Over two pieces, the first of them at bytes; false: the engine is not here.
 */
static bool
run_long(const struct run_of *run, const char *source, const uint8_t *text,
    size_t len, size_t at, struct outcome *ret)
{
	struct match_pattern *p = calloc(run->n, sizeof(*p));
	uint8_t(*literals)[REGEX_LITERAL_MAX] =
	    calloc(run->n, sizeof(*literals));
	struct match_state *st;
	struct match *m;
	struct err e;
	char other[64];
	size_t i, bad;
	int rc;

	for (i = 0; i < run->n; i++) {
		snprintf(other, sizeof(other), "other%zu%s", i, run->others);
		p[i].bytes =
		    write_regex(i == 0 ? source : other, false, MATCH_STREAM);
		memcpy(literals[i], its_literal, sizeof(its_literal));
		p[i].literal = literals[i];
		p[i].literal_len = found.literal_len;
		p[i].longest = found.longest;
	}
	rc = match_new(p, run->n, MATCH_STREAM, run->engine, &m, &bad, &e);
	if (rc == 0) {
		assert_int_equal(match_state_new(m, &st, &e), 0);
		feed_twice(st, text, len, at, ret);
		match_state_free(st);
		match_free(m);
	}
	for (i = 0; i < run->n; i++) {
		uintptr_t own = (uintptr_t)p[i].bytes;

		free((void *)own);
	}
	free(literals);
	free(p);
	return rc == 0;
}

static void
check_long(const struct run_of *run, const char *re, struct outcome got,
    bool there, bool lost)
{
	bool ok = (!got.hit || there) && (!there || got.hit || got.cut);

	/* and it is not told for nothing */
	if (run->engine == MATCH_HYPERSCAN)
		ok = got.hit == there && !got.cut;
	if (run->engine == MATCH_PCRE2)
		ok = got.hit == (there && !lost) && got.cut == lost;
	if (!ok)
		fail_msg("'%s' engine %d of %zu: hit %d cut %d", re,
		    (int)run->engine, run->n, got.hit, got.cut);
}

/* More than PCRE2 keeps, over two pieces: found, or told that it may have been
 * lost. */
static void
test_long_matches(void **state)
{
	enum { SIZE = 512 * 1024, PIECE = 256 * 1024, FAR = 200 * 1024 };
	static const struct {
		const char *re, *fill;
		size_t tail;      /* where it ends; 0: there is none */
		bool there, lost; /* lost: PCRE2 has to say so */
	} table[] = {
		{ "HEAD(?s:.*)TAIL", "x", 100 * 1024 + FAR, true, true },
		{ "HEAD(?s:.*)TAIL", "x", 0, false, true },
		{ "HEAD(?s:.*)TAIL\\b", "\nx", PIECE, true, true },
		{ "HEAD(?s:.*)TAIL\\z", "x", PIECE + 9, false, true },
		{ "HEAD(?s:.*)TAIL\\z", "x", SIZE, true, true },
		{ "HEAD.*TAIL", "x", 100 * 1024 + FAR, true, true },
		{ "HEAD.*TAIL", "xy\n", 100 * 1024 + FAR, false, false },
		{ "HEADx+TAIL", "x", 100 * 1024 + FAR, true, true },
		{ "HEADx+TAIL", "xy", 100 * 1024 + FAR, false, false },
		{ "\\A(?s:.*)TAIL", "x", 100 * 1024 + FAR, true, true },
		{ "NONE(?s:.*)TAIL", "x", 100 * 1024 + FAR, false, false },
		{ "HEAD(?s:.*)TAIL", "x", 180 * 1024, true, false },
		{ "HEAD(?s:.*)x", "x", 0, true, false },
		{ "HEAD", "x", 0, true, false },
	};
	static const struct run_of runs[] = { { MATCH_HYPERSCAN, 1, "" },
		{ MATCH_PCRE2, 1, "" }, { MATCH_BEST, 1, "" },
		{ MATCH_BEST, 700, "word" }, { MATCH_BEST, 700, "word.*x" } };
	uint8_t *text = malloc(SIZE);
	struct outcome got;
	size_t i, k, at;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (at = 0; at < SIZE; at++)
			text[at] =
			    (uint8_t)table[i].fill[at % strlen(table[i].fill)];
		memcpy(text + 100 * 1024, "HEAD", 4);
		if (table[i].tail > 0)
			memcpy(text + table[i].tail - 4, "TAIL", 4);
		for (k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
			if (run_long(
				&runs[k], table[i].re, text, SIZE, PIECE, &got))
				check_long(&runs[k], table[i].re, got,
				    table[i].there, table[i].lost);
		}
	}
	free(text);
}

static unsigned int
rnd(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return *s >> 16;
}

/* A random expression over a small alphabet. */
static void
random_regex(uint32_t *seed, char *out, size_t size)
{
	static const char *const atoms[] = { "a", "b", ".", "[^a]", "\\s",
		"(?:ab|c)", "c", "(?:a|)", "[ab]", "\\b", "\xc3\xa9" };
	static const char *const repeats[] = { "", "", "", "*", "+", "?", "{2}",
		"{1,3}" };
	size_t n = 1 + rnd(seed) % 4, i;
	const char *atom, *rep;

	snprintf(out, size, "%s", rnd(seed) % 4 == 0 ? "^" : "");
	for (i = 0; i < n; i++) {
		atom = atoms[rnd(seed) % 11];
		rep = strcmp(atom, "\\b") == 0 ? "" : repeats[rnd(seed) % 8];
		snprintf(out + strlen(out), size - strlen(out), "%s%s%s", atom,
		    rep, i + 1 < n && rnd(seed) % 5 == 0 ? "|" : "");
	}
	if (rnd(seed) % 4 == 0)
		snprintf(out + strlen(out), size - strlen(out), "$");
}

static void
test_engines_agree(void **state)
{
	static const char alphabet[] = "aabbc \n\n\xc3\xa9";
	char re[128], text[64];
	uint32_t seed = 42;
	long hs, pcre;
	size_t i, k, len;
	bool count;

	for (i = 0; i < rounds(2000); i++) {
		random_regex(&seed, re, sizeof(re));
		len = 1 + rnd(&seed) % 30;
		for (k = 0; k < len; k++)
			text[k] = alphabet[rnd(&seed) % 10];
		text[len++] = '\n';
		text[len] = '\0';
		count = rnd(&seed) % 2 == 0;
		hs = run(MATCH_HYPERSCAN, re, count, MATCH_LINES, text, len,
		    1 + rnd(&seed) % 40);
		pcre = run(MATCH_PCRE2, re, count, MATCH_LINES, text, len,
		    1 + rnd(&seed) % 40);
		if (hs != -1 && pcre != -1 && hs != pcre)
			fail_msg("%s on '%s': hyperscan %ld, pcre2 %ld", re,
			    text, hs, pcre);
	}
}

static void
test_stream_engines_agree(void **state)
{
	static const char alphabet[] = "aabbc \n\n\xc3\xa9";
	char re[128], text[64];
	uint32_t seed = 4711;
	long hs, pcre, whole, hits = 0;
	size_t i, k, len;

	for (i = 0; i < rounds(2000); i++) {
		random_regex(&seed, re, sizeof(re));
		len = 1 + rnd(&seed) % 30;
		for (k = 0; k < len; k++)
			text[k] = alphabet[rnd(&seed) % 10];
		text[len] = '\0';
		hs = run(MATCH_HYPERSCAN, re, false, MATCH_STREAM, text, len,
		    1 + rnd(&seed) % 40);
		pcre = run(MATCH_PCRE2, re, false, MATCH_STREAM, text, len,
		    1 + rnd(&seed) % 9);
		whole = run(MATCH_PCRE2, re, false, MATCH_TEXT, text, len, len);
		if (hs != -1 && pcre != -1 && hs != pcre)
			fail_msg("%s on '%s': hyperscan %ld, pcre2 %ld", re,
			    text, hs, pcre);
		if (pcre != -1 && pcre != whole)
			fail_msg("%s on '%s': in pieces %ld, whole %ld", re,
			    text, pcre, whole);
		hits += pcre;
	}
	assert_in_range(hits, rounds(300), rounds(1800));
}

/* Plain text with and without anchors: what needs no engine finds the same, in
 * pieces of every size. */
static void
test_plain_agrees(void **state)
{
	static const char alphabet[] = "aaab\n";
	char re[32], text[64];
	uint32_t seed = 7;
	enum match_mode mode;
	long plain, pcre, hits = 0;
	size_t i, k, len, n;

	for (i = 0; i < rounds(4000); i++) {
		n = 0;
		if (rnd(&seed) % 3 == 0)
			re[n++] = '^';
		for (k = 1 + rnd(&seed) % 4; k > 0; k--)
			re[n++] = "ab"[rnd(&seed) % 2];
		if (rnd(&seed) % 3 == 0)
			re[n++] = '$';
		re[n] = '\0';
		len = rnd(&seed) % 30;
		for (k = 0; k < len; k++)
			text[k] = alphabet[rnd(&seed) % 5];
		mode = i % 2 == 0 ? MATCH_LINES : MATCH_TEXT;
		if (mode == MATCH_LINES)
			text[len++] = '\n';
		text[len] = '\0';
		plain = run(MATCH_PLAIN, re, false, mode, text, len,
		    1 + rnd(&seed) % 9);
		pcre = run(MATCH_PCRE2, re, false, mode, text, len, 40);
		assert_int_not_equal(plain, -1);
		if (pcre != -1 && plain != (pcre > 0))
			fail_msg("%s on '%s': plain %ld, pcre2 %ld", re, text,
			    plain, pcre);
		hits += plain;
	}
	assert_in_range(hits, rounds(500), rounds(3500));
}

/* What matches anything needs no engine either, and finds the same. */
static void
test_any_agrees(void **state)
{
	static const struct {
		const char *re;
		enum regex_any any;
	} table[] = {
		{ ".", REGEX_ANY_CHARACTER },
		{ "(.)", REGEX_ANY_CHARACTER },
		{ ".+", REGEX_ANY_CHARACTER },
		{ "(?:.+?)+", REGEX_ANY_CHARACTER },
		{ "[^\n]", REGEX_ANY_CHARACTER },
		{ "", REGEX_ANY_TEXT },
		{ ".*", REGEX_ANY_TEXT },
		{ "a*b?", REGEX_ANY_TEXT },
		{ "a|b*", REGEX_ANY_TEXT },
		{ "(?s).*", REGEX_ANY_TEXT },
		{ "(?s).", REGEX_ANY_NOT },
		{ "..", REGEX_ANY_NOT },
		{ ".{2,}", REGEX_ANY_NOT },
		{ "^.*", REGEX_ANY_NOT },
		{ ".$", REGEX_ANY_NOT },
		{ ".|a", REGEX_ANY_NOT },
		{ "\\b", REGEX_ANY_NOT },
		{ "[^a]", REGEX_ANY_NOT },
		{ "[^\n\\xff]", REGEX_ANY_NOT },
		{ "\\C", REGEX_ANY_NOT },
	};
	static const char *const texts[] = { "", "\n", "\n\n", "\na", "x",
		"\xff", "\n\x80", "\xe2\x82\xac", "\xe2\x82" };
	size_t i, k;
	long plain, pcre;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		free(write_regex(table[i].re, false, MATCH_TEXT));
		if (found.any != table[i].any)
			fail_msg("'%s': %d", table[i].re, (int)found.any);
		for (k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			plain = run(MATCH_PLAIN, table[i].re, false, MATCH_TEXT,
			    texts[k], strlen(texts[k]), 1);
			pcre = run(MATCH_PCRE2, table[i].re, false, MATCH_TEXT,
			    texts[k], strlen(texts[k]), 1);
			assert_int_equal(
			    plain == -1, found.any == REGEX_ANY_NOT);
			if (plain != -1 && pcre != -1 && plain != pcre)
				fail_msg("'%s' on text %zu: %ld, pcre2 %ld",
				    table[i].re, k, plain, pcre);
		}
	}
}

/* What is not plain is not taken for it. */
static void
test_not_plain(void **state)
{
	static const char *const table[] = { "a.", "a|b", "(?i)a", "a*", "",
		"^", "$", "^$", "a$b", "a^", "\\ba", "[ab]", "\xc3\xa9",
		"(?m)^a", "aaaaaaaaaabbbbbbbbbbccccccccccddd" };
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		free(write_regex(table[i], false, MATCH_TEXT));
		if (found.plain)
			fail_msg("'%s' is not plain", table[i]);
	}
	free(write_regex("^\\.bashrc$", false, MATCH_TEXT));
	assert_true(found.plain && found.at_begin && found.at_end);
	assert_int_equal(found.literal_len, 7);
}

static void
test_many(void **state)
{
	enum { N = 5000 };
	struct match_pattern *p = calloc(N, sizeof(*p));
	struct match_state *st;
	struct match *m;
	struct err e;
	char word[32];
	size_t i, bad;

	for (i = 0; i < N; i++) {
		snprintf(word, sizeof(word), "needle%zu$", i);
		p[i].bytes = write_regex(word, false, MATCH_LINES);
	}
	assert_int_equal(
	    match_new(p, N, MATCH_LINES, MATCH_BEST, &m, &bad, &e), 0);
	assert_int_equal(match_state_new(m, &st, &e), 0);
	match_begin(st);
	feed(st, "needle77\nx needle4999\nneedle12 \n", 32);
	match_end(st);
	assert_int_equal(st->nids, 2);
	assert_int_equal(st->hits[77], 1);
	assert_int_equal(st->hits[4999], 1);
	match_state_free(st);
	match_free(m);
	for (i = 0; i < N; i++) {
		uintptr_t own = (uintptr_t)p[i].bytes;

		free((void *)own);
	}
	free(p);
}

/* Text in which the sieve's patterns partly match. */
static size_t
sieve_text(char *text, size_t size)
{
	size_t len = 0, i;

	for (i = 0; i < 3000 && len + 80 < size; i++) {
		len += (size_t)snprintf(text + len, size - len, "%s%zu%s%s\n",
		    i % 3 == 0 ? "needle" : "noodle", i * 7 % 900,
		    i % 5 == 0 ? " tail" : "",
		    i % 11 == 0 ? " abcdabcdabcd KEY=value" : "");
	}
	return len;
}

static struct match_pattern
sieve_pattern(size_t i, uint8_t literal[static REGEX_LITERAL_MAX])
{
	static const char *const forms[] = { "^needle%zu$", "needle%zu tail",
		"(noodle|needle)%zu +tail", "x*needle%zu( |$)", "[a-z]%zu abcd",
		"(?i)needle%zu", "(abcd){2,}.*%zu", "\\bnoodle%zu\\b",
		"needle%zu(?:)\\s*$" };
	struct match_pattern p = { .count = i % 4 == 0 };
	struct regex *re;
	struct err e;
	char source[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(source, sizeof(source),
	    forms[i % (sizeof(forms) / sizeof(forms[0]))], i);
#pragma GCC diagnostic pop
	p.bytes = write_regex(source, p.count, MATCH_LINES);
	assert_int_equal(regex_parse(source, &re, &e), 0);
	p.literal_len = regex_literal(re, literal);
	p.literal = literal;
	regex_free(re);
	return p;
}

/* With many patterns those with a literal take another way: same answers. */
/* What Hyperscan refuses, however many, leaves it the others: with each refused
 * one alone all before it were compiled again, and beyond 64 all given up. */
static void
test_many_refused(void **state)
{
	enum { N = 200 };
	static char words[N][32];
	struct match_pattern p[N] = { 0 };
	struct match_state *st;
	struct match *m;
	struct err e;
	size_t i, bad;

	for (i = 0; i < N; i++) {
		snprintf(words[i], sizeof(words[i]), "%s[0-9]x%zuy",
		    i % 2 == 0 ? "a" : "\\x0a(?m:^)", i);
		p[i].bytes = words[i];
	}
	assert_int_equal(
	    match_new(p, 1, MATCH_STREAM, MATCH_BEST, &m, &bad, &e), 0);
	if (strstr(match_engine_name(m), "hyperscan") == NULL) {
		match_free(m);
		skip();
	}
	match_free(m);
	assert_int_equal(
	    match_new(p, N, MATCH_STREAM, MATCH_BEST, &m, &bad, &e), 0);
	assert_non_null(strstr(match_engine_name(m), "hyperscan"));
	assert_non_null(strstr(match_engine_name(m), "pcre2"));
	assert_int_equal(match_state_new(m, &st, &e), 0);
	match_begin(st);
	feed(st, "a7x198y a1x3y\n1x199y", 20);
	match_end(st);
	assert_int_equal(st->nids, 2);
	assert_int_equal(st->hits[198], 1);
	assert_int_equal(st->hits[199], 1);
	match_state_free(st);
	match_free(m);
}

static void
test_sieve(void **state)
{
	enum { N = 1500, SIZE = 200 * 1024 };
	static const size_t steps[] = { SIZE, 4096, 7 };
	struct match_pattern *p = calloc(N, sizeof(*p));
	uint8_t(*literals)[REGEX_LITERAL_MAX] = calloc(N, sizeof(*literals));
	struct match_state *st[2];
	struct match *m[2];
	struct err e;
	char *text = malloc(SIZE);
	size_t len = sieve_text(text, SIZE), i, k, at, n, bad, with = 0;

	for (i = 0; i < N; i++) {
		p[i] = sieve_pattern(i, literals[i]);
		with += p[i].literal_len >= 4;
	}
	assert_in_range(with, 600, N - 100);
	for (k = 0; k < 2; k++) {
		assert_int_equal(
		    match_new(p, N, MATCH_LINES,
			k == 0 ? MATCH_BEST : MATCH_PCRE2, &m[k], &bad, &e),
		    0);
		assert_int_equal(match_state_new(m[k], &st[k], &e), 0);
	}
	for (i = 0; i < 3; i++) {
		for (k = 0; k < 2; k++) {
			match_begin(st[k]);
			for (at = 0; at < len; at += n) {
				n = len - at < steps[i] ? len - at : steps[i];
				feed(st[k], text + at, n);
			}
			match_end(st[k]);
			assert_null(st[k]->gave_up);
		}
		assert_true(st[0]->nids > 200);
		assert_int_equal(st[0]->nids, st[1]->nids);
		assert_memory_equal(
		    st[0]->hits, st[1]->hits, N * sizeof(*st[0]->hits));
	}
	for (k = 0; k < 2; k++) {
		match_state_free(st[k]);
		match_free(m[k]);
	}
	for (i = 0; i < N; i++) {
		uintptr_t own = (uintptr_t)p[i].bytes;

		free((void *)own);
	}
	free(literals);
	free(text);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_ends),
		cmocka_unit_test(test_long_matches),
		cmocka_unit_test(test_engines_agree),
		cmocka_unit_test(test_stream_engines_agree),
		cmocka_unit_test(test_plain_agrees),
		cmocka_unit_test(test_any_agrees),
		cmocka_unit_test(test_not_plain),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_refused),
		cmocka_unit_test(test_sieve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
