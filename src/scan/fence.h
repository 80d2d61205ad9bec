/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The paths that the policy leaves to a module: whatever it opens by a path, it
 * opens through here. Each component is opened in the directory before it and
 * none may be a symbolic link, so that neither a link nor a directory that is
 * exchanged meanwhile leads outside. (openat2 would do the same, but no filter
 * can look into its arguments: the sandbox of older kernels has none.)
 */
#ifndef MIG_SCAN_FENCE_H
#define MIG_SCAN_FENCE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define FENCE_PATHS_MAX 64

struct fence {
	char *text;         /* owned */
	const char **paths; /* owned; clean, borrowed from text */
	size_t n;
	bool kernel; /* Landlock holds it as well (sandbox_only) */
};

/* lines: clean absolute paths with line feeds between them; ERR_INVALID for
 * anything else, and for too many of them. "" is no fence: *ret is NULL. */
int fence_new(const char *lines, struct fence **ret, struct err *e);
void fence_free(struct fence *f);

/* By its text; f NULL allows everything. path is clean. */
bool fence_allows(const struct fence *f, const char *path);

/* As open(2) with these flags (and O_CLOEXEC); f NULL: exactly that. Else errno
 * is EXDEV for a path outside, ELOOP where a component is a symbolic link. */
int fence_open(const struct fence *f, const char *path, int flags);
/* The directory in which path's last component is, O_PATH, and that component;
 * for "/" it is ".". */
int fence_open_parent(
    const struct fence *f, const char *path, const char **ret_name);

#endif
