/* SPDX-License-Identifier: MPL-2.0 */
/* The mechanisms that sandbox.c puts together. Private to sandbox/. */
#ifndef MIG_SANDBOX_MECHANISMS_H
#define MIG_SANDBOX_MECHANISMS_H

#include "sandbox/sandbox.h"

int limits_apply(const struct sandbox_limits *l, struct err *e);

/* Changes to uid and gid without supplementary groups, where we may, and
 * drops every capability, bounding and ambient ones too, that is not kept.
 * *ret_uid: whether the uid was changed. */
int caps_apply(const struct sandbox *s, bool *ret_uid, struct err *e);

/* Every capability, of a process that is no user 0 of its own any more or
 * never was, and whose filter allows no program to be executed. */
int caps_drop(struct err *e);

/* *ret_abi: the kernel's version that is now in force; 0: the kernel has no
 * Landlock, or the profile asked for none. Wants no_new_privs. */
int landlock_apply(const struct sandbox *s, int *ret_abi, struct err *e);

/* For landlock_hide.c: a rule set that handles reading files and directories,
 * names of all directories being allowed; a rule for an entry of a directory
 * (none for links, and for what is gone); its enforcement. */
int landlock_read_rules(int *ret_ruleset, struct err *e);
int
landlock_allow_read(int ruleset, int dirfd, const char *name, struct err *e);
int landlock_enforce(int ruleset, struct err *e);

/* landlock_abi: what is in force decides whether openat2 can be allowed.
 * ERR_UNSUPPORTED: the kernel has no filters. */
int
seccomp_apply(enum sandbox_profile profile, int landlock_abi, struct err *e);
/* What SANDBOX_OPENER has beside SANDBOX_WORKER_READ is taken away; of
 * SANDBOX_NET_OPENER what forges packets. */
int seccomp_seal(enum sandbox_profile profile, struct err *e);

#endif
