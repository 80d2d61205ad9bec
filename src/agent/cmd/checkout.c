/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/cmd/checkout.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define OUT_MAX (1024 * 1024)

void
checkout_init(struct checkout *c, bool json)
{
	memset(c, 0, sizeof(*c));
	c->json = json;
	buf_init(&c->said, OUT_MAX);
	buf_init(&c->rights, OUT_MAX);
	buf_init(&c->wrong, OUT_MAX);
}

static void
add(struct buf *list, const char *key, const char *value)
{
	struct jsonw w;

	jsonw_init(&w, list);
	w.comma = list->len > 0;
	jsonw_str(&w, key, value);
}

void
checkout_say(struct checkout *c, const char *key, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->json)
		add(&c->said, key, text);
	else
		printf("%s %s\n", key, text);
}

void
checkout_problem(struct checkout *c, struct err *e)
{
	fprintf(stderr, "mig-agent: %s\n", e->msg);
	if (c->json)
		add(&c->wrong, NULL, e->msg);
	err_clear(e);
	c->problems++;
}

static void
print_list(const char *key, const char *ends, const struct buf *b)
{
	printf("\"%s\": %c", key, ends[0]);
	fwrite(b->data, 1, b->len, stdout);
	putchar(ends[1]);
}

int
checkout_end(struct checkout *c)
{
	if (c->json) {
		putchar('{');
		print_list("facts", "{}", &c->said);
		fputs(",\n", stdout);
		print_list("rights", "[]", &c->rights);
		fputs(",\n", stdout);
		print_list("problems", "[]", &c->wrong);
		fputs("}\n", stdout);
	}
	buf_release(&c->said);
	buf_release(&c->rights);
	buf_release(&c->wrong);
	return c->problems > 0 ? 1 : 0;
}
