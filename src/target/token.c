/* SPDX-License-Identifier: MPL-2.0 */
/* Cutting a condition into tokens. */
#include "target/token.h"

#include "base/err.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	    is_digit(c);
}

size_t
target_token_column(const char *text, const char *at)
{
	size_t n = 1;

	for (; text < at; text++)
		n += ((uint8_t)*text & 0xc0) != 0x80;
	return n;
}

/* Length of what the quote at p opens, both quotes counted; 0 without end. */
static size_t
quoted_length(const char *p)
{
	char quote = *p;
	size_t n = 1;

	for (;;) {
		if (p[n] == '\0')
			return 0;
		if (p[n] != quote) {
			n++;
		} else if (p[n + 1] == quote) {
			n += 2;
		} else {
			return n + 1;
		}
	}
}

static size_t
number_length(const char *p)
{
	size_t n = 0;

	while (is_digit(p[n]))
		n++;
	if (p[n] == '.' && is_digit(p[n + 1])) {
		n++;
		while (is_digit(p[n]))
			n++;
	}
	/* 0x10, 1e5, 1.2.3: not numbers of ours */
	return is_word(p[n]) || p[n] == '.' ? 0 : n;
}

static size_t
operator_length(const char *p)
{
	/* the longer ones first */
	static const char *const operators[] = { "->>", "->", "==", "<>",
		"!=", "<=", ">=", "||", "=", "<", ">", NULL };
	size_t i;

	for (i = 0; operators[i] != NULL; i++) {
		if (strncmp(p, operators[i], strlen(operators[i])) == 0)
			return strlen(operators[i]);
	}
	return 0;
}

static int
token_error(const char *text, const char *at, struct err *e)
{
	size_t col = target_token_column(text, at);

	switch (*at) {
	case '\'':
		return err_set(e, ERR_INVALID,
		    "target: character %zu: 'text' without its end", col);
	case '"':
		return err_set(e, ERR_INVALID,
		    "target: character %zu: \"name\" without its end", col);
	case ';':
		return err_set(e, ERR_INVALID,
		    "target: character %zu: ';': a target is one condition",
		    col);
	default:
		break;
	}
	if (is_digit(*at))
		return err_set(e, ERR_INVALID,
		    "target: character %zu: malformed number; text stands in "
		    "'single quotes'",
		    col);
	if (*at > 0x20 && *at < 0x7f)
		return err_set(e, ERR_INVALID,
		    "target: character %zu: unexpected '%c'", col, *at);
	return err_set(e, ERR_INVALID,
	    "target: character %zu: unexpected character 0x%02x", col,
	    (unsigned int)(uint8_t)*at);
}

int
target_token_next(
    const char *text, const char **at, struct target_token *ret, struct err *e)
{
	const char *p = *at;
	enum target_kind kind;
	size_t n = 1;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	switch (*p) {
	case '\0':
		kind = TARGET_END;
		n = 0;
		break;
	case '(':
		kind = TARGET_OPEN;
		break;
	case ')':
		kind = TARGET_CLOSE;
		break;
	case ',':
		kind = TARGET_COMMA;
		break;
	case '\'':
	case '"':
		kind = *p == '"' ? TARGET_QUOTED : TARGET_STRING;
		n = quoted_length(p);
		if (n == 0)
			return token_error(text, p, e);
		break;
	default:
		n = 0;
		if (is_digit(*p)) {
			kind = TARGET_NUMBER;
			n = number_length(p);
		} else if (is_word(*p)) {
			kind = TARGET_WORD;
			while (is_word(p[n]))
				n++;
		} else {
			kind = TARGET_OPERATOR;
			n = operator_length(p);
			if (n == 0 && p[0] == '-' && p[1] != '-') {
				kind = TARGET_MINUS;
				n = 1;
			}
		}
		if (n == 0)
			return token_error(text, p, e);
		break;
	}
	*ret = (struct target_token){ .kind = kind, .text = p, .len = n };
	*at = p + n;
	return 0;
}

bool
target_token_is(const struct target_token *t, const char *word)
{
	return t->kind == TARGET_WORD && t->len == strlen(word) &&
	    strncasecmp(t->text, word, t->len) == 0;
}
