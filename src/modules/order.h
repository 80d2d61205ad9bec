/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the agent's monitor and its fork servers (mig-worker --forkserver) say
 * to one another, as frames of ipc/ipc.h on a socket pair.
 *
 *   monitor                          fork server
 *     ORDER_DOCUMENT + descriptor ->   the sealed action document
 *     ORDER_START + descriptor    ->   an order; the answer goes there
 *                                 <- ORDER_STARTED   pid of the worker, which
 *                                                    is the monitor's child
 *                                 <- ORDER_FAILED    why there is none
 *
 * One order is open at a time; each needs its document anew.
 */
#ifndef MIG_MODULES_ORDER_H
#define MIG_MODULES_ORDER_H

#include "base/buf.h"

#define ORDER_TEXT_MAX 512
#define ORDER_STATE_MAX 4096
#define ORDER_BODY_MAX (ORDER_STATE_MAX + 1024) /* of any of the messages */

enum order_message {
	ORDER_DOCUMENT = 1, /* empty */
	ORDER_START = 2,    /* struct order */
	ORDER_STARTED = 3,  /* u32 pid */
	ORDER_FAILED = 4,   /* field: text */
};

/* One operation of the document. Limits of 0 are none. */
struct order {
	uint8_t operation; /* from 0 */
	int64_t seconds, cpu_seconds, memory_bytes, read_bytes;
	int64_t cpu_percent; /* of one core, on average */
	int64_t output_max;  /* bytes of JSON */
	bool privacy;        /* the answer is masked */
	/* for the agent module: what the agent is, JSON; else "" */
	char state[ORDER_STATE_MAX];
};

int order_write(const struct order *o, struct buf *out);
/* ERR_INVALID for what no monitor says. */
int order_parse(const void *data, size_t len, struct order *ret);

#endif
