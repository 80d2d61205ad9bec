/* SPDX-License-Identifier: MPL-2.0 */
#include "client/print/lines.h"

#include "base/err.h"

#include <string.h>

void
lines_init(struct lines *l, size_t max, lines_on_line *on_line, void *arg)
{
	buf_init(&l->line, max);
	l->skipping = false;
	l->why = 0;
	l->on_line = on_line;
	l->arg = arg;
}

void
lines_release(struct lines *l)
{
	buf_release(&l->line);
	l->skipping = false;
}

static int
lines_end(struct lines *l)
{
	int r = 0;

	if (l->skipping)
		r = l->on_line(NULL, 0, l->arg);
	else if (l->line.len > 0)
		r = l->on_line((const char *)l->line.data, l->line.len, l->arg);
	l->skipping = false;
	buf_clear(&l->line);
	return r;
}

int
lines_feed(struct lines *l, const void *data, size_t len)
{
	const char *p = data, *nl;
	size_t n;
	int r;

	while (len > 0) {
		nl = memchr(p, '\n', len);
		n = nl != NULL ? (size_t)(nl - p) : len;
		if (!l->skipping && buf_add(&l->line, p, n) != 0) {
			l->skipping = true;
			l->why = l->line.error;
			buf_clear(&l->line);
		}
		if (nl == NULL)
			return 0;
		r = lines_end(l);
		if (r != 0)
			return r;
		p += n + 1;
		len -= n + 1;
	}
	return 0;
}

bool
lines_partial(const struct lines *l)
{
	return l->skipping || l->line.len > 0;
}
