/* SPDX-License-Identifier: MPL-2.0 */
/* The command line of mig-worker. */
#ifndef MIG_WORKER_OPTIONS_H
#define MIG_WORKER_OPTIONS_H

#include "modules/order.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *module;                 /* by hand; NULL: serve or rights */
	int64_t seconds, cpu, memory, read; /* 0: no limit */
	int64_t output;                     /* bytes of JSON */
	int64_t uid;                        /* 0: as it is */
	const char *cover; /* directory to hide (the agent's state), or NULL */
	int64_t share;     /* percent of a core; 0: any */
	int64_t threads;   /* most of them; 0 is 1 */
	int64_t needs;     /* NEED_*: what its orders' modules need opened */
	bool pretty, serve, rights, privacy;
	uint8_t detail;              /* enum detail */
	char paths[ORDER_PATHS_MAX]; /* as in an order */
};

/* Non-zero: the program ends with *ret_status (help, version, bad usage; the
 * text is printed). */
int options_parse(int argc, char **argv, struct options *ret, int *ret_status);

#endif
