/* SPDX-License-Identifier: MPL-2.0 */
/* A worker that waits for orders of the agent's monitor, on one socket. */
#ifndef MIG_WORKER_SERVE_H
#define MIG_WORKER_SERVE_H

#include "modules/order.h"

struct err;

#define SERVE_FD 4 /* where the orders come from; QUESTION_FD is 3 */

/*
 * Waits for the next order: *ret, a long document on QUESTION_FD, standard
 * output and standard error into the file for the answer. A document in *ret
 * is there until serve_done. ERR_CLOSED: the monitor wants no more.
 */
int serve_next(struct order *ret, struct err *e);

/* From now on bytes from outside are in other hands than our own: this process
 * takes no further order, whatever it says later. Once; errors end it. */
void serve_spent(void);
bool serve_is_spent(void);

/* Says the answer, of at most ORDER_SHORT_MAX bytes, or that it is written
 * (len 0), when nothing else of this order is left. */
int serve_done(const void *answer, size_t len, struct err *e);

#endif
