/* SPDX-License-Identifier: MPL-2.0 */
/* Examining one envelope at a time: known already? who signed? may it run? may
 * it cancel? */
#ifndef MIG_AGENT_MONITOR_EXAM_H
#define MIG_AGENT_MONITOR_EXAM_H

#include "agent/messages.h"

struct agent;

/* Refused actions, and those of other targets, that a day's own record has one
 * by one of each person (agent/store/daybook.h); those beyond are counted
 * there, and their answers are not stored. Accepted ones all stand there. */
#define REFUSED_DAY 1000

/* EXAM_POLICY is none: such an envelope is chain.h's. */
enum exam_source { EXAM_ALL = 0, EXAM_IN = 1, EXAM_ONCE = 2, EXAM_POLICY = 3 };

struct exam *exam_new(struct agent *a);
void exam_free(struct exam *x);
bool exam_busy(const struct exam *x);
/* Takes a copy of the pieces (messages.h). The net channel is paused until
 * the examination ends. ERR_INVALID when they are malformed, ERR_BUSY while
 * another is examined. */
int exam_submit(
    struct exam *x, enum exam_source source, const void *pieces, size_t len);
/* The same with a cancel. */
int exam_submit_cancel(struct exam *x, const void *pieces, size_t len);
/* An announced action: true when it is unknown and should be pulled. A known
 * one gets its answer again. */
bool exam_wanted(struct exam *x, enum exam_source source, const struct id *id);
/* Why none of them counts, for people. */
void
exam_explain_signers(const struct verify_verdict *v, char *out, size_t size);

#endif
