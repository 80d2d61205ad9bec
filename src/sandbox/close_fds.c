/* SPDX-License-Identifier: MPL-2.0 */
/* Closing what was inherited; the same with and without a sandbox. */
#include "sandbox/sandbox.h"

#include <sys/syscall.h>
#include <unistd.h>

#define OLD_FD_LIMIT 65536

static void
close_between(unsigned first, unsigned last)
{
	unsigned fd;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	/* before Linux 5.9 */
	for (fd = first; fd <= last && fd < OLD_FD_LIMIT; fd++)
		close((int)fd);
}

/* The smallest kept descriptor from first on, or -1. */
static int
next_kept(const int *keep, size_t n, int first)
{
	int best = -1;
	size_t i;

	for (i = 0; i < n; i++) {
		if (keep[i] >= first && (best < 0 || keep[i] < best))
			best = keep[i];
	}
	return best;
}

void
sandbox_close_fds(const int *keep, size_t n)
{
	int first = 3, kept;

	while ((kept = next_kept(keep, n, first)) >= 0) {
		if (kept > first)
			close_between((unsigned)first, (unsigned)kept - 1);
		first = kept + 1;
	}
	close_between((unsigned)first, ~0U);
}
