/* SPDX-License-Identifier: MPL-2.0 */
/* Time: milliseconds since the epoch, monotonic milliseconds, RFC 3339. */
#ifndef MIG_BASE_CLOCK_H
#define MIG_BASE_CLOCK_H

#include "base/err.h"

#include <stdint.h>

/* Milliseconds since 1970-01-01T00:00:00Z by the wall clock. */
int64_t clock_wall_ms(void);
/* Milliseconds of a clock that never jumps; for time-outs and rates. */
int64_t clock_mono_ms(void);

#define RFC3339_LEN 20 /* 2026-11-23T03:44:11Z */
/* Writes whole seconds in UTC; years 0 to 9999, others are clamped. */
void rfc3339_format(int64_t unix_seconds, char out[RFC3339_LEN + 1]);
/* RFC 3339 section 5.6 with any offset and fraction (fractions are dropped);
 * leap seconds count as second 59. ERR_INVALID on anything else. */
int rfc3339_parse(const char *s, int64_t *ret_unix_seconds);

/* "90", "90s", "15m", "2h", "7d" or a sequence ("1h30m"); a bare number is
 * seconds. 1 s to 10 years, else ERR_INVALID. */
int duration_parse(const char *s, int64_t *ret_seconds);
/* The value of an option, which must have a unit: "365" may mean anything.
 * option: as the user writes it; expected: for the message, ends in the unit
 * that is most likely meant. */
int duration_option(const char *option, const char *s, const char *expected,
    int64_t *ret_seconds, struct err *e);
/* Shortest of the same form: "90s" -> "1m30s". */
void duration_format(int64_t seconds, char out[32]);

#endif
