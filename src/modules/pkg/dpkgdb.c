/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/dpkgdb.h"

#include "base/err.h"
#include "modules/pkg/dpkg.h"
#include "modules/pkg/dpkgupdates.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_FILES_MAX 1000000

/* --- status ---------------------------------------------------------------*/

struct status {
	struct dpkg_updates updates;
	const struct pkg_reader *r;
};

static void
on_status(const struct package *p, void *arg)
{
	struct status *s = arg;

	if (dpkg_updates_find(&s->updates, p->name, p->arch) == NULL)
		s->r->package(p, s->r->arg);
}

static void
on_status_damaged(const char *what, void *arg)
{
	struct status *s = arg;

	s->r->damaged(what, s->r->arg);
}

static bool
on_status_stop(void *arg)
{
	struct status *s = arg;

	return s->r->stop(s->r->arg);
}

static void
tell_updates(const struct status *s)
{
	const struct dpkg_updates *u = &s->updates;
	struct package p = { .type = PKG_DPKG };
	const struct dpkg_update *up;
	size_t i;

	for (i = 0; i < u->n; i++) {
		up = &u->list[i];
		if (dpkg_updates_find(u, up->name, up->arch) != up ||
		    strcmp(up->state, "not-installed") == 0 ||
		    strcmp(up->state, "config-files") == 0)
			continue;
		p.name = up->name;
		p.arch = up->arch;
		p.version = up->version;
		p.state = strcmp(up->state, "installed") == 0 ? "" : up->state;
		s->r->package(&p, s->r->arg);
	}
}

struct stamp {
	struct stat status, updates;
};

static void
stamp_take(int dirfd, struct stamp *ret)
{
	memset(ret, 0, sizeof(*ret));
	(void)fstatat(dirfd, "status", &ret->status, AT_SYMLINK_NOFOLLOW);
	(void)fstatat(dirfd, "updates", &ret->updates, AT_SYMLINK_NOFOLLOW);
}

static int
read_status(int fd, int dirfd, struct status *s, struct err *e)
{
	const struct pkg_reader r = { on_status, on_status_damaged,
		on_status_stop, s };
	struct dpkg_parser p;
	int rc;

	if ((rc = dpkg_updates_read(&s->updates, dirfd, s->r, e)) != 0)
		return rc;
	dpkg_begin(&p, &r);
	if ((rc = dpkg_feed_file(&p, fd, UINT64_MAX, e)) == 0)
		tell_updates(s);
	return rc;
}

int
dpkgdb_status_read(int dirfd, const struct pkg_reader *r, struct err *e)
{
	struct status s = { .r = r };
	struct stamp before, after;
	int fd, rc;

	stamp_take(dirfd, &before);
	if ((rc = pkg_open_file(dirfd, "status", &fd, e)) != 0)
		return rc;
	rc = read_status(fd, dirfd, &s, e);
	close(fd);
	dpkg_updates_release(&s.updates);
	stamp_take(dirfd, &after);
	if (rc == 0 &&
	    (!reader_same_file(&before.status, &after.status) ||
		!reader_same_file(&before.updates, &after.updates)))
		rc = err_set(e, ERR_BUSY, "it was written meanwhile");
	return rc;
}

/* --- status.d -------------------------------------------------------------*/

static int
read_image_file(
    int dirfd, const char *name, const struct pkg_reader *r, struct err *e)
{
	struct dpkg_parser p;
	struct err why;
	int fd, rc;

	rc = pkg_open_file(dirfd, name, &fd, &why);
	if (rc != 0) {
		reader_damaged(r, "%s: %s", name, why.msg);
		return 0;
	}
	dpkg_begin(&p, r);
	p.all_installed = true;
	rc = dpkg_feed_file(&p, fd, UINT64_MAX, e);
	close(fd);
	return rc;
}

int
dpkgdb_image_read(int dirfd, const struct pkg_reader *r, struct err *e)
{
	static const char sums[] = ".md5sums";
	struct dirent *de;
	size_t len, n = 0;
	DIR *dir;
	int fd, rc = 0;

	fd = openat(
	    dirfd, "status.d", O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(e, "opening it");
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	while (rc == 0 && !r->stop(r->arg)) {
		errno = 0;
		de = readdir(dir);
		if (de == NULL && errno != 0)
			rc = err_errno(e, "reading it");
		if (de == NULL)
			break;
		len = strlen(de->d_name);
		if (de->d_name[0] == '.' ||
		    (len >= sizeof(sums) &&
			strcmp(de->d_name + len - sizeof(sums) + 1, sums) == 0))
			continue;
		if (n++ == IMAGE_FILES_MAX)
			rc = err_set(e, ERR_INVALID, "too many files");
		else
			rc = read_image_file(fd, de->d_name, r, e);
	}
	closedir(dir);
	return rc;
}
