/* SPDX-License-Identifier: MPL-2.0 */
/* A worker for each order of the agent's monitor, by fork. */
#ifndef MIG_WORKER_FORKSERVER_H
#define MIG_WORKER_FORKSERVER_H

#include "modules/order.h"

#include <sys/types.h>

struct err;

#define FORKSERVER_FD 3 /* where the orders come from */

/*
 * Serves orders until the monitor closes its end, and then ends the process.
 * Returns 0 only in the workers: their order in *ret, the document on
 * QUESTION_FD, the answer to standard output, nothing else open.
 *
 * failed is a failure of entering the sandbox, or 0: the first order is
 * answered with e's text then, and the process ends.
 */
int forkserver_run(int failed, struct order *ret, struct err *e);

#endif
