/* SPDX-License-Identifier: MPL-2.0 */
/* The effective configuration, written so that it parses again. */
#include "conf/conf.h"

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf_text.h"

#include <string.h>

static void
dump_size(struct buf *out, uint64_t v)
{
	static const char suffixes[] = "\0kmgt";
	size_t i = 0;

	while (v != 0 && v % 1024 == 0 && i < 4) {
		v /= 1024;
		i++;
	}
	buf_add_fmt(out, "%llu", (unsigned long long)v);
	if (i > 0)
		buf_add_u8(out, (uint8_t)suffixes[i]);
}

static int
dump_scalar(const struct conf_entry *c, const void *p, struct buf *out)
{
	char text[32] = "0";
	const char *s = text;
	uint64_t size;
	int64_t v = 0;
	bool b;

	if (c->type == CONF_STR) {
		memcpy(&s, p, sizeof(s));
		if (s == NULL)
			return 0;
	}
	buf_add_fmt(out, "%s ", c->key);
	if (c->type == CONF_INT || c->type == CONF_DURATION)
		memcpy(&v, p, sizeof(v));
	switch (c->type) {
	case CONF_BOOL:
		memcpy(&b, p, sizeof(b));
		buf_add_str(out, b ? "yes" : "no");
		break;
	case CONF_INT:
		buf_add_fmt(out, "%lld", (long long)v);
		break;
	case CONF_SIZE:
		memcpy(&size, p, sizeof(size));
		dump_size(out, size);
		break;
	case CONF_DURATION:
		if (v != 0)
			duration_format(v, text);
		buf_add_str(out, text);
		break;
	default:
		if (conf_add_word(out, s) != 0)
			return ERR_INVALID;
		break;
	}
	return buf_add_u8(out, '\n');
}

static int
dump_line(struct buf *out, const char *key, const char *a, const char *b)
{
	int rc;

	buf_add_fmt(out, "%s ", key);
	rc = conf_add_word(out, a);
	if (rc == 0 && b != NULL) {
		buf_add_u8(out, ' ');
		rc = conf_add_word(out, b);
	}
	return rc == 0 ? buf_add_u8(out, '\n') : rc;
}

int
conf_dump(
    const struct conf_entry *table, size_t n, const void *conf, struct buf *out)
{
	const struct conf_map *m;
	const struct conf_list *l;
	size_t i, j;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		const struct conf_entry *c = &table[i];
		const void *p = (const char *)conf + c->offset;

		if (c->type == CONF_MAP) {
			memcpy(&m, p, sizeof(m));
			for (j = 0; rc == 0 && m != NULL && j < m->n; j++)
				rc = dump_line(
				    out, c->key, m->keys[j], m->values[j]);
		} else if (c->type == CONF_LIST) {
			memcpy(&l, p, sizeof(l));
			for (j = 0; rc == 0 && l != NULL && j < l->n; j++)
				rc = dump_line(out, c->key, l->items[j], NULL);
		} else {
			rc = dump_scalar(c, p, out);
		}
	}
	return rc != 0 ? rc : out->error;
}
