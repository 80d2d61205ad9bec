/* SPDX-License-Identifier: MPL-2.0 */
/* Processes by descriptor: whoever has their number later is not meant. */
#include "base/err.h"
#include "proc/proc.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int
proc_pidfd(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		return (int)fd;
	return errno == ESRCH ? ERR_NOTFOUND : ERR_UNSUPPORTED;
}

int
proc_pidfd_signal(int fd, int signal)
{
	if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == 0)
		return 0;
	return errno == ESRCH ? ERR_NOTFOUND : ERR_DENIED;
}
