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
	if (rc == 0)
		describe(abi, uid);
	return rc;
}

int
sandbox_limit(const struct sandbox_limits *l, struct err *e)
{
	return limits_apply(l, e);
}

int
sandbox_narrow(struct err *e)
{
	const struct sandbox s = { .profile = SANDBOX_WORKER_READ,
		.all_paths_readable = true };
	int abi, rc;

	/* the caller's parent is told what it has by sandbox_describe() of
	 * sandbox_enter(): of Landlock that is what the kernel has */
	rc = landlock_apply(&s, &abi, e);
	return rc == 0 ? caps_drop(e) : rc;
}

int
sandbox_seal(struct err *e)
{
	return seccomp_seal(e);
}

const char *
sandbox_describe(void)
{
	return description;
}
