/* SPDX-License-Identifier: MPL-2.0 */
/* What the agent module's parameters ask of the monitor itself: the one thing
 * no worker may do. judge puts it into its verdict. */
#ifndef MIG_MODULES_AGENT_WISH_H
#define MIG_MODULES_AGENT_WISH_H

#include "modules/agent/peers.h"

#include <jansson.h>

/* The ACL's right to ask for it; "default" does not give it. */
#define AGENT_STOP_RIGHT "agentstop"

struct agent_wish {
	uint32_t pid; /* 0: nothing is asked for */
	char version[PEER_VERSION_MAX];
};

/* Of parameters that have passed the module's check. */
void agent_wish(const json_t *params, struct agent_wish *ret);

#endif
