/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Addresses of a host, by this host's own name service, within the sandbox
 * of a worker that has sockets. Whoever answers for a name may be hostile:
 * what it says is taken apart where there are no rights, and its addresses
 * are bounded and looked at before they are used.
 */
#ifndef MIG_MODULES_COMMON_RESOLVE_H
#define MIG_MODULES_COMMON_RESOLVE_H

#include "modules/host.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define RESOLVE_MAX 8 /* addresses of one name */
#define NETADDR_TEXT_MAX (INET6_ADDRSTRLEN + 1 + IF_NAMESIZE)

struct netaddr {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t len;
	char text[NETADDR_TEXT_MAX]; /* without port; "fe80::1%2" */
};

struct netaddrs {
	size_t n;
	struct netaddr list[RESOLVE_MAX];
};

/* Before the first name: how long a silent name server is waited for. */
void resolve_init(void);
/* At least one, in the order of RFC 6724, of this family (AF_UNSPEC: any).
 * ERR_NOTFOUND: no such name, or none of this family; ERR_TIMEOUT: the name
 * service does not answer; ERR_INVALID: no host's address (a group's, nobody's,
 * everybody's). */
int resolve_host(const struct host *h, int family, uint16_t port,
    struct netaddrs *ret, struct err *e);

#endif
