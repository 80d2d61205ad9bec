/* SPDX-License-Identifier: MPL-2.0 */
/* One operation of one document, done by the worker process of a place. */
#ifndef MIG_AGENT_MONITOR_WORKER_H
#define MIG_AGENT_MONITOR_WORKER_H

#include "modules/order.h"

#include <stddef.h>
#include <stdint.h>

struct cgroup;
struct err;
struct proc_loop;
struct standby;
struct worker;

/* status is one of enum part_status; data is owned by the receiver. Called
 * from the loop; the worker is gone and freed then. */
typedef void
worker_on_end(uint8_t status, uint8_t *data, size_t len, void *arg);

/* The document, in the order or sealed in doc_fd, is borrowed until the end.
 * s stays the caller's and must have no other order open. */
int worker_start(struct proc_loop *loop, struct standby *s,
    const struct order *o, int doc_fd, worker_on_end *on_end, void *arg,
    struct worker **ret, struct err *e);
/* In which group it is put when it is expensive; borrowed. To be said before
 * the loop runs again. */
void worker_group(struct worker *w, struct cgroup *groups, unsigned int slot);
/* Asks it to answer what it has; killed grace_ms later if it does not. Its
 * part is then PART_INTERRUPTED, with an answer, or with a text in place of
 * which the caller says why. Asked again, the shorter time counts. */
void worker_interrupt(struct worker *w, int64_t grace_ms);
/* on_end is not called. Its process must go as well: standby_free. */
void worker_free(struct worker *w);

#endif
