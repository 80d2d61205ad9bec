/* SPDX-License-Identifier: MPL-2.0 */
/* A list of regular expressions over short texts (names, versions, paths): does
 * one of them match? All in one pass; 10,000 are fine. */
#ifndef MIG_MODULES_COMMON_TEXTMATCH_H
#define MIG_MODULES_COMMON_TEXTMATCH_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct match;
struct match_state;

struct textmatch {
	struct match *match;
	struct match_state *state;
};

/* The expressions have passed the module's check. An error names field[i]
 * when it is about one of them. */
int textmatch_init(struct textmatch *t, const char *field,
    const char *const *regexes, size_t n, struct err *e);
void textmatch_release(struct textmatch *t);
/* False with *unknown set: why that is not known; else it is left alone. */
bool textmatch_any(struct textmatch *t, const char *text, const char **unknown);
const char *textmatch_engine(const struct textmatch *t);

#endif
