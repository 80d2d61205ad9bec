/* SPDX-License-Identifier: MPL-2.0 */
#include "json/plain.h"

#include <string.h>

#define DIGITS_MAX 15

void
json_plain_init(struct json_plain *p, const char *text, size_t len)
{
	p->text = text;
	p->len = len;
	p->at = 0;
}

static bool
take(struct json_plain *p, char c)
{
	if (p->at >= p->len || p->text[p->at] != c)
		return false;
	p->at++;
	return true;
}

static bool
take_string(struct json_plain *p, const char **ret, size_t *ret_len)
{
	size_t from;
	unsigned char c;

	if (!take(p, '"'))
		return false;
	for (from = p->at; p->at < p->len; p->at++) {
		c = (unsigned char)p->text[p->at];
		if (c == '"')
			break;
		if (c < 0x20 || c > 0x7e || c == '\\')
			return false;
	}
	*ret = p->text + from;
	*ret_len = p->at - from;
	return take(p, '"');
}

static bool
take_number(struct json_plain *p, int64_t *ret)
{
	bool negative = take(p, '-');
	size_t from = p->at;
	int64_t v = 0;

	while (p->at < p->len && p->text[p->at] >= '0' &&
	    p->text[p->at] <= '9' && p->at - from < DIGITS_MAX)
		v = 10 * v + (p->text[p->at++] - '0');
	/* no digit; one that is too many shows in what follows */
	if (p->at == from ||
	    (p->text[from] == '0' && (p->at - from > 1 || negative)))
		return false;
	*ret = negative ? -v : v;
	return true;
}

int
json_plain_next(struct json_plain *p, struct json_member *ret)
{
	bool first = p->at == 0;

	memset(ret, 0, sizeof(*ret));
	if (first && !take(p, '{'))
		return -1;
	if (take(p, '}'))
		return p->at == p->len ? 0 : -1;
	if ((!first && !take(p, ',')) ||
	    !take_string(p, &ret->key, &ret->key_len) || !take(p, ':'))
		return -1;
	if (p->at < p->len && p->text[p->at] == '"')
		return take_string(p, &ret->string, &ret->len) ? 1 : -1;
	return take_number(p, &ret->number) ? 1 : -1;
}

bool
json_member_is(const struct json_member *m, const char *key)
{
	return strlen(key) == m->key_len &&
	    memcmp(m->key, key, m->key_len) == 0;
}
