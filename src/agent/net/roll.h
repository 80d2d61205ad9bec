/* SPDX-License-Identifier: MPL-2.0 */
/* net: when to answer a roll call (doc/protocol.md section 4). */
#ifndef MIG_AGENT_NET_ROLL_H
#define MIG_AGENT_NET_ROLL_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct roll;

/* hello: one is wanted as well. */
typedef void roll_answer(bool hello, void *arg);

/* NULL when out of memory. */
struct roll *roll_new(struct event_base *base, roll_answer *fn, void *arg);
void roll_free(struct roll *r);
/* fn is called once, at a time uniform in the spread; never more often than
 * once a second, whoever asks. */
void roll_call(struct roll *r, uint32_t spread_ms, bool hello);

#endif
