/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SQLite's own file access, but for two things: root's commands open the store
 * too, and the directory it is in belongs to the server's roles.
 *
 * - The file itself is no link: SQLite follows one before it opens.
 * - No journal names a further one (https://www.sqlite.org/fileformat2.html,
 *   section 3, "super-journal"): ours never do, as no transaction has two
 *   stores, and when such a journal is rolled back that file is removed,
 *   whatever it is.
 */
#include "server/store/sql.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_vfs vfs, *real_vfs;

static int
on_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
    int *ret_flags)
{
	f->pMethods = NULL;
	if ((flags & SQLITE_OPEN_SUPER_JOURNAL) != 0)
		return (SQLITE_CANTOPEN);
	return (real_vfs->xOpen(real_vfs, name, f, flags, ret_flags));
}

/* With the links of its directory followed, not its own. */
static int
on_full_path(sqlite3_vfs *v, const char *name, int size, char *ret)
{
	const char *slash = strrchr(name, '/');
	char dir[PATH_MAX], real[PATH_MAX];
	int n = slash == NULL ? 0 : (int)(slash - name);

	if (n >= (int)sizeof(dir))
		return (SQLITE_CANTOPEN);
	snprintf(dir, sizeof(dir), "%.*s", n, name);
	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else if (n == 0)
		snprintf(dir, sizeof(dir), "/");
	if (realpath(dir, real) == NULL)
		return (SQLITE_CANTOPEN);
	n = snprintf(ret, (size_t)size, "%s/%s",
	    strcmp(real, "/") == 0 ? "" : real,
	    slash == NULL ? name : slash + 1);
	return (n < 0 || n >= size ? SQLITE_CANTOPEN : SQLITE_OK);
}

const char *
store_vfs(void)
{
	if (real_vfs != NULL)
		return (vfs.zName);
	real_vfs = sqlite3_vfs_find(NULL);
	/* no memory: sqlite3_open_v2() finds the same, and says it */
	if (real_vfs == NULL)
		return (NULL);
	vfs = *real_vfs;
	vfs.zName = "store";
	vfs.pNext = NULL;
	vfs.xOpen = on_open;
	vfs.xFullPathname = on_full_path;
	sqlite3_vfs_register(&vfs, 0);
	return (vfs.zName);
}
