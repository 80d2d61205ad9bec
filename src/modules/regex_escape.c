/* SPDX-License-Identifier: MPL-2.0 */
/* Single characters of an expression, written out or as escapes, for
 * modules/regex.c; and what other dialects have and RE2 has not, in words. */
#include "modules/regex_parser.h"

#include "base/err.h"

#include <string.h>

int
regex_bad(struct parser *ps, const char *at, const char *what, const char *hint)
{
	return err_set(ps->e, ERR_INVALID, "at byte %zu: %s%s%s",
	    (size_t)(at - ps->start) + 1, what, *hint == '\0' ? "" : "; ",
	    hint);
}

const char *
regex_no_group(const char *at, size_t len)
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
		if (len >= n && memcmp(at, known[i].text, n) == 0)
			return known[i].what;
	}
	return NULL;
}

static const char *
no_escape(char c, const char **ret_hint)
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
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].c == c) {
			*ret_hint = known[i].hint;
			return known[i].what;
		}
	}
	return NULL;
}

uint32_t
regex_next_rune(struct parser *ps)
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
				return regex_bad(ps, at,
				    "\\x{...} is not a "
				    "character's number",
				    "");
		}
		if (ps->p == ps->end || i == 0)
			return regex_bad(ps, at, "\\x{ needs digits and }", "");
		ps->p++;
		*ret = v;
		return 0;
	}
	for (i = 0; i < 2; i++) {
		d = ps->p < ps->end ? hex_value(*ps->p) : -1;
		if (d < 0)
			return regex_bad(ps, at,
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
	const char *known, *hint;
	char what[32];

	known = no_escape(c, &hint);
	if (known != NULL)
		return regex_bad(ps, at, known, hint);
	if (c >= '1' && c <= '9')
		return regex_bad(ps, at,
		    "backreferences (\\1 ...) are not "
		    "supported",
		    "write the text out");
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		memcpy(what, "unknown escape \\?", 18);
		what[16] = c;
		return regex_bad(ps, at, what, "");
	}
	return regex_bad(
	    ps, at, "unknown escape", "write the character itself");
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

int
regex_char_escape(
    struct parser *ps, const char *at, uint32_t *ret, bool *ret_raw)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	const char *l;
	char c;

	*ret_raw = false;
	if (ps->p == ps->end)
		return regex_bad(ps, at, "a backslash at the end",
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
