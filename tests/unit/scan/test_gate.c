/* SPDX-License-Identifier: MPL-2.0 */
/* The gate before the engines: with it they find exactly what they find without
 * it, in whatever pieces the text comes and whatever the processor has. */
#include "base/err.h"
#include "modules/regex.h"
#include "scan/kept.h"
#include "scan/literals.h"
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

#define PATTERNS 3
#define TEXT_MAX (400 * 1024)

/* What is compared: the same patterns with and without needles. */
struct pair {
	struct match_pattern patterns[PATTERNS];
	struct regex_needles needles[PATTERNS];
	char *bytes[PATTERNS];
	size_t n;
	enum match_mode mode;
	struct match *m[2]; /* with a gate, without */
	struct match_state *st[2];
};

static uint32_t seed;

static unsigned int
rnd(unsigned int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* False: it never matches in this form. */
static bool
add(struct pair *p, const char *source, bool count)
{
	struct match_pattern *mp = &p->patterns[p->n];
	enum regex_form form = REGEX_TEXT;
	struct regex *re;
	struct buf out;
	struct err e;
	int rc;

	if (regex_parse(source, &re, &e) != 0)
		fail_msg("%s: %s", source, e.msg);
	buf_init(&out, 1024 * 1024);
	if (p->mode == MATCH_LINES)
		form = count || regex_is_nullable(re) ? REGEX_WHOLE_LINES
						      : REGEX_LINES;
	rc = regex_write(re, form, &out);
	*mp = (struct match_pattern){ .count = count };
	mp->longest = regex_longest(re);
	if (mp->longest == SIZE_MAX)
		mp->longest = 0;
	regex_needles(re, &p->needles[p->n]);
	if (rc == 0) {
		p->bytes[p->n] = strdup(buf_str(&out));
		mp->bytes = p->bytes[p->n];
		p->n++;
	}
	buf_release(&out);
	regex_free(re);
	return rc == 0;
}

static bool
make(struct pair *p, enum match_engine engine)
{
	struct err e;
	size_t bad, i;
	int rc;

	/* with the gate last: the others are for that alone */
	for (i = 0; i < p->n; i++)
		p->patterns[i].needles = NULL;
	rc = match_new(p->patterns, p->n, p->mode, engine, &p->m[1], &bad, &e);
	if (rc != 0)
		return false;
	for (i = 0; i < p->n; i++)
		p->patterns[i].needles = &p->needles[i];
	assert_int_equal(
	    match_new(p->patterns, p->n, p->mode, engine, &p->m[0], &bad, &e),
	    0);
	for (i = 0; i < 2; i++)
		assert_int_equal(match_state_new(p->m[i], &p->st[i], &e), 0);
	return true;
}

static void
release(struct pair *p)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		match_state_free(p->st[i]);
		match_free(p->m[i]);
	}
	for (i = 0; i < p->n; i++)
		free(p->bytes[i]);
}

/* In pieces of step bytes, each a copy that may be changed; 0: of any size. */
static void
feed(struct match_state *st, const char *text, size_t len, size_t step)
{
	uint32_t saved = seed;
	size_t at, n;
	uint8_t *copy;

	match_begin(st);
	for (at = 0; at < len; at += n) {
		n = step > 0 ? step : 1 + rnd(rnd(2) == 0 ? 9 : 300);
		if (n > len - at)
			n = len - at;
		copy = malloc(n);
		memcpy(copy, text + at, n);
		match_feed(st, copy, n);
		free(copy);
	}
	match_end(st);
	seed = saved;
}

static unsigned int
compare(struct pair *p, const char *text, size_t len, size_t step, bool ends)
{
	unsigned int hits = 0;
	size_t i;

	for (i = 0; i < 2; i++) {
		feed(p->st[i], text, len, step);
		assert_null(p->st[i]->gave_up);
	}
	for (i = 0; i < p->n; i++) {
		if (p->st[0]->hits[i] != p->st[1]->hits[i] ||
		    (ends && p->st[1]->hits[i] > 0 &&
			p->st[0]->last[i] != p->st[1]->last[i]))
			fail_msg("%s, mode %d, %zu bytes in %zu: %llu at %llu "
				 "with a gate, %llu at %llu without: '%.400s'",
			    p->bytes[i], (int)p->mode, len, step,
			    (unsigned long long)p->st[0]->hits[i],
			    (unsigned long long)p->st[0]->last[i],
			    (unsigned long long)p->st[1]->hits[i],
			    (unsigned long long)p->st[1]->last[i], text);
		hits += p->st[1]->hits[i] > 0;
	}
	return hits;
}

