/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/sshkey/line.h"

#include "base/err.h"
#include "base/hex.h"

#include <string.h>

struct cursor {
	const char *p, *end;
};

enum line_file
line_file_of(const char *name)
{
	static const struct {
		const char *name;
		enum line_file file;
	} table[] = { { "authorized_keys", LINE_AUTHORIZED },
		{ "authorized_keys2", LINE_AUTHORIZED },
		{ "known_hosts", LINE_KNOWN_HOSTS },
		{ "known_hosts2", LINE_KNOWN_HOSTS },
		{ "known_hosts.old", LINE_KNOWN_HOSTS },
		{ "ssh_known_hosts", LINE_KNOWN_HOSTS },
		{ "ssh_known_hosts2", LINE_KNOWN_HOSTS } };
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) == 0)
			return table[i].file;
	}
	return LINE_PUBLIC;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blanks(struct cursor *c)
{
	while (c->p < c->end && blank(*c->p))
		c->p++;
}

/* One word; with quotes blanks do not end it (options). */
static size_t
take_word(struct cursor *c, bool quotes, const char **ret)
{
	bool quoted = false;

	*ret = c->p;
	for (; c->p < c->end && (quoted || !blank(*c->p)); c->p++) {
		if (quotes && *c->p == '\\' && c->p + 1 < c->end &&
		    c->p[1] == '"')
			c->p++;
		else if (quotes && *c->p == '"')
			quoted = !quoted;
	}
	return (size_t)(c->p - *ret);
}

/* The word at the cursor is a type: steps over it. */
static bool
take_type(struct cursor *c)
{
	struct cursor at = *c;
	const char *word;
	size_t len = take_word(&at, false, &word);

	if (len == 0 || ssh_type_find(word, len) == NULL)
		return false;
	*c = at;
	return true;
}

static int
no_key(struct err *e)
{
	return err_set(e, ERR_INVALID, "no key of a type that is known");
}

/* Options, hosts, a marker, names of people: whatever list it is of. What
 * prose says of a type has no key behind it. */
static int
find_key(struct cursor *c)
{
	const char *word;

	while (c->p < c->end) {
		if (!take_type(c)) {
			take_word(c, true, &word);
			skip_blanks(c);
			continue;
		}
		skip_blanks(c);
		if (c->end - c->p >= 4 && memcmp(c->p, "AAAA", 4) == 0)
			return 0;
	}
	return ERR_NOTFOUND;
}

/* One in quotes, as in YAML, JSON and scripts: the cursor's end is that of what
 * they hold. */
static int
find_quoted(struct cursor *c)
{
	struct cursor at;
	const char *p;

	for (p = c->p; p < c->end; p++) {
		if (*p != '"' && *p != '\'')
			continue;
		at.p = at.end = p + 1;
		while (at.end < c->end && *at.end != *p && *at.end != '\\')
			at.end++;
		if (at.end < c->end && find_key(&at) == 0) {
			*c = at;
			return 0;
		}
	}
	return ERR_NOTFOUND;
}

/* To behind the type. */
static int
find_type(enum line_file file, struct cursor *c, struct err *e)
{
	struct cursor whole = *c;
	const char *word;

	if (file == LINE_KNOWN_HOSTS) {
		if (*c->p == '@') {
			take_word(c, false, &word);
			skip_blanks(c);
		}
		take_word(c, false, &word);
		skip_blanks(c);
		return take_type(c) ? 0 : no_key(e);
	}
	if (file == LINE_PUBLIC) {
		if (find_key(c) == 0)
			return 0;
		*c = whole;
		return find_quoted(c);
	}
	if (take_type(c))
		return 0;
	take_word(c, true, &word);
	skip_blanks(c);
	return take_type(c) ? 0 : no_key(e);
}

/* The key behind its type. end: of the line. */
static int
take_key(struct cursor *c, const char *end, struct ssh_line *ret, struct err *e)
{
	struct ssh_line l = { .rest = c->end < end ? c->end : NULL };
	const char *word;
	size_t n;
	int rc;

	skip_blanks(c);
	n = take_word(c, false, &word);
	buf_init(&l.blob, SSH_BLOB_MAX);
	rc = n > 0 ? b64_decode(&l.blob, word, n) : ERR_INVALID;
	if (rc != 0) {
		buf_release(&l.blob);
		return rc == ERR_NOMEM
		    ? err_set(e, rc, "out of memory")
		    : err_set(
			  e, ERR_INVALID, "the base64 of its key is damaged");
	}
	skip_blanks(c);
	while (c->end > c->p && blank(c->end[-1]))
		c->end--;
	l.comment = c->p;
	l.comment_len = (size_t)(c->end - c->p);
	*ret = l;
	return 0;
}

int
ssh_line_parse(enum line_file file, const char *line, size_t len,
    struct ssh_line *ret, struct err *e)
{
	struct cursor c = { line, line + len };
	int rc, again;

	skip_blanks(&c);
	if (c.p == c.end || *c.p == '#')
		return ERR_NOTFOUND;
	if ((rc = find_type(file, &c, e)) != 0)
		return rc;
	rc = take_key(&c, line + len, ret, e);
	if (rc != ERR_INVALID || file != LINE_PUBLIC)
		return rc;
	/* as with the quote behind it */
	again = ssh_line_next(line, len, ret, NULL);
	return again == 0 || again == ERR_NOMEM ? again : rc;
}

int
ssh_line_next(const char *rest, size_t len, struct ssh_line *ret, struct err *e)
{
	struct cursor c = { rest, rest + len };
	int rc = find_quoted(&c);

	return rc != 0 ? rc : take_key(&c, rest + len, ret, e);
}

void
ssh_line_release(struct ssh_line *l)
{
	buf_release(&l->blob);
	memset(l, 0, sizeof(*l));
}
