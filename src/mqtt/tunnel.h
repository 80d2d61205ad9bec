/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A way to the relay through HTTP CONNECT proxies (RFC 9110, 9.3.6), for a
 * client library that can only be told where to connect: it connects to a
 * Unix socket of ours, and what it sends goes through the first proxy that
 * lets it, or directly when none does. TLS is between the client and the
 * relay; a proxy sees the relay's name and encrypted bytes.
 *
 *   accept -> proxy 1: connect, CONNECT, 2xx -> both ways until one end closes
 *                | refused, closed, no HTTP, too slow
 *                v
 *             proxy 2 ... -> directly -> given up: closed, tunnel_why()
 */
#ifndef MIG_MQTT_TUNNEL_H
#define MIG_MQTT_TUNNEL_H

#include <stdint.h>

struct err;
struct event_base;
struct tunnel;

#define TUNNEL_PROXIES_MAX 8
#define TUNNEL_HOST_MAX 256

struct tunnel_peer {
	char host[TUNNEL_HOST_MAX];
	uint16_t port;
};

/*
 * Where the client connects: a listening Unix socket and its file, which has
 * no name in the file system any more and is reached as /proc/self/fd/N. dir
 * is writable for a moment; only the two descriptors (owned by the caller,
 * CLOEXEC) lead to it.
 */
int tunnel_listen(
    const char *dir, int *ret_listen_fd, int *ret_file_fd, struct err *e);

/* Takes listen_fd. One connection at a time: a new one ends the one before.
 * relay and proxies are copied; n at most TUNNEL_PROXIES_MAX. */
struct tunnel *tunnel_new(struct event_base *base, int listen_fd,
    const struct tunnel_peer *relay, const struct tunnel_peer *proxies,
    unsigned int n, struct err *e);
void tunnel_free(struct tunnel *t);
/* Why the last connection was not made; "" if it was. */
const char *tunnel_why(const struct tunnel *t);

#endif
