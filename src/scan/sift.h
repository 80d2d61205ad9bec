/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The first look of the sieve (scan/literals.h): where in a text may one of
 * many windows of four bytes stand? A window is in one of eight groups; for
 * each of its bytes tables say which groups have one with this lower, this
 * upper half of the byte, or with these lower six bits. What is left after all
 * tables may be a window, and is looked up by who asked; no window is ever
 * missed.
 *
 * With the vector instructions of the processor alone: which, is found out when
 * a program runs.
 */
#ifndef MIG_SCAN_SIFT_H
#define MIG_SCAN_SIFT_H

#include <stddef.h>
#include <stdint.h>

#define SIFT_WINDOW 4
#define SIFT_GROUPS 8
/* A step looks at so many bytes, and may find as many places. */
#define SIFT_STEP 64
/* Bytes that must be left behind the place where a step begins. */
#define SIFT_NEEDS (SIFT_STEP + SIFT_WINDOW - 1)

/* A bit a group, by byte of the window and what of it is looked at. */
struct sift {
	uint8_t low[SIFT_WINDOW][16], high[SIFT_WINDOW][16];
	uint8_t six[SIFT_WINDOW][64];
};

/* Looks at text from *at on, in steps, until fewer than SIFT_NEEDS bytes of len
 * are left or there is no room for another step in places; *at is where it
 * stopped. Returns how many places were found, in order. */
typedef size_t sift_run(const struct sift *s, const uint8_t *text, size_t len,
    size_t *at, uint32_t *places, size_t room);

/* What the processor must have; for tests, to leave the best out. */
enum sift_cpu { SIFT_NONE, SIFT_AVX2, SIFT_AVX512 };

/* Every place of a text, or only each fourth from *at on. NULL: this processor
 * has nothing for it, or not what at_most says. */
sift_run *sift_every(enum sift_cpu at_most);
sift_run *sift_fourth(enum sift_cpu at_most);

#endif
