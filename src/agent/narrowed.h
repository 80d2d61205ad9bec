/* SPDX-License-Identifier: MPL-2.0 */
/* What the policy lets a module look at and answer. It depends on no action: it
 * is read before any, and no verdict can widen it (doc/adr/0037). */
#ifndef MIG_AGENT_NARROWED_H
#define MIG_AGENT_NARROWED_H

#include "modules/order.h"

#define NARROWED_MAX 24 /* modules */

struct narrowed {
	uint16_t module; /* number */
	uint8_t detail;  /* of the order, as the next */
	char paths[ORDER_PATHS_MAX];
};

#endif
