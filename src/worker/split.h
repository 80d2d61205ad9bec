/* SPDX-License-Identifier: MPL-2.0 */
/* One process becomes two, opener and scanner (modules/opener.h), before any
 * sandbox and before the first byte from outside is read. */
#ifndef MIG_WORKER_SPLIT_H
#define MIG_WORKER_SPLIT_H

#include "sandbox/sandbox.h"

struct err;

/* The scanner's end of it. */
struct split {
	int fd;       /* to the opener */
	pid_t opener; /* 0: there is none */
};

/* The opener enters its sandbox (profile, user, limits and capabilities of s;
 * it ends with the scanner) and serves. agent: the monitor, 0 by hand. Returns
 * in the scanner only, whose sandbox is still to be entered: with no right, and
 * sandbox_library_paths(). */
int split_make(
    const struct sandbox *s, pid_t agent, struct split *ret, struct err *e);
/* Ends the opener and waits for it. */
void split_end(struct split *s);

#endif
