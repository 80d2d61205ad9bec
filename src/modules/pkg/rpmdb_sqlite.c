/* SPDX-License-Identifier: MPL-2.0 */
/*
 * rpmdb.sqlite by libsqlite3, which is loaded when there is one. rpm keeps it
 * in WAL mode, so the newest packages may stand in PATH-wal only. SQLite reads
 * that without shared memory and locks when it believes to be alone
 * (locking_mode=EXCLUSIVE, a VFS that opens for reading only and locks
 * nothing); that nobody wrote meanwhile is checked by ourselves.
 *
 * The database comes from outside: its schema is not trusted, sizes are
 * limited, and what its SQL does is stopped with the run.
 */
#include "modules/pkg/rpmdb.h"

#include "base/buf.h"
#include "base/err.h"
#include "modules/pkg/rpmheader.h"
#include "scan/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VFS_NAME "mig-readonly"
#define STEPS_BETWEEN_STOPS 10000 /* of SQLite's machine */
#define SQL_LENGTH_MAX 65536

static struct {
	bool loaded;
	bool ready; /* the VFS is there as well */
	__typeof__(&sqlite3_open_v2) open;
	__typeof__(&sqlite3_close_v2) close;
	__typeof__(&sqlite3_prepare_v2) prepare;
	__typeof__(&sqlite3_step) step;
	__typeof__(&sqlite3_finalize) finalize;
	__typeof__(&sqlite3_exec) exec;
	__typeof__(&sqlite3_column_int64) column_int64;
	__typeof__(&sqlite3_column_blob) column_blob;
	__typeof__(&sqlite3_column_bytes) column_bytes;
	__typeof__(&sqlite3_errmsg) errmsg;
	__typeof__(&sqlite3_limit) limit;
	__typeof__(&sqlite3_progress_handler) progress;
	__typeof__(&sqlite3_vfs_find) vfs_find;
	__typeof__(&sqlite3_vfs_register) vfs_register;
} lite;

/* --- a VFS that cannot write ----------------------------------------------*/

static sqlite3_vfs *plain; /* "unix-none": no locks */
static sqlite3_vfs readonly;

static int
open_readonly(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_DELETEONCLOSE);
	return plain->xOpen(
	    plain, name, file, flags | SQLITE_OPEN_READONLY, ret_flags);
}

static int
delete_nothing(sqlite3_vfs *vfs, const char *name, int sync)
{
	return SQLITE_READONLY;
}

/* Of root's WAL SQLite would make sure that it belongs to whom the database
 * does, which changes it even where nothing has to be done. */
static int
chown_nothing(int fd, uid_t uid, gid_t gid)
{
	return 0;
}

static int
load(struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "sqlite3_open_v2", &lite.open },
		{ "sqlite3_close_v2", &lite.close },
		{ "sqlite3_prepare_v2", &lite.prepare },
		{ "sqlite3_step", &lite.step },
		{ "sqlite3_finalize", &lite.finalize },
		{ "sqlite3_exec", &lite.exec },
		{ "sqlite3_column_int64", &lite.column_int64 },
		{ "sqlite3_column_blob", &lite.column_blob },
		{ "sqlite3_column_bytes", &lite.column_bytes },
		{ "sqlite3_errmsg", &lite.errmsg },
		{ "sqlite3_limit", &lite.limit },
		{ "sqlite3_progress_handler", &lite.progress },
		{ "sqlite3_vfs_find", &lite.vfs_find },
		{ "sqlite3_vfs_register", &lite.vfs_register },
	};
	int rc;

	if (lite.ready)
		return 0;
	rc = lib_load("libsqlite3.so.0", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &lite.loaded, e);
	if (rc != 0)
		return rc;
	plain = lite.vfs_find("unix-none");
	if (plain == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "this libsqlite3 has no VFS \"unix-none\"");
	if (plain->iVersion < 3 ||
	    plain->xSetSystemCall(plain, "fchown",
		(sqlite3_syscall_ptr)chown_nothing) != SQLITE_OK)
		return err_set(e, ERR_UNSUPPORTED,
		    "this libsqlite3 does not let its calls be replaced");
	readonly = *plain;
	readonly.zName = VFS_NAME;
	readonly.pNext = NULL;
	readonly.xOpen = open_readonly;
	readonly.xDelete = delete_nothing;
	if (lite.vfs_register(&readonly, 0) != SQLITE_OK)
		return err_set(e, ERR_NOMEM, "libsqlite3: no memory");
	lite.ready = true;
	return 0;
}

/* --- has it changed? ------------------------------------------------------*/

struct part_stamp {
	bool there;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	uint8_t head[32]; /* counter of the database, salts of the WAL */
};

struct stamp {
	struct part_stamp database, wal;
	bool journal; /* an unfinished change of the older kind */
};

static void
stamp_part(const char *path, const char *suffix, struct part_stamp *ret)
{
	char name[PATH_MAX + 16];
	struct stat st;
	int fd;

	memset(ret, 0, sizeof(*ret));
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		ret->there = true;
		ret->ino = st.st_ino;
		ret->size = st.st_size;
		ret->mtime = st.st_mtim;
		ret->ctime = st.st_ctim;
		if (pread(fd, ret->head, sizeof(ret->head), 0) < 0)
			ret->size = 0;
	}
	close(fd);
}

