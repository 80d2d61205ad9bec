/* SPDX-License-Identifier: MPL-2.0 */
/*
 * For the test build only: SQLite's own file access, in front of whose calls
 * stand fault points. So a test makes SQLite itself meet a full disk, a broken
 * one or a lock that is never given back, and what it then does to an open
 * transaction is what it really does (https://www.sqlite.org/vfs.html,
 * c3ref/io_methods.html). The points' second name is the path: "-wal" chooses
 * the log.
 */
#include "server/store/sql.h"

#include "base/fault.h"

#include <errno.h>

struct fault_file {
	sqlite3_file base; /* first */
	const char *name;  /* SQLite's, until it is closed */
	sqlite3_file real[];
};

static sqlite3_vfs vfs, *real_vfs;

static struct fault_file *
of(sqlite3_file *f)
{
	return ((struct fault_file *)f);
}

static int
code_of(int no, int other)
{
	return (no == ENOSPC ? SQLITE_FULL : no == EBUSY ? SQLITE_BUSY : other);
}

static int
on_close(sqlite3_file *f)
{
	return (of(f)->real->pMethods->xClose(of(f)->real));
}

static int
on_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	if (fault_error("sqlite.read", of(f)->name) != 0)
		return (SQLITE_IOERR_READ);
	return (of(f)->real->pMethods->xRead(of(f)->real, p, n, at));
}

static int
on_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (fault_error("sqlite.write", of(f)->name) != 0)
		return (code_of(errno, SQLITE_IOERR_WRITE));
	return (of(f)->real->pMethods->xWrite(of(f)->real, p, n, at));
}

static int
on_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return (of(f)->real->pMethods->xTruncate(of(f)->real, n));
}

static int
on_sync(sqlite3_file *f, int flags)
{
	if (fault_error("sqlite.sync", of(f)->name) != 0)
		return (code_of(errno, SQLITE_IOERR_FSYNC));
	return (of(f)->real->pMethods->xSync(of(f)->real, flags));
}

static int
on_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return (of(f)->real->pMethods->xFileSize(of(f)->real, ret));
}

static int
on_lock(sqlite3_file *f, int how)
{
	return (of(f)->real->pMethods->xLock(of(f)->real, how));
}

static int
on_unlock(sqlite3_file *f, int how)
{
	return (of(f)->real->pMethods->xUnlock(of(f)->real, how));
}

static int
on_check(sqlite3_file *f, int *ret)
{
	return (of(f)->real->pMethods->xCheckReservedLock(of(f)->real, ret));
}

static int
on_control(sqlite3_file *f, int op, void *arg)
{
	return (of(f)->real->pMethods->xFileControl(of(f)->real, op, arg));
}

static int
on_sector(sqlite3_file *f)
{
	return (of(f)->real->pMethods->xSectorSize(of(f)->real));
}

static int
on_device(sqlite3_file *f)
{
	return (of(f)->real->pMethods->xDeviceCharacteristics(of(f)->real));
}

static int
on_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	if (fault_error("sqlite.shm_map", of(f)->name) != 0)
		return (SQLITE_IOERR_SHMMAP);
	return (of(f)->real->pMethods->xShmMap(
	    of(f)->real, page, size, extend, ret));
}

static int
on_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	/* the writer's lock is the first one; readers never want it */
	if (offset == 0 && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) &&
	    fault_error("sqlite.lock", of(f)->name) != 0)
		return (SQLITE_BUSY);
	return (of(f)->real->pMethods->xShmLock(of(f)->real, offset, n, flags));
}

static void
on_shm_barrier(sqlite3_file *f)
{
	of(f)->real->pMethods->xShmBarrier(of(f)->real);
}

static int
on_shm_unmap(sqlite3_file *f, int delete)
{
	return (of(f)->real->pMethods->xShmUnmap(of(f)->real, delete));
}

/* Version 2: with shared memory, without mapping the file itself. */
static const sqlite3_io_methods methods = { 2, on_close, on_read, on_write,
	on_truncate, on_sync, on_size, on_lock, on_unlock, on_check, on_control,
	on_sector, on_device, on_shm_map, on_shm_lock, on_shm_barrier,
	on_shm_unmap, NULL, NULL };

static int
on_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
    int *ret_flags)
{
	struct fault_file *x = of(f);
	int rc;

	f->pMethods = NULL;
	rc = real_vfs->xOpen(real_vfs, name, x->real, flags, ret_flags);
	/* without methods there is nothing to close */
	if (x->real->pMethods == NULL)
		return (rc);
	x->name = name;
	f->pMethods = &methods;
	return (rc);
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
	vfs.zName = "fault";
	vfs.pNext = NULL;
	vfs.szOsFile += (int)sizeof(struct fault_file);
	vfs.xOpen = on_open;
	sqlite3_vfs_register(&vfs, 0);
	return (vfs.zName);
}
