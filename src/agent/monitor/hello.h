/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's description of itself, signed (action/hello.h). */
#ifndef MIG_AGENT_MONITOR_HELLO_H
#define MIG_AGENT_MONITOR_HELLO_H

#include "base/buf.h"

struct agent;
struct err;

/* Reads host and addresses again; when they changed, judge is told. */
void hello_refresh(struct agent *a);
/* Once the roles have told what holds them. */
void hello_refresh_sandbox(struct agent *a);
/* Appends a hello of at most HELLO_MAX; ids that do not fit are left out. */
int hello_build(
    struct agent *a, uint64_t connection, struct buf *out, struct err *e);

#endif
