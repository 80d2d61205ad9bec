/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the timedrift module, for its check and its work.
 *
 *   {"drift": "duration", "servers": ["host[:port]"], "timeout": seconds}
 */
#ifndef MIG_MODULES_TIMEDRIFT_QUESTION_H
#define MIG_MODULES_TIMEDRIFT_QUESTION_H

#include "modules/module.h"

#include <jansson.h>

struct err;

#define TIMEDRIFT_SERVERS_MAX 16
#define TIMEDRIFT_TIMEOUT_MAX 60 /* seconds */

extern const struct param timedrift_params[];
/* Complete: everything run.c relies on. */
int timedrift_check(const json_t *params, struct err *e);
/* The most that a clock may be off, in nanoseconds; false: it is not asked for.
 * Of parameters that have passed the check, as the next. */
bool timedrift_limit(const json_t *params, int64_t *ret_ns);
int64_t timedrift_timeout(const json_t *params); /* seconds */
/* As the original's language writes them: a sequence of decimal numbers with
 * units, "1m30.5s", "250ms"; units are h, m, s, ms, us, µs, ns. Not negative.
 */
int timedrift_duration(const char *text, int64_t *ret_ns, struct err *e);

#endif
