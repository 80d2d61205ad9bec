/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Paths that roles must still read. Directories, not single files: a rule
 * holds for the file that was there when it was made, and resolv.conf is
 * replaced by another one whenever the machine changes networks. What the
 * role's user may not read there stays unreadable.
 */
#include "sandbox/sandbox.h"

const struct sandbox_path *
sandbox_net_paths(size_t *ret_n)
{
	static const struct sandbox_path paths[] = {
		{ "/etc", false },
		{ "/run/systemd/resolve", false },
		{ "/run/resolvconf", false },
		{ "/run/NetworkManager", false },
		{ "/usr/lib", false },
		{ "/usr/lib64", false },
		{ "/lib", false },
		{ "/lib64", false },
		{ "/usr/share/zoneinfo", false },
		{ "/usr/share/ca-certificates", false },
		{ "/dev/null", true },
		{ "/dev/urandom", false },
	};

	*ret_n = sizeof(paths) / sizeof(paths[0]);
	return paths;
}

const struct sandbox_path *
sandbox_library_paths(size_t *ret_n)
{
	static const struct sandbox_path paths[] = {
		{ "/etc/ld.so.cache", false },
		{ "/lib", false },
		{ "/lib32", false },
		{ "/lib64", false },
		{ "/usr/lib", false },
		{ "/usr/lib32", false },
		{ "/usr/lib64", false },
		{ "/usr/local/lib", false },
		{ "/usr/local/lib64", false },
	};

	*ret_n = sizeof(paths) / sizeof(paths[0]);
	return paths;
}
