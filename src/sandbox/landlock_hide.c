/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where nothing can be mounted, Landlock hides a directory: it knows only what
 * is allowed, so everything beside the way to it is, level by level:
 *
 *   /        READ_DIR (which holds below too: names can be listed)
 *   /etc     READ_FILE, READ_DIR        ... and all others but /var
 *   /var/log READ_FILE, READ_DIR        ... and all others but /var/lib
 *   ...
 *
 * What comes to be there later is not readable either: a layer is made for
 * each worker, not for longer.
 */
#include "sandbox/mechanisms.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Everything in the directory but the entry name. Links are only names. */
static int
allow_others(int ruleset, const char *dir, const char *name, struct err *e)
{
	const struct dirent *de;
	DIR *d = opendir(dir);
	int rc = 0;

	/* what cannot be listed was not readable before either */
	if (d == NULL)
		return errno == EACCES ? 0 : err_errno(e, "%s", dir);
	while (rc == 0 && (de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 ||
		    strcmp(de->d_name, name) == 0 || de->d_type == DT_LNK)
			continue;
		rc = landlock_allow_read(ruleset, dirfd(d), de->d_name, e);
	}
	closedir(d);
	return rc;
}

static int
allow_all_but(int ruleset, const char *hidden, struct err *e)
{
	char dir[PATH_MAX] = "/", name[NAME_MAX + 1];
	const char *p = hidden;
	size_t n, used = 0;
	int rc = 0;

	while (rc == 0 && *p == '/') {
		n = strcspn(++p, "/");
		if (n == 0 || n > NAME_MAX || used + n + 2 > sizeof(dir))
			return err_set(
			    e, ERR_INVALID, "%s: cannot be hidden", hidden);
		memcpy(name, p, n);
		name[n] = '\0';
		rc = allow_others(ruleset, dir, name, e);
		dir[used++] = '/';
		memcpy(dir + used, name, n + 1);
		used += n;
		p += n;
	}
	return rc;
}

int
sandbox_hide(const char *dir, char real[static PATH_MAX], struct err *e)
{
	int ruleset, rc;

	if (realpath(dir, real) == NULL)
		return err_errno(e, "%s", dir);
	if (strcmp(real, "/") == 0)
		return err_set(e, ERR_INVALID, "%s: cannot be hidden", dir);
	rc = landlock_read_rules(&ruleset, e);
	if (rc != 0)
		return rc;
	rc = allow_all_but(ruleset, real, e);
	if (rc == 0)
		rc = landlock_enforce(ruleset, e);
	close(ruleset);
	return rc;
}
