/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A fork server (mig-worker --forkserver) as the monitor sees it: started when
 * it is first needed, kept for the next order, started anew when it ended,
 * after a number of orders, and when a worker of it crashed, so that what one
 * crash may have told about its memory is worth nothing for the next.
 */
#ifndef MIG_AGENT_FORKSERVER_H
#define MIG_AGENT_FORKSERVER_H

#include "modules/order.h"

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct forkserver;
struct proc_loop;

struct forkserver_spec {
	int exec_fd;       /* mig-worker, open since the agent's start */
	uint32_t uid;      /* (uint32_t)-1: stays as it is */
	const char *cover; /* directory it must not see, or NULL; borrowed */
	uint32_t needs;    /* of the modules of its orders (module.h) */
};

/* pid > 0: a worker runs and is our child. 0: none, text says why. -1: none
 * either, and for certain there was none at any time, because the fork server
 * ended or hung before it made one: the order may be given again. */
typedef void forkserver_on_start(pid_t pid, const char *text, void *arg);

struct forkserver *
forkserver_new(struct proc_loop *loop, const struct forkserver_spec *spec);
/* What the next order needs: a process that has other rights is replaced. No
 * order may be open. */
void forkserver_needs(struct forkserver *fs, uint32_t needs);
/* Kills it; its workers live on. */
void forkserver_free(struct forkserver *fs);
/* Starts the process if there is none. */
int forkserver_ready(struct forkserver *fs, struct err *e);
/* One at a time. The descriptors are borrowed. on_start is called from the
 * loop, once, unless this returns an error. */
int forkserver_order(struct forkserver *fs, const struct order *o, int doc_fd,
    int out_fd, forkserver_on_start *on_start, void *arg, struct err *e);
/* Its order, which must be open, fails now: it hangs. */
void forkserver_abort(struct forkserver *fs);
/* Of the process; -1: there is none. */
pid_t forkserver_pid(const struct forkserver *fs);
/* The next order is for a new process. */
void forkserver_renew(struct forkserver *fs);

#endif
