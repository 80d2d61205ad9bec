/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parser of RE2's syntax (modules/regex.h): recursive descent over bounded
 * nesting, straight into nodes. Greedy and lazy repeats are the same here:
 * only whether a text matches is ever asked.
 */
#include "modules/regex_ast.h"

#include "base/err.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct flags {
	bool fold, multi, dotall;
};

struct parser {
	const char *start, *p, *end;
	struct regex *re;
	struct err *e;
	struct flags f;
	unsigned int depth;
};

static int
bad(struct parser *ps, const char *at, const char *what, const char *hint)
{
	return err_set(ps->e, ERR_INVALID, "at byte %zu: %s%s%s",
	    (size_t)(at - ps->start) + 1, what, *hint == '\0' ? "" : "; ",
	    hint);
}

static int
fail(struct parser *ps, int rc, const char *at)
{
	if (rc == ERR_NOMEM)
		return err_set(ps->e, ERR_NOMEM, "out of memory");
	if (rc == ERR_TOOBIG)
		return bad(ps, at, "the expression is too complex",
		    "use several smaller ones");
	return rc;
}

static struct node *
node_new(struct parser *ps, enum node_type type)
{
	struct node *n;

	if (ps->re->nnodes++ >= REGEX_NODES_MAX ||
	    (n = calloc(1, sizeof(*n))) == NULL) {
		err_set(ps->e, ERR_TOOBIG, "the expression is too large");
		return NULL;
	}
	n->type = type;
	n->all = ps->re->all;
	ps->re->all = n;
	return n;
}

static void
node_append(struct node *parent, struct node *n)
{
	if (parent->last != NULL)
		parent->last->next = n;
	else
		parent->child = n;
	parent->last = n;
}

static int
finish_class(struct parser *ps, struct node *n, bool negated, const char *at)
{
	int rc = 0;

	cclass_finish(&n->cc);
	if (ps->f.fold)
		rc = cclass_fold(&n->cc);
	if (rc == 0 && negated)
		rc = cclass_negate(&n->cc);
	ps->re->nranges += n->cc.n;
	if (rc == 0 && ps->re->nranges > 16 * REGEX_RANGES_MAX)
		rc = ERR_TOOBIG;
	return fail(ps, rc, at);
}

/* Decodes the character at ps->p and steps over it. */
static uint32_t
next_rune(struct parser *ps)
{
	const uint8_t *p = (const uint8_t *)ps->p;
	uint32_t r = p[0];
	size_t n = 1, i;

	if (p[0] >= 0xf0)
		n = 4;
	else if (p[0] >= 0xe0)
		n = 3;
	else if (p[0] >= 0xc0)
		n = 2;
	if (n > 1) {
		r = p[0] & (0xffu >> (n + 1));
		for (i = 1; i < n; i++)
			r = r << 6 | (p[i] & 0x3f);
	}
	ps->p += n;
	return r;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* After "\x". */
static int
parse_hex(struct parser *ps, const char *at, uint32_t *ret, bool *ret_raw)
{
	uint32_t v = 0;
	int i, d;

	if (ps->p < ps->end && *ps->p == '{') {
		for (ps->p++, i = 0; ps->p < ps->end && *ps->p != '}'; i++) {
			d = hex_value(*ps->p++);
			if (d < 0 || (v = v * 16 + (uint32_t)d) > RUNE_MAX)
				return bad(ps, at,
				    "\\x{...} is not a "
				    "character's number",
				    "");
		}
		if (ps->p == ps->end || i == 0)
			return bad(ps, at, "\\x{ needs digits and }", "");
		ps->p++;
		*ret = v;
		return 0;
	}
	for (i = 0; i < 2; i++) {
		d = ps->p < ps->end ? hex_value(*ps->p) : -1;
		if (d < 0)
			return bad(ps, at,
			    "\\x needs two hexadecimal digits "
			    "or {...}",
			    "");
		v = v * 16 + (uint32_t)d;
		ps->p++;
	}
	*ret = v;
	*ret_raw = v >= 0x80;
	return 0;
}

static int
bad_escape(struct parser *ps, const char *at, char c)
{
	static const struct {
		char c;
		const char *what, *hint;
	} known[] = {
		{ 'Z', "\\Z is not supported", "use \\z or $" },
		{ 'G', "\\G is not supported", "" },
		{ 'K', "\\K is not supported", "" },
		{ 'R', "\\R is not supported",
		    "lines are searched one by "
		    "one" },
		{ 'X', "\\X is not supported", "" },
		{ 'k', "named backreferences (\\k) are not supported", "" },
		{ 'g', "backreferences (\\g) are not supported", "" },
		{ 'h', "\\h is not supported", "use [ \\t]" },
		{ 'E', "\\E without \\Q", "" },
		{ 'e', "\\e is not supported", "use \\x1b" },
		{ 'u', "\\u is not supported", "use \\x{...}" },
	};
	char what[32];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].c == c)
			return bad(ps, at, known[i].what, known[i].hint);
	}
	if (c >= '1' && c <= '9')
		return bad(ps, at,
		    "backreferences (\\1 ...) are not "
		    "supported",
		    "write the text out");
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		memcpy(what, "unknown escape \\?", 18);
		what[16] = c;
		return bad(ps, at, what, "");
	}
	return bad(ps, at, "unknown escape", "write the character itself");
}

