/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Writing JSON (RFC 8259) straight into a buffer, for programs that never
 * parse it. Commas are put by the writer; nesting is the caller's business.
 * Failures are remembered in the buffer. Bytes that are not UTF-8 are written
 * as U+FFFD; who must not lose them adds them in hexadecimal beside.
 */
#ifndef MIG_BASE_JSONW_H
#define MIG_BASE_JSONW_H

#include "base/buf.h"

struct jsonw {
	struct buf *out; /* borrowed */
	bool comma;      /* a value stands before this place */
};

void jsonw_init(struct jsonw *w, struct buf *out);
/* key NULL: an array element or the outermost value. */
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_array_end(struct jsonw *w);
void jsonw_str(struct jsonw *w, const char *key, const char *value);
void
jsonw_strn(struct jsonw *w, const char *key, const void *value, size_t len);
void jsonw_i64(struct jsonw *w, const char *key, int64_t value);
void jsonw_u64(struct jsonw *w, const char *key, uint64_t value);
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);
/* ms since 1970, written as RFC 3339 in whole seconds. */
void jsonw_time(struct jsonw *w, const char *key, int64_t ms);
/* A value that is JSON already. */
void jsonw_raw(struct jsonw *w, const char *key, const void *json, size_t len);

#endif
