/* SPDX-License-Identifier: MPL-2.0 */
/*
 * User, groups and capabilities by system calls alone: the worker links
 * nothing for them. What a container has already taken is not asked for.
 */
#include "sandbox/mechanisms.h"

#include "base/err.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

struct caps {
	uint64_t effective, permitted, inheritable;
};

#define CAP_BIT(c) (UINT64_C(1) << (c))

static int
caps_get(struct caps *c, struct err *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	memset(d, 0, sizeof(d));
	if (syscall(SYS_capget, &h, d) != 0)
		return err_errno(e, "reading the capabilities");
	c->effective = d[0].effective | (uint64_t)d[1].effective << 32;
	c->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	c->inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return 0;
}

static int
caps_set(uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	memset(d, 0, sizeof(d));
	d[0].effective = d[0].permitted = (uint32_t)keep;
	d[1].effective = d[1].permitted = (uint32_t)(keep >> 32);
	if (syscall(SYS_capset, &h, d) != 0)
		return err_errno(e, "dropping capabilities");
	return 0;
}

/* Bounding and ambient sets: nothing comes back by executing a program. */
static int
caps_bound(uint64_t keep, struct err *e)
{
	int cap;

	for (cap = 0; cap < 64; cap++) {
		if ((keep & CAP_BIT(cap)) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break; /* past the kernel's last one */
		return err_errno(e, "dropping capability %d", cap);
	}
	return 0;
}

static int
no_groups(struct err *e)
{
	/* a user namespace may forbid the call: there they cannot be dropped,
	 * and stand for nobody outside it */
	if (setgroups(0, NULL) != 0 && errno != EPERM)
		return err_errno(e, "dropping supplementary groups");
	return 0;
}

/* *ret_changed: false when there is no such user in this user namespace, which
 * is what EINVAL means (setresuid(2)): the process stays who it is, and
 * sandbox_describe() does not say otherwise. */
static int
change_user(const struct sandbox *s, bool *ret_changed, struct err *e)
{
	gid_t gid = s->gid != (gid_t)-1 ? s->gid : (gid_t)s->uid;
	int rc;

	/* a group that was forgotten would stay root's */
	if (gid == 0)
		return err_set(e, ERR_INVALID,
		    "user %u with root's group is no sandbox; give a group",
		    (unsigned)s->uid);
	rc = no_groups(e);
	if (rc != 0)
		return rc;
	if (setresgid(gid, gid, gid) != 0) {
		*ret_changed = false;
		if (errno == EINVAL)
			return 0;
		return err_errno(e, "changing to group %u", (unsigned)gid);
	}
	/* else the change of user takes what is to be kept */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return err_errno(e, "keeping capabilities");
	if (setresuid(s->uid, s->uid, s->uid) != 0) {
		*ret_changed = false;
		if (errno == EINVAL)
			return 0;
		return err_errno(e, "changing to user %u", (unsigned)s->uid);
	}
	/* a switch that did not happen must never go unnoticed */
	if (geteuid() != s->uid || getegid() != gid || setuid(0) == 0)
		return err_set(e, ERR_INTERNAL,
		    "user %u was not changed for good", (unsigned)s->uid);
	return 0;
}

int
caps_apply(const struct sandbox *s, bool *ret_uid, struct err *e)
{
	const uint64_t switching = CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID);
	struct caps have = { 0, 0, 0 };
	bool user;
	int rc;

	rc = caps_get(&have, e);
	if (rc != 0)
		return rc;
	user = geteuid() == 0 && s->uid != (uid_t)-1 && s->uid != 0 &&
	    (have.effective & switching) == switching;
	/* where the filter allows no program to be executed, the bounding set
	 * means nothing: 40 system calls less */
	if ((s->profile == SANDBOX_MONITOR || s->profile == SANDBOX_SERVER) &&
	    (have.effective & CAP_BIT(CAP_SETPCAP)) != 0)
		rc = caps_bound(s->keep_caps, e);
	if (rc == 0)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (rc == 0 && user)
		rc = change_user(s, &user, e);
	if (rc == 0)
		rc = caps_set(have.permitted & s->keep_caps, e);
	if (rc == 0)
		*ret_uid = user;
	return rc;
}

int
caps_drop(struct err *e)
{
	return caps_set(0, e);
}
