/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which of some or many literals stand in a piece of text, and where: the sieve
 * before expressions. Made in linear time (10,000 in about a millisecond) and
 * small, where an automaton for thousands of expressions takes seconds and more
 * memory than a worker has.
 *
 * Of many literals four windows of LITERAL_MIN bytes that follow one another
 * are taken, those that are rarest, so that only every fourth place of a text
 * is looked at (one window, and every place, for literals shorter than that,
 * and where there are few). What of a text may be a window, scan/sift.h says; a
 * bit map in the cache says which windows occur at all, a table which literals
 * have them, and those are compared.
 */
#ifndef MIG_SCAN_LITERALS_H
#define MIG_SCAN_LITERALS_H

#include "scan/sift.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct literals;

#define LITERAL_MIN 4

struct literal {
	const uint8_t *bytes; /* borrowed until literals_new() returns */
	size_t len;           /* at least LITERAL_MIN */
};

/* A literal stands in the text from this offset on. False: no more of them. */
typedef bool literal_found(uint32_t number, size_t at, void *arg);

/* NULL: out of memory. */
struct literals *literals_new(const struct literal *list, size_t n);
void literals_free(struct literals *l);
/* Calls found for each place of each literal in the text, in no order. */
void literals_scan(const struct literals *l, const void *text, size_t len,
    literal_found *found, void *arg);

/* For tests: from now on new ones use no better instructions than these. */
void literals_limit(enum sift_cpu at_most);

#endif
