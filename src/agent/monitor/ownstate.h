/* SPDX-License-Identifier: MPL-2.0 */
/* What the agent says of itself to a worker of the agent module, and the one
 * thing that module asks of the monitor: to have another agent of this host
 * end. */
#ifndef MIG_AGENT_MONITOR_OWNSTATE_H
#define MIG_AGENT_MONITOR_OWNSTATE_H

#include "modules/order.h"

struct agent;
struct judge_verdict;

/* Of operation op, right before its worker is ordered: does what the verdict
 * says is asked for (once: the journal has the action as started) and fills
 * o->state. */
void ownstate_fill(struct agent *a, const struct judge_verdict *v,
    unsigned int op, struct order *o);

#endif