static void
stamp_take(const char *path, struct stamp *ret)
{
	struct part_stamp journal;

	memset(ret, 0, sizeof(*ret));
	stamp_part(path, "", &ret->database);
	stamp_part(path, "-wal", &ret->wal);
	stamp_part(path, "-journal", &journal);
	ret->journal = journal.size > 0;
}

static bool
part_same(const struct part_stamp *a, const struct part_stamp *b)
{
	return a->there == b->there && a->ino == b->ino && a->size == b->size &&
	    a->mtime.tv_sec == b->mtime.tv_sec &&
	    a->mtime.tv_nsec == b->mtime.tv_nsec &&
	    a->ctime.tv_sec == b->ctime.tv_sec &&
	    a->ctime.tv_nsec == b->ctime.tv_nsec &&
	    memcmp(a->head, b->head, sizeof(a->head)) == 0;
}

static bool
stamp_same(const struct stamp *a, const struct stamp *b)
{
	return part_same(&a->database, &b->database) &&
	    part_same(&a->wal, &b->wal) && a->journal == b->journal;
}

/* --- reading --------------------------------------------------------------*/

static int
on_progress(void *arg)
{
	const struct pkg_reader *r = arg;

	return r->stop(r->arg);
}

static int
fault(sqlite3 *db, int code, struct err *e)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return err_set(e, ERR_NOMEM, "out of memory");
	case SQLITE_IOERR:
		return err_set(e, ERR_IO, "%s", lite.errmsg(db));
	case SQLITE_TOOBIG:
		return err_set(e, ERR_INVALID, "a header of more than %u bytes",
		    RPM_HEADER_MAX);
	default:
		return err_set(e, ERR_INVALID, "%s", lite.errmsg(db));
	}
}

/* file:PATH?..., so that SQLite takes no byte of it for something else. */
static void
add_uri(struct buf *uri, const char *path, bool alone)
{
	buf_add_str(uri, "file:");
	for (; *path != '\0'; path++) {
		if (strchr("?#%", *path) != NULL)
			buf_add_fmt(uri, "%%%02x", (unsigned char)*path);
		else
			buf_add_u8(uri, (uint8_t)*path);
	}
	/* without a WAL there is nothing beside it to look at */
	buf_add_str(uri, alone ? "?immutable=1" : "?mode=ro");
}

static int
open_database(const char *path, struct pkg_reader *r, bool alone, sqlite3 **ret,
    struct err *e)
{
	struct buf uri;
	int rc;

	buf_init(&uri, 4 * PATH_MAX);
	add_uri(&uri, path, alone);
	*ret = NULL;
	rc = buf_str(&uri) == NULL
	    ? SQLITE_NOMEM
	    : lite.open(buf_str(&uri), ret,
		  SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
		  VFS_NAME);
	buf_release(&uri);
	if (rc != SQLITE_OK)
		return fault(*ret, rc, e);
	lite.limit(*ret, SQLITE_LIMIT_LENGTH, RPM_HEADER_MAX);
	lite.limit(*ret, SQLITE_LIMIT_SQL_LENGTH, SQL_LENGTH_MAX);
	lite.progress(*ret, STEPS_BETWEEN_STOPS, on_progress, r);
	rc = lite.exec(*ret,
	    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF; "
	    "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0",
	    NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : fault(*ret, rc, e);
}

static int
read_rows(sqlite3 *db, const struct pkg_reader *r, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	const void *blob;
	int rc, len;

	rc = lite.prepare(
	    db, "SELECT hnum, blob FROM Packages", -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return fault(db, rc, e);
	while ((rc = lite.step(stmt)) == SQLITE_ROW) {
		blob = lite.column_blob(stmt, 1);
		len = lite.column_bytes(stmt, 1);
		rpmdb_blob(r, (uint64_t)lite.column_int64(stmt, 0),
		    blob != NULL ? blob : "", (size_t)len);
		if (r->stop(r->arg)) {
			rc = SQLITE_INTERRUPT;
			break;
		}
	}
	rc = rc == SQLITE_DONE || rc == SQLITE_INTERRUPT ? 0 : fault(db, rc, e);
	lite.finalize(stmt);
	return rc;
}

int
rpmdb_sqlite_read(const char *path, const struct pkg_reader *r, struct err *e)
{
	struct pkg_reader reader = *r;
	struct stamp before, after;
	sqlite3 *db = NULL;
	int rc;

	if ((rc = load(e)) != 0)
		return rc;
	stamp_take(path, &before);
	if (before.journal)
		return err_set(e, ERR_BUSY,
		    "an unfinished change stands in %s-journal", path);
	rc = open_database(path, &reader, before.wal.size == 0, &db, e);
	if (rc == 0)
		rc = read_rows(db, r, e);
	lite.close(db);
	stamp_take(path, &after);
	if (rc != ERR_NOMEM && !stamp_same(&before, &after))
		return err_set(e, ERR_BUSY, "it was written meanwhile");
	return rc;
}
