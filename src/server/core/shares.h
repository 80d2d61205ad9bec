/* SPDX-License-Identifier: MPL-2.0 */
/* Core: requests about keys of actions that were handed on. */
#ifndef MIG_SERVER_CORE_SHARES_H
#define MIG_SERVER_CORE_SHARES_H

#include <stdint.h>

struct core;
struct rd;

void share_request(struct core *c, uint32_t request, struct rd *rd);
void share_remove_request(struct core *c, uint32_t request, struct rd *rd);

#endif
