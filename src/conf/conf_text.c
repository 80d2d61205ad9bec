/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A line is words separated by spaces and tabs. A word is bare, or stands in
 * double quotes with the escapes \\ \" \n \r \t \xNN (01 to 7f). A word that
 * starts with # begins a comment. Lines are UTF-8 without control characters.
 */
#include "conf/conf_text.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads the escape after a backslash at *pp; *pp is left behind it. */
static int
read_escape(const char **pp, const char *end, char *ret, struct err *e)
{
	const char *p = *pp;
	int hi, lo;

	if (p == end)
		return err_set(e, ERR_INVALID, "backslash at the end");
	switch (*p) {
	case '\\':
	case '"':
		*ret = *p;
		break;
	case 'n':
		*ret = '\n';
		break;
	case 'r':
		*ret = '\r';
		break;
	case 't':
		*ret = '\t';
		break;
	case 'x':
		hi = end - p > 2 ? hex_digit(p[1]) : -1;
		lo = end - p > 2 ? hex_digit(p[2]) : -1;
		if (hi < 0 || lo < 0 || hi > 7 || hi + lo == 0)
			return err_set(e, ERR_INVALID,
			    "\\x wants two hexadecimal digits, 01 to 7f");
		*ret = (char)(hi * 16 + lo);
		p += 2;
		break;
	default:
		return err_set(e, ERR_INVALID,
		    "unknown escape, expected one of \\\\ \\\" \\n \\r \\t "
		    "\\xNN");
	}
	*pp = p + 1;
	return 0;
}

/* Reads the rest of a quoted word after its opening quote into *outp. */
static int
read_quoted(const char **pp, const char *end, char **outp, struct err *e)
{
	const char *p = *pp;
	char *out = *outp;
	int rc;

	while (p < end && *p != '"') {
		if (*p == '\\') {
			p++;
			rc = read_escape(&p, end, out, e);
			if (rc != 0)
				return rc;
			out++;
		} else {
			*out++ = *p++;
		}
	}
	if (p == end)
		return err_set(e, ERR_INVALID, "missing closing quote");
	p++;
	if (p < end && *p != ' ' && *p != '\t')
		return err_set(e, ERR_INVALID,
		    "a space is expected after a closing quote");
	*pp = p;
	*outp = out;
	return 0;
}

