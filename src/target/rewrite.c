/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The gate before SQLite's parser. Nothing passes that is not on a list here,
 * so nothing in SQLite's grammar beyond conditions over one row (subselects,
 * windows, casts, collations, table names, RAISE ...) can be reached; the
 * authorizer in target.c stands behind it all the same.
 */
#include "target/rewrite.h"

#include "base/err.h"
#include "base/str.h"
#include "target/compare.h"
#include "target/target.h"
#include "target/token.h"

#include <string.h>
#include <strings.h>

#define PAREN_DEPTH_MAX COMPARE_DEPTH_MAX

const char *const target_columns[] = { "id", "name", "os", "arch", "ident",
	"version", "mode", "environment", "tags", "addresses", NULL };
#define COLUMNS_TEXT                                                    \
	"id, name, os, arch, ident, version, mode, environment, tags, " \
	"addresses"

const char *const target_functions[] = { "lower", "upper", "length", "substr",
	"instr", "coalesce", "like", "glob", "json_extract", "in_net", NULL };
#define FUNCTIONS_TEXT                                                \
	"lower, upper, length, substr, instr, coalesce, like, glob, " \
	"json_extract, in_net"

static const char *const keywords[] = { "and", "or", "not", "is", "null", "in",
	"like", "ilike", "glob", "between", "escape", "true", "false", "isnull",
	"notnull", NULL };

struct rewrite {
	const char *text; /* the whole condition */
	const char *at;   /* behind cur */
	struct target_token cur, prev;
	unsigned int depth;
	struct compare compare;
	struct buf *out;
};

static bool
listed(const struct target_token *t, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (target_token_is(t, *list))
			return true;
	}
	return false;
}

static bool
next_is_open(const struct rewrite *w)
{
	const char *p = w->at;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return *p == '(';
}

/* The token for a message: printable, at most 64 bytes. */
static const char *
shown(const struct target_token *t, char out[static 65])
{
	size_t n = t->len < 64 ? t->len : 64, i;

	for (i = 0; i < n; i++) {
		out[i] = t->text[i];
		if (out[i] < 0x20 || out[i] >= 0x7f)
			out[i] = '?';
	}
	out[n] = '\0';
	return out;
}

static int
wrong(const struct rewrite *w, const char *hint, struct err *e)
{
	char word[65];

	return err_set(e, ERR_INVALID, "target: character %zu: %s %s",
	    target_token_column(w->text, w->cur.text), shown(&w->cur, word),
	    hint);
}

static int
rewrite_word(struct rewrite *w, struct err *e)
{
	const struct target_token *t = &w->cur;

	if (target_token_is(t, "status"))
		return wrong(w,
		    "is not a column: whether an agent is online is known to "
		    "the platform only (use -t online)",
		    e);
	if (next_is_open(w) && listed(t, target_functions)) {
		buf_add(w->out, t->text, t->len);
		return 0;
	}
	if (target_token_is(t, "ilike")) {
		buf_add_str(w->out, "REGEXP");
		return 0;
	}
	if (target_token_is(t, "in") && !next_is_open(w))
		return wrong(w, "needs a list in parentheses", e);
	if (next_is_open(w) && listed(t, target_columns))
		return wrong(w,
		    "is a column, not a function; functions: " FUNCTIONS_TEXT,
		    e);
	if (listed(t, keywords) || listed(t, target_columns)) {
		buf_add(w->out, t->text, t->len);
		return 0;
	}
	if (next_is_open(w))
		return wrong(
		    w, "is not a function here; there are " FUNCTIONS_TEXT, e);
	return wrong(w,
	    "is not a column; there are " COLUMNS_TEXT
	    " (text stands in single quotes, as in name = 'web1')",
	    e);
}

static int
rewrite_quoted(struct rewrite *w, struct err *e)
{
	struct target_token inner = { .kind = TARGET_WORD,
		.text = w->cur.text + 1,
		.len = w->cur.len - 2 };

	if (!listed(&inner, target_columns))
		return wrong(w,
		    "is not a column: double quotes quote names; use single "
		    "quotes for text (columns: " COLUMNS_TEXT ")",
		    e);
	if (next_is_open(w))
		return wrong(w, "is a column, not a function", e);
	buf_add(w->out, w->cur.text, w->cur.len);
	return 0;
}

