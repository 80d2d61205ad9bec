/* SPDX-License-Identifier: MPL-2.0 */
/* What mig-agent check prints: lines for people, or one JSON object; and the
 * part of it that is about rights (checkrights.c). */
#ifndef MIG_AGENT_CMD_CHECKOUT_H
#define MIG_AGENT_CMD_CHECKOUT_H

#include "base/buf.h"
#include "base/jsonw.h"

#include <stdint.h>

struct agent;
struct err;

struct checkout {
	bool json;
	unsigned int problems;
	struct buf said, rights, wrong; /* members and elements of JSON */
};

void checkout_init(struct checkout *c, bool json);
/* "key value". */
void checkout_say(struct checkout *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts and tells it; clears e. */
void checkout_problem(struct checkout *c, struct err *e);
/* Prints the JSON; returns the exit code. */
int checkout_end(struct checkout *c);

/* Has a worker enter its sandbox as in earnest and say what it has then. */
void checkrights(struct checkout *c, const struct agent *a);
/* The table for doc/rights.md. */
void checkrights_table(void);

#endif
