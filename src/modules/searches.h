/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How answers of modules that ask by searches (file, memory) are shown: each
 * member of "elements" is a list of what one search found. The answer comes
 * from outside: missing or wrong members are passed over.
 */
#ifndef MIG_MODULES_SEARCHES_H
#define MIG_MODULES_SEARCHES_H

#include "modules/module.h"

/* What one kind of check is called: JSON field; flag, and word of printers. */
struct search_kind {
	const char *field, *word;
};

struct searches_view {
	const char *module;
	const struct search_kind *kinds;
	size_t nkinds;
	/* What was found; "": this search found nothing. */
	const char *(*name)(const json_t *match);
	/* Appends what is told of it: text, and columns of a CSV. */
	void (*text)(struct buf *out, const json_t *match);
	void (*columns)(struct buf *out, const json_t *match);
};

/* As struct module's print and csv. */
int searches_print(const struct searches_view *v, const json_t *result,
    const char *prefix, enum print_show show, struct buf *out, struct err *e);
int searches_csv(const struct searches_view *v, const json_t *result,
    const char *prefix, struct buf *out, struct err *e);
/* Appends a comma and the text as a CSV field. */
void searches_column(struct buf *out, const char *s);

#endif
