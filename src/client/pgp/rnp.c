/* SPDX-License-Identifier: MPL-2.0 */
#include "client/pgp/rnp.h"

#include "scan/lib.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EXIT_TROUBLE 2

struct rnp rnp;

static const int ends[] = { SIGABRT, SIGSEGV };
static struct sigaction before[2];

static void
on_end(int sig)
{
	static const char words[] =
	    "mig: librnp, which reads OpenPGP keys and armour, ended this "
	    "command, most likely for want of memory; nothing is written by "
	    "half: give it again\n";

	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(EXIT_TROUBLE);
	_exit(EXIT_TROUBLE);
}

int
rnp_enter(struct err *e)
{
	static const struct lib_symbol symbols[] = {
#define SYMBOL(name) { "rnp_" #name, &rnp.name },
		RNP_FUNCTIONS(SYMBOL)
#undef SYMBOL
	};
	static bool loaded;
	struct sigaction sa;
	size_t i;
	int rc;

	/* before it is loaded: its constructors allocate too */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_end;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, &before[i]);
	rc = lib_load("librnp.so.0", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &loaded, e);
	if (rc != 0)
		rnp_leave();
	return rc;
}

void
rnp_leave(void)
{
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &before[i], NULL);
}
