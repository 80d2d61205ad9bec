/* SPDX-License-Identifier: MPL-2.0 */
/* The days of this agent (agent/store/daybook.h), and what its own record says
 * of what they only counted: one note of a person when it begins, one with the
 * number when the day is over. */
#ifndef MIG_AGENT_MONITOR_DAYS_H
#define MIG_AGENT_MONITOR_DAYS_H

#include "agent/store/daybook.h"

struct agent;

enum day_of {
	DAY_CANCELS, /* of actions that are not here */
	DAY_REFUSED, /* actions that somebody known signed */
	DAYS_MAX
};

/* May one more be kept that they have signed? It is counted. */
bool days_take(struct agent *a, enum day_of what, const struct signed_by *by,
    unsigned int most);
/* Tells what is over; sees to it that the others are told then. */
void days_house(struct agent *a);
/* The agent ends: tells all. */
void days_end(struct agent *a);

#endif
