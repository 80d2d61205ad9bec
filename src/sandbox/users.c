/* SPDX-License-Identifier: MPL-2.0 */
/* Which users exist here (user_namespaces(7)), and what we may. */
#include "sandbox/sandbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

bool
sandbox_all_users(void)
{
	uint64_t inside, outside, n;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool all;

	/* without /proc, or on a kernel without user namespaces, there is no
	 * sign of one */
	if (f == NULL)
		return true;
	all = fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside,
		  &n) == 3 &&
	    inside == 0 && outside == 0 && n == UINT32_MAX;
	fclose(f);
	return all;
}

uint64_t
sandbox_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	memset(d, 0, sizeof(d));
	if (syscall(SYS_capget, &h, d) != 0)
		return 0;
	return d[0].effective | (uint64_t)d[1].effective << 32;
}
