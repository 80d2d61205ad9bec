/* SPDX-License-Identifier: MPL-2.0 */
/* The file module's work with a chosen engine, for tests; module_file_run
 * uses the best one. */
#ifndef MIG_MODULES_FILE_RUN_H
#define MIG_MODULES_FILE_RUN_H

#include "modules/run.h"
#include "scan/match.h"

/* Bytes that are to be read before threads are worth their start; tests need
 * less. */
extern uint64_t file_threads_from;

int file_run(const json_t *params, const struct run_context *ctx,
    enum match_engine engine, struct buf *out, struct err *e);

#endif
