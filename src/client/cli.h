/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Command lines: tables of options drive parsing and help. An option is
 * written -x, --x, --x=v, -x=v or -x v, as in the original; the word after an
 * option that takes a value is its value whatever it looks like.
 */
#ifndef MIG_CLIENT_CLI_H
#define MIG_CLIENT_CLI_H

#include "base/buf.h"

#include <stdbool.h>

struct err;

/* Options and words on one command line: more than a module takes, so that it
 * is the one to say what is too many. */
#define CLI_VALUES_MAX (256 * 1024)

struct opt {
	const char *name;  /* without dashes; NULL ends a table */
	const char *alias; /* a second name, or NULL */
	const char *arg;   /* "FILE", for help; NULL: takes no value */
	const char *help;  /* one line */
};

struct opt_value {
	const struct opt *opt;
	const char *value; /* borrowed from argv; NULL without argument */
};

struct opts {
	struct opt_value *values; /* in the order given; owned */
	size_t n;
	const char **words; /* what is not an option; owned */
	size_t nwords;
	bool help; /* -h, -help, --help */
};

/* tables: NULL-terminated list of tables; the first that knows a name has
 * it. "--" ends the options. Errors name the option and the nearest known
 * one. On failure nothing needs releasing. */
int opts_parse(const struct opt *const *tables, int argc, char *const *argv,
    struct opts *ret, struct err *e);
/* The number of words before the first that is CLI_AND and no option's value:
 * argc when there is none. An unknown option is one without value. */
#define CLI_AND "+"
int opts_segment(const struct opt *const *tables, int argc, char *const *argv);
/* Moves the options of o that are in none of the first n tables behind those
 * of to. */
int opts_collect(const struct opts *o, const struct opt *const *tables,
    size_t n, struct opts *to, struct err *e);
void opts_release(struct opts *o);
/* The last value given; NULL when absent (or without value). */
const char *opts_get(const struct opts *o, const char *name);
bool opts_has(const struct opts *o, const char *name);
/* As opts_get; but ERR_INVALID when it was given twice. */
int opts_once(
    const struct opts *o, const char *name, const char **ret, struct err *e);

/* Lines of help are at most so wide. */
#define CLI_WIDTH 80
/* Appends text and a line's end; the line is at column and what does not fit
 * goes on in lines of its own that begin there. A word is never broken. */
int cli_wrap(struct buf *out, size_t column, const char *text);
/* Appends "  -name ARG   help" lines, aligned. */
int opts_help(const struct opt *table, struct buf *out);

/* Edit distance (insert, delete, replace, swap), at most max + 1. */
size_t cli_distance(const char *a, const char *b, size_t max);
/* The nearest of n words when it is near enough to be meant, else NULL. */
const char *cli_nearest(const char *word, const char *const *known, size_t n);

#endif
