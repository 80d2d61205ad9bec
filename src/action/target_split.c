/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Old targets hold what the platform knew ("AND status='online'"). It is a
 * wish of delivery now, not a condition: terms of the outermost AND chain that
 * speak of status are taken out.
 */
#include "action/document.h"

#include "base/err.h"
#include "target/token.h"

#include <string.h>

#define TOKENS_MAX 2048

struct split {
	struct target_token tokens[TOKENS_MAX];
	bool drop[TOKENS_MAX];
	size_t n;
	bool ors; /* an OR stands outside all parentheses */
};

static int
split_read(struct split *s, const char *target, struct err *e)
{
	const char *at = target;
	struct target_token *t;
	int rc, depth = 0;

	for (;;) {
		if (s->n == TOKENS_MAX)
			return err_set(e, ERR_TOOBIG, "target: too long");
		t = &s->tokens[s->n];
		rc = target_token_next(target, &at, t, e);
		if (rc != 0 || t->kind == TARGET_END)
			return rc;
		if (t->kind == TARGET_OPEN)
			depth++;
		else if (t->kind == TARGET_CLOSE)
			depth--;
		else if (depth == 0 && target_token_is(t, "or"))
			s->ors = true;
		s->n++;
	}
}

static bool
is_text(const struct target_token *t, const char *text)
{
	return t->kind == TARGET_STRING && t->len == strlen(text) &&
	    memcmp(t->text, text, t->len) == 0;
}

static bool
is_operator(const struct target_token *t, const char *text)
{
	return t->kind == TARGET_OPERATOR && t->len == strlen(text) &&
	    memcmp(t->text, text, t->len) == 0;
}

/* Number of tokens of a term like status='online' at i; 0 when there is none.
 * 'idle' agents of the original were connected as well. */
static size_t
status_term(const struct split *s, size_t i)
{
	const struct target_token *t = &s->tokens[i];

	if (s->n - i < 3 || !target_token_is(t, "status"))
		return 0;
	if ((is_operator(t + 1, "=") || is_operator(t + 1, "==")) &&
	    (is_text(t + 2, "'online'") || is_text(t + 2, "'idle'")))
		return 3;
	if ((is_operator(t + 1, "<>") || is_operator(t + 1, "!=")) &&
	    is_text(t + 2, "'offline'"))
		return 3;
	return 0;
}

static int
status_misplaced(
    const char *target, const struct target_token *t, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "target: character %zu: status is not a column; only AND "
	    "status='online' can be split off (use -t online)",
	    target_token_column(target, t->text));
}

/* Does the condition end before token i, or go on with AND after it? */
static bool
is_term(const struct split *s, size_t i, size_t n)
{
	bool before = i == 0 || target_token_is(&s->tokens[i - 1], "and");
	bool after = i + n == s->n || target_token_is(&s->tokens[i + n], "and");

	return before && after;
}

/* Marks the term at i (n tokens) and the AND that bound it. */
static void
drop_term(struct split *s, size_t i, size_t n)
{
	size_t k;

	memset(s->drop + i, true, n);
	for (k = 0; k < i && s->drop[k]; k++)
		;
	if (k < i)
		s->drop[i - 1] = true; /* something before it stays */
	else if (i + n < s->n)
		s->drop[i + n] = true;
}

static int
split_mark(struct split *s, const char *target, bool *ret_online, struct err *e)
{
	const struct target_token *t;
	size_t i, n;
	int depth = 0;

	for (i = 0; i < s->n; i++) {
		t = &s->tokens[i];
		if (t->kind == TARGET_OPEN)
			depth++;
		else if (t->kind == TARGET_CLOSE)
			depth--;
		if (!target_token_is(t, "status"))
			continue;
		n = status_term(s, i);
		if (n == 0 || depth != 0 || s->ors || !is_term(s, i, n))
			return status_misplaced(target, t, e);
		drop_term(s, i, n);
		*ret_online = true;
	}
	return 0;
}

/* The runs of tokens that stay, with the space between them as it was. */
static void
split_write(const struct split *s, struct buf *out)
{
	const char *from;
	size_t i, last, start = out->len;

	for (i = 0; i < s->n; i = last + 1) {
		last = i;
		if (s->drop[i])
			continue;
		while (last + 1 < s->n && !s->drop[last + 1])
			last++;
		from = s->tokens[i].text;
		if (out->len > start)
			buf_add_str(out, " ");
		buf_add(out, from,
		    (size_t)(s->tokens[last].text - from) +
			s->tokens[last].len);
	}
	if (out->len == start)
		buf_add_str(out, "all");
}

int
action_target_split(
    const char *target, struct buf *out, bool *ret_online, struct err *e)
{
	struct split s = { 0 };
	size_t start = out->len;
	bool online = false;
	int rc;

	rc = split_read(&s, target, e);
	if (rc == 0)
		rc = split_mark(&s, target, &online, e);
	if (rc == 0) {
		split_write(&s, out);
		if (out->error != 0)
			rc = err_set(
			    e, out->error, "target: %s", err_text(out->error));
	}
	if (rc != 0) {
		out->len = start;
		return rc;
	}
	*ret_online = online;
	return 0;
}
