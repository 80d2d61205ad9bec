/* SPDX-License-Identifier: MPL-2.0 */
/* A wait status in words. */
#include "proc/proc.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *
proc_status_text(int wait_status)
{
	static _Thread_local char text[48];
	const char *name;
	int sig;

	if (WIFEXITED(wait_status)) {
		snprintf(
		    text, sizeof(text), "exit %d", WEXITSTATUS(wait_status));
	} else if (WIFSIGNALED(wait_status)) {
		sig = WTERMSIG(wait_status);
		name = sigabbrev_np(sig);
		if (name != NULL)
			snprintf(text, sizeof(text), "killed by SIG%s", name);
		else
			snprintf(
			    text, sizeof(text), "killed by signal %d", sig);
	} else {
		snprintf(
		    text, sizeof(text), "status 0x%x", (unsigned)wait_status);
	}
	return text;
}
