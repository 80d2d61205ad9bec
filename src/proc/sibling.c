/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Finding the other programs of this installation: beside this one (a build
 * directory, or the same folder), else where an installation puts them
 * relative to it.
 */
#include "proc/proc.h"

#include "base/err.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
try_dir(
    const char *dir, const char *sub, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s/%s", dir, sub, name);

	return n > 0 && (size_t)n < size && access(out, X_OK) == 0;
}

/* Cuts the last part of an absolute path off. */
static void
parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

int
proc_sibling(const char *name, char *out, size_t size, struct err *e)
{
	static const char *const subs[] = { "/libexec/mig", "/sbin", "/bin" };
	const char *env = secure_getenv("MIG_LIBEXEC");
	char dir[PATH_MAX], self[PATH_MAX], found[PATH_MAX];
	ssize_t n;
	size_t i;
	int up;

	if (env != NULL && env[0] == '/' &&
	    try_dir(env, "", name, found, sizeof(found)))
		goto done;
	/* the kernel appends " (deleted)" to the last part only */
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return err_errno(e, "/proc/self/exe");
	self[n] = '\0';
	parent(self);
	memcpy(dir, self, sizeof(dir));
	if (try_dir(dir, "", name, found, sizeof(found)))
		goto done;
	/* PREFIX/bin and PREFIX/sbin are one below, PREFIX/libexec/mig two */
	for (up = 0; up < 2; up++) {
		parent(dir);
		for (i = 0; i < sizeof(subs) / sizeof(subs[0]); i++) {
			if (try_dir(dir, subs[i], name, found, sizeof(found)))
				goto done;
		}
	}
	return err_set(e, ERR_NOTFOUND,
	    "program %s is neither in %s nor in ../libexec/mig, ../sbin or "
	    "../bin beside it; set MIG_LIBEXEC to its directory",
	    name, self);
done:
	if (strlen(found) >= size)
		return err_set(e, ERR_TOOBIG, "%s: path too long", found);
	memcpy(out, found, strlen(found) + 1);
	return 0;
}
