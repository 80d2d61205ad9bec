/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/dpkgdb.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/pkg/dpkg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_LEN 65536
#define IMAGE_FILES_MAX 1000000

/* A change to one package that is not yet in status. */
struct update {
	char *name, *arch, *version, *state; /* owned; state as dpkg calls it */
};

struct updates {
	struct update *list; /* owned */
	size_t n, cap;
	bool failed; /* out of memory */
	const struct pkg_reader *r;
};

int
pkg_open_file(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	struct stat st;
	int fd;

	fd = openat(dirfd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INVALID,
		    "it is a symbolic link; no package manager makes one "
		    "there");
	if (fd < 0)
		return err_errno(e, "opening it");
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID, "it is not a regular file");
	}
	*ret_fd = fd;
	return 0;
}

/* A whole file through the parser. */
static int
feed_file(int fd, struct dpkg_parser *p, struct err *e)
{
	char *data = malloc(READ_LEN);
	ssize_t n = 1;
	int rc = 0;

	if (data == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (n > 0 && !p->reader->stop(p->reader->arg)) {
		n = read(fd, data, READ_LEN);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			dpkg_feed(p, data, (size_t)n);
	}
	if (n < 0)
		rc = err_errno(e, "reading it");
	else if (n == 0)
		dpkg_end(p);
	free(data);
	return rc;
}

/* --- updates --------------------------------------------------------------*/

static void
on_update(const struct package *p, void *arg)
{
	struct updates *u = arg;
	struct update *list, *new;

	if (u->n == u->cap) {
		u->cap = u->cap > 0 ? 2 * u->cap : 64;
		list = reallocarray(u->list, u->cap, sizeof(*list));
		if (list == NULL) {
			u->failed = true;
			u->cap = u->n;
			return;
		}
		u->list = list;
	}
	new = &u->list[u->n];
	new->name = strdup(p->name);
	new->arch = strdup(p->arch);
	new->version = strdup(p->version);
	new->state = strdup(p->state);
	u->n++;
	if (new->name == NULL || new->arch == NULL || new->version == NULL ||
	    new->state == NULL)
		u->failed = true;
}

static void
on_update_damaged(const char *what, void *arg)
{
	struct updates *u = arg;

	reader_damaged(u->r, "updates: %s", what);
}

static bool
on_update_stop(void *arg)
{
	struct updates *u = arg;

	return u->failed || u->r->stop(u->r->arg);
}

static void
updates_release(struct updates *u)
{
	size_t i;

	for (i = 0; i < u->n; i++) {
		free(u->list[i].name);
		free(u->list[i].arch);
		free(u->list[i].version);
		free(u->list[i].state);
	}
	free(u->list);
}

/* dpkg(1) makes names of four digits and takes any number of them. */
static int
is_update(const struct dirent *de)
{
	const char *p = de->d_name;

	return *p != '\0' && p[strspn(p, "0123456789")] == '\0';
}

static int
read_update(int dirfd, const char *name, struct updates *u, struct err *e)
{
	const struct pkg_reader r = { on_update, on_update_damaged,
		on_update_stop, u };
	struct dpkg_parser p;
	int fd, rc;

	rc = pkg_open_file(dirfd, name, &fd, e);
	if (rc != 0)
		return rc == ERR_NOTFOUND
		    ? err_set(e, ERR_BUSY, "it was written meanwhile")
		    : err_wrap(e, "updates/%s", name);
	dpkg_begin(&p, &r);
	p.any_state = true;
	rc = feed_file(fd, &p, e);
	close(fd);
	if (rc == 0 && u->failed)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return rc;
}

static int
read_updates(int dirfd, struct updates *u, struct err *e)
{
	struct dirent **names = NULL;
	int fd, n, i, rc = 0;

	fd = openat(
	    dirfd, "updates", O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "updates");
	n = scandirat(fd, ".", &names, is_update, alphasort);
	if (n < 0)
		rc = err_errno(e, "updates");
	if (n > DPKG_UPDATES_MAX)
		rc = err_set(e, ERR_INVALID, "%d files in updates", n);
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = read_update(fd, names[i]->d_name, u, e);
		free(names[i]);
	}
	free(names);
	close(fd);
	return rc;
}

/* The newest change to this package, or NULL. */
static const struct update *
find_update(const struct updates *u, const char *name, const char *arch)
{
	size_t i;

	for (i = u->n; i > 0; i--) {
		if (strcmp(u->list[i - 1].name, name) == 0 &&
		    (*u->list[i - 1].arch == '\0' ||
			strcmp(u->list[i - 1].arch, arch) == 0))
			return &u->list[i - 1];
	}
	return NULL;
}

static void
on_status(const struct package *p, void *arg)
{
	struct updates *u = arg;

	if (find_update(u, p->name, p->arch) == NULL)
		u->r->package(p, u->r->arg);
}

static void
on_status_damaged(const char *what, void *arg)
{
	struct updates *u = arg;

	u->r->damaged(what, u->r->arg);
}

static void
tell_updates(const struct updates *u)
{
	struct package p = { .type = PKG_DPKG };
	const struct update *up;
	size_t i;

	for (i = 0; i < u->n; i++) {
		up = &u->list[i];
		if (find_update(u, up->name, up->arch) != up ||
		    strcmp(up->state, "not-installed") == 0 ||
		    strcmp(up->state, "config-files") == 0)
			continue;
		p.name = up->name;
		p.arch = up->arch;
		p.version = up->version;
		p.state = strcmp(up->state, "installed") == 0 ? "" : up->state;
		u->r->package(&p, u->r->arg);
	}
}

/* --- status ---------------------------------------------------------------*/

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

static bool
same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int
read_status(int fd, int dirfd, struct updates *u, struct err *e)
{
	const struct pkg_reader r = { on_status, on_status_damaged,
		on_update_stop, u };
	struct dpkg_parser p;
	int rc;

	if ((rc = read_updates(dirfd, u, e)) != 0)
		return rc;
	dpkg_begin(&p, &r);
	if ((rc = feed_file(fd, &p, e)) == 0)
		tell_updates(u);
	return rc;
}

int
dpkgdb_status_read(int dirfd, const struct pkg_reader *r, struct err *e)
{
	struct updates u = { .r = r };
	struct stamp before, after;
	int fd, rc;

	stamp_take(dirfd, &before);
	if ((rc = pkg_open_file(dirfd, "status", &fd, e)) != 0)
		return rc;
	rc = read_status(fd, dirfd, &u, e);
	close(fd);
	updates_release(&u);
	stamp_take(dirfd, &after);
	if (rc == 0 &&
	    (!same(&before.status, &after.status) ||
		!same(&before.updates, &after.updates)))
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
	rc = feed_file(fd, &p, e);
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
	while (rc == 0 && !r->stop(r->arg) && (de = readdir(dir)) != NULL) {
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
