/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/system.h"

#include "base/err.h"
#include "base/path.h"
#include "modules/pkg/dpkgdb.h"
#include "modules/pkg/rpmdb.h"
#include "os/os.h"
#include "scan/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 6         /* while somebody writes */
#define TRY_PAUSE_MS 20 /* doubled each time: 620 ms in all */
#define DIRECTORIES_MAX 8

/* A directory that may hold databases, open. */
struct place {
	const char *path; /* real */
	int fd;
	const struct fence *fence;
};

/* One form of database; ERR_NOTFOUND: there is none of it in that place. */
struct form {
	enum pkg_type type;
	const char *file, *name;
	int (*read)(
	    const struct place *p, const struct pkg_reader *r, struct err *e);
};

static int
read_status(const struct place *p, const struct pkg_reader *r, struct err *e)
{
	return dpkgdb_status_read(p->fd, r, e);
}

static int
read_image(const struct place *p, const struct pkg_reader *r, struct err *e)
{
	return dpkgdb_image_read(p->fd, r, e);
}

static int
read_sqlite(const struct place *p, const struct pkg_reader *r, struct err *e)
{
	char path[OS_PATH_MAX + 32];
	int fd, rc;

	/* what SQLite makes of a missing or strange file is no good text */
	if ((rc = pkg_open_file(p->fd, "rpmdb.sqlite", &fd, e)) != 0)
		return rc;
	close(fd);
	/* SQLite opens it once more by its path: only the kernel can see to it
	 * that this is still the same place */
	if (p->fence != NULL && !p->fence->kernel)
		return err_set(e, ERR_UNSUPPORTED,
		    "within paths of the policy this form needs Landlock, "
		    "which the kernel does not have");
	snprintf(path, sizeof(path), "%s/rpmdb.sqlite", p->path);
	return rpmdb_sqlite_read(path, r, e);
}

static int
read_ndb(const struct place *p, const struct pkg_reader *r, struct err *e)
{
	int fd, rc = pkg_open_file(p->fd, "Packages.db", &fd, e);

	if (rc != 0)
		return rc;
	rc = rpmdb_ndb_read(fd, r, e);
	close(fd);
	return rc;
}

static int
read_bdb(const struct place *p, const struct pkg_reader *r, struct err *e)
{
	int fd, rc = pkg_open_file(p->fd, "Packages", &fd, e);

	if (rc != 0)
		return rc;
	rc = rpmdb_bdb_read(fd, r, e);
	close(fd);
	return rc;
}

static const struct form forms[] = {
	{ PKG_DPKG, "status", "dpkg", read_status },
	{ PKG_DPKG, "status.d", "dpkg image", read_image },
	{ PKG_RPM, "rpmdb.sqlite", "rpm sqlite", read_sqlite },
	{ PKG_RPM, "Packages.db", "rpm ndb", read_ndb },
	{ PKG_RPM, "Packages", "rpm bdb", read_bdb },
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

static const struct {
	const char *path;
	enum pkg_type type;
} directories[] = {
#define PKG_DIRECTORY(path, type) { path, type },
	PKG_DIRECTORIES(PKG_DIRECTORY)
#undef PKG_DIRECTORY
};
#define DIRECTORIES (sizeof(directories) / sizeof(directories[0]))

struct search {
	const struct system_ops *ops;
	const struct os_mounts *mounts;
	const struct fence *fence;
	const char *root;              /* as asked for */
	char real[OS_PATH_MAX];        /* of root, "" for "/" */
	bool found;                    /* a database or a gap */
	struct stat seen[DIRECTORIES]; /* directories that were read */
	size_t nseen;
};

static void
tell_gap(struct search *s, enum pkg_gap gap, const char *path, const char *why)
{
	s->found = true;
	s->ops->gap(gap, path, why, s->ops->reader.arg);
}

static void
tell_error(struct search *s, const char *path, const struct err *e, int rc)
{
	static const struct {
		int code;
		enum pkg_gap gap;
	} table[] = { { ERR_INVALID, GAP_CORRUPT },
		{ ERR_UNSUPPORTED, GAP_UNSUPPORTED },
		{ ERR_DENIED, GAP_UNREADABLE }, { ERR_BUSY, GAP_CHANGED },
		{ ERR_NOMEM, GAP_MEMORY }, { ERR_NOTFOUND, GAP_MISSING } };
	enum pkg_gap gap = GAP_IO;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].code == rc)
			gap = table[i].gap;
	}
	tell_gap(s, gap, path, e->msg);
}

static bool
stopped(const struct search *s)
{
	return s->ops->reader.stop(s->ops->reader.arg);
}

/* Nothing is locked: who writes meanwhile has it read once more. */
static int
read_form(struct search *s, const struct place *p, const struct form *f,
    const char *path, struct err *e)
{
	struct timespec pause = { 0, TRY_PAUSE_MS * 1000000L };
	int tries, rc = ERR_BUSY;

	for (tries = 0; tries < TRIES && rc == ERR_BUSY; tries++) {
		if (tries > 0) {
			nanosleep(&pause, NULL);
			pause.tv_nsec *= 2;
		}
		s->ops->begin(path, f->name, s->ops->reader.arg);
		rc = f->read(p, &s->ops->reader, e);
		/* it was there a moment ago: rpm --rebuilddb */
		if (rc == ERR_NOTFOUND && tries > 0)
			rc = err_set(e, ERR_BUSY, "it was removed meanwhile");
		if (stopped(s))
			break;
	}
	return rc;
}