/* --- by chance -------------------------------------------------------------
 */

static void
random_regex(char *out, size_t size)
{
	static const char *const parts[] = { "abcd", "dcba", "abca",
		"(?i:abCd)", "(?:abcd|xxabcdyy)", "ab", "b?", "[ab]", "[^a]",
		".", "x*", "[a-c]{1,3}", "\\b", "(?:abcd)+", "a{4}",
		"(?:x|yabcdz)", ".{0,9}", "\\s", "\\xff", "\xc3\xa9", "(?s:.*)",
		"dcba" };
	size_t n = 1 + rnd(4), i, at = 0;

	at += (size_t)snprintf(out, size, "%s", rnd(5) == 0 ? "^" : "");
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s",
		    parts[i == 0 ? rnd(5) : rnd(22)],
		    i + 1 < n && rnd(9) == 0 ? "|" : "");
	if (rnd(5) == 0)
		snprintf(out + at, size - at, "$");
}

static size_t
random_text(char *text, size_t most, bool lines)
{
	static const char *const parts[] = { "abcd", "dcba", "abca", "ABcd",
		"aaaa", "ab", "a", "b", "c", "d", "x", "yabcdz", " ", "\n",
		"\r\n", "\r", "\xc3\xa9", "\xff", "--------", "xxabcdyy" };
	size_t want = rnd((unsigned int)most), at = 0, n;
	const char *part;

	while (at < want) {
		part = parts[rnd(20)];
		n = strlen(part);
		if (n > most - at - 2)
			break;
		memcpy(text + at, part, n);
		at += n;
	}
	if (lines)
		text[at++] = '\n';
	return at;
}

static void
random_engine(
    enum match_engine engine, enum match_mode mode, unsigned int turns)
{
	static const size_t steps[] = { 0, 1, 7, 64, 3000 };
	char *text = malloc(TEXT_MAX), source[256];
	unsigned int hits = 0, gates = 0, i, k;
	struct pair p;
	size_t len;

	for (i = 0; i < turns; i++) {
		memset(&p, 0, sizeof(p));
		p.mode = mode;
		for (k = 1 + rnd(PATTERNS); k > 0; k--) {
			random_regex(source, sizeof(source));
			add(&p, source, mode == MATCH_LINES && rnd(3) == 0);
		}
		if (p.n == 0 || !make(&p, engine)) {
			for (k = 0; k < p.n; k++)
				free(p.bytes[k]);
			continue;
		}
		gates += p.st[0]->gate != NULL;
		for (k = 0; k < 6; k++) {
			len = random_text(
			    text, k == 0 ? 4000 : 200, mode == MATCH_LINES);
			hits += compare(&p, text, len, steps[rnd(5)],
			    engine == MATCH_HYPERSCAN && mode == MATCH_STREAM);
		}
		release(&p);
	}
	free(text);
	if (gates == 0) /* the engine is not here */
		return;
	assert_true(gates > turns / 4);
	assert_true(hits > turns);
}

static void
test_random(void **state)
{
	static const enum sift_cpu cpus[] = { SIFT_AVX512, SIFT_AVX2,
		SIFT_NONE };
	size_t i;

	for (i = 0; i < 3; i++) {
		literals_limit(cpus[i]);
		seed = 11 + (uint32_t)i;
		random_engine(MATCH_HYPERSCAN, MATCH_LINES, rounds(60));
		random_engine(MATCH_HYPERSCAN, MATCH_STREAM, rounds(60));
		random_engine(MATCH_PCRE2, MATCH_LINES, rounds(60));
		random_engine(MATCH_PCRE2, MATCH_STREAM, rounds(60));
		random_engine(MATCH_BEST, MATCH_LINES, rounds(60));
		random_engine(MATCH_BEST, MATCH_STREAM, rounds(60));
	}
	literals_limit(SIFT_AVX512);
}

/* --- at limits -------------------------------------------------------------
 */