static int
parse_octal(struct parser *ps, char first)
{
	uint32_t v = (uint32_t)(first - '0');
	int i;

	for (i = 1; i < 3; i++) {
		if (ps->p >= ps->end || *ps->p < '0' || *ps->p > '7')
			break;
		v = v * 8 + (uint32_t)(*ps->p++ - '0');
	}
	return (int)v;
}

/* ps->p stands behind the backslash. One character, also within a class. */
static int
parse_char_escape(
    struct parser *ps, const char *at, uint32_t *ret, bool *ret_raw)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	const char *l;
	char c;

	*ret_raw = false;
	if (ps->p == ps->end)
		return bad(ps, at, "a backslash at the end",
		    "write \\\\ for a backslash");
	if ((uint8_t)*ps->p >= 0x80)
		return bad_escape(ps, at, *ps->p);
	c = *ps->p++;
	if (c == 'x')
		return parse_hex(ps, at, ret, ret_raw);
	if (c == '0' ||
	    (c >= '1' && c <= '7' && ps->p < ps->end && *ps->p >= '0' &&
		*ps->p <= '7')) {
		*ret = (uint32_t)parse_octal(ps, c);
		return 0;
	}
	l = strchr(letters, c);
	if (l != NULL && c != '\0') {
		*ret = (uint32_t)values[l - letters];
		return 0;
	}
	if (c >= '!' && c <= '~' && hex_value(c) < 0 && c != '_' &&
	    !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) {
		*ret = (uint32_t)c;
		return 0;
	}
	if (c == '_') {
		*ret = '_';
		return 0;
	}
	return bad_escape(ps, at, c);
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
		return bad(ps, at, "\\p needs a name", "");
	name = ps->p;
	if (*name == '{') {
		name++;
		ps->p = memchr(name, '}', (size_t)(ps->end - name));
		if (ps->p == NULL) {
			ps->p = ps->end;
			return bad(ps, at, "\\p{ without }", "");
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
	rc = cclass_add_unicode(cc, name, len, negated);
	if (rc == ERR_NOTFOUND)
		return bad(ps, at, "unknown Unicode class in \\p",
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
	rc = cclass_add_perl(cc, c);
	if (rc == ERR_NOTFOUND)
		return 0;
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
		return bad(ps, class_at, "[ without ]", "");
	if (*ps->p == '\\') {
		ps->p++;
		return parse_char_escape(ps, at, ret, raw);
	}
	*ret = next_rune(ps);
	return 0;
}

static int
parse_posix(struct parser *ps, struct cclass *cc, bool *ret_done)
{
	const char *at = ps->p, *name = ps->p + 2, *q;
	bool negated = false;
	int rc;

	*ret_done = false;
	if (ps->end - ps->p < 4 || ps->p[1] != ':')
		return 0;
	for (q = name; q + 1 < ps->end && !(q[0] == ':' && q[1] == ']'); q++)
		;
	if (q + 1 >= ps->end)
		return 0;
	if (*name == '^') {
		negated = true;
		name++;
	}
	rc = cclass_add_posix(cc, name, (size_t)(q - name), negated);
	if (rc == ERR_NOTFOUND)
		return bad(ps, at, "unknown class name in [:...:]", "");
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
			return bad(ps, at,
			    "a range of a class ends before "
			    "it begins",
			    "");
	}
	if (raw_hi)
		cclass_add_raw(cc, raw_lo ? (uint8_t)lo : 0x80, (uint8_t)hi);
	return fail(ps, cclass_add(cc, lo, hi), at);
}

static int
parse_class(struct parser *ps, struct node **ret)
{
	const char *at = ps->p++;
	struct node *n = node_new(ps, NODE_CLASS);
	bool negated = false, first = true, done;
	int rc;

	if (n == NULL)
		return ERR_TOOBIG;
	if (ps->p < ps->end && *ps->p == '^') {
		negated = true;
		ps->p++;
	}
	for (;; first = false) {
		if (ps->p == ps->end)
			return bad(ps, at, "[ without ]",
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
		return ERR_TOOBIG;
	rc = cclass_add(&n->cc, rune, rune);
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
	static const struct {
		const char *text, *what;
	} known[] = {
		{ "(?=", "look-ahead (?=...) is not supported" },
		{ "(?!", "look-ahead (?!...) is not supported" },
		{ "(?<=", "look-behind (?<=...) is not supported" },
		{ "(?<!", "look-behind (?<!...) is not supported" },
		{ "(?>", "atomic groups (?>...) are not supported" },
		{ "(?|", "branch reset (?|...) is not supported" },
		{ "(?#", "comments (?#...) are not supported" },
		{ "(?(", "conditionals (?(...) are not supported" },
		{ "(?P=", "backreferences (?P=name) are not supported" },
		{ "(?P>", "subroutine calls (?P>name) are not supported" },
		{ "(?R", "recursion (?R) is not supported" },
		{ "(?&", "subroutine calls (?&name) are not supported" },
	};
	size_t i, n;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i].text);
		if ((size_t)(ps->end - at) >= n &&
		    memcmp(at, known[i].text, n) == 0)
			return bad(ps, at, known[i].what, "");
	}
	return bad(ps, at, "unknown kind of group (?...",
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
		return bad(ps, at,
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
		return *ret == NULL ? ERR_TOOBIG : 0;
	}
	if (++ps->depth > REGEX_DEPTH_MAX)
		return bad(ps, at, "groups are nested too deeply", "");
	if ((rc = parse_alt(ps, ret)) != 0)
		return rc;
	ps->depth--;
	if (ps->p == ps->end)
		return bad(
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
	return *ret == NULL ? ERR_TOOBIG : 0;
}

static int
parse_dot(struct parser *ps, struct node **ret)
{
	const char *at = ps->p++;
	struct node *n = node_new(ps, NODE_CLASS);
	int rc = 0;

	if (n == NULL)
		return ERR_TOOBIG;
	if (!ps->f.dotall)
		rc = cclass_add(&n->cc, '\n', '\n');
	if (rc == 0)
		rc = cclass_negate(&n->cc);
	*ret = n;
	return fail(ps, rc, at);
}

/* \Q...\E as a sequence of literals; without \E to the end. */
static int
parse_quoted(struct parser *ps, struct node **ret)
{
	struct node *cat = node_new(ps, NODE_CAT), *n = NULL;
	int rc;

	if (cat == NULL)
		return ERR_TOOBIG;
	ps->p += 2;
	while (ps->p < ps->end) {
		if (ps->end - ps->p >= 2 && ps->p[0] == '\\' &&
		    ps->p[1] == 'E') {
			ps->p += 2;
			break;
		}
		if ((rc = literal(ps, next_rune(ps), false, &n)) != 0)
			return rc;
		node_append(cat, n);
	}
	*ret = cat;
	return 0;
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
	case 'Q':
		return parse_quoted(ps, ret);
	default:
		break;
	}
	if ((n = node_new(ps, NODE_CLASS)) == NULL)
		return ERR_TOOBIG;
	if ((rc = parse_class_escape(ps, &n->cc, &done)) != 0)
		return rc;
	if (done) {
		*ret = n;
		return finish_class(ps, n, false, at);
	}
	ps->p++;
	if ((rc = parse_char_escape(ps, at, &rune, &raw)) != 0)
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
		return bad(ps, ps->p, "nothing to repeat",
		    "write a backslash "
		    "before *, + or ? for the character");
	default:
		return literal(ps, next_rune(ps), false, ret);
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

/* Largest number of copies that nested counted repeats ask for. */
static uint32_t
copies(const struct node *n)
{
	const struct node *c;
	uint32_t most = 1, m, k = 1;

	for (c = n->child; c != NULL; c = c->next) {
		m = copies(c);
		if (m > most)
			most = m;
	}
	if (n->type == NODE_REPEAT)
		k = n->max == UINT32_MAX ? n->min : n->max;
	if (k > 1)
		most = most * k > REGEX_REPEAT_MAX ? REGEX_REPEAT_MAX + 1
						   : most * k;
	return most;
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
		return bad(ps, at,
		    "a repeat must be {min,max} with min <= "
		    "max <= 1000",
		    "");
	if ((n = node_new(ps, NODE_REPEAT)) == NULL)
		return ERR_TOOBIG;
	n->min = min;
	n->max = max;
	node_append(n, *io);
	if ((min > 1 || (max != UINT32_MAX && max > 1)) &&
	    copies(n) > REGEX_REPEAT_MAX)
		return bad(ps, at,
		    "nested repeats ask for more than 1000 "
		    "copies",
		    "");
	*io = n;
	at = ps->p;
	if (parse_repeat_op(ps, &min, &max))
		return bad(ps, at,
		    "a repeat of a repeat (or possessive "
		    "repeat) is not supported",
		    "use a group (?:...)");
	return 0;
}

static int
parse_cat(struct parser *ps, struct node **ret)
{
	struct node *cat = node_new(ps, NODE_CAT), *n = NULL;
	const char *at;
	int rc;

	if (cat == NULL)
		return ERR_TOOBIG;
	while (ps->p < ps->end && *ps->p != '|' && *ps->p != ')') {
		at = ps->p;
		n = NULL;
		if ((rc = parse_atom(ps, &n)) != 0)
			return rc;
		if (n->type == NODE_EMPTY && ps->p < ps->end &&
		    strchr("*+?", *ps->p) != NULL)
			return bad(ps, at, "nothing to repeat", "");
		if ((rc = parse_repeat(ps, &n)) != 0)
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
		return ERR_TOOBIG;
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

int
regex_parse(const char *source, struct regex **ret, struct err *e)
{
	struct parser ps = { .start = source, .p = source, .e = e };
	struct node *root = NULL;
	size_t len = strlen(source);
	int rc;

	if (len > REGEX_MAX)
		return err_set(e, ERR_TOOBIG,
		    "an expression may have %d "
		    "bytes, this one has %zu",
		    REGEX_MAX, len);
	if (!str_is_utf8(source, len))
		return err_set(e, ERR_INVALID, "the expression is not UTF-8");
	ps.end = source + len;
	ps.re = calloc(1, sizeof(*ps.re));
	if (ps.re == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = parse_alt(&ps, &root);
	if (rc == 0 && ps.p < ps.end)
		rc = bad(
		    &ps, ps.p, ") without (", "write \\) for the character");
	if (rc != 0) {
		regex_free(ps.re);
		return rc;
	}
	ps.re->root = root;
	*ret = ps.re;
	return 0;
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
