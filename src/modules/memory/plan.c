/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/plan.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX (64 * 1024 * 1024) /* bytes of all that are written */
/* From so many on Hyperscan is worth its loading for names as well. */
#define NAMES_MANY 32

/* While the patterns of one matcher are written: where they lie in text is
 * known when it no longer grows. */
struct draft {
	struct match_pattern *patterns;
	size_t *bytes, *literals;      /* offsets; SIZE_MAX: never matches */
	struct regex_needles *needles; /* of what is in memory; else NULL */
	struct buf text;
};

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

static int
index_checks(struct memory_plan *p, struct err *e)
{
	const struct memory_search *s;
	struct plan_search *ps;
	struct plan_check *pc;
	uint32_t i, k;

	for (i = 0; i < p->params->n; i++)
		p->nchecks += (uint32_t)p->params->searches[i].nchecks;
	p->searches = calloc(p->params->n, sizeof(*p->searches));
	p->checks = calloc(p->nchecks + 1, sizeof(*p->checks));
	if (p->searches == NULL || p->checks == NULL)
		return no_memory(e);
	pc = p->checks;
	for (i = 0; i < p->params->n; i++) {
		s = &p->params->searches[i];
		ps = &p->searches[i];
		ps->first = (uint32_t)(pc - p->checks);
		ps->n = (uint32_t)s->nchecks;
		for (k = 0; k < ps->n; k++, pc++) {
			pc->c = &s->checks[k];
			pc->search = i;
			ps->has[pc->c->kind] = true;
			pc->matcher = pc->c->kind == MEMORY_NAME ? PLAN_NAMES
			    : pc->c->kind == MEMORY_LIBRARY
			    ? PLAN_LIBRARIES
			    : PLAN_WINDOWS + s->window;
			pc->pattern = (uint32_t)p->matchers[pc->matcher].n++;
		}
	}
	return 0;
}

static int
where(const struct memory_plan *p, const struct plan_check *pc, struct err *e)
{
	const struct memory_search *s = &p->params->searches[pc->search];
	const struct memory_check *c;
	size_t i = 0;

	for (c = pc->c; c > s->checks && c[-1].kind == pc->c->kind; c--)
		i++;
	return err_wrap(e, "searches.%s.%s[%zu]: '%.256s'", s->label,
	    memory_kind_names[pc->c->kind].field, i, pc->c->value);
}

/* What of a byte string is looked for first. */
static void
bytes_needle(struct regex_needles *ret, const uint8_t *bytes, size_t n)
{
	if (n < REGEX_NEEDLE_MIN)
		return;
	if (n > REGEX_LITERAL_MAX)
		n = REGEX_LITERAL_MAX;
	ret->n = 1;
	ret->list[0].len = (uint8_t)n;
	memcpy(ret->list[0].bytes, bytes, n);
}

static int
draft_bytes(struct draft *d, struct plan_check *pc, size_t k, struct err *e)
{
	struct match_pattern *mp = &d->patterns[k];
	uint8_t bytes[MEMORY_BYTES_MAX];
	size_t n = memory_check_bytes(pc->c, bytes), i;

	d->bytes[k] = d->text.len;
	for (i = 0; i < n; i++)
		buf_add_fmt(&d->text, "\\x%02x", bytes[i]);
	buf_add_u8(&d->text, '\0');
	d->literals[k] = d->text.len;
	buf_add(&d->text, bytes, n);
	mp->literal_len = mp->longest = n;
	mp->plain = true;
	if (d->needles != NULL) {
		bytes_needle(&d->needles[k], bytes, n);
		mp->needles = &d->needles[k];
	}
	pc->length = (uint32_t)n;
	return d->text.error != 0
	    ? err_set(e, ERR_TOOBIG, "the byte strings are too large")
	    : 0;
}

static int
draft_regex(struct draft *d, struct plan_check *pc, size_t k, struct err *e)
{
	struct match_pattern *mp = &d->patterns[k];
	uint8_t literal[REGEX_LITERAL_MAX];
	struct regex *re;
	int rc = regex_parse(pc->c->value, &re, e);

	if (rc != 0)
		return rc;
	if (pc->matcher >= PLAN_WINDOWS)
		regex_trim(re);
	mp->literal_len = regex_literal(re, literal);
	mp->plain = regex_is_plain(re, &mp->at_begin, &mp->at_end);
	mp->longest = regex_longest(re);
	if (mp->longest == SIZE_MAX)
		mp->longest = 0;
	if (d->needles != NULL) {
		regex_needles(re, &d->needles[k]);
		mp->needles = &d->needles[k];
	}
	if (mp->plain)
		pc->length = (uint32_t)mp->literal_len;
	d->bytes[k] = d->text.len;
	rc = regex_write(re, REGEX_TEXT, &d->text);
	regex_free(re);
	if (rc == ERR_NOTFOUND)
		d->bytes[k] = SIZE_MAX;
	buf_add_u8(&d->text, '\0');
	d->literals[k] = d->text.len;
	buf_add(&d->text, literal, mp->literal_len);
	return d->text.error != 0
	    ? err_set(e, ERR_TOOBIG, "the expressions are too large")
	    : 0;
}