static void
limits(const char *source, enum match_mode mode, const char *text, size_t len,
    unsigned int want)
{
	static const size_t steps[] = { 0, 4096, 65536, TEXT_MAX };
	static const enum match_engine engines[] = { MATCH_HYPERSCAN,
		MATCH_PCRE2 };
	struct pair p;
	size_t i, k;

	for (i = 0; i < 2; i++) {
		memset(&p, 0, sizeof(p));
		p.mode = mode;
		assert_true(add(&p, source, false));
		if (!make(&p, engines[i])) {
			free(p.bytes[0]);
			continue;
		}
		assert_non_null(p.st[0]->gate);
		for (k = 0; k < 4; k++)
			assert_int_equal(
			    compare(&p, text, len, steps[k], false), want);
		release(&p);
	}
}

/* A line that is longer than what is kept, and a match that needs its begin. */
static void
test_long_lines(void **state)
{
	char *text = malloc(TEXT_MAX);
	size_t len = TEXT_MAX;

	memset(text, '-', len);
	memcpy(text, "begin\r\n", 7);
	text[7] = 'x';
	memcpy(text + len - 9, "needle\r\n", 8);
	text[len - 1] = '\n';
	limits("x.*needle", MATCH_LINES, text, len, 1);
	limits("^-.*needle", MATCH_LINES, text, len, 0);
	limits("^x.*needle$", MATCH_LINES, text, len, 1);
	limits("-needle$", MATCH_LINES, text, len, 1);
	limits("^needle$", MATCH_LINES, text, len, 0);
	limits("[^n]{9}needle", MATCH_LINES, text, len, 1);
	free(text);
}

/* More needles in a piece than there is room for, the match behind them. */
static void
test_many_needles(void **state)
{
	char *text = malloc(TEXT_MAX);
	size_t len = 0;

	while (len < TEXT_MAX - 100) {
		memcpy(
		    text + len, len / 7 % 3 == 0 ? "needle\n" : "noodles", 7);
		len += 7;
	}
	memcpy(text + len, "needlework\n", 11);
	len += 11;
	limits("needlew", MATCH_LINES, text, len, 1);
	limits("(?:needle|noodle)work", MATCH_LINES, text, len, 1);
	limits("needlew", MATCH_STREAM, text, len, 1);
	limits("(?:needle|noodle)work", MATCH_STREAM, text, len, 1);
	limits("\\Anoodle.*work", MATCH_STREAM, text, len, 0);
	free(text);
}

/* A needle in a longer one that ends in the next piece: the part that the first
 * opens has the begin of the second. */
static void
test_nested_needles(void **state)
{
	static const char found[] = "abcdefghijwxyzKLMNOPQRST";
	char *text = malloc(TEXT_MAX);
	size_t len = TEXT_MAX, at, i;

	memset(text, '-', len);
	for (at = 4096; at < len - 4096; at += 65536)
		memcpy(text + at - 14, found, sizeof(found) - 1);
	limits("(?:wxyz(?s:.*)Q9|abcdefghijwxyzKLMNOPQRST)", MATCH_STREAM, text,
	    len, 1);
	limits("(?:wxyz[^-]{0,9}Z9|\\Aabcdefghijwxyz|^hijwxyz)", MATCH_STREAM,
	    text, len, 0);
	at = 4096 - 14 + sizeof(found) - 1;
	memset(text + at, '-', len - at);
	for (i = 0; i < 400; i++, at += 4)
		memcpy(text + at, "wxyz", 4);
	limits("(?:wxyz[^-]{0,9}Z9|abcdefghijwxyzKLMNOPQRST)", MATCH_STREAM,
	    text, len, 1);
	free(text);
}

