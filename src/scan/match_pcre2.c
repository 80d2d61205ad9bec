/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PCRE2 behind scan/match.h, with its JIT where that is possible: each
 * pattern by itself over whole lines, several at a time. A line that is
 * longer than LINE_MAX_BYTES cannot be examined by this engine; that, and a
 * pattern that runs into PCRE2's limits, is reported in gave_up.
 *
 * The sieve is the same for thousands of patterns that each have a literal:
 * one look for all literals, then only the patterns whose literal is there.
 *
 * A stream that is no lines is looked at in windows: each piece with the end
 * of what came before it, as long as the longest match (MATCH_CARRY at most),
 * and one byte more, so that no window begins where the stream does not.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_engine.h"

#include "base/buf.h"
#include "base/err.h"
#include "scan/lib.h"
#include "scan/literals.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (16 * 1024 * 1024)
#define MATCH_STEPS 10000000
#define JIT_STACK_MAX (1024 * 1024)
#define HEAP_MAX_KIB (16 * 1024) /* where there is no JIT */

static struct {
	bool loaded;
	__typeof__(&pcre2_compile_8) compile;
	__typeof__(&pcre2_code_free_8) code_free;
	__typeof__(&pcre2_compile_context_create_8) compile_context_create;
	__typeof__(&pcre2_compile_context_free_8) compile_context_free;
	__typeof__(&pcre2_set_newline_8) set_newline;
	__typeof__(&pcre2_match_context_create_8) match_context_create;
	__typeof__(&pcre2_match_context_free_8) match_context_free;
	__typeof__(&pcre2_set_match_limit_8) set_match_limit;
	__typeof__(&pcre2_set_heap_limit_8) set_heap_limit;
	__typeof__(&pcre2_match_data_create_8) match_data_create;
	__typeof__(&pcre2_match_data_free_8) match_data_free;
	__typeof__(&pcre2_match_8) match;
	__typeof__(&pcre2_get_ovector_pointer_8) get_ovector_pointer;
	__typeof__(&pcre2_get_error_message_8) get_error_message;
	__typeof__(&pcre2_config_8) config;
	__typeof__(&pcre2_jit_compile_8) jit_compile;
	__typeof__(&pcre2_jit_stack_create_8) jit_stack_create;
	__typeof__(&pcre2_jit_stack_free_8) jit_stack_free;
	__typeof__(&pcre2_jit_stack_assign_8) jit_stack_assign;
} pcre;

struct pcre_pattern {
	pcre2_code *code;
	uint32_t id;
	bool count;
	bool asks_end; /* what follows a match decides whether it is one */
	bool is_long;  /* see match_is_long */
};

struct pcre_impl {
	struct pcre_pattern *patterns; /* sieve: without code */
	size_t n;
	enum match_mode mode;
	struct literals *literals; /* sieve; else NULL */
	char **texts;              /* sieve: owned expressions */
	size_t carry;              /* MATCH_STREAM: kept before each piece */
	char name[48];
};

struct pcre_state {
	struct pcre_impl *impl;
	pcre2_match_data *md;
	pcre2_match_context *ctx;
	pcre2_jit_stack *stack;
	struct buf line; /* the unfinished line, or the window */
	size_t begin;    /* in the window: what is only looked back to */
	bool last;       /* nothing follows the window */
	uint64_t offset; /* of line.data[0], or of the next byte */
	bool skipping;   /* to the end of a line that is too long */
	/* sieve: what was compiled so far; those whose literal is in the piece
	 * at hand, each once */
	pcre2_code **codes;
	uint32_t *candidates;
	size_t ncandidates;
	bool *is_candidate;
};

static int
pcre_load(struct err *e)
{
#define SYM(field)                                \
	{                                         \
		"pcre2_" #field "_8", &pcre.field \
	}
	const struct lib_symbol symbols[] = { SYM(compile), SYM(code_free),
		SYM(compile_context_create), SYM(compile_context_free),
		SYM(set_newline), SYM(match_context_create),
		SYM(match_context_free), SYM(set_match_limit),
		SYM(set_heap_limit), SYM(match_data_create),
		SYM(match_data_free), SYM(match), SYM(get_ovector_pointer),
		SYM(get_error_message), SYM(config), SYM(jit_compile),
		SYM(jit_stack_create), SYM(jit_stack_free),
		SYM(jit_stack_assign) };
#undef SYM

	return lib_load("libpcre2-8.so.0", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &pcre.loaded, e);
}

