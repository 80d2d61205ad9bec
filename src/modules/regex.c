/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parser of RE2's syntax (modules/regex.h): recursive descent over bounded
 * nesting, straight into nodes. Greedy and lazy repeats are the same here:
 * only whether a text matches is ever asked.
 *
 * A mere check goes the same way, but counts what classes would hold instead
 * of building them: its time depends on the length of the source alone.
 */
#include "modules/regex_parser.h"

#include "base/err.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static int
fail(struct parser *ps, int rc, const char *at)
{
	if (rc == ERR_NOMEM)
		return err_set(ps->e, ERR_NOMEM, "out of memory");
	if (rc == ERR_TOOBIG)
		return regex_bad(ps, at, "the expression is too complex",
		    "use several smaller ones");
	return rc;
}

static struct node *
node_new(struct parser *ps, enum node_type type)
{
	struct node *n = NULL;

	if (ps->re->nnodes++ >= REGEX_NODES_MAX)
		err_set(ps->e, ERR_TOOBIG, "the expression is too large");
	else if ((n = calloc(1, sizeof(*n))) == NULL)
		ps->nomem = err_set(ps->e, ERR_NOMEM, "out of memory") != 0;
	if (n == NULL)
		return NULL;
	n->type = type;
	n->cost = 1;
	n->copies = 1;
	n->all = ps->re->all;
	ps->re->all = n;
	return n;
}

/* Why node_new() gave none. */
static int
no_node(const struct parser *ps)
{
	return ps->nomem ? ERR_NOMEM : ERR_TOOBIG;
}

static void
node_append(struct node *parent, struct node *n)
{
	if (parent->last != NULL)
		parent->last->next = n;
	else
		parent->child = n;
	parent->last = n;
	parent->cost += n->cost;
	if (n->copies > parent->copies)
		parent->copies = n->copies;
}

/* Characters that this range can fold to are a part of its cost. */
static int
add_range(struct parser *ps, struct cclass *cc, uint32_t lo, uint32_t hi)
{
	uint32_t span;

	if (!ps->check)
		return cclass_add(cc, lo, hi);
	ps->adds++;
	ps->cost++;
	if (ps->f.fold && hi >= 0x80) {
		span = hi - (lo < 0x80 ? 0x80 : lo) + 1;
		ps->cost += span < REGEX_FOLDS_MAX ? span : REGEX_FOLDS_MAX;
	}
	return 0;
}

/* A class that is only counted: folding may need more room than it shows. */
static int
count_class(struct parser *ps, struct node *n)
{
	size_t adds = ps->adds;

	n->cost += ps->cost;
	ps->re->nranges += adds;
	ps->adds = 0;
	ps->cost = 0;
	return adds > REGEX_RANGES_MAX / (ps->f.fold ? 2 : 1) ? ERR_TOOBIG : 0;
}

static int
finish_class(struct parser *ps, struct node *n, bool negated, const char *at)
{
	int rc = 0;

	if (ps->check) {
		rc = count_class(ps, n);
	} else {
		cclass_finish(&n->cc);
		if (ps->f.fold)
			rc = cclass_fold(&n->cc);
		if (rc == 0 && ps->folded.n > 0) {
			rc = cclass_add_class(&n->cc, &ps->folded, false);
			cclass_finish(&n->cc);
		}
		cclass_release(&ps->folded);
		if (rc == 0 && negated)
			rc = cclass_negate(&n->cc);
		ps->re->nranges += n->cc.n;
	}
	if (rc == 0 && ps->re->nranges > 16 * REGEX_RANGES_MAX)
		rc = ERR_TOOBIG;
	return fail(ps, rc, at);
}

static int
add_property(struct parser *ps, struct cclass *cc, const char *name, size_t len,
    bool negated)
{
	int n;

	if (!ps->check)
		return cclass_add_unicode(ps->f.fold ? &ps->folded : cc, name,
		    len, negated, ps->f.fold);
	n = cclass_unicode_ranges(name, len);
	if (n < 0)
		return ERR_NOTFOUND;
	ps->adds += (size_t)n;
	ps->cost += (size_t)n;
	return 0;
}

