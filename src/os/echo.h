/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sockets for ICMP echo requests. The kernel gives everybody of a group range
 * (ping_group_range of icmp(7)) a kind that sends and receives its own echoes
 * only; where it does not, a raw one is opened by who has CAP_NET_RAW.
 */
#ifndef MIG_OS_ECHO_H
#define MIG_OS_ECHO_H

#include <stdbool.h>
#include <sys/types.h>

struct os_echo_socket {
	int fd;    /* -1: none */
	bool raw;  /* it sees what others receive, and IPv4 headers */
	int error; /* errno, when there is none */
};

struct os_echo {
	struct os_echo_socket v4, v6;
};

/* Never fails: what cannot be opened says so. CLOEXEC, not connected. */
void os_echo_open(struct os_echo *ret);
/* Would one be opened, by this process once it is of this group? */
bool os_echo_allowed(gid_t gid);

#endif
