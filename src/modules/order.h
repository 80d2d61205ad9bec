/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the agent's monitor and its workers (mig-worker --serve) say to one
 * another, as frames of ipc/ipc.h on a socket pair.
 *
 *   monitor                          worker
 *     ORDER_DOCUMENT + descriptor ->   only a long one: the sealed action
 *                                      document
 *     ORDER_START + descriptor    ->   an order; a long answer goes there
 *                                 <- ORDER_TAKEN  it looks from now on
 *                                 <- ORDER_SPENT  optional, once: this is its
 *                                                 last
 *                                 <- ORDER_DONE   the answer, if it is not
 *                                                 in the file; another order
 *                                                 may come
 *
 * One order is open at a time; one that was not taken may be given to another
 * worker. A worker that does not say ORDER_DONE ends, and
 * its exit status says how (enum run_end, modules/run.h). ORDER_SPENT is said
 * before a library or parser sees a byte of the host: a worker that was taken
 * over by such a byte cannot take it back.
 */
#ifndef MIG_MODULES_ORDER_H
#define MIG_MODULES_ORDER_H

#include "base/buf.h"

#define ORDER_STATE_MAX 4096
#define ORDER_PATHS_MAX 2048
#define ORDER_DETAIL_MAX 2
#define ORDER_THREADS_MAX 64
/* Bytes of a document or an answer that are said in the message itself. */
#define ORDER_SHORT_MAX 16384
#define ORDER_BODY_MAX                                         \
	(ORDER_STATE_MAX + ORDER_PATHS_MAX + ORDER_SHORT_MAX + \
	    1024) /* of any message */

enum order_message {
	ORDER_DOCUMENT = 1, /* empty */
	ORDER_START = 2,    /* struct order */
	ORDER_TAKEN = 3,    /* empty */
	ORDER_SPENT = 4,    /* empty */
	ORDER_DONE = 5,     /* the answer; empty: it is in the file */
};

/* One operation of the document. Limits of 0 are none. */
struct order {
	uint8_t operation; /* from 0 */
	uint8_t module;    /* that it asks; modules.def */
	int64_t seconds, cpu_seconds, memory_bytes, read_bytes;
	int64_t cpu_percent; /* of one core, on average */
	int64_t output_max;  /* bytes of JSON */
	bool privacy;        /* the answer is masked */
	uint8_t detail;      /* enum detail, modules/narrow.h */
	/* the policy's paths for the module, as scan/fence.h reads them */
	char paths[ORDER_PATHS_MAX];
	/* for the agent module: what the agent is, JSON; else "" */
	char state[ORDER_STATE_MAX];
	/* the action document, borrowed; of length 0: ORDER_DOCUMENT came */
	const uint8_t *document;
	size_t document_len;
};

/* How many threads such a share of a core is worth: one for each that was
 * begun.
 */
uint32_t order_threads(int64_t cpu_percent);

int order_write(const struct order *o, struct buf *out);
/* ERR_INVALID for what no monitor says. The document is borrowed from data. */
int order_parse(const void *data, size_t len, struct order *ret);

#endif
