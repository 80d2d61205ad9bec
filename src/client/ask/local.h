/* SPDX-License-Identifier: MPL-2.0 */
/* -t local: mig-worker on this machine. */
#ifndef MIG_CLIENT_ASK_LOCAL_H
#define MIG_CLIENT_ASK_LOCAL_H

#include "base/buf.h"

#include <jansson.h>

struct err;

#define LOCAL_OUTPUT_MAX (64u * 1024 * 1024)

/* One operation and what came of it. */
struct local_op {
	const char *module;
	const json_t *parameters;
	struct buf out;      /* its answer; its words when it failed. Made and
				released by the caller */
	unsigned int status; /* enum part_status */
};

/* Runs all of them side by side, a few at a time. An error when one could not
 * be run at all: then none goes on. */
int local_run(struct local_op *ops, size_t n, struct err *e);

#endif