/* ps->p stands behind "\p" or "\P". */
static int
parse_property(
    struct parser *ps, struct cclass *cc, bool negated, const char *at)
{
	const char *name;
	size_t len;
	int rc;

	if (ps->p == ps->end)
		return regex_bad(ps, at, "\\p needs a name", "");
	name = ps->p;
	if (*name == '{') {
		name++;
		ps->p = memchr(name, '}', (size_t)(ps->end - name));
		if (ps->p == NULL) {
			ps->p = ps->end;
			return regex_bad(ps, at, "\\p{ without }", "");
		}
		len = (size_t)(ps->p++ - name);
		if (len > 0 && *name == '^') {
			negated = !negated;
			name++;
			len--;
		}
	} else {
		len = 1;
		ps->p++;
	}
	rc = add_property(ps, cc, name, len, negated);
	if (rc == ERR_NOTFOUND)
		return regex_bad(ps, at, "unknown Unicode class in \\p",
		    "known are categories like Lu and scripts like Greek");
	return fail(ps, rc, at);
}

/* \d \w \s \p{..} at ps->p (the backslash): *ret_done when it was one. */
static int
parse_class_escape(struct parser *ps, struct cclass *cc, bool *ret_done)
{
	const char *at = ps->p;
	char c;
	int rc;

	*ret_done = false;
	if (ps->end - ps->p < 2)
		return 0;
	c = ps->p[1];
	if (c == 'p' || c == 'P') {
		ps->p += 2;
		*ret_done = true;
		return parse_property(ps, cc, c == 'P', at);
	}
	rc = cclass_add_perl(ps->check ? NULL : cc, c);
	if (rc == ERR_NOTFOUND)
		return 0;
	ps->adds += ps->check ? 4 : 0;
	ps->cost += ps->check ? 4 : 0;
	ps->p += 2;
	*ret_done = true;
	return fail(ps, rc, at);
}

/* One end of a range in a class. */
static int
class_char(struct parser *ps, const char *class_at, uint32_t *ret, bool *raw)
{
	const char *at = ps->p;

	*raw = false;
	if (ps->p == ps->end)
		return regex_bad(ps, class_at, "[ without ]", "");
	if (*ps->p == '\\') {
		ps->p++;
		return regex_char_escape(ps, at, ret, raw);
	}
	*ret = regex_next_rune(ps);
	return 0;
}

static int
parse_posix(struct parser *ps, struct cclass *cc, bool *ret_done)
{
	const char *at = ps->p, *name = ps->p + 2, *q;
	bool negated = false;
	int rc;

	*ret_done = false;
	if (ps->end - ps->p < 4 || ps->p[1] != ':' || ps->no_posix_end)
		return 0;
	for (q = name; q + 1 < ps->end && !(q[0] == ':' && q[1] == ']'); q++)
		;
	if (q + 1 >= ps->end) {
		ps->no_posix_end = true; /* not sought once more */
		return 0;
	}
	if (*name == '^') {
		negated = true;
		name++;
	}
	rc = cclass_add_posix(
	    ps->check ? NULL : cc, name, (size_t)(q - name), negated);
	if (rc == ERR_NOTFOUND)
		return regex_bad(ps, at, "unknown class name in [:...:]", "");
	ps->adds += ps->check ? 5 : 0;
	ps->cost += ps->check ? 5 : 0;
	ps->p = q + 2;
	*ret_done = true;
	return fail(ps, rc, at);
}

