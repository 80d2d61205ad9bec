/* SPDX-License-Identifier: MPL-2.0 */
/* Large envelopes that were only announced: fetched part by part, one at a
 * time, and compared with what was announced. */
#ifndef MIG_AGENT_NET_PULL_H
#define MIG_AGENT_NET_PULL_H

#include "mqtt/wire.h"

struct event_base;
struct pull;

/* Asks the server for a part of what source announced. */
typedef void
pull_on_want(uint8_t source, const struct id *id, uint16_t part, void *arg);
/* The whole envelope, as announced; borrowed. */
typedef void
pull_on_whole(uint8_t source, const uint8_t *data, size_t len, void *arg);

struct pull *pull_new(struct event_base *base, pull_on_want *want,
    pull_on_whole *whole, void *arg);
void pull_free(struct pull *p);
/* Remembers an announcement (a bounded number); false: refused. */
bool pull_announced(struct pull *p, uint8_t source, const struct wire_msg *m);
/* The monitor wants it. */
void pull_start(struct pull *p, const struct id *id);
void pull_part(struct pull *p, const struct wire_msg *m);
/* The connection is gone: everything is asked for anew after a hello. */
void pull_clear(struct pull *p);

#endif