static int
check_bytes(const char *line, size_t len, struct err *e)
{
	size_t i;

	for (i = 0; i < len; i++) {
		uint8_t c = (uint8_t)line[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(e, ERR_INVALID,
			    "control character 0x%02x in column %zu; write it "
			    "as \\x%02x in double quotes",
			    c, i + 1, c);
	}
	if (!str_is_utf8(line, len))
		return err_set(e, ERR_INVALID, "not UTF-8");
	return 0;
}

int
conf_words_split(
    const char *line, size_t len, struct conf_words *w, struct err *e)
{
	const char *p = line, *end = line + len;
	char *out;
	int rc;

	w->n = 0;
	w->text = NULL;
	rc = check_bytes(line, len, e);
	if (rc != 0)
		return rc;
	/* every word takes at most its own length and a terminator, and has a
	 * separator or the line's end behind it */
	out = w->text = malloc(len + 2);
	if (out == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (;;) {
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end || *p == '#')
			return 0;
		if (w->n == CONF_WORDS_MAX) {
			conf_words_release(w);
			return err_set(e, ERR_TOOBIG,
			    "more than %d words on a line", CONF_WORDS_MAX);
		}
		w->word[w->n++] = out;
		if (*p == '"') {
			p++;
			rc = read_quoted(&p, end, &out, e);
		} else {
			while (p < end && *p != ' ' && *p != '\t' && *p != '"')
				*out++ = *p++;
			if (p < end && *p == '"')
				rc = err_set(e, ERR_INVALID,
				    "a quote inside a word; put the whole "
				    "word in double quotes");
		}
		if (rc != 0) {
			conf_words_release(w);
			return rc;
		}
		*out++ = '\0';
	}
}

void
conf_words_release(struct conf_words *w)
{
	free(w->text);
	w->text = NULL;
	w->n = 0;
}

const char *
conf_nearest(const struct conf_entry *table, size_t n, const char *key)
{
	const char *nearest = NULL;
	size_t i, d, best = strlen(key) / 2 + 1;

	if (best > 4)
		best = 4;
	for (i = 0; i < n; i++) {
		d = str_distance(key, table[i].key);
		if (d < best) {
			best = d;
			nearest = table[i].key;
		}
	}
	return nearest;
}

int
conf_parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on" };
	static const char *const no[] = { "no", "false", "off" };
	size_t i;

	for (i = 0; i < 3; i++) {
		if (strcmp(s, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcmp(s, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return ERR_INVALID;
}

int
conf_parse_int(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v;

	if (str_u64(negative ? s + 1 : s, 0, INT64_MAX, &v) != 0)
		return ERR_INVALID;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

int
conf_parse_size(const char *s, uint64_t *ret)
{
	static const char suffixes[] = "kmgt";
	size_t len = strlen(s);
	const char *at;
	unsigned shift = 0;
	char digits[24];
	uint64_t v;

	if (len == 0 || len >= sizeof(digits))
		return ERR_INVALID;
	memcpy(digits, s, len + 1);
	at = strchr(suffixes, digits[len - 1] | 0x20);
	if (at != NULL && *at != '\0') {
		shift = 10 * (unsigned)(at - suffixes + 1);
		digits[len - 1] = '\0';
	}
	if (str_u64(digits, 0, UINT64_MAX >> shift, &v) != 0)
		return ERR_INVALID;
	*ret = v << shift;
	return 0;
}

int
conf_parse_duration(const char *s, int64_t *ret)
{
	if (strcmp(s, "0") == 0) {
		*ret = 0;
		return 0;
	}
	return duration_parse(s, ret);
}

static bool
needs_quotes(const char *s)
{
	const uint8_t *p;

	if (*s == '\0' || *s == '#')
		return true;
	for (p = (const uint8_t *)s; *p != '\0'; p++) {
		if (*p <= 0x20 || *p == 0x7f || *p == '"')
			return true;
	}
	return false;
}

int
conf_add_word(struct buf *out, const char *s)
{
	const uint8_t *p;

	if (!str_is_utf8(s, strlen(s)))
		return ERR_INVALID;
	if (!needs_quotes(s))
		return buf_add_str(out, s);
	buf_add_u8(out, '"');
	for (p = (const uint8_t *)s; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_add_fmt(out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			buf_add_fmt(out, "\\x%02x", *p);
		else
			buf_add_u8(out, *p);
	}
	return buf_add_u8(out, '"');
}

int
conf_list_add(struct conf_list *l, const char *item)
{
	char **items = reallocarray(l->items, l->n + 1, sizeof(*items));
	char *copy;

	if (items == NULL)
		return ERR_NOMEM;
	l->items = items;
	copy = strdup(item);
	if (copy == NULL)
		return ERR_NOMEM;
	items[l->n++] = copy;
	return 0;
}

int
conf_map_add(struct conf_map *m, const char *key, const char *value)
{
	char **grown, *k, *v;

	grown = reallocarray(m->keys, m->n + 1, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	m->keys = grown;
	grown = reallocarray(m->values, m->n + 1, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	m->values = grown;
	k = strdup(key);
	v = strdup(value);
	if (k == NULL || v == NULL) {
		free(k);
		free(v);
		return ERR_NOMEM;
	}
	m->keys[m->n] = k;
	m->values[m->n++] = v;
	return 0;
}

void
conf_list_clear(struct conf_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	l->items = NULL;
	l->n = 0;
}

void
conf_map_clear(struct conf_map *m)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		free(m->keys[i]);
		free(m->values[i]);
	}
	free(m->keys);
	free(m->values);
	m->keys = m->values = NULL;
	m->n = 0;
}