static int
class_range(struct parser *ps, struct cclass *cc, const char *class_at)
{
	const char *at = ps->p;
	uint32_t lo, hi;
	bool raw_lo, raw_hi;
	int rc;

	if ((rc = class_char(ps, class_at, &lo, &raw_lo)) != 0)
		return rc;
	hi = lo;
	raw_hi = raw_lo;
	if (ps->end - ps->p >= 2 && ps->p[0] == '-' && ps->p[1] != ']') {
		ps->p++;
		if ((rc = class_char(ps, class_at, &hi, &raw_hi)) != 0)
			return rc;
		if (hi < lo)
			return regex_bad(ps, at,
			    "a range of a class ends before "
			    "it begins",
			    "");
	}
	if (raw_hi)
		cclass_add_raw(cc, raw_lo ? (uint8_t)lo : 0x80, (uint8_t)hi);
	return fail(ps, add_range(ps, cc, lo, hi), at);
}

static int
parse_class(struct parser *ps, struct node **ret)
{
	const char *at = ps->p++;
	struct node *n = node_new(ps, NODE_CLASS);
	bool negated = false, first = true, done;
	int rc;

	if (n == NULL)
		return no_node(ps);
	if (ps->p < ps->end && *ps->p == '^') {
		negated = true;
		ps->p++;
	}
	for (;; first = false) {
		if (ps->p == ps->end)
			return regex_bad(ps, at, "[ without ]",
			    "write \\[ for the "
			    "character");
		if (*ps->p == ']' && !first)
			break;
		done = false;
		rc = 0;
		if (*ps->p == '[')
			rc = parse_posix(ps, &n->cc, &done);
		else if (*ps->p == '\\')
			rc = parse_class_escape(ps, &n->cc, &done);
		if (rc == 0 && !done)
			rc = class_range(ps, &n->cc, at);
		if (rc != 0)
			return rc;
	}
	ps->p++;
	*ret = n;
	return finish_class(ps, n, negated, at);
}

static int
literal(struct parser *ps, uint32_t rune, bool raw, struct node **ret)
{
	struct node *n = node_new(ps, NODE_CLASS);
	int rc;

	if (n == NULL)
		return no_node(ps);
	rc = add_range(ps, &n->cc, rune, rune);
	if (rc != 0)
		return fail(ps, rc, ps->p);
	if (raw)
		cclass_add_raw(&n->cc, (uint8_t)rune, (uint8_t)rune);
	*ret = n;
	return finish_class(ps, n, false, ps->p);
}

static int parse_alt(struct parser *ps, struct node **ret);

static int
bad_group(struct parser *ps, const char *at)
{
	const char *known = regex_no_group(at, (size_t)(ps->end - at));

	if (known != NULL)
		return regex_bad(ps, at, known, "");
	return regex_bad(ps, at, "unknown kind of group (?...",
	    "known are (?:...) (?P<name>...) (?flags) with i, m, s, U");
}

/* "(?P<name>" or "(?<name>"; p stands at the '<'. */
static int
parse_group_name(struct parser *ps, const char *at)
{
	const char *q = ++ps->p;

	while (q < ps->end &&
	    ((*q >= 'a' && *q <= 'z') || *q == '_' ||
		(*q >= 'A' && *q <= 'Z') || (*q >= '0' && *q <= '9')))
		q++;
	if (q == ps->p || q == ps->end || *q != '>')
		return regex_bad(ps, at,
		    "a group's name must be letters, digits "
		    "and _, then >",
		    "");
	ps->p = q + 1;
	return 0;
}

/* ps->p stands behind "(?". *ret_group: ends with ':', a group follows. */
static int
parse_flags(struct parser *ps, const char *at, bool *ret_group)
{
	struct flags f = ps->f;
	bool on = true, any = false;
	char c;

	while (ps->p < ps->end) {
		c = *ps->p++;
		if (c == ')' || c == ':') {
			if (!on && !any)
				break;
			ps->f = f;
			*ret_group = c == ':';
			return 0;
		}
		if (c == '-' && on) {
			on = false;
			any = false;
			continue;
		}
		any = true;
		if (c == 'i')
			f.fold = on;
		else if (c == 'm')
			f.multi = on;
		else if (c == 's')
			f.dotall = on;
		else if (c != 'U')
			break;
	}
	return bad_group(ps, at);
}

