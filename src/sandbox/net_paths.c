/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Paths that roles must still read. Directories, not single files: a rule
 * holds for the file that was there when it was made, and resolv.conf is
 * replaced by another one whenever the machine changes networks. What the
 * role's user may not read there stays unreadable.
 */
#include "sandbox/sandbox.h"

/* clang-format off */
#define LIBRARIES { "/etc/ld.so.cache", false }, { "/lib", false }, \
	{ "/lib32", false }, { "/lib64", false }, { "/usr/lib", false }, \
	{ "/usr/lib32", false }, { "/usr/lib64", false }, \
	{ "/usr/local/lib", false }, { "/usr/local/lib64", false }
/* clang-format on */

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
		LIBRARIES,
	};

	*ret_n = sizeof(paths) / sizeof(paths[0]);
	return paths;
}

const struct sandbox_path *
sandbox_asking_paths(size_t *ret_n)
{
	static const struct sandbox_path paths[] = {
		LIBRARIES,
		{ "/dev/urandom", false },
		{ "/etc/resolv.conf", false },
		{ "/etc/hosts", false },
		{ "/etc/nsswitch.conf", false },
		{ "/etc/host.conf", false },
		{ "/etc/gai.conf", false },
		{ "/etc/chrony.conf", false },
		{ "/etc/chrony.d", false },
		{ "/etc/chrony", false },
		{ "/run/chrony-dhcp", false },
		{ "/etc/ntp.conf", false },
		{ "/etc/ntp.d", false },
		{ "/etc/ntp", false },
		{ "/etc/ntpsec", false },
		{ "/run/ntpsec", false },
		{ "/run/ntp.conf.dhcp", false },
		{ "/etc/ntpd.conf", false },
		{ "/etc/openntpd", false },
		{ "/etc/systemd/timesyncd.conf", false },
		{ "/etc/systemd/timesyncd.conf.d", false },
		{ "/run/systemd/timesyncd.conf", false },
		{ "/run/systemd/timesyncd.conf.d", false },
		{ "/run/systemd/netif/links", false },
	};

	*ret_n = sizeof(paths) / sizeof(paths[0]);
	return paths;
}
