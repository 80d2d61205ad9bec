/* SPDX-License-Identifier: MPL-2.0 */
/* Strings: checked numbers, UTF-8, text made safe for a terminal. */
#ifndef MIG_BASE_STR_H
#define MIG_BASE_STR_H

#include "base/buf.h"

/* Copies with a terminator; false (and cut) when it does not fit. */
bool str_copy(char *out, size_t size, const char *s);
bool str_starts(const char *s, const char *prefix);
/* Are these bytes just that word? NULL is none. */
bool str_is(const void *s, size_t len, const char *word);
/* Decimal digits only, no sign, no space, within min..max; else ERR_INVALID. */
int str_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* Edit distance (insert, delete, replace) of two short words; SIZE_MAX when one
 * is longer than 64 bytes. For "did you mean". */
size_t str_distance(const char *a, const char *b);
/* For "did you mean": which of near (NULL: none yet) and name word is nearer
 * to; NULL where both are too far. */
const char *str_nearer(const char *word, const char *near, const char *name);
/* Bytes for people: "64 MB", "1 GB" (powers of 1024) when even, else "N bytes".
 */
#define STR_SIZE_MAX 32
void str_size(uint64_t bytes, char out[static STR_SIZE_MAX]);
/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(const void *s, size_t len);
/* Appends s for a terminal: control characters (C0, DEL, C1), invalid UTF-8
 * and bidirectional controls become \xNN or \u{N}; one line, nothing that
 * moves the cursor. */
int str_add_printable(struct buf *out, const void *s, size_t len);
/* Appends text in which lines and tabs are meant, or JSON: what could move a
 * cursor or change how its neighbours are shown becomes \uNNNN, which in JSON
 * is the same; invalid UTF-8 becomes U+FFFD. */
int str_add_safe(struct buf *out, const void *s, size_t len);
/* Appends s where a person decides by it: as printable, and every letter that
 * is not ASCII, and so may look like one, as \u{N}. */
int str_add_plain(struct buf *out, const void *s, size_t len);
/* The same for text in any language: as it is, but for what could be taken for
 * something else. \u{N} stands for each character that is treacherous, a space
 * or sign beyond ASCII, a letter in another dress (full width, mathematical),
 * and for those of Greek, Cyrillic and the like in a word that has Latin ones
 * too, or none that is told from Latin, and for letters from right to left
 * beside digits and slashes, which are drawn in another order. \x20 stands for
 * spaces at its ends and for all but the first of several. *marked becomes true
 * when there was something (also \xNN). */
int str_add_marked(struct buf *out, const void *s, size_t len, bool *marked);
/* Appends one code point as JSON writes it: \uNNNN, or a pair of them. */
int str_add_escape(struct buf *out, uint32_t cp);
/* Length (1..4) and value of the UTF-8 sequence at s; 0: there is none. */
size_t str_utf8(const void *s, size_t len, uint32_t *ret_cp);
/* Is it a character that moves the cursor, changes how its neighbours are
 * shown, or cannot be seen at all? */
bool str_is_treacherous(uint32_t cp);

#endif