static int
parse_group(struct parser *ps, struct node **ret)
{
	const char *at = ps->p++;
	struct flags saved = ps->f;
	bool group = true;
	int rc = 0;

	if (ps->end - ps->p >= 1 && ps->p[0] == '?') {
		ps->p++;
		if (ps->end - ps->p >= 2 && ps->p[0] == 'P' &&
		    ps->p[1] == '<') {
			ps->p++;
			rc = parse_group_name(ps, at);
		} else if (ps->end - ps->p >= 2 && ps->p[0] == '<' &&
		    ps->p[1] != '=' && ps->p[1] != '!') {
			rc = parse_group_name(ps, at);
		} else {
			rc = parse_flags(ps, at, &group);
		}
	}
	if (rc != 0)
		return rc;
	if (!group) { /* flags hold to the end of the enclosing group */
		*ret = node_new(ps, NODE_EMPTY);
		return *ret == NULL ? no_node(ps) : 0;
	}
	if (++ps->depth > REGEX_DEPTH_MAX)
		return regex_bad(ps, at, "groups are nested too deeply", "");
	if ((rc = parse_alt(ps, ret)) != 0)
		return rc;
	ps->depth--;
	if (ps->p == ps->end)
		return regex_bad(
		    ps, at, "( without )", "write \\( for the character");
	ps->p++;
	ps->f = saved;
	return 0;
}

static int
single(struct parser *ps, enum node_type type, size_t skip, struct node **ret)
{
	ps->p += skip;
	*ret = node_new(ps, type);
	return *ret == NULL ? no_node(ps) : 0;
}

static int
parse_dot(struct parser *ps, struct node **ret)
{
	const char *at = ps->p++;
	struct node *n = node_new(ps, NODE_CLASS);
	int rc = 0;

	if (n == NULL)
		return no_node(ps);
	if (!ps->f.dotall && !ps->check)
		rc = cclass_add(&n->cc, '\n', '\n');
	if (rc == 0 && !ps->check)
		rc = cclass_negate(&n->cc);
	*ret = n;
	return fail(ps, rc, at);
}

/* Over \Q and \E: what stands between them is literal, a character after the
 * other; without \E it goes on to the end. */
static void
skip_quotes(struct parser *ps)
{
	while (ps->end - ps->p >= 2 && ps->p[0] == '\\' &&
	    ps->p[1] == (ps->quoted ? 'E' : 'Q')) {
		ps->quoted = !ps->quoted;
		ps->p += 2;
	}
}

static int
parse_escape(struct parser *ps, struct node **ret)
{
	const char *at = ps->p;
	struct node *n;
	uint32_t rune;
	bool raw, done;
	char c = ps->end - ps->p >= 2 ? ps->p[1] : '\0';
	int rc;

	switch (c) {
	case 'A':
		return single(ps, NODE_BOT, 2, ret);
	case 'z':
		return single(ps, NODE_EOT, 2, ret);
	case 'b':
		return single(ps, NODE_WORD, 2, ret);
	case 'B':
		return single(ps, NODE_NOT_WORD, 2, ret);
	case 'C':
		return single(ps, NODE_BYTE, 2, ret);
	default:
		break;
	}
	if ((n = node_new(ps, NODE_CLASS)) == NULL)
		return no_node(ps);
	if ((rc = parse_class_escape(ps, &n->cc, &done)) != 0)
		return rc;
	if (done) {
		*ret = n;
		return finish_class(ps, n, false, at);
	}
	ps->p++;
	if ((rc = regex_char_escape(ps, at, &rune, &raw)) != 0)
		return rc;
	return literal(ps, rune, raw, ret);
}

