/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/net/netbox.h"

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "sandbox/sandbox.h"

#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MEMORY_MAX (512ull * 1024 * 1024)

int
netbox_enter(uint32_t uid, uint32_t gid, struct err *e)
{
	struct sandbox box = { .profile = SANDBOX_NET, .uid = uid, .gid = gid };

	box.paths = sandbox_net_paths(&box.npaths);
	box.limits.memory_bytes = MEMORY_MAX;
	return sandbox_enter(&box, e);
}

int
netbox_say(char **argv)
{
	uint64_t uid, gid;
	struct err e;

	err_clear(&e);
	if (str_u64(argv[0], 0, UINT32_MAX, &uid) != 0 ||
	    str_u64(argv[1], 0, UINT32_MAX, &gid) != 0)
		return 2;
	if (netbox_enter((uint32_t)uid, (uint32_t)gid, &e) != 0) {
		log_error("net_sandbox why=%s", log_quote(e.msg));
		return 1;
	}
	printf("%s\n", sandbox_describe());
	return fflush(stdout) == 0 ? 0 : 1;
}

/* What is loaded is loaded whatever comes of it: so each name server is asked
 * once, for a second. By default it would be half a minute for two that are
 * away, and longer than the monitor waits for a role to be ready. */
void
netbox_warm_up(const char *host)
{
	struct addrinfo hints, *list = NULL;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (res_init() == 0) {
		_res.retrans = 1;
		_res.retry = 1;
	}
	if (getaddrinfo(host, NULL, &hints, &list) == 0)
		freeaddrinfo(list);
	(void)res_init();
}
