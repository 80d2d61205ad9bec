/* SPDX-License-Identifier: MPL-2.0 */
/* Making answers: sealed, signed, on the disk, then in the sender's queue. */
#ifndef MIG_AGENT_ANSWER_H
#define MIG_AGENT_ANSWER_H

#include "agent/messages.h"

struct agent;
struct job;

/* Every operation of the job has ended. */
void answer_job(struct agent *a, const struct job *job);
/* A verified action that is not run. expires: when the action ends. */
void answer_refuse(
    struct agent *a, const struct id *id, unsigned int reason, int64_t expires);
/* Started before a restart, its fate unknown: it is not run again. */
void answer_interrupted(struct agent *a, const struct judge_verdict *v);
/* An action nobody known signed: sent once, stored nowhere. */
void answer_stranger(struct agent *a, const struct id *id, unsigned int reason);

#endif
