/* SPDX-License-Identifier: MPL-2.0 */
/* What mig-agent check prints: lines for people, or one JSON object; and the
 * part of it that is about rights (checkrights.c). */
#ifndef MIG_AGENT_CMD_CHECKOUT_H
#define MIG_AGENT_CMD_CHECKOUT_H

#include "base/buf.h"
#include "base/jsonw.h"

#include <stdint.h>
#include <sys/types.h>

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

/* What a process says that start starts with this output; it has some seconds.
 */
typedef int
checkout_start(const struct agent *a, int out, pid_t *ret_pid, struct err *e);
int checkout_ask(const struct agent *a, const char *name, checkout_start *start,
    struct buf *ret_text, int *ret_status, struct err *e);
/* A program of ours with its output there, and in where it finds its channel;
 * -1: none. */
int checkout_spawn(const char *path, char *const *argv, int out, int in,
    pid_t *ret_pid, struct err *e);

/* Is the certificate good, and the relay there? */
void checkrelay(struct checkout *c, struct agent *a);
/* Has a worker enter its sandbox as in earnest and say what it has then. */
void checkrights(struct checkout *c, const struct agent *a);
/* The table for doc/rights.md. */
void checkrights_table(void);

#endif
