/* SPDX-License-Identifier: MPL-2.0 */
/* Limits without JSON: the defaults, and an action's smaller ones. */
#include "action/limits.h"

#define MIB ((int64_t)1024 * 1024)

void
policy_limits_default(struct policy_limits *ret)
{
	*ret = (struct policy_limits){
		.max_validity = (int64_t)7 * 86400,
		.seconds = 300,
		.cpu_seconds = 120,
		.cpu_percent = 0,
		.memory_bytes = 64 * MIB,
		.read_bytes = 0,
		.result_bytes = 8 * MIB,
		.workers = 2,
		.queue = 64,
	};
}

/* 0 is "not stated" for the action and "unlimited" for the policy. */
static void
narrow(int64_t *own, int64_t asked)
{
	if (asked > 0 && (*own == 0 || asked < *own))
		*own = asked;
}

void
policy_limits_narrow(struct policy_limits *l, const struct action_limits *a)
{
	narrow(&l->seconds, a->seconds);
	narrow(&l->cpu_seconds, a->cpu_seconds);
	narrow(&l->cpu_percent, a->cpu_percent);
	narrow(&l->read_bytes, a->read_bytes);
	narrow(&l->result_bytes, a->result_bytes);
}
