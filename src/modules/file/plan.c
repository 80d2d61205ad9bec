/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/plan.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX (64 * 1024 * 1024) /* bytes of all that are written */
/* From so many on Hyperscan is worth its loading for names as well. */
#define NAMES_MANY 32
/* Up to so many bytes of content in all it is not, if there is another way. */
#define LIGHT_BYTES (1024 * 1024)

static const enum file_kind matcher_kind[PLAN_MATCHERS] = {
	[PLAN_NAMES] = FILE_NAME,
	[PLAN_MODES] = FILE_MODE,
	[PLAN_LINES] = FILE_CONTENT,
};

static enum digest_alg
alg_of(const struct file_check *c)
{
	switch (c->kind) {
	case FILE_MD5:
		return DIGEST_MD5;
	case FILE_SHA1:
		return DIGEST_SHA1;
	case FILE_SHA2:
		return c->digest_len == 32 ? DIGEST_SHA256
		    : c->digest_len == 48  ? DIGEST_SHA384
					   : DIGEST_SHA512;
	default:
		return c->digest_len == 28 ? DIGEST_SHA3_224
		    : c->digest_len == 32  ? DIGEST_SHA3_256
		    : c->digest_len == 48  ? DIGEST_SHA3_384
					   : DIGEST_SHA3_512;
	}
}

static uint32_t
bucket_of(const struct plan *p, enum digest_alg alg, const uint8_t *digest)
{
	uint32_t v;

	memcpy(&v, digest, sizeof(v)); /* a digest is hash enough */
	return (v ^ (uint32_t)alg * 0x9e3779b9u) & (p->nbuckets - 1);
}

/* Sizes, modes and times are looked at one by one; what is negative is true
 * without a hit, and macroal counts lines. */
static void
index_stage(struct plan_search *ps, const struct plan_check *pc)
{
	enum file_kind kind = pc->c->kind;

	ps->nmeta += kind < FILE_CONTENT;
	if (pc->negative || (kind != FILE_NAME && kind < FILE_CONTENT))
		ps->needs_hit[kind >= FILE_CONTENT] = false;
}

static int
index_checks(struct plan *p, struct err *e)
{
	struct plan_search *ps;
	struct plan_check *pc;
	const struct file_search *s;
	uint32_t at = 0, i, k;

	for (i = 0; i < p->params->n; i++)
		p->nchecks += (uint32_t)p->params->searches[i].nchecks;
	p->searches = calloc(p->params->n, sizeof(*p->searches));
	p->checks = calloc(p->nchecks + 1, sizeof(*p->checks));
	if (p->searches == NULL || p->checks == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < p->params->n; i++) {
		s = &p->params->searches[i];
		ps = &p->searches[i];
		ps->first = at;
		ps->n = (uint32_t)s->nchecks;
		ps->needs_hit[0] = ps->needs_hit[1] = true;
		for (k = 0; k < ps->n; k++) {
			pc = &p->checks[at++];
			pc->c = &s->checks[k];
			pc->search = i;
			pc->negative =
			    pc->c->inverse != s->options.mismatch[pc->c->kind];
			if (pc->c->kind >= FILE_MD5) {
				pc->alg = alg_of(pc->c);
				ps->algs |= DIGEST_BIT(pc->alg);
			}
			ps->ncontents += pc->c->kind == FILE_CONTENT;
			index_stage(ps, pc);
		}
		ps->reads = ps->algs != 0 || ps->ncontents > 0;
		ps->macroal = s->options.macroal && ps->ncontents > 0;
		if (ps->macroal)
			ps->needs_hit[1] = false;
	}
	return 0;
}