static void
pcre_release(void *arg)
{
	struct pcre_impl *impl = arg;
	size_t i;

	if (impl == NULL)
		return;
	for (i = 0; i < impl->n; i++) {
		if (impl->patterns[i].code != NULL)
			pcre.code_free(impl->patterns[i].code);
		if (impl->texts != NULL)
			free(impl->texts[i]);
	}
	free(impl->texts);
	literals_free(impl->literals);
	free(impl->patterns);
	free(impl);
}

static int
compile_one(pcre2_code **ret, const char *bytes, enum match_mode mode,
    pcre2_compile_context *cc, struct err *e)
{
	/* as elsewhere, a line begins behind the last newline too */
	uint32_t options =
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE | PCRE2_ALT_CIRCUMFLEX;
	PCRE2_UCHAR text[128] = { 0 };
	PCRE2_SIZE at;
	int code;

	if (mode == MATCH_LINES)
		options |= PCRE2_MULTILINE;
	*ret = pcre.compile(
	    (PCRE2_SPTR)bytes, PCRE2_ZERO_TERMINATED, options, &code, &at, cc);
	if (*ret == NULL) {
		if (code == PCRE2_ERROR_HEAP_FAILED)
			return err_set(e, ERR_NOMEM, "out of memory");
		pcre.get_error_message(code, text, sizeof(text));
		return err_set(e, ERR_INVALID,
		    "PCRE2 refuses the expression: "
		    "%s",
		    (const char *)text);
	}
	return 0;
}

static void
name_engine(struct pcre_impl *impl, bool jit)
{
	char version[24] = { 0 };

	if (pcre.config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof(version))
		pcre.config(PCRE2_CONFIG_VERSION, version);
	version[strcspn(version, " ")] = '\0';
	snprintf(impl->name, sizeof(impl->name), "pcre2 %s%s", version,
	    jit ? " jit" : "");
}

/* Every other byte of an expression is written as \xNN. */
static bool
asks_end(const char *bytes)
{
	return strstr(bytes, "\\z") != NULL || strstr(bytes, "\\b") != NULL ||
	    strstr(bytes, "\\B") != NULL || strchr(bytes, '$') != NULL;
}

static void
note_pattern(struct pcre_impl *impl, size_t i, const struct match_pattern *p,
    uint32_t id)
{
	size_t longest = p->longest;

	if (longest == 0 || longest > MATCH_CARRY)
		longest = MATCH_CARRY;
	if (longest > impl->carry)
		impl->carry = longest;
	impl->patterns[i].id = id;
	impl->patterns[i].count = p->count;
	impl->patterns[i].asks_end = asks_end(p->bytes);
	impl->patterns[i].is_long = match_is_long(p, impl->mode);
	impl->n = i + 1;
}

static bool
compile_jit(pcre2_code *code, bool is_long)
{
	return pcre.jit_compile(code,
		   PCRE2_JIT_COMPLETE |
		       (is_long ? PCRE2_JIT_PARTIAL_SOFT : 0)) == 0;
}

