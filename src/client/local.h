/* SPDX-License-Identifier: MPL-2.0 */
/* -t local: mig-worker on this machine. */
#ifndef MIG_CLIENT_LOCAL_H
#define MIG_CLIENT_LOCAL_H

#include "base/buf.h"

#include <jansson.h>

struct err;

#define LOCAL_OUTPUT_MAX (64u * 1024 * 1024)

/* Runs one operation; appends its answer (or, when it failed, its words) to
 * out and sets *ret_status (enum part_status). An error when the worker could
 * not be run at all. */
int local_run(const char *module, const json_t *parameters, struct buf *out,
    unsigned int *ret_status, struct err *e);

#endif
