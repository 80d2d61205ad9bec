/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters of the ping module, for its check and its work.
 *
 *   {"destination": "host", "destinationport": n, "protocol": "icmp|tcp|udp",
 *    "count": n, "timeout": seconds, "family": "ipv4|ipv6"}
 */
#ifndef MIG_MODULES_PING_QUESTION_H
#define MIG_MODULES_PING_QUESTION_H

#include "modules/host.h"
#include "modules/module.h"

#include <jansson.h>

struct err;

#define PING_COUNT_MAX 100
#define PING_TIMEOUT_MAX 60 /* seconds */

enum ping_protocol { PING_ICMP, PING_TCP, PING_UDP, PING_PROTOCOLS };
extern const char *const ping_protocols[PING_PROTOCOLS];

struct ping_question {
	struct host host;
	enum ping_protocol protocol;
	uint16_t port; /* 0 with PING_ICMP */
	unsigned int count, timeout;
	int family; /* AF_UNSPEC, AF_INET, AF_INET6 */
};

extern const struct param ping_params[];
/* Complete: everything run.c relies on. */
int ping_check(const json_t *params, struct err *e);
/* Of parameters that have passed it; defaults are filled in. */
void ping_question(const json_t *params, struct ping_question *ret);

/* What latencies stand for that are none, as in the original. */
#define PING_NO_ANSWER 9999999.0
#define PING_REFUSED (-1.0) /* or unreachable */
#define PING_FAILED 0.0

#endif