static int
pcre_compile(const struct match_pattern *patterns, const uint32_t *ids,
    size_t n, enum match_mode mode, void **ret, size_t *ret_bad, struct err *e)
{
	pcre2_compile_context *cc = NULL;
	struct pcre_impl *impl;
	bool jit = true;
	size_t i;
	int rc;

	if ((rc = pcre_load(e)) != 0)
		return rc;
	impl = calloc(1, sizeof(*impl));
	if (impl != NULL) {
		impl->patterns = calloc(n, sizeof(*impl->patterns));
		impl->mode = mode;
	}
	cc = pcre.compile_context_create(NULL);
	if (impl == NULL || impl->patterns == NULL || cc == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		pcre.set_newline(cc, PCRE2_NEWLINE_LF);
	for (i = 0; i < n && rc == 0; i++) {
		note_pattern(impl, i, &patterns[ids[i]], ids[i]);
		rc = compile_one(&impl->patterns[i].code,
		    patterns[ids[i]].bytes, mode, cc, e);
		if (rc == ERR_INVALID)
			*ret_bad = i;
		else if (rc == 0 &&
		    !compile_jit(
			impl->patterns[i].code, impl->patterns[i].is_long))
			jit = false;
	}
	if (cc != NULL)
		pcre.compile_context_free(cc);
	if (rc != 0) {
		pcre_release(impl);
		return rc;
	}
	name_engine(impl, jit);
	*ret = impl;
	return 0;
}

/* A piece of memory that may be made executable: is there a JIT? */
static bool
jit_works(void)
{
	pcre2_compile_context *cc = pcre.compile_context_create(NULL);
	pcre2_code *code = NULL;
	struct err e;
	bool works;

	err_clear(&e);
	works = cc != NULL &&
	    compile_one(&code, "a", MATCH_TEXT, cc, &e) == 0 &&
	    compile_jit(code, false);
	if (code != NULL)
		pcre.code_free(code);
	if (cc != NULL)
		pcre.compile_context_free(cc);
	return works;
}

static int
sieve_fill(struct pcre_impl *impl, const struct match_pattern *patterns,
    const uint32_t *ids, size_t n)
{
	struct literal *list = calloc(n, sizeof(*list));
	size_t i;
	int rc = list == NULL ? ERR_NOMEM : 0;

	impl->patterns = calloc(n, sizeof(*impl->patterns));
	impl->texts = calloc(n, sizeof(*impl->texts));
	if (impl->patterns == NULL || impl->texts == NULL)
		rc = ERR_NOMEM;
	for (i = 0; i < n && rc == 0; i++) {
		note_pattern(impl, i, &patterns[ids[i]], ids[i]);
		impl->texts[i] = strdup(patterns[ids[i]].bytes);
		if (impl->texts[i] == NULL)
			rc = ERR_NOMEM;
		list[i].bytes = patterns[ids[i]].literal;
		list[i].len = patterns[ids[i]].literal_len;
	}
	if (rc == 0)
		impl->literals = literals_new(list, n);
	free(list);
	return impl->literals == NULL ? ERR_NOMEM : 0;
}

static int
sieve_compile(const struct match_pattern *patterns, const uint32_t *ids,
    size_t n, enum match_mode mode, void **ret, size_t *ret_bad, struct err *e)
{
	struct pcre_impl *impl;
	int rc;

	if ((rc = pcre_load(e)) != 0)
		return rc;
	impl = calloc(1, sizeof(*impl));
	if (impl != NULL)
		impl->mode = mode;
	if (impl == NULL || sieve_fill(impl, patterns, ids, n) != 0) {
		pcre_release(impl);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	name_engine(impl, jit_works());
	*ret = impl;
	return 0;
}

static const char *
pcre_name(const void *impl)
{
	return ((const struct pcre_impl *)impl)->name;
}

static void
pcre_state_free(void *arg)
{
	struct pcre_state *s = arg;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; s->codes != NULL && i < s->impl->n; i++) {
		if (s->codes[i] != NULL)
			pcre.code_free(s->codes[i]);
	}
	free(s->codes);
	free(s->candidates);
	free(s->is_candidate);
	if (s->md != NULL)
		pcre.match_data_free(s->md);
	if (s->ctx != NULL)
		pcre.match_context_free(s->ctx);
	if (s->stack != NULL)
		pcre.jit_stack_free(s->stack);
	buf_release(&s->line);
	free(s);
}

static int
sieve_state(struct pcre_state *s)
{
	size_t n = s->impl->n;

	s->codes = calloc(n, sizeof(*s->codes));
	s->candidates = calloc(n, sizeof(*s->candidates));
	s->is_candidate = calloc(n, sizeof(*s->is_candidate));
	return s->codes == NULL || s->candidates == NULL ||
		s->is_candidate == NULL
	    ? ERR_NOMEM
	    : 0;
}

static int
pcre_state_new(void *impl, void **ret, struct err *e)
{
	struct pcre_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->impl = impl;
	s->last = true;
	buf_init(&s->line, LINE_MAX_BYTES);
	s->md = pcre.match_data_create(1, NULL);
	s->ctx = pcre.match_context_create(NULL);
	if (s->md == NULL || s->ctx == NULL) {
		pcre_state_free(s);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	pcre.set_match_limit(s->ctx, MATCH_STEPS);
	pcre.set_heap_limit(s->ctx, HEAP_MAX_KIB);
	s->stack = pcre.jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
	if (s->stack != NULL)
		pcre.jit_stack_assign(s->ctx, NULL, s->stack);
	if (s->impl->literals != NULL && sieve_state(s) != 0) {
		pcre_state_free(s);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	*ret = s;
	return 0;
}

/* A match that begins at this place of a window, and does not end in it, will
 * no longer be seen. */
static bool
is_lost(const struct pcre_state *s, size_t at, size_t len)
{
	return len > s->impl->carry + 1 && at < len - s->impl->carry;
}

/* All matches (or the first) of one pattern in data, whose first byte has
 * this offset in the stream. */
static void
run_pattern(struct pcre_state *s, struct match_state *st,
    const struct pcre_pattern *p, const void *data, size_t len, uint64_t offset)
{
	PCRE2_SIZE *ov = pcre.get_ovector_pointer(s->md), at = s->begin;
	bool follow = p->is_long && !s->last && !st->is_cut[p->id];
	uint32_t options = follow ? PCRE2_PARTIAL_SOFT : 0;
	int n;

	if (!p->count && st->hits[p->id] > 0)
		return;
	do {
		n = pcre.match(p->code, data, len, at,
		    PCRE2_NO_UTF_CHECK | options, s->md, s->ctx);
		if (n == PCRE2_ERROR_NOMATCH)
			return;
		if (n == PCRE2_ERROR_PARTIAL) {
			if (is_lost(s, ov[0], len))
				match_cut(st, p->id);
			return;
		}
		if (n < 0) {
			st->gave_up = "an expression needs too many steps";
			return;
		}
		/* not known yet: it will lie in the next window as well */
		if (p->asks_end && !s->last && ov[1] == len) {
			if (follow && is_lost(s, ov[0], len))
				match_cut(st, p->id);
			return;
		}
		match_hit(st, p->id, p->count, offset + ov[1]);
		at = ov[1]; /* behind the newline: always further on */
	} while (p->count && ov[1] > ov[0] && at < len);
}

static bool
on_literal(uint32_t number, size_t at, void *arg)
{
	struct pcre_state *s = arg;

	if (s->is_candidate[number])
		return true;
	s->is_candidate[number] = true;
	s->candidates[s->ncandidates++] = number;
	return true;
}

/* The code of a pattern of the sieve; NULL: reported. */
static pcre2_code *
sieve_code(struct pcre_state *s, struct match_state *st, uint32_t number)
{
	pcre2_compile_context *cc;
	struct err e;

	if (s->codes[number] != NULL)
		return s->codes[number];
	err_clear(&e);
	cc = pcre.compile_context_create(NULL);
	if (cc != NULL) {
		pcre.set_newline(cc, PCRE2_NEWLINE_LF);
		compile_one(&s->codes[number], s->impl->texts[number],
		    s->impl->mode, cc, &e);
		pcre.compile_context_free(cc);
	}
	if (s->codes[number] == NULL)
		st->gave_up = "an expression cannot be compiled here";
	else
		compile_jit(
		    s->codes[number], s->impl->patterns[number].is_long);
	return s->codes[number];
}

static void
run_sieve(struct pcre_state *s, struct match_state *st, const void *data,
    size_t len, uint64_t offset)
{
	struct pcre_pattern p;
	uint32_t number;
	size_t i;

	s->ncandidates = 0;
	literals_scan(s->impl->literals, data, len, on_literal, s);
	for (i = 0; i < s->ncandidates; i++) {
		number = s->candidates[i];
		s->is_candidate[number] = false;
		p = s->impl->patterns[number];
		if (!p.count && st->hits[p.id] > 0)
			continue;
		p.code = sieve_code(s, st, number);
		if (p.code != NULL)
			run_pattern(s, st, &p, data, len, offset);
		/* perhaps it began before there was a literal */
		if (p.is_long && s->begin > 0 && st->hits[p.id] == 0)
			match_cut(st, p.id);
	}
}

static void
run_all(struct pcre_state *s, struct match_state *st, const void *data,
    size_t len, uint64_t offset)
{
	size_t i;

	if (s->impl->literals != NULL) {
		run_sieve(s, st, data, len, offset);
		return;
	}
	for (i = 0; i < s->impl->n; i++)
		run_pattern(s, st, &s->impl->patterns[i], data, len, offset);
}

static void
pcre_text(void *arg, struct match_state *st, const void *data, size_t len)
{
	run_all(arg, st, data, len, 0);
}

static void
pcre_begin(void *arg, struct match_state *st)
{
	struct pcre_state *s = arg;

	buf_clear(&s->line);
	s->offset = 0;
	s->begin = 0;
	s->last = s->impl->mode != MATCH_STREAM;
	s->skipping = false;
}

/* Bytes that end in the middle of a line: kept, or given up. */
static void
keep(struct pcre_state *s, struct match_state *st, const uint8_t *data,
    size_t len)
{
	if (len == 0 || s->skipping)
		return;
	if (buf_add(&s->line, data, len) != 0) {
		st->gave_up = "a line is too long for PCRE2 (16 MiB)";
		s->skipping = true;
		buf_clear(&s->line);
	}
}

/* Forgets the begin of the window that no match can need any more. */
static void
shorten(struct pcre_state *s)
{
	size_t keep = s->impl->carry + 1, drop;

	if (s->line.len <= keep)
		return;
	drop = s->line.len - keep;
	memmove(s->line.data, s->line.data + drop, keep);
	s->line.len = keep;
	s->offset += drop;
	s->begin = 1;
}

static void
feed_window(
    struct pcre_state *s, struct match_state *st, const void *data, size_t len)
{
	if (buf_add(&s->line, data, len) != 0) {
		st->gave_up = "out of memory";
		buf_clear(&s->line);
		return;
	}
	run_all(s, st, s->line.data, s->line.len, s->offset);
	shorten(s);
}

static void
pcre_feed(void *arg, struct match_state *st, const void *data, size_t len)
{
	struct pcre_state *s = arg;
	const uint8_t *p = data, *nl;
	size_t n;

	if (s->impl->mode == MATCH_STREAM) {
		feed_window(s, st, data, len);
		return;
	}
	if ((s->line.len > 0 || s->skipping) && len > 0) {
		nl = memchr(p, '\n', len);
		n = nl == NULL ? len : (size_t)(nl - p) + 1;
		keep(s, st, p, n);
		p += n;
		len -= n;
		if (nl == NULL)
			return;
		run_all(s, st, s->line.data, s->line.len, s->offset);
		s->offset += s->line.len;
		s->skipping = false;
		buf_clear(&s->line);
	}
	nl = len > 0 ? memrchr(p, '\n', len) : NULL;
	if (nl != NULL) {
		n = (size_t)(nl - p) + 1;
		run_all(s, st, p, n, s->offset);
		s->offset += n;
		p += n;
		len -= n;
	}
	keep(s, st, p, len);
}

static void
pcre_end(void *arg, struct match_state *st)
{
	struct pcre_state *s = arg;

	if (s->impl->mode != MATCH_STREAM)
		return;
	s->last = true;
	run_all(s, st, s->line.data, s->line.len, s->offset);
}

const struct match_ops match_pcre2_ops = { pcre_compile, pcre_release,
	pcre_name, pcre_state_new, pcre_state_free, pcre_text, pcre_begin,
	pcre_feed, pcre_end };

const struct match_ops match_sieve_ops = { sieve_compile, pcre_release,
	pcre_name, pcre_state_new, pcre_state_free, pcre_text, pcre_begin,
	pcre_feed, pcre_end };