static int
parse_atom(struct parser *ps, struct node **ret)
{
	switch (*ps->p) {
	case '(':
		return parse_group(ps, ret);
	case '[':
		return parse_class(ps, ret);
	case '.':
		return parse_dot(ps, ret);
	case '\\':
		return parse_escape(ps, ret);
	case '^':
		return single(ps, ps->f.multi ? NODE_BOL : NODE_BOT, 1, ret);
	case '$':
		return single(ps, ps->f.multi ? NODE_EOL : NODE_EOT, 1, ret);
	case '*':
	case '+':
	case '?':
		return regex_bad(ps, ps->p, "nothing to repeat",
		    "write a backslash "
		    "before *, + or ? for the character");
	default:
		return literal(ps, regex_next_rune(ps), false, ret);
	}
}

static bool
parse_number(struct parser *ps, const char **p, uint32_t *ret)
{
	const char *q = *p;
	uint32_t v = 0;

	while (q < ps->end && *q >= '0' && *q <= '9' && q - *p < 6)
		v = v * 10 + (uint32_t)(*q++ - '0');
	if (q == *p)
		return false;
	*p = q;
	*ret = v;
	return true;
}

/* {n} {n,} {n,m}: false when it is no repeat and so literal. */
static bool
parse_braces(struct parser *ps, uint32_t *min, uint32_t *max)
{
	const char *q = ps->p + 1;

	if (!parse_number(ps, &q, min))
		return false;
	*max = *min;
	if (q < ps->end && *q == ',') {
		q++;
		*max = UINT32_MAX;
		if (q < ps->end && *q != '}' && !parse_number(ps, &q, max))
			return false;
	}
	if (q >= ps->end || *q != '}')
		return false;
	ps->p = q + 1;
	return true;
}

static bool
parse_repeat_op(struct parser *ps, uint32_t *min, uint32_t *max)
{
	if (ps->p == ps->end)
		return false;
	*min = 0;
	*max = UINT32_MAX;
	switch (*ps->p) {
	case '*':
		break;
	case '+':
		*min = 1;
		break;
	case '?':
		*max = 1;
		break;
	case '{':
		return parse_braces(ps, min, max);
	default:
		return false;
	}
	ps->p++;
	return true;
}

/* What is repeated becomes n's child: so many times over. */
static void
node_repeat(struct node *n, struct node *child, uint32_t min, uint32_t max)
{
	uint32_t k = max == UINT32_MAX ? min : max;

	n->min = min;
	n->max = max;
	node_append(n, child);
	if (k < 2)
		return;
	n->cost *= k;
	n->copies *= k; /* both are at most REGEX_REPEAT_MAX */
}

static int
parse_repeat(struct parser *ps, struct node **io)
{
	const char *at = ps->p;
	struct node *n;
	uint32_t min, max;

	if (!parse_repeat_op(ps, &min, &max))
		return 0;
	if (ps->p < ps->end && *ps->p == '?')
		ps->p++; /* lazy */
	if ((max != UINT32_MAX && min > max) || min > REGEX_REPEAT_MAX ||
	    (max != UINT32_MAX && max > REGEX_REPEAT_MAX))
		return regex_bad(ps, at,
		    "a repeat must be {min,max} with min <= "
		    "max <= 1000",
		    "");
	if ((n = node_new(ps, NODE_REPEAT)) == NULL)
		return no_node(ps);
	node_repeat(n, *io, min, max);
	if (n->copies > REGEX_REPEAT_MAX)
		return regex_bad(ps, at,
		    "nested repeats ask for more than 1000 "
		    "copies",
		    "");
	*io = n;
	at = ps->p;
	if (parse_repeat_op(ps, &min, &max))
		return regex_bad(ps, at,
		    "a repeat of a repeat (or possessive "
		    "repeat) is not supported",
		    "use a group (?:...)");
	return 0;
}

static bool
cat_goes_on(struct parser *ps)
{
	skip_quotes(ps);
	return ps->p < ps->end &&
	    (ps->quoted || (*ps->p != '|' && *ps->p != ')'));
}

