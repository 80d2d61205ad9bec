/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: the policy's next steps. A new one is checked like an agent would
 * (agents do so themselves) and stored; every agent whose hello says that it
 * has the policy before it is told that there is one, and fetches it. Who is
 * several steps behind says hello after each. A message may be lost: who still
 * lags is told again three times in the minute after.
 *
 *   api --POLICY_NEW--> core --commit--> announced, so many agents a tick
 *   hello (of an older policy) --------> announced
 */
#ifndef MIG_SERVER_CORE_POLICIES_H
#define MIG_SERVER_CORE_POLICIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct buf;
struct core;
struct err;
struct id;
struct policies;
struct rd;

struct policies *policies_new(void);
void policies_free(struct policies *p);
/* Reads the steps that are stored. */
int policies_load(struct core *c, struct err *e);
void policies_request(struct core *c, uint32_t request, struct rd *rd);
/* It has said which policy it has. */
void policies_hello(struct core *c, const struct agent *a);
/* Is there a next step that it has not got yet, and may get in a moment? An
 * agent judges once: what several people sign is kept from it, for a minute
 * after it came (with another policy), or that step did. */
bool policies_keep(const struct core *c, const struct agent *a);
/* The relay is there: whoever lags is told anew, a few at a time. */
void policies_relay_up(struct core *c);
void policies_tick(struct core *c);
/* The signed form of a step, for a part of it; borrowed until the next call.
 * NULL when there is none. */
const struct buf *policies_envelope(struct core *c, const struct id *hash);

#endif
