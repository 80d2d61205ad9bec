/* SPDX-License-Identifier: MPL-2.0 */
#include "server/cmd/stopped.h"

#include "base/err.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stopped;

static void
on_signal(int sig)
{
	stopped = 1;
}

void
stopped_by_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa = { .sa_handler = on_signal,
		.sa_flags = SA_RESETHAND },
			 was;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/* nohup(1) wants it to be ignored */
		if (sigaction(signals[i], NULL, &was) == 0 &&
		    was.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

bool
is_stopped(void)
{
	return (stopped != 0);
}

int
check_stopped(struct err *e)
{
	return (
	    stopped == 0 ? 0 : err_set(e, ERR_CLOSED, "stopped by a signal"));
}
