/* SPDX-License-Identifier: MPL-2.0 */
#include "os/echo.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/icmp.h>

#define RANGE "/proc/sys/net/ipv4/ping_group_range"

/* A raw socket is to be woken for answers only; errors come by the error
 * queue (IP_RECVERR). */
static void
only_replies(int fd, int family)
{
	struct icmp_filter v4 = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter v6;

	if (family == AF_INET) {
		(void)setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
		return;
	}
	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	(void)setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

static void
open_one(int family, int protocol, struct os_echo_socket *ret)
{
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;

	ret->raw = false;
	ret->error = 0;
	ret->fd = socket(family, SOCK_DGRAM | flags, protocol);
	if (ret->fd >= 0)
		return;
	ret->error = errno;
	ret->fd = socket(family, SOCK_RAW | flags, protocol);
	if (ret->fd < 0)
		return;
	ret->raw = true;
	ret->error = 0;
	only_replies(ret->fd, family);
}

void
os_echo_open(struct os_echo *ret)
{
	open_one(AF_INET, IPPROTO_ICMP, &ret->v4);
	open_one(AF_INET6, IPPROTO_ICMPV6, &ret->v6);
}

bool
os_echo_allowed(gid_t gid)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	unsigned long low, high;
	bool in = false;
	FILE *f;

	if (fd >= 0) {
		close(fd);
		return true;
	}
	f = fopen(RANGE, "re");
	if (f == NULL)
		return false;
	if (fscanf(f, "%lu %lu", &low, &high) == 2)
		in = gid >= low && gid <= high;
	fclose(f);
	return in;
}
