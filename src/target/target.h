/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Targets: an SQL condition over the one row that describes an endpoint,
 * evaluated by SQLite in memory, by scheduler and agent alike (doc/protocol.md
 * section 7). Only the listed functions; LIKE is case-
 * sensitive; double-quoted strings are off; every fact is text.
 */
#ifndef MIG_TARGET_TARGET_H
#define MIG_TARGET_TARGET_H

#include <stdbool.h>

struct err;

#define TARGET_CONDITION_MAX 4096 /* bytes */

struct target_row { /* every field is a terminated string; borrowed */
	const char *id, *name, *os, *arch, *ident, *version, *mode;
	const char *environment, *tags; /* JSON objects of strings */
	const char *addresses;          /* JSON array of strings */
};

struct target_engine; /* one in-memory database, reusable, not shared */
struct target;        /* one prepared condition */

/* memory: SQLite's hard heap limit in bytes (0: 16 MiB; negative: none is set).
 * It is a limit of the process; the first engine sets it. */
struct target_engine *target_engine_new(long memory, struct err *e);
void target_engine_free(struct target_engine *t);

/* Compiles the condition; ERR_INVALID names what is wrong with it. "all" and
 * "" are every endpoint. */
int target_prepare(struct target_engine *t, const char *condition,
    struct target **ret, struct err *e);
void target_free(struct target *t);
/* True or false in *ret; NULL, text or an error while evaluating is
 * ERR_INVALID. */
int target_match(
    struct target *t, const struct target_row *row, bool *ret, struct err *e);

#endif
