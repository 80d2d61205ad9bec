/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which of many literals may stand in a piece of text: the sieve before
 * thousands of expressions. Made in linear time (10,000 in about a
 * millisecond) and small, where an automaton for all expressions takes
 * seconds and more memory than a worker has.
 *
 * Of each literal four windows of LITERAL_MIN bytes that follow one another are
 * taken, those that the others have least, so that only every fourth place of
 * a text is looked at (one window, and every place, for literals shorter than
 * that); a bit map in the cache says which windows occur at all, a table which
 * literals have them, and those are compared.
 */
#ifndef MIG_SCAN_LITERALS_H
#define MIG_SCAN_LITERALS_H

#include <stddef.h>
#include <stdint.h>

struct literals;

#define LITERAL_MIN 4

struct literal {
	const uint8_t *bytes; /* borrowed until literals_new() returns */
	size_t len;           /* at least LITERAL_MIN */
};

/* NULL: out of memory. */
struct literals *literals_new(const struct literal *list, size_t n);
void literals_free(struct literals *l);
/* Calls found for each place of each literal in the text, in no order. */
void literals_scan(const struct literals *l, const void *text, size_t len,
    void (*found)(uint32_t number, void *arg), void *arg);

#endif
