/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/interrupt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupts;

static void
on_signal(int signo)
{
	static const char erase[] = "\r\033[K";
	ssize_t n;

	if (interrupts++ == 0)
		return;
	if (isatty(STDERR_FILENO) == 1) {
		n = write(STDERR_FILENO, erase, sizeof(erase) - 1);
		(void)n;
	}
	_exit(128 + signo);
}

static void
set_handler(void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

void
interrupt_install(void)
{
	interrupts = 0;
	set_handler(on_signal);
}

void
interrupt_restore(void)
{
	set_handler(SIG_DFL);
}

bool
interrupt_seen(void)
{
	return interrupts > 0;
}
