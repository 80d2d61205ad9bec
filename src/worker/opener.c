/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/opener.h"

#include "modules/module.h"
#include "modules/rights.h"
#include "os/nets.h"
#include "sandbox/sandbox.h"

#include <unistd.h>

int
opener_open(uint32_t needs, struct opened *ret, struct err *e)
{
	if ((needs & NEED_NETWORK) != 0)
		os_echo_open(&ret->echo);
	return (needs & NEED_SOCKETS) != 0 ? os_nets_open(&ret->nets, e) : 0;
}

uint32_t
opener_descriptors(const struct opened *o)
{
	return o->nets != NULL ? (uint32_t)os_nets_descriptors(o->nets) : 0;
}

uint32_t
opener_rights(gid_t gid)
{
	uint64_t caps = sandbox_caps();
	uint32_t rights = 0;

	if (os_echo_allowed(gid))
		rights |= RIGHT_ECHO;
	/* in a user namespace they count for what belongs to it */
	if (!sandbox_all_users())
		return rights;
	/* the directory of another user's descriptors opens for who may read
	 * it, the links in it for who may trace */
	if (geteuid() == 0 && (caps & CAP_SYS_PTRACE_BIT) != 0 &&
	    (caps & (CAP_DAC_READ_SEARCH_BIT | CAP_DAC_OVERRIDE_BIT)) != 0)
		rights |= RIGHT_PROCESSES;
	if ((rights & RIGHT_PROCESSES) != 0 && (caps & CAP_SYS_ADMIN_BIT) != 0)
		rights |= RIGHT_NETWORKS;
	return rights;
}
