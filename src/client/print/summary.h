/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The numbers of an investigation, the reasons behind them, its last lines
 * and its exit code.
 */
#ifndef MIG_CLIENT_PRINT_SUMMARY_H
#define MIG_CLIENT_PRINT_SUMMARY_H

#include "client/ask/groups.h"

#include <stdbool.h>
#include <stdio.h>

/* Exit codes of every command (mig(1)). */
#define EXIT_FOUND 0    /* all answered, found; other commands: done */
#define EXIT_NOTFOUND 1 /* all answered, looked at everything: not there */
#define EXIT_ERROR 2    /* could not be asked, or wrong usage */
#define EXIT_INCOMPLETE                                        \
	3 /* an answer is missing or failed (found or not), or \
	     nothing was found and not everything was seen */

struct summary {
	int64_t expected; /* agents; -1: not known */
	int64_t done;     /* ran every operation */
	int64_t found;    /* of these and the failed: found something */
	int64_t failed;   /* an operation failed or was stopped */
	int64_t refused;
	int64_t partial;   /* done, but not everything could be examined */
	int64_t absent;    /* lacked a place that was asked for */
	int64_t forged;    /* what did not verify; no answers */
	int64_t firstseen; /* agents this client has never seen before */
	bool interrupted;
	struct groups refusals, failures, partials, missing; /* reason: names */
	struct groups errors;  /* of what failed, beside the reason */
	struct groups marks;   /* of answers, by client/trust/trust.h: names */
	struct groups leftout; /* known here, not asked by the server */
};

void summary_init(struct summary *s);
void summary_release(struct summary *s);
/* Counts one more under a reason; a full table counts without names. */
void summary_add(struct groups *g, const char *reason, const char *name);
/* Empties the list of those who did not answer, to be filled anew. */
void summary_forget_missing(struct summary *s);
/* Answers that count: done, failed and refused. */
int64_t summary_answered(const struct summary *s);
int64_t summary_unanswered(const struct summary *s);
int summary_exit(const struct summary *s);
/* Appends the lines for people; names_max names a reason (0: all). */
int summary_text(struct summary *s, size_t names_max, struct buf *out);
/* Appends {"summary": true, "id": ..., "sent": n, ...} and a newline. */
int summary_json(struct summary *s, const char *action, struct buf *out);

#endif
