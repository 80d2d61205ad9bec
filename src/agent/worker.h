/* SPDX-License-Identifier: MPL-2.0 */
/* One run of mig-worker: one operation of one document. */
#ifndef MIG_AGENT_WORKER_H
#define MIG_AGENT_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct proc_loop;
struct worker;

struct worker_order {
	int exec_fd;            /* mig-worker, open since the agent's start */
	int doc_fd;             /* the sealed document; borrowed */
	unsigned int operation; /* from 0 */
	uint32_t uid, gid;      /* (uint32_t)-1: stays as it is */
	int64_t seconds, cpu_seconds, memory_bytes, read_bytes;
	size_t output_max; /* bytes */
	const char *cover; /* directory it must not see, or NULL */
};

/* status is one of enum part_status; data is owned by the receiver. Called
 * from the loop; the worker is gone and freed then. */
typedef void
worker_on_end(uint8_t status, uint8_t *data, size_t len, void *arg);

int worker_start(struct proc_loop *loop, const struct worker_order *o,
    worker_on_end *on_end, void *arg, struct worker **ret, struct err *e);
/* Asks it to answer what it has; killed a little later if it does not. Its
 * part is then PART_INTERRUPTED. */
void worker_interrupt(struct worker *w);
/* Kills it and its children at once; on_end is not called. */
void worker_free(struct worker *w);

#endif
