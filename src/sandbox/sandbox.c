/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The mechanisms in the one order that works: limits and niceness while we
 * still may; no_new_privs, which Landlock and filters want; Landlock while
 * every path can still be opened; user and capabilities; last the filter,
 * which would refuse all of the others.
 */
#include "sandbox/sandbox.h"

#include "base/err.h"
#include "sandbox/mechanisms.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static char description[64] = "none";
static enum sandbox_profile entered;

static void
describe(int abi, bool uid)
{
	char landlock[24] = "";

	if (abi > 0)
		snprintf(landlock, sizeof(landlock), " landlock-%d", abi);
	snprintf(description, sizeof(description), "seccomp%s%s caps", landlock,
	    uid ? " uid" : "");
}

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
	bool uid = false;
	int abi, rc;

	rc = limits_apply(&s->limits, e);
	if (rc != 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, "PR_SET_NO_NEW_PRIVS");
	rc = landlock_apply(s, &abi, e);
	if (rc == 0)
		rc = caps_apply(s, &uid, e);
	if (rc != 0)
		return rc;
	/* after the change of user, which clears the one and sets the other */
	if (s->die_with_parent &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_errno(e, "PR_SET_PDEATHSIG");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_errno(e, "PR_SET_DUMPABLE");
	rc = seccomp_apply(s->profile, abi, e);
	if (rc != 0)
		return rc;
	entered = s->profile;
	describe(abi, uid);
	return 0;
}

int
sandbox_limit(const struct sandbox_limits *l, struct err *e)
{
	return limits_apply(l, e);
}

int
sandbox_narrow(const struct sandbox_path *paths, size_t npaths, struct err *e)
{
	/* a worker that asks other hosts may connect to them */
	const struct sandbox s = { .profile = entered == SANDBOX_NET_OPENER
		    ? SANDBOX_NET
		    : SANDBOX_WORKER_READ,
		.paths = paths,
		.npaths = npaths,
		.all_paths_readable = paths == NULL };
	int abi, rc;

	/* the caller's parent is told what it has by sandbox_describe() of
	 * sandbox_enter(): of Landlock that is what the kernel has */
	rc = landlock_apply(&s, &abi, e);
	return rc == 0 ? caps_drop(e) : rc;
}

int
sandbox_seal(struct err *e)
{
	return seccomp_seal(entered, e);
}

const char *
sandbox_describe(void)
{
	return description;
}
