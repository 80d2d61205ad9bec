/* SPDX-License-Identifier: MPL-2.0 */
/* Core: the end of an action before its time; see cancel.c. */
#ifndef MIG_SERVER_CORE_CANCEL_H
#define MIG_SERVER_CORE_CANCEL_H

#include <stdint.h>

struct core;
struct err;
struct rd;
struct run;

void cancel_request(struct core *c, uint32_t request, struct rd *rd);
/* Of an action that was cancelled before this start. */
int cancel_load(struct core *c, struct run *r, struct err *e);

#endif
