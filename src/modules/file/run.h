/* SPDX-License-Identifier: MPL-2.0 */
/* The file module's work with a chosen engine, for tests; module_file_run
 * uses the best one. */
#ifndef MIG_MODULES_FILE_RUN_H
#define MIG_MODULES_FILE_RUN_H

#include "modules/run.h"
#include "scan/match.h"

int file_run(const json_t *params, const struct run_context *ctx,
    enum match_engine engine, struct buf *out, struct err *e);

#endif
