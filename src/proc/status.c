/* SPDX-License-Identifier: MPL-2.0 */
/* A wait status in words. */
#include "proc/proc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* What it mostly means, for who has not started it himself. */
static const char *
meaning(int sig)
{
	switch (sig) {
	case SIGSYS:
		return ": a system call that its sandbox forbids";
	case SIGKILL:
		return ": from outside, or by the kernel for want of memory";
	case SIGSEGV:
	case SIGBUS:
	case SIGABRT:
	case SIGILL:
	case SIGTRAP:
		return ": a crash, which want of memory may cause";
	case SIGXCPU:
		return ": its limit of CPU time";
	default:
		return "";
	}
}

const char *
proc_status_text(int wait_status)
{
	static _Thread_local char text[96];
	const char *name;
	int sig;

	if (WIFEXITED(wait_status)) {
		snprintf(
		    text, sizeof(text), "exit %d", WEXITSTATUS(wait_status));
	} else if (WIFSIGNALED(wait_status)) {
		sig = WTERMSIG(wait_status);
		name = sigabbrev_np(sig);
		if (name != NULL)
			snprintf(text, sizeof(text), "killed by SIG%s%s", name,
			    meaning(sig));
		else
			snprintf(
			    text, sizeof(text), "killed by signal %d", sig);
	} else {
		snprintf(
		    text, sizeof(text), "status 0x%x", (unsigned)wait_status);
	}
	return text;
}
