/* SPDX-License-Identifier: MPL-2.0 */
/* A mount namespace in which some directories are empty. */
#include "sandbox/sandbox.h"

#include "base/err.h"
#include "os/os.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

int
sandbox_cover(const char *const *dirs, size_t n, struct err *e)
{
	size_t i;

	if (unshare(CLONE_NEWNS) != 0)
		return errno == EPERM
		    ? err_set(e, ERR_DENIED,
			  "an own mount namespace needs CAP_SYS_ADMIN")
		    : err_errno(e, "mount namespace");
	/* nothing that follows may reach the host's own table, but what is
	 * mounted and unmounted there later does reach us: a process that
	 * lives on holds no file system that the host has given up */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		return err_errno(e, "making mounts one-way");
	for (i = 0; i < n; i++) {
		if (mount(OS_COVER_SOURCE, dirs[i], "tmpfs",
			MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"size=4k,mode=0500") != 0 &&
		    errno != ENOENT)
			return err_errno(e, "covering %s", dirs[i]);
	}
	return 0;
}
