/* SPDX-License-Identifier: MPL-2.0 */
/* Hexadecimal and base64 (RFC 4648), strict in both directions. */
#ifndef MIG_BASE_HEX_H
#define MIG_BASE_HEX_H

#include "base/buf.h"

/* out has room for 2 * len + 1. Lower case. */
void hex_encode(const void *data, size_t len, char *out);
/* Exactly 2 * len digits of any case, then the end of the string; ERR_INVALID
 * leaves out untouched. */
int hex_decode(const char *s, void *out, size_t len);

/* Standard alphabet with padding; appended without line breaks. */
int b64_encode(struct buf *out, const void *data, size_t len);
/* Refuses white space, missing or superfluous padding and non-zero trailing
 * bits. Appends to out. */
int b64_decode(struct buf *out, const char *s, size_t len);

#endif
