/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Regular expressions in RE2's syntax: parsed and checked here without any
 * engine, and written out as a pattern over bytes that Hyperscan and PCRE2
 * read alike (bytes as \xNN, classes, groups, greedy repeats, anchors).
 *
 * Characters are UTF-8. A byte of 0x80 and above that starts no character
 * counts as one character of its own for "." and negated classes, and \xNN
 * with NN >= 80 means the byte NN as well as the character U+00NN. The only
 * approximation: "." and negated classes may also take one byte of a longer
 * character, so a fixed number of them can match less text than in RE2; they
 * never match less often. Case folding of ASCII letters stays within ASCII.
 */
#ifndef MIG_MODULES_REGEX_H
#define MIG_MODULES_REGEX_H

#include "base/buf.h"

struct err;
struct regex;

#define REGEX_MAX 65536 /* bytes of source */

/* ERR_INVALID names the construct and where it stands (byte, from 1). */
int regex_parse(const char *source, struct regex **ret, struct err *e);
void regex_free(struct regex *r);
/* Whether regex_parse would take it, in time that grows with the length of
 * source alone. *ret_cost: about how many ranges of characters and nodes an
 * engine gets for it, counted repeats written out. */
int regex_check(const char *source, uint64_t *ret_cost, struct err *e);

enum regex_form {
	/* One short text: \A and \z are its ends, newlines are ordinary. */
	REGEX_TEXT,
	/* Many lines, each ended by \n, none of which is ever matched across:
	 * for engines in multi-line mode. A match ends within its line. */
	REGEX_LINES,
	/* The same, but every match goes on to the end of its line and takes
	 * the newline: exactly one end of match for each matching line. */
	REGEX_WHOLE_LINES,
};

/* Takes from both ends what may as well not be there: repeats go down to what
 * they need ("a.*" becomes "a"). What matches still does, and the first match
 * ends where the shortest one does. */
void regex_trim(struct regex *r);

/* Appends the pattern. ERR_NOTFOUND: it can never match in this form and
 * nothing was appended. */
int regex_write(const struct regex *r, enum regex_form form, struct buf *out);
/* The longest run of ASCII characters that stands in every match; its length,
 * 0 when there is none. It contains no newline. */
#define REGEX_LITERAL_MAX 32
size_t
regex_literal(const struct regex *r, uint8_t ret[static REGEX_LITERAL_MAX]);
/* Texts one of which stands in every match, in one piece and without a newline
 * (bytes, not characters: upper and lower case, branches and small classes
 * written out). */
#define REGEX_NEEDLES_MAX 16
#define REGEX_NEEDLE_MIN 4
struct regex_needles {
	size_t n;      /* 0: no such texts are known */
	size_t before; /* most bytes of a match before the first one in it;
			  SIZE_MAX: any number */
	struct {
		uint8_t len; /* REGEX_NEEDLE_MIN or more */
		uint8_t bytes[REGEX_LITERAL_MAX];
	} list[REGEX_NEEDLES_MAX];
};
void regex_needles(const struct regex *r, struct regex_needles *ret);
/* Whether it is nothing but that text, REGEX_LITERAL_MAX bytes at most, with or
 * without ^ before and $ after it. */
bool
regex_is_plain(const struct regex *r, bool *ret_at_begin, bool *ret_at_end);
/* What matches nearly everything as a REGEX_TEXT, and needs no engine. */
enum regex_any {
	REGEX_ANY_NOT,
	REGEX_ANY_TEXT,      /* each text, the empty one too: ".*" */
	REGEX_ANY_CHARACTER, /* each with a byte that is no newline: "." */
};
enum regex_any regex_any(const struct regex *r);
/* The most bytes that a match in a REGEX_TEXT can have; SIZE_MAX: any number.
 */
size_t regex_longest(const struct regex *r);
/* Whether it matches, as a REGEX_TEXT, one of the texts of n characters of
 * which each is one of two: those of either[i], ASCII and no newline. True as
 * well where that would take too long to find out, or depends on \b or \B. */
#define REGEX_EITHER_MAX 30
struct regex_either {
	char one, other;
};
bool regex_can_match(
    const struct regex *r, const struct regex_either *either, size_t n);
/* May match without taking a byte: use REGEX_WHOLE_LINES for lines. */
bool regex_is_nullable(const struct regex *r);

#endif
