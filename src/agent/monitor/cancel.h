/* SPDX-License-Identifier: MPL-2.0 */
/* What a verified cancel does to this agent. */
#ifndef MIG_AGENT_MONITOR_CANCEL_H
#define MIG_AGENT_MONITOR_CANCEL_H

#include "agent/messages.h"

struct agent;

/* Remembers it, on the disk first, and ends what it is about: workers that run
 * are stopped, what waits is refused. Its signers must be some of the action's
 * or have the right; one of an action that is not known yet waits for it. */
void cancel_take(struct agent *a, const struct cancel_verdict *v,
    const struct verify_verdict *who);

#endif
