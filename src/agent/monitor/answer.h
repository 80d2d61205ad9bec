/* SPDX-License-Identifier: MPL-2.0 */
/* Making answers: sealed, signed, on the disk, then in the sender's queue. */
#ifndef MIG_AGENT_MONITOR_ANSWER_H
#define MIG_AGENT_MONITOR_ANSWER_H

#include "action/result.h"
#include "agent/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct answers;
struct err;
struct job;

/* What an answer needs on the disk beside its sealed bytes. */
#define ANSWER_EXTRA (RESULT_HEADER_LEN + IDENTITY_SIG_LEN)

struct answers *answers_new(struct agent *a);
/* Tries once more to store what waits for the disk. */
void answers_free(struct answers *s);
/* Bytes, and how many, that wait for the disk. */
uint64_t answers_bytes(const struct answers *s);
size_t answers_waiting(const struct answers *s);

/* Every operation of the job has ended. */
void answer_job(struct agent *a, const struct job *job);
/* A verified action that is not run. expires: when the action ends. */
void answer_refuse(
    struct agent *a, const struct id *id, unsigned int reason, int64_t expires);
/* Started before a restart, its fate unknown: it is not run again. cancelled:
 * by whom it was, or NULL. */
void answer_interrupted(
    struct agent *a, const struct judge_verdict *v, const char *cancelled);
/* Is the answer in the spool what this agent has once signed? */
bool answer_intact(struct agent *a, const struct id *id);
/* It is not: it gives way to a refusal that says so, in spool and queue. */
void answer_damaged(struct agent *a, const struct id *id);
/* A refusal that is sent once and stored nowhere: of an action nobody known
 * signed, of one refused before, or when the disk takes nothing. The caller
 * bounds how often. */
void answer_unstored(struct agent *a, const struct id *id, unsigned int reason);

#endif
