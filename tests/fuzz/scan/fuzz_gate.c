/* SPDX-License-Identifier: MPL-2.0 */
/* The gate before the engines: an expression, a zero byte, a text. What is
 * found with the gate is what is found without; the first byte says in what
 * pieces, whether in lines, and what the processor has. */
#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"
#include "scan/literals.h"
#include "scan/match.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
hits(const struct match_pattern *p, enum match_mode mode, const uint8_t *text,
    size_t len, size_t step)
{
	struct match_state *st;
	struct match *m;
	size_t bad, at, n;
	uint64_t n_hits;
	uint8_t *copy, nl = '\n';

	if (match_new(p, 1, mode, MATCH_PCRE2, &m, &bad, NULL) != 0)
		return 0;
	if (match_state_new(m, &st, NULL) != 0)
		abort();
	match_begin(st);
	for (at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		copy = malloc(n);
		memcpy(copy, text + at, n);
		match_feed(st, copy, n);
		free(copy);
	}
	if (mode == MATCH_LINES)
		match_feed(st, &nl, 1);
	match_end(st);
	/* the steps of an expression depend on what it is shown */
	n_hits = st->gave_up != NULL ? UINT64_MAX : st->hits[0];
	match_state_free(st);
	match_free(m);
	return n_hits;
}

static void
compare(const struct regex *re, uint8_t how, const uint8_t *text, size_t len)
{
	enum match_mode mode = (how & 1) != 0 ? MATCH_LINES : MATCH_STREAM;
	struct match_pattern p = { .longest = regex_longest(re) };
	struct regex_needles needles;
	uint64_t with, without;
	size_t step = 1 + (how >> 3) * 5u;
	enum regex_form form = REGEX_TEXT;
	struct buf out;

	if (p.longest == SIZE_MAX)
		p.longest = 0;
	if (mode == MATCH_LINES)
		form = regex_is_nullable(re) || (how & 2) != 0
		    ? REGEX_WHOLE_LINES
		    : REGEX_LINES;
	p.count = form == REGEX_WHOLE_LINES;
	buf_init(&out, 65536);
	regex_needles(re, &needles);
	if (needles.n > 0 && regex_write(re, form, &out) == 0 &&
	    buf_str(&out) != NULL) {
		p.bytes = buf_str(&out);
		without = hits(&p, mode, text, len, step);
		p.needles = &needles;
		literals_limit((how & 4) != 0 ? SIFT_AVX512 : SIFT_NONE);
		with = hits(&p, mode, text, len, step);
		if (with != without && with != UINT64_MAX &&
		    without != UINT64_MAX)
			abort();
	}
	buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero;
	struct regex *re;
	size_t len;

	if (size < 2 || (zero = memchr(data + 1, 0, size - 1)) == NULL ||
	    zero - data > 200)
		return 0;
	if (regex_parse((const char *)data + 1, &re, NULL) != 0)
		return 0;
	len = size - (size_t)(zero + 1 - data);
	if (len <= 16384)
		compare(re, data[0], zero + 1, len);
	regex_free(re);
	return 0;
}
