/* SPDX-License-Identifier: MPL-2.0 */
/* Core: the MQTT link; see relaylink.c. */
#ifndef MIG_SERVER_CORE_RELAYLINK_H
#define MIG_SERVER_CORE_RELAYLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct core;
struct err;
struct id;
struct relaylink;
struct run;
struct server_status;

struct relaylink *relaylink_new(struct core *c, struct err *e);
void relaylink_free(struct relaylink *l);
/* Asks the relay for a sign of life. False: it gave none since it was asked
 * last. */
bool relaylink_lives(struct relaylink *l);
bool relaylink_up(const struct relaylink *l);
void relaylink_broadcast(struct relaylink *l, struct run *r);
void relaylink_single(struct relaylink *l, struct run *r, struct agent *a);
/* That it is cancelled, to one agent or (NULL) to all. */
void
relaylink_cancel(struct relaylink *l, const struct run *r, struct agent *a);
void relaylink_ack(struct relaylink *l, const struct id *agent,
    const struct id *action, uint16_t part, uint16_t of, bool complete);
void relaylink_welcome(struct relaylink *l, struct agent *a);
void relaylink_certificate(
    struct relaylink *l, struct agent *a, const void *data, size_t len);
void relaylink_roll_call(struct relaylink *l, uint32_t spread_ms);
void relaylink_ask_hello(struct relaylink *l, const struct agent *a);
/* Reads from the relay, or not while too much waits for the store. */
void relaylink_flow(struct relaylink *l);
/* Several times a second. */
void relaylink_tick(struct relaylink *l);
/* Someone was revoked: the relay is told to take nothing of theirs. */
void relaylink_revoked(struct relaylink *l);
/* Its files were written anew: it reads them once it serves us. */
void relaylink_reload(struct relaylink *l);
/* Of an action's envelope, or a policy's. */
void relaylink_want(struct relaylink *l, struct agent *a, const struct id *id,
    uint16_t part, bool policy);
/* There is a policy after its own: hash, size and digest of its envelope. */
void relaylink_policy(struct relaylink *l, const struct agent *a,
    const struct id *hash, uint32_t size, const struct id *sum);
void relaylink_stats(const struct relaylink *l, struct server_status *ret);

#endif
