/* SPDX-License-Identifier: MPL-2.0 */
/* The numbers of actions and of the policy's third part (limits.c), for roles
 * that link no JSON as well. */
#ifndef MIG_ACTION_LIMITS_H
#define MIG_ACTION_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define ACTION_SYNTAX 3
#define ACTION_OPERATIONS_MAX 64
#define ACTION_NAME_MAX 256
#define ACTION_TARGET_MAX 4096
#define ACTION_READERS_MAX 64
#define ACTION_NONCE_LEN 16
#define LIMIT_CPU_PERCENT_MAX 10000

struct action_limits {   /* 0: not stated, the agent's own hold */
	int64_t seconds; /* wall time of one operation */
	int64_t cpu_seconds;
	int64_t cpu_percent; /* of one core, on average */
	int64_t read_bytes;
	int64_t result_bytes;
};

struct policy_limits {
	int64_t max_validity; /* seconds an action may be valid; 7 days */
	int64_t seconds;      /* wall time of one operation; 300 */
	int64_t cpu_seconds;  /* 120 */
	int64_t cpu_percent;  /* of one core; 0: as the agent's owner says */
	int64_t memory_bytes; /* 64 MiB */
	int64_t read_bytes;   /* 0: unlimited */
	int64_t result_bytes; /* sealed size; 8 MiB */
	int64_t workers;      /* at once; 2 */
	int64_t queue;        /* operations waiting; 64 */
};

/* The defaults above. No JSON: limits_default.c, as is the next. */
void policy_limits_default(struct policy_limits *ret);
/* The smaller of both in every field that is stated. */
void
policy_limits_narrow(struct policy_limits *l, const struct action_limits *a);

/* {"maxvalidity", "seconds", "cpuseconds", "cpupercent", "memorybytes",
 * "readbytes", "resultbytes", "workers", "queue"}, each optional; unknown
 * fields are refused. Empty text or {} gives the defaults. Links JSON. */
int policy_limits_parse(
    const void *json, size_t len, struct policy_limits *ret, struct err *e);

#endif