static int
parse_cat(struct parser *ps, struct node **ret)
{
	struct node *cat = node_new(ps, NODE_CAT), *n = NULL;
	const char *at;
	int rc;

	if (cat == NULL)
		return no_node(ps);
	while (cat_goes_on(ps)) {
		at = ps->p;
		n = NULL;
		rc = ps->quoted ? literal(ps, regex_next_rune(ps), false, &n)
				: parse_atom(ps, &n);
		if (rc != 0)
			return rc;
		skip_quotes(ps);
		if (n->type == NODE_EMPTY && !ps->quoted && ps->p < ps->end &&
		    strchr("*+?", *ps->p) != NULL)
			return regex_bad(ps, at, "nothing to repeat", "");
		if (!ps->quoted && (rc = parse_repeat(ps, &n)) != 0)
			return rc;
		node_append(cat, n);
	}
	*ret = cat;
	return 0;
}

static int
parse_alt(struct parser *ps, struct node **ret)
{
	struct node *alt = node_new(ps, NODE_ALT), *n = NULL;
	int rc;

	if (alt == NULL)
		return no_node(ps);
	for (;;) {
		if ((rc = parse_cat(ps, &n)) != 0)
			return rc;
		node_append(alt, n);
		if (ps->p == ps->end || *ps->p != '|')
			break;
		ps->p++;
	}
	*ret = alt;
	return 0;
}

static int
parse(struct parser *ps, size_t len)
{
	struct node *root = NULL;
	int rc;

	if (len > REGEX_MAX)
		return err_set(ps->e, ERR_TOOBIG,
		    "an expression may have %d "
		    "bytes, this one has %zu",
		    REGEX_MAX, len);
	if (!str_is_utf8(ps->start, len))
		return err_set(
		    ps->e, ERR_INVALID, "the expression is not UTF-8");
	ps->p = ps->start;
	ps->end = ps->start + len;
	ps->re = calloc(1, sizeof(*ps->re));
	if (ps->re == NULL)
		return err_set(ps->e, ERR_NOMEM, "out of memory");
	rc = parse_alt(ps, &root);
	if (rc == 0 && ps->p < ps->end)
		rc = regex_bad(
		    ps, ps->p, ") without (", "write \\) for the character");
	cclass_release(&ps->folded);
	if (rc != 0)
		regex_free(ps->re);
	else
		ps->re->root = root;
	return rc;
}

int
regex_parse(const char *source, struct regex **ret, struct err *e)
{
	struct parser ps = { .start = source, .e = e };
	int rc = parse(&ps, strlen(source));

	if (rc == 0)
		*ret = ps.re;
	return rc;
}

int
regex_check(const char *source, uint64_t *ret_cost, struct err *e)
{
	struct parser ps = { .start = source, .e = e, .check = true };
	int rc = parse(&ps, strlen(source));

	if (rc != 0)
		return rc;
	*ret_cost = ps.re->root->cost;
	regex_free(ps.re);
	return 0;
}

/* The first or the last of its children that is something. */
static struct node *
end_of(const struct node *n, bool front)
{
	struct node *c, *last = NULL;

	for (c = n->child; c != NULL; c = c->next) {
		if (c->type == NODE_EMPTY)
			continue;
		if (front)
			return c;
		last = c;
	}
	return last;
}

static void
trim(struct node *n, bool front)
{
	while (n != NULL &&
	    (n->type == NODE_CAT ||
		(n->type == NODE_ALT && n->child == n->last)))
		n = end_of(n, front);
	if (n != NULL && n->type == NODE_REPEAT)
		n->max = n->min;
}

void
regex_trim(struct regex *r)
{
	trim(r->root, true);
	trim(r->root, false);
}

void
regex_free(struct regex *r)
{
	struct node *n, *next;

	if (r == NULL)
		return;
	for (n = r->all; n != NULL; n = next) {
		next = n->all;
		cclass_release(&n->cc);
		free(n);
	}
	free(r);
}
