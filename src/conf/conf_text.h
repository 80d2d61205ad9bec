/* SPDX-License-Identifier: MPL-2.0 */
/* The text side of a configuration: words of a line, values, suggestions.
 * Private to conf/. */
#ifndef MIG_CONF_CONF_TEXT_H
#define MIG_CONF_CONF_TEXT_H

#include "conf/conf.h"

#include <stdbool.h>

#define CONF_WORDS_MAX 64

struct conf_words {
	size_t n;
	char *word[CONF_WORDS_MAX]; /* point into text */
	char *text;                 /* owned */
};

/* Splits one line (without its line end); e's message has no place in it. */
int conf_words_split(
    const char *line, size_t len, struct conf_words *w, struct err *e);
void conf_words_release(struct conf_words *w);

/* The nearest key of the table, or NULL when none is near. */
const char *
conf_nearest(const struct conf_entry *table, size_t n, const char *key);

int conf_parse_bool(const char *s, bool *ret);
/* With an optional leading minus; ERR_INVALID when it does not fit. */
int conf_parse_int(const char *s, int64_t *ret);
int conf_parse_size(const char *s, uint64_t *ret);
/* duration_parse, and "0". */
int conf_parse_duration(const char *s, int64_t *ret);

/* Appends the word so that conf_words_split reads it back. ERR_INVALID when
 * it cannot be written (not UTF-8). */
int conf_add_word(struct buf *out, const char *s);

/* Adds copies; ERR_NOMEM leaves the list as it was. */
int conf_list_add(struct conf_list *l, const char *item);
int conf_map_add(struct conf_map *m, const char *key, const char *value);
void conf_list_clear(struct conf_list *l);
void conf_map_clear(struct conf_map *m);

#endif
