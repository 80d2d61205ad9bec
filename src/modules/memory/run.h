/* SPDX-License-Identifier: MPL-2.0 */
/* The memory module's work with a chosen engine, for tests. */
#ifndef MIG_MODULES_MEMORY_RUN_H
#define MIG_MODULES_MEMORY_RUN_H

#include "modules/run.h"
#include "scan/match.h"

/* Bytes that were read before threads are worth their start; tests need less.
 */
extern uint64_t memory_threads_from;

int memory_run(const json_t *params, const struct run_context *ctx,
    enum match_engine engine, struct buf *out, struct err *e);

#endif
