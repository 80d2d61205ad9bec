/* SPDX-License-Identifier: MPL-2.0 */
/* The monitor's end of the channel to net, and net's life. Every function
 * takes NULL: an agent without a relay (--once) has no net. */
#ifndef MIG_AGENT_MONITOR_NETLINK_H
#define MIG_AGENT_MONITOR_NETLINK_H

#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many connections one net makes, numbered upwards from what it is told
 * at its start; then it ends, and its successor is told anew. */
#define NETLINK_CONNECTIONS 65536

struct agent;
struct buf;
struct err;
struct netlink;
struct renewed;
struct tunnel_peer;

/* Reads relay and certificates from the state and starts net. */
int netlink_start(struct agent *a, struct netlink **ret, struct err *e);
/* What net is told: the relay, and F ca, F certificate, F key that are in use.
 */
int netlink_relay(struct agent *a, struct tunnel_peer *ret, struct err *e);
int netlink_certificates(
    struct agent *a, const struct renewed *r, struct buf *out, struct err *e);
/* Says goodbye to the relay and ends net. */
void netlink_stop(struct netlink *n);
void netlink_free(struct netlink *n);
/* "host:port" of the relay; "": not known. Borrowed. */
const char *netlink_peer(const struct netlink *n);
bool netlink_up(const struct netlink *n);
/* When the last message from the server came, clock_mono_ms(); 0: never. */
int64_t netlink_heard_ms(const struct netlink *n);
/* Stops or resumes taking messages from net. */
void netlink_pause(struct netlink *n, bool pause);
void netlink_part(struct netlink *n, const struct id *id, uint16_t part,
    uint16_t of, const void *data, size_t len);
/* Sends a hello now, if connected. */
void netlink_hello(struct netlink *n);
/* What net was given has no effect: does it still run? It is asked, and ended
 * and started anew when it does not answer in the time of a keepalive. */
void netlink_check(struct netlink *n);

#endif