static int
index_digests(struct plan *p, struct err *e)
{
	uint32_t algs = 0, i, n = 0, b;
	bool sha256 = false;

	for (i = 0; i < p->params->n; i++) {
		algs |= p->searches[i].algs;
		sha256 |= p->params->searches[i].options.returnsha256;
	}
	for (i = 0; i < p->nchecks; i++)
		/* index_checks set each c; NOLINTNEXTLINE */
		n += p->checks[i].c->kind >= FILE_MD5;
	for (p->nbuckets = 16; p->nbuckets < n; p->nbuckets *= 2)
		;
	p->buckets = malloc(p->nbuckets * sizeof(*p->buckets));
	if (p->buckets == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	memset(p->buckets, 0xff, p->nbuckets * sizeof(*p->buckets));
	for (i = 0; i < p->nchecks; i++) {
		if (p->checks[i].c->kind < FILE_MD5)
			continue;
		b = bucket_of(p, p->checks[i].alg, p->checks[i].c->digest);
		p->checks[i].next = p->buckets[b];
		p->buckets[b] = i;
	}
	if (sha256)
		algs |= DIGEST_BIT(DIGEST_SHA256);
	p->algs = algs;
	return 0;
}

uint32_t
plan_digest(
    struct plan *p, enum digest_alg alg, const uint8_t *digest, uint64_t stamp)
{
	struct plan_check *pc;
	uint32_t i, n = 0;

	for (i = p->buckets[bucket_of(p, alg, digest)]; i != UINT32_MAX;
	     i = pc->next) {
		pc = &p->checks[i];
		if (pc->alg == alg &&
		    memcmp(pc->c->digest, digest, digest_len(alg)) == 0) {
			pc->stamp = stamp;
			n++;
		}
	}
	return n;
}

static int
where(const struct plan *p, uint32_t check, struct err *e)
{
	const struct plan_check *pc = &p->checks[check];
	const struct file_search *s = &p->params->searches[pc->search];
	size_t i = 0;
	const struct file_check *c;

	for (c = pc->c; c > s->checks && c[-1].kind == pc->c->kind; c--)
		i++;
	return err_wrap(e, "searches.%s.%s[%zu]: '%.256s'", s->label,
	    file_kind_names[pc->c->kind].field, i, pc->c->value);
}

/* The patterns of one matcher, while they are written; offsets say where they
 * are in text. */
struct draft {
	struct match_pattern *patterns;
	size_t *offsets;               /* SIZE_MAX: never matches */
	struct regex_needles *needles; /* contents; else NULL */
	struct buf text;
};

/* Writes one expression for the engines, then its literal; where they are is
 * known when text no longer grows. */
static int
write_pattern(struct plan *p, uint32_t check, enum plan_matcher which,
    struct draft *d, struct err *e)
{
	const struct plan_check *pc = &p->checks[check];
	struct match_pattern *ret = &d->patterns[pc->pattern];
	size_t *ret_offset = &d->offsets[pc->pattern];
	struct buf *text = &d->text;
	enum regex_form form = REGEX_TEXT;
	uint8_t literal[REGEX_LITERAL_MAX];
	struct regex *re;
	int rc;

	rc = regex_parse(file_check_regex(pc->c), &re, e);
	if (rc != 0)
		return rc;
	ret->count = which == PLAN_LINES && p->searches[pc->search].macroal;
	if (which == PLAN_LINES)
		form = ret->count || regex_is_nullable(re) ? REGEX_WHOLE_LINES
							   : REGEX_LINES;
	ret->literal_len = regex_literal(re, literal);
	ret->plain = form != REGEX_WHOLE_LINES &&
	    regex_is_plain(re, &ret->at_begin, &ret->at_end);
	ret->any = form == REGEX_TEXT ? regex_any(re) : REGEX_ANY_NOT;
	if (d->needles != NULL) {
		regex_needles(re, &d->needles[pc->pattern]);
		ret->needles = &d->needles[pc->pattern];
	}
	*ret_offset = text->len;
	rc = regex_write(re, form, text);
	regex_free(re);
	if (rc == ERR_NOTFOUND)
		*ret_offset = SIZE_MAX;
	else if (rc != 0 || buf_add_u8(text, '\0') != 0 ||
	    buf_add(text, literal, ret->literal_len) != 0)
		return err_set(e, ERR_TOOBIG, "the expressions are too large");
	return 0;
}

static int
compile(struct plan *p, enum plan_matcher which, enum match_engine engine,
    struct match_pattern *patterns, size_t n, struct err *e)
{
	size_t bad = n;
	int rc;

	if (engine == MATCH_BEST && which != PLAN_LINES && n < NAMES_MANY)
		engine = MATCH_LIGHT;
	rc = match_new(patterns, n,
	    which == PLAN_LINES ? MATCH_LINES : MATCH_TEXT, engine,
	    &p->match[which], &bad, e);
	if (rc == ERR_UNSUPPORTED && engine == MATCH_PLAIN) {
		p->light = false;
		return compile(p, which, MATCH_BEST, patterns, n, e);
	}
	if (rc != 0 && bad < n)
		return where(p, p->pattern_check[which][bad], e);
	if (rc != 0)
		return rc;
	return match_state_new(p->match[which], &p->state[which], e);
}

static int
draft_all(
    struct plan *p, enum plan_matcher which, struct draft *d, struct err *e)
{
	uint32_t i, k = 0;
	int rc;

	for (i = 0; i < p->nchecks; i++) {
		if (p->checks[i].c->kind != matcher_kind[which])
			continue;
		p->pattern_check[which][k] = i;
		p->checks[i].pattern = k++;
		rc = write_pattern(p, i, which, d, e);
		if (rc != 0)
			return where(p, i, e);
	}
	for (i = 0; i < k; i++) {
		if (d->offsets[i] == SIZE_MAX)
			continue;
		d->patterns[i].bytes =
		    (const char *)d->text.data + d->offsets[i];
		d->patterns[i].literal = d->text.data + d->offsets[i] +
		    strlen(d->patterns[i].bytes) + 1;
	}
	return 0;
}

static int
build_matcher(struct plan *p, enum plan_matcher which, enum match_engine engine,
    struct err *e)
{
	struct draft d = { NULL };
	bool needles;
	size_t n = 0;
	uint32_t i;
	int rc;

	for (i = 0; i < p->nchecks; i++)
		n += p->checks[i].c->kind == matcher_kind[which];
	if (n == 0)
		return 0;
	needles = which == PLAN_LINES && n <= MATCH_GATE_MAX;
	buf_init(&d.text, PATTERNS_MAX);
	d.patterns = calloc(n, sizeof(*d.patterns));
	d.offsets = calloc(n, sizeof(*d.offsets));
	if (needles)
		d.needles = calloc(n, sizeof(*d.needles));
	p->pattern_check[which] = calloc(n, sizeof(uint32_t));
	if (d.patterns == NULL || d.offsets == NULL ||
	    (needles && d.needles == NULL) || p->pattern_check[which] == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = draft_all(p, which, &d, e);
	if (rc == 0)
		rc = compile(p, which, engine, d.patterns, n, e);
	free(d.patterns);
	free(d.offsets);
	free(d.needles);
	buf_release(&d.text);
	return rc;
}

const char *
plan_engine(struct plan *p)
{
	const char *name;
	size_t k, used;

	p->engine[0] = '\0';
	for (k = 0; k < PLAN_MATCHERS; k++) {
		name =
		    p->match[k] != NULL ? match_engine_name(p->match[k]) : "";
		used = strlen(p->engine);
		if (*name != '\0' && strstr(p->engine, name) == NULL)
			snprintf(p->engine + used, sizeof(p->engine) - used,
			    "%s%s", used > 0 ? ", " : "", name);
	}
	if (p->engine[0] == '\0')
		snprintf(p->engine, sizeof(p->engine), "none");
	return p->engine;
}

int
plan_init(struct plan *p, const struct file_params *params,
    enum match_engine engine, struct err *e)
{
	unsigned int k;
	int rc;

	memset(p, 0, sizeof(*p));
	p->params = params;
	p->light = engine == MATCH_BEST;
	rc = index_checks(p, e);
	if (rc == 0)
		rc = index_digests(p, e);
	for (k = 0; k < PLAN_LINES && rc == 0; k++)
		rc = build_matcher(p, (enum plan_matcher)k, engine, e);
	if (rc == 0)
		rc = build_matcher(
		    p, PLAN_LINES, p->light ? MATCH_PLAIN : engine, e);
	if (rc != 0) {
		plan_release(p);
		return rc;
	}
	return 0;
}

static void
drop_matcher(struct plan *p, enum plan_matcher which)
{
	match_state_free(p->state[which]);
	match_free(p->match[which]);
	free(p->pattern_check[which]);
	p->state[which] = NULL;
	p->match[which] = NULL;
	p->pattern_check[which] = NULL;
}

void
plan_will_read(struct plan *p, uint64_t size)
{
	const enum plan_matcher k = PLAN_LINES;
	struct match_state *state = p->state[k];
	uint32_t *pattern_check = p->pattern_check[k];
	struct match *match = p->match[k];
	struct err e;

	if (!p->light || match == NULL)
		return;
	p->light_bytes += size;
	if (p->light_bytes <= LIGHT_BYTES)
		return;
	p->light = false;
	p->match[k] = NULL;
	p->state[k] = NULL;
	p->pattern_check[k] = NULL;
	err_clear(&e);
	if (build_matcher(p, k, MATCH_BEST, &e) == 0) {
		match_state_free(state);
		match_free(match);
		free(pattern_check);
		return;
	}
	/* what there was is slow, but as good, and needs no memory now */
	drop_matcher(p, k);
	p->match[k] = match;
	p->state[k] = state;
	p->pattern_check[k] = pattern_check;
}

bool
plan_is_settled(const struct plan *p)
{
	return !p->light || p->match[PLAN_LINES] == NULL;
}

void
plan_release(struct plan *p)
{
	size_t k;

	for (k = 0; k < PLAN_MATCHERS; k++)
		drop_matcher(p, (enum plan_matcher)k);
	free(p->buckets);
	free(p->searches);
	free(p->checks);
	memset(p, 0, sizeof(*p));
}