/* A sign, not arithmetic: only before a number, after no value. */
static int
rewrite_minus(struct rewrite *w, struct err *e)
{
	const char *p = w->at;
	bool after;

	after = w->prev.kind == TARGET_OPERATOR ||
	    w->prev.kind == TARGET_OPEN || w->prev.kind == TARGET_COMMA ||
	    (w->prev.kind == TARGET_WORD && listed(&w->prev, keywords));
	if (!after || *p < '0' || *p > '9')
		return wrong(w, "there is no arithmetic in targets", e);
	buf_add_str(w->out, "-");
	return 0;
}

static int
rewrite_one(struct rewrite *w, struct err *e)
{
	switch (w->cur.kind) {
	case TARGET_WORD:
		return rewrite_word(w, e);
	case TARGET_QUOTED:
		return rewrite_quoted(w, e);
	case TARGET_MINUS:
		return rewrite_minus(w, e);
	case TARGET_OPEN:
		if (++w->depth > PAREN_DEPTH_MAX)
			return wrong(w, "is nested too deeply", e);
		break;
	case TARGET_CLOSE:
		if (w->depth-- == 0)
			return wrong(w, "closes nothing", e);
		break;
	default:
		break;
	}
	buf_add(w->out, w->cur.text, w->cur.len);
	return 0;
}

static int
check_meaning(struct rewrite *w, struct err *e)
{
	size_t col = target_token_column(w->text, w->cur.text);

	switch (compare_take(&w->compare, &w->cur)) {
	case COMPARE_TYPES:
		return wrong(w,
		    "compares a text with a number, and these are never equal: "
		    "what ->> gives is text, as is '5' in single quotes; "
		    "lengths, 5 and true are numbers",
		    e);
	case COMPARE_ALONE:
		return err_set(e, ERR_INVALID,
		    "target: character %zu: before it a text stands alone, "
		    "which is neither true nor false: compare it, as in "
		    "tags->>'x' = 'y' or tags->>'x' IS NOT NULL",
		    col);
	case COMPARE_GOOD:
		break;
	}
	return 0;
}

static int
check_text(const char *condition, struct err *e)
{
	size_t len = strlen(condition);

	if (len > TARGET_CONDITION_MAX)
		return err_set(e, ERR_TOOBIG, "target: %zu bytes, at most %d",
		    len, TARGET_CONDITION_MAX);
	if (!str_is_utf8(condition, len))
		return err_set(e, ERR_INVALID, "target: not valid UTF-8");
	return 0;
}

bool
target_is_all(const char *condition)
{
	return strcasecmp(condition, "all") == 0;
}

int
target_rewrite(const char *condition, struct buf *out, struct err *e)
{
	struct rewrite w = { .text = condition, .at = condition, .out = out };
	size_t tokens = 0;
	int rc;

	rc = check_text(condition, e);
	if (rc != 0)
		return rc;
	if (target_is_all(condition))
		return buf_add_str(out, "1") == 0
		    ? 0
		    : err_set(e, out->error, "target: out of memory");
	w.prev.kind = TARGET_OPEN;
	for (;; tokens++) {
		rc = target_token_next(w.text, &w.at, &w.cur, e);
		if (rc == 0 && w.cur.kind != TARGET_END)
			rc = rewrite_one(&w, e);
		if (rc == 0)
			rc = check_meaning(&w, e);
		if (rc != 0)
			return rc;
		if (w.cur.kind == TARGET_END)
			break;
		/* nothing may grow together with its neighbour */
		if (w.cur.kind != TARGET_MINUS)
			buf_add_str(out, " ");
		w.prev = w.cur;
	}
	if (w.depth != 0)
		return err_set(e, ERR_INVALID,
		    "target: %u parentheses are not closed", w.depth);
	if (tokens == 0)
		buf_add_str(out, "1");
	if (out->error != 0)
		return err_set(
		    e, out->error, "target: %s", err_text(out->error));
	return 0;
}