static int
compile(struct memory_plan *p, uint32_t which, const struct draft *d,
    enum match_engine engine, struct err *e)
{
	struct plan_matcher *m = &p->matchers[which];
	size_t bad = m->n;
	int rc;

	if (engine == MATCH_BEST && which < PLAN_WINDOWS && m->n < NAMES_MANY)
		engine = MATCH_LIGHT;
	rc = match_new(d->patterns, m->n,
	    which < PLAN_WINDOWS ? MATCH_TEXT : MATCH_STREAM, engine, &m->match,
	    &bad, e);
	if (rc != 0 && bad < m->n)
		return where(p, &p->checks[m->checks[bad]], e);
	return rc == 0 ? match_state_new(m->match, &m->state, e) : rc;
}

static int
draft_all(struct memory_plan *p, uint32_t which, struct draft *d, struct err *e)
{
	struct plan_matcher *m = &p->matchers[which];
	struct plan_check *pc;
	uint32_t i;
	size_t k;
	int rc;

	for (i = 0; i < p->nchecks; i++) {
		pc = &p->checks[i];
		if (pc->matcher != which)
			continue;
		m->checks[pc->pattern] = i;
		rc = pc->c->kind == MEMORY_BYTES
		    ? draft_bytes(d, pc, pc->pattern, e)
		    : draft_regex(d, pc, pc->pattern, e);
		if (rc != 0)
			return where(p, pc, e);
	}
	for (k = 0; k < m->n; k++) {
		if (d->bytes[k] == SIZE_MAX)
			continue;
		d->patterns[k].bytes = (const char *)d->text.data + d->bytes[k];
		d->patterns[k].literal = d->text.data + d->literals[k];
	}
	return 0;
}

static int
build(struct memory_plan *p, uint32_t which, enum match_engine engine,
    struct err *e)
{
	struct plan_matcher *m = &p->matchers[which];
	bool needles = which >= PLAN_WINDOWS && m->n <= MATCH_GATE_MAX;
	struct draft d;
	int rc;

	if (m->n == 0)
		return 0;
	buf_init(&d.text, PATTERNS_MAX);
	d.patterns = calloc(m->n, sizeof(*d.patterns));
	d.bytes = calloc(m->n, sizeof(*d.bytes));
	d.literals = calloc(m->n, sizeof(*d.literals));
	d.needles = needles ? calloc(m->n, sizeof(*d.needles)) : NULL;
	m->checks = calloc(m->n, sizeof(*m->checks));
	if (d.patterns == NULL || d.bytes == NULL || d.literals == NULL ||
	    (needles && d.needles == NULL) || m->checks == NULL)
		rc = no_memory(e);
	else
		rc = draft_all(p, which, &d, e);
	if (rc == 0)
		rc = compile(p, which, &d, engine, e);
	free(d.patterns);
	free(d.bytes);
	free(d.literals);
	free(d.needles);
	buf_release(&d.text);
	return rc;
}

void
memory_plan_engine(struct memory_plan *p)
{
	const char *name;
	size_t k, used;

	p->engine[0] = '\0';
	for (k = 0; k < PLAN_MATCHERS; k++) {
		name = p->matchers[k].match != NULL
		    ? match_engine_name(p->matchers[k].match)
		    : "";
		used = strlen(p->engine);
		if (*name != '\0' && strstr(p->engine, name) == NULL)
			snprintf(p->engine + used, sizeof(p->engine) - used,
			    "%s%s", used > 0 ? ", " : "", name);
	}
	if (p->engine[0] == '\0')
		snprintf(p->engine, sizeof(p->engine), "none");
}

int
memory_plan_init(struct memory_plan *p, const struct memory_params *params,
    enum match_engine engine, struct err *e)
{
	uint32_t k;
	int rc;

	memset(p, 0, sizeof(*p));
	p->params = params;
	rc = index_checks(p, e);
	for (k = 0; k < PLAN_MATCHERS && rc == 0; k++)
		rc = build(p, k, engine, e);
	if (rc != 0) {
		memory_plan_release(p);
		return rc;
	}
	return 0;
}

void
memory_plan_release(struct memory_plan *p)
{
	size_t k;

	for (k = 0; k < PLAN_MATCHERS; k++) {
		match_state_free(p->matchers[k].state);
		match_free(p->matchers[k].match);
		free(p->matchers[k].checks);
	}
	free(p->searches);
	free(p->checks);
	memset(p, 0, sizeof(*p));
}