/* Parts of a stream end in time, and what anchors ask is the same. */
static void
test_stream_parts(void **state)
{
	char *text = malloc(TEXT_MAX);
	size_t len = TEXT_MAX;

	memset(text, '-', len);
	memcpy(text + 5000, "needles", 7);
	memcpy(text + len - 6, "needle", 6);
	limits("needle$", MATCH_STREAM, text, len, 1);
	limits("needles$", MATCH_STREAM, text, len, 0);
	limits("\\Aneedle", MATCH_STREAM, text, len, 0);
	limits("needle\\b", MATCH_STREAM, text, len, 1);
	limits("needle\\B", MATCH_STREAM, text, len, 1);
	limits("needles\\B", MATCH_STREAM, text, len, 0);
	limits("(?m)^needles", MATCH_STREAM, text, len, 0);
	limits("(?m)^-{3}needles", MATCH_STREAM, text, len, 0);
	limits("-{900}needles-{900}", MATCH_STREAM, text, len, 1);
	memcpy(text, "needle", 6);
	limits("\\Aneedle", MATCH_STREAM, text, len, 1);
	limits("(?m)^needle", MATCH_STREAM, text, len, 1);
	free(text);
}

/* Where nearly everything passes, everything does, and all is found still. */
static void
test_not_worth_it(void **state)
{
	char *text = malloc(TEXT_MAX);
	struct pair p = { .mode = MATCH_LINES };
	size_t len = 0, i;

	while (len < TEXT_MAX - 20) {
		memcpy(text + len, "a needle here\r\n", 15);
		len += 15;
	}
	assert_true(add(&p, "needle here$", true));
	if (make(&p, MATCH_HYPERSCAN)) {
		for (i = 0; i < 60; i++)
			compare(&p, text, len, 65536, false);
		assert_int_equal(p.st[0]->hits[0], len / 15);
		release(&p);
	} else {
		free(p.bytes[0]);
	}
	free(text);
}

/* Engines are made when something passes, and not in vain; never late are those
 * that might refuse. */
static void
test_late_engines(void **state)
{
	static const char *const sources[] = { "needle[0-9]x", "(?i)abcd\\b",
		"(?:needle[^x]{1,9}){3}" };
	static const char *const large[] = { "needle(?:[a-c]{9}.x){90}",
		"needle(?:(?:ab|cd){30}(?:e|f){30}){30}", "needle\\pL{300}" };
	struct pair p = { .mode = MATCH_STREAM };
	size_t i;

	for (i = 0; i < 3; i++)
		assert_true(add(&p, sources[i], false));
	assert_true(kept_is_sure(p.patterns, p.n));
	assert_true(make(&p, MATCH_BEST));
	assert_string_equal(match_engine_name(p.m[0]), "texts");
	assert_int_equal(compare(&p, "nothing of it", 13, 0, true), 0);
	assert_string_equal(match_engine_name(p.m[0]), "texts");
	assert_int_equal(compare(&p, "xx needle7x xabCD", 17, 4, true), 2);
	assert_string_equal(
	    match_engine_name(p.m[0]), match_engine_name(p.m[1]));
	assert_int_equal(compare(&p, "aBcd", 4, 1, true), 1);
	release(&p);
	for (i = 0; i < 3; i++) {
		memset(&p, 0, sizeof(p));
		assert_true(add(&p, large[i], false));
		assert_false(kept_is_sure(p.patterns, p.n));
		free(p.bytes[0]);
	}
}

static void
test_no_gate(void **state)
{
	static const char *const stream[] = { "abc", ".*", "abcd|x",
		"[a-z]*needle", "(?:needle)?", "(?:a|b)(?:c|d)", "(?i)abcde-" };
	static const char *const lines[] = { "abc", "x*", "abcd|x" };
	struct pair p;
	size_t i;

	for (i = 0; i < sizeof(stream) / sizeof(stream[0]) - 1; i++) {
		memset(&p, 0, sizeof(p));
		p.mode = MATCH_STREAM;
		assert_true(add(&p, stream[i], false));
		if (!make(&p, MATCH_PCRE2))
			return;
		if (p.st[0]->gate != NULL)
			fail_msg("%s has a gate", stream[i]);
		release(&p);
	}
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		memset(&p, 0, sizeof(p));
		p.mode = MATCH_LINES;
		assert_true(add(&p, lines[i], false));
		assert_true(add(&p, "needle", false));
		assert_true(make(&p, MATCH_PCRE2));
		assert_null(p.st[0]->gate);
		release(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_many_needles),
		cmocka_unit_test(test_stream_parts),
		cmocka_unit_test(test_nested_needles),
		cmocka_unit_test(test_not_worth_it),
		cmocka_unit_test(test_late_engines),
		cmocka_unit_test(test_no_gate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