static void
try_form(struct search *s, const struct place *p, const struct form *f)
{
	char path[OS_PATH_MAX + 32];
	struct err e;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", p->path, f->file);
	err_clear(&e);
	rc = read_form(s, p, f, path, &e);
	if (rc == ERR_NOTFOUND)
		return;
	s->found = true;
	s->ops->end(s->ops->reader.arg);
	if (rc != 0)
		tell_error(s, path, &e, rc);
}

/* --- directories ----------------------------------------------------------*/

/* False: it may not be touched, and that was told. */
static bool
resolve(struct search *s, const char *path, char ret[static OS_PATH_MAX])
{
	static const enum pkg_gap gaps[] = {
		[OS_MOUNT_REMOTE] = GAP_REMOTE,
		[OS_MOUNT_AUTO] = GAP_AUTOMOUNT,
		[OS_MOUNT_COVER] = GAP_COVERED,
	};
	enum os_mount_kind kind = os_mounts_resolve(s->mounts, path, ret);

	if (kind == OS_MOUNT_LOCAL && *ret != '\0')
		return true;
	if (kind == OS_MOUNT_LOCAL)
		tell_gap(s, GAP_IO, path, "its links cannot be followed");
	else
		tell_gap(s, gaps[kind], path, NULL);
	return false;
}

static bool
was_seen(struct search *s, const struct stat *st)
{
	size_t i;

	for (i = 0; i < s->nseen; i++) {
		if (s->seen[i].st_dev == st->st_dev &&
		    s->seen[i].st_ino == st->st_ino)
			return true;
	}
	s->seen[s->nseen++] = *st;
	return false;
}

static void
read_place(struct search *s, const struct place *p, enum pkg_type type)
{
	bool before = s->found;
	size_t i;

	s->found = false;
	for (i = 0; i < FORMS && !stopped(s); i++) {
		if (forms[i].type == type)
			try_form(s, p, &forms[i]);
	}
	if (!s->found && type == PKG_DPKG && !stopped(s))
		tell_gap(s, GAP_MISSING, p->path,
		    "it holds neither status nor status.d");
	s->found = s->found || before;
}

/* Its errno after a failed fence_open. */
static bool
is_fenced(const struct search *s)
{
	return s->fence != NULL && (errno == EXDEV || errno == ELOOP);
}

static void
try_directory(struct search *s, size_t which)
{
	char path[2 * OS_PATH_MAX], real[OS_PATH_MAX];
	struct place p = { .path = real, .fence = s->fence };
	struct stat st;
	struct err e;

	snprintf(path, sizeof(path), "%s%s", s->real, directories[which].path);
	if (!resolve(s, path, real))
		return;
	if (!path_below(real, *s->real != '\0' ? s->real : "/")) {
		tell_gap(s, GAP_OUTSIDE, path, "it leads out of the root");
		return;
	}
	/* real has no links any more, unless somebody put some there just now
	 */
	p.fd = fence_open(s->fence, real, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (p.fd < 0 && is_fenced(s)) {
		tell_gap(s, GAP_FENCED, path, NULL);
		return;
	}
	if (p.fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return;
	if (p.fd < 0 || fstat(p.fd, &st) != 0) {
		err_errno(&e, "opening it");
		tell_error(s, path, &e, e.code);
	} else if (!was_seen(s, &st)) {
		read_place(s, &p, directories[which].type);
	}
	if (p.fd >= 0)
		close(p.fd);
}

/* Through the fence as well: what is outside is not even looked at, should a
 * link be there meanwhile. */
static bool
look_at_root(struct search *s, struct stat *ret)
{
	int fd = fence_open(s->fence, s->real, O_PATH | O_CLOEXEC);
	struct err e;

	if (fd >= 0 && fstat(fd, ret) == 0) {
		close(fd);
		return true;
	}
	if (fd < 0 && is_fenced(s)) {
		tell_gap(s, GAP_FENCED, s->root, NULL);
		return false;
	}
	err_errno(&e, "looking at it");
	if (e.code == ERR_NOTFOUND)
		tell_gap(s, GAP_NO_ROOT, s->root, NULL);
	else
		tell_error(s, s->root, &e, e.code);
	if (fd >= 0)
		close(fd);
	return false;
}

static bool
prepare_root(struct search *s)
{
	struct stat st;

	if (!resolve(s, s->root, s->real) || !look_at_root(s, &st))
		return false;
	if (!S_ISDIR(st.st_mode)) {
		tell_gap(s, GAP_NO_ROOT, s->root, "it is not a directory");
		return false;
	}
	if (strcmp(s->real, "/") == 0)
		s->real[0] = '\0';
	return true;
}

void
system_read(const char *root, const struct os_mounts *mounts,
    const struct fence *fence, const struct system_ops *ops)
{
	struct search s = {
		.ops = ops, .mounts = mounts, .fence = fence, .root = root
	};
	size_t i;

	/* the whole system comes from elsewhere: nothing is less local */
	if (os_mounts_find(mounts, "/") == OS_MOUNT_REMOTE)
		s.mounts = NULL;
	if (!prepare_root(&s))
		return;
	for (i = 0; i < DIRECTORIES && !stopped(&s); i++)
		try_directory(&s, i);
	if (!s.found && !stopped(&s))
		tell_gap(&s, GAP_MISSING, root,
		    "there is no package database of dpkg or rpm");
}
