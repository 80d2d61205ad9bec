/* SPDX-License-Identifier: MPL-2.0 */
/* How a fork server forks: the filter allows clone(2) with these flags only.
 * CLONE_PARENT makes the child one of our parent's, who reaps it. */
#ifndef MIG_SANDBOX_FORK_FLAGS_H
#define MIG_SANDBOX_FORK_FLAGS_H

#include <sched.h>
#include <signal.h>

#define SANDBOX_FORK_FLAGS ((unsigned long)(CLONE_PARENT | SIGCHLD))

#endif
