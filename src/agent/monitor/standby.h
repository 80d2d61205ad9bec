/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The worker process of a place (mig-worker --serve), as the monitor sees it:
 * started before it is needed, kept for the next order as long as it says that
 * it is fit for one, replaced when it is not, when it was signalled, when its
 * limits are not those of the next order, and after a number of orders.
 */
#ifndef MIG_AGENT_MONITOR_STANDBY_H
#define MIG_AGENT_MONITOR_STANDBY_H

#include "modules/order.h"

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct proc_loop;
struct standby;

struct standby_spec {
	int exec_fd;       /* mig-worker, open since the agent's start */
	uint32_t uid;      /* (uint32_t)-1: stays as it is */
	const char *cover; /* directory it must not see, or NULL; borrowed */
	uint32_t needs;    /* of the modules of its orders (module.h) */
	uint32_t threads;  /* most that it works with */
};

/* The order has ended: the answer is whole and the process waits for the next
 * one (then wait_status is 0), or it has exited. All borrowed. */
struct standby_end {
	int wait_status;
	bool begun; /* not: the order was not taken, and may be given again */
	const uint8_t *answer; /* a short one; NULL: what there is is in the */
	size_t len;
	int file; /* -1: there is none */
};
typedef void standby_on_end(const struct standby_end *end, void *arg);

struct standby *
standby_new(struct proc_loop *loop, const struct standby_spec *spec);
/* What the next order needs: a process that has other rights is replaced. No
 * order may be open. */
void standby_needs(struct standby *s, uint32_t needs);
/* Kills the process; on_end is not called. */
void standby_free(struct standby *s);
/* Starts the process if there is none. */
int standby_ready(struct standby *s, struct err *e);
/* One at a time. doc_fd: where o has no document; borrowed. on_end is called
 * from the loop, once, unless this returns an error. */
int standby_order(struct standby *s, const struct order *o, int doc_fd,
    standby_on_end *on_end, void *arg, struct err *e);
/* It has taken the order it was given last. */
bool standby_begun(const struct standby *s);
/* Ends the process if it has no order. */
void standby_rest(struct standby *s);
/* The process that has the order; -1: it has exited. */
pid_t standby_pid(const struct standby *s);
/* Signals the process that has the order, which is its last one then. */
void standby_signal(struct standby *s, int sig);

#endif
