/* SPDX-License-Identifier: MPL-2.0 */
/* How long each connection has been at what it does; see conns.c. */
#ifndef MIG_SERVER_API_CONNS_H
#define MIG_SERVER_API_CONNS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;

enum conn_phase { CONN_HEAD, CONN_BODY, CONN_REPLY, CONN_STREAM };

struct conns {
	TAILQ_HEAD(, conn) list;
	int64_t now; /* mono ms, of the last tick */
	size_t n, max, max_ip;
	size_t replying; /* of n, in CONN_REPLY */
	uint64_t moves;  /* goes up whenever libmicrohttpd calls back */
};

/* max, max_ip: as libmicrohttpd has them, in all and of one address. Before it
 * refuses anybody, who has longest not asked anything makes room. */
void conns_init(struct conns *c, size_t max, size_t max_ip);
/* MHD_NotifyConnectionCallback; cls is struct conns. */
void conns_notify(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what);
void conns_phase(
    struct conns *c, struct MHD_Connection *connection, enum conn_phase phase);
/* Every second or so: ends those that take too long; how many. */
size_t conns_tick(struct conns *c, int64_t now, int64_t timeout_ms);

#endif
