/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/version.h"

#include "base/err.h"

#include <string.h>

const char *const pkg_type_names[PKG_TYPES] = { "dpkg", "rpm" };

/* Part of a version that is still to be compared. */
struct part {
	const char *p;
	size_t len;
};

struct version {
	struct part epoch, version, release;
	bool has_epoch, has_release;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void
advance(struct part *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

static struct part
take_while(struct part *s, bool (*is)(char c))
{
	struct part taken = { s->p, 0 };

	while (taken.len < s->len && is(s->p[taken.len]))
		taken.len++;
	advance(s, taken.len);
	return taken;
}

static int
compare_text(struct part a, struct part b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	if (c != 0)
		return c;
	return (a.len > b.len) - (a.len < b.len);
}

/* Digits of any number; none is 0. */
static int
compare_numbers(struct part a, struct part b)
{
	while (a.len > 0 && *a.p == '0')
		advance(&a, 1);
	while (b.len > 0 && *b.p == '0')
		advance(&b, 1);
	if (a.len != b.len)
		return a.len > b.len ? 1 : -1;
	return compare_text(a, b);
}

/* --- dpkg -----------------------------------------------------------------*/

/* A place at which a digit or the end stands counts 0. */
static int
weight(const struct part *s)
{
	unsigned char c;

	if (s->len == 0 || is_digit(*s->p))
		return 0;
	c = (unsigned char)*s->p;
	if (c == '~')
		return -1;
	return is_letter(*s->p) ? c : c + 256;
}

static int
dpkg_compare(struct part a, struct part b)
{
	int wa, wb, c;

	while (a.len > 0 || b.len > 0) {
		while ((wa = weight(&a)) == (wb = weight(&b)) && wa != 0) {
			advance(&a, 1);
			advance(&b, 1);
		}
		if (wa != wb)
			return wa < wb ? -1 : 1;
		c = compare_numbers(
		    take_while(&a, is_digit), take_while(&b, is_digit));
		if (c != 0)
			return c;
	}
	return 0;
}

/* --- rpm ------------------------------------------------------------------*/

static bool
separates(char c)
{
	return !is_digit(c) && !is_letter(c) && c != '~' && c != '^';
}

static bool
at(const struct part *s, char c)
{
	return s->len > 0 && *s->p == c;
}

/* "~" and "^" where one of both has one: *ret_again when both have it. */
static int
compare_marks(struct part *a, struct part *b, bool *ret_again)
{
	char mark = at(a, '~') || at(b, '~') ? '~' : '^';
	bool in_a = at(a, mark), in_b = at(b, mark);

	*ret_again = in_a && in_b;
	if (*ret_again) {
		advance(a, 1);
		advance(b, 1);
	}
	if (in_a == in_b)
		return 0;
	if (mark == '~')
		return in_a ? -1 : 1;
	/* "^" is above the end and below all that goes on */
	if (in_a)
		return b->len == 0 ? 1 : -1;
	return a->len == 0 ? -1 : 1;
}

static int
rpm_compare(struct part a, struct part b)
{
	bool again, number;
	struct part x, y;
	int c;

	for (;;) {
		take_while(&a, separates);
		take_while(&b, separates);
		c = compare_marks(&a, &b, &again);
		if (c != 0)
			return c;
		if (again)
			continue;
		if (a.len == 0 || b.len == 0)
			return (a.len > 0) - (b.len > 0);
		number = is_digit(*a.p);
		x = take_while(&a, number ? is_digit : is_letter);
		y = take_while(&b, number ? is_digit : is_letter);
		if (y.len == 0)
			return number ? 1 : -1;
		c = number ? compare_numbers(x, y) : compare_text(x, y);
		if (c != 0)
			return c;
	}
}

/* --- whole versions -------------------------------------------------------*/

static void
split(const char *text, struct version *v)
{
	struct part rest = { text, strlen(text) };
	const char *dash;

	memset(v, 0, sizeof(*v));
	v->epoch = take_while(&rest, is_digit);
	v->has_epoch = at(&rest, ':');
	if (v->has_epoch)
		advance(&rest, 1);
	else
		rest = (struct part){ text, strlen(text) };
	if (!v->has_epoch)
		v->epoch.len = 0;
	dash = memrchr(rest.p, '-', rest.len);
	v->version = rest;
	v->release = (struct part){ "", 0 };
	v->has_release = dash != NULL;
	if (dash != NULL) {
		v->version.len = (size_t)(dash - rest.p);
		v->release = rest;
		advance(&v->release, v->version.len + 1);
	}
}

static int
compare(enum pkg_type type, const struct version *a, const struct version *b)
{
	int (*part)(struct part, struct part) =
	    type == PKG_DPKG ? dpkg_compare : rpm_compare;
	int c = compare_numbers(a->epoch, b->epoch);

	if (c == 0)
		c = part(a->version, b->version);
	if (c == 0)
		c = part(a->release, b->release);
	return c;
}

int
version_compare(enum pkg_type type, const char *a, const char *b)
{
	struct version va, vb;

	split(a, &va);
	split(b, &vb);
	return compare(type, &va, &vb);
}

static const struct {
	const char *text;
	enum version_op op;
} operators[] = { { "<=", VERSION_LE }, { "<<", VERSION_LT },
	{ "<>", VERSION_NE }, { "<", VERSION_LT }, { ">=", VERSION_GE },
	{ ">>", VERSION_GT }, { ">", VERSION_GT }, { "==", VERSION_EQ },
	{ "=", VERSION_EQ }, { "!=", VERSION_NE } };

#define OPERATORS (sizeof(operators) / sizeof(operators[0]))

static size_t
find_operator(const char *text)
{
	size_t i;

	for (i = 0; i < OPERATORS; i++) {
		if (strncmp(operators[i].text, text,
			strlen(operators[i].text)) == 0)
			break;
	}
	return i;
}

bool
version_is_test(const char *text)
{
	return find_operator(text) < OPERATORS;
}

int
version_test_parse(const char *text, struct version_test *ret, struct err *e)
{
	size_t i = find_operator(text), len;
	const char *p, *bad;

	if (i == OPERATORS)
		return err_set(e, ERR_INVALID,
		    "'%.64s' does not begin with <, <=, =, >=, > or !=", text);
	p = text + strlen(operators[i].text);
	p += strspn(p, " \t");
	len = strlen(p);
	if (len == 0)
		return err_set(e, ERR_INVALID,
		    "'%.64s': expected a version behind the operator, as in "
		    "'%s1.2-3'",
		    text, operators[i].text);
	if (len > VERSION_MAX)
		return err_set(e, ERR_TOOBIG,
		    "a version of %zu characters: at most %d", len,
		    VERSION_MAX);
	for (bad = p; *bad != '\0'; bad++) {
		if (!is_digit(*bad) && !is_letter(*bad) &&
		    strchr(".+-_~^:", *bad) == NULL)
			return err_set(e, ERR_INVALID,
			    "'%.64s': no version has a character like the "
			    "one at place %zu: expected letters, digits and "
			    ". + - _ ~ ^ :",
			    p, (size_t)(bad - p) + 1);
	}
	ret->op = operators[i].op;
	ret->version = p;
	return 0;
}

bool
version_test_holds(
    const struct version_test *t, enum pkg_type type, const char *installed)
{
	struct version asked, there;
	int c;

	split(t->version, &asked);
	split(installed, &there);
	if (type == PKG_RPM && !asked.has_release)
		there.release.len = 0;
	c = compare(type, &there, &asked);
	switch (t->op) {
	case VERSION_LT:
		return c < 0;
	case VERSION_LE:
		return c <= 0;
	case VERSION_EQ:
		return c == 0;
	case VERSION_GE:
		return c >= 0;
	case VERSION_GT:
		return c > 0;
	default:
		return c != 0;
	}
}

static bool
is_strict(enum version_op op)
{
	return op == VERSION_LT || op == VERSION_GT;
}

static bool
bounds_below(enum version_op op)
{
	return op == VERSION_GT || op == VERSION_GE || op == VERSION_EQ;
}

static bool
bounds_above(enum version_op op)
{
	return op == VERSION_LT || op == VERSION_LE || op == VERSION_EQ;
}

/* With rpm a test without release is of all of them, so that one with and one
 * without are compared by what stands before it. */
static bool
excludes(enum pkg_type type, const struct version_test *a,
    const struct version_test *b)
{
	struct version va, vb;
	bool open;
	int c;

	split(a->version, &va);
	split(b->version, &vb);
	open = type == PKG_RPM && va.has_release != vb.has_release;
	if (open)
		va.release.len = vb.release.len = 0;
	c = compare(type, &va, &vb);
	if (c == 0 && open)
		return false;
	if (c == 0 && (a->op == VERSION_NE || b->op == VERSION_NE))
		return a->op == VERSION_EQ || b->op == VERSION_EQ;
	if (bounds_below(a->op) && bounds_above(b->op) &&
	    (c > 0 || (c == 0 && (is_strict(a->op) || is_strict(b->op)))))
		return true;
	return bounds_above(a->op) && bounds_below(b->op) &&
	    (c < 0 || (c == 0 && (is_strict(a->op) || is_strict(b->op))));
}

bool
version_tests_exclude(
    const struct version_test *a, const struct version_test *b)
{
	return excludes(PKG_DPKG, a, b) && excludes(PKG_RPM, a, b);
}

bool
version_epoch_decides(const struct version_test *t, const char *installed)
{
	struct version asked, there;

	split(t->version, &asked);
	split(installed, &there);
	return !asked.has_epoch &&
	    compare_numbers(there.epoch, asked.epoch) > 0;
}
