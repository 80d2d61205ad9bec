/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/dpkgupdates.h"

#include "base/err.h"
#include "base/fault.h"
#include "modules/pkg/dpkg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- a file ---------------------------------------------------------------*/

struct update_file {
	struct dpkg_updates *u;
	const char *name;
	const struct pkg_reader *r;
	bool taken;  /* its package */
	bool more;   /* ... and there is another */
	bool failed; /* out of memory */
};

static char *
put(char **at, const char *text)
{
	char *begin = *at;
	size_t len = strlen(text) + 1;

	memcpy(begin, text, len);
	*at += len;
	return begin;
}

static void
on_update(const struct package *p, void *arg)
{
	struct update_file *f = arg;
	struct dpkg_update *new;
	char *text;

	if (f->taken || f->failed) {
		f->more = true;
		return;
	}
	text = malloc(strlen(p->name) + strlen(p->arch) + strlen(p->version) +
	    strlen(p->state) + 4);
	if (text == NULL) {
		f->failed = true;
		return;
	}
	new = &f->u->list[f->u->n++];
	new->name = put(&text, p->name);
	new->arch = put(&text, p->arch);
	new->version = put(&text, p->version);
	new->state = put(&text, p->state);
	f->taken = true;
}

static void
on_update_damaged(const char *what, void *arg)
{
	struct update_file *f = arg;

	reader_damaged(f->r, "updates/%s: %s", f->name, what);
}

static bool
on_update_stop(void *arg)
{
	struct update_file *f = arg;

	return f->failed || f->more || f->r->stop(f->r->arg);
}

static bool
make_room(struct dpkg_updates *u)
{
	size_t cap = u->n + 64;
	struct dpkg_update *list;

	if (u->n % 64 != 0)
		return true;
	list = reallocarray(u->list, cap, sizeof(*list));
	if (list == NULL)
		return false;
	u->list = list;
	return true;
}

int
dpkg_updates_add(struct dpkg_updates *u, int fd, const char *name,
    const struct pkg_reader *r, struct err *e)
{
	struct update_file f = { .u = u, .name = name, .r = r };
	const struct pkg_reader reader = { on_update, on_update_damaged,
		on_update_stop, &f };
	struct dpkg_parser p;
	struct err why;
	int rc;

	if (u->n == DPKG_UPDATES_MAX)
		return err_set(e, ERR_INVALID, "more than %d files in updates",
		    DPKG_UPDATES_MAX);
	if (!make_room(u))
		return err_set(e, ERR_NOMEM, "out of memory");
	dpkg_begin(&p, &reader);
	p.any_state = true;
	rc = dpkg_feed_file(&p, fd, DPKG_UPDATE_BYTES_MAX, &why);
	if (f.failed)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (f.more)
		on_update_damaged("more than one package", &f);
	if (rc == ERR_TOOBIG) {
		on_update_damaged(why.msg, &f);
		return 0;
	}
	return rc != 0 ? err_set(e, rc, "updates/%s: %s", name, why.msg) : 0;
}

/* --- all of them ----------------------------------------------------------*/

/* dpkg(1) makes names of four digits and takes any number of them. */
static bool
is_update(const char *name)
{
	return *name != '\0' && name[strspn(name, "0123456789")] == '\0';
}

struct names {
	char *list[DPKG_UPDATES_MAX]; /* owned */
	size_t n;
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list_names(DIR *dir, struct names *names, struct err *e)
{
	struct dirent *de;

	while (errno = 0, (de = readdir(dir)) != NULL) {
		if (!is_update(de->d_name))
			continue;
		if (names->n == DPKG_UPDATES_MAX)
			return err_set(e, ERR_INVALID,
			    "more than %d files in updates", DPKG_UPDATES_MAX);
		names->list[names->n] = strdup(de->d_name);
		if (names->list[names->n] == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		names->n++;
	}
	if (errno != 0)
		return err_errno(e, "updates");
	qsort(names->list, names->n, sizeof(names->list[0]), compare_names);
	fault_point("pkg.updates_listed");
	return 0;
}

static int
read_file(struct dpkg_updates *u, int dirfd, const char *name,
    const struct pkg_reader *r, struct err *e)
{
	int fd, rc;

	rc = pkg_open_file(dirfd, name, &fd, e);
	if (rc != 0)
		return rc == ERR_NOTFOUND
		    ? err_set(e, ERR_BUSY, "it was written meanwhile")
		    : err_wrap(e, "updates/%s", name);
	rc = dpkg_updates_add(u, fd, name, r, e);
	close(fd);
	return rc;
}

static int
read_files(
    struct dpkg_updates *u, DIR *dir, const struct pkg_reader *r, struct err *e)
{
	struct names names = { .n = 0 };
	size_t i;
	int rc = list_names(dir, &names, e);

	for (i = 0; i < names.n; i++) {
		if (rc == 0)
			rc = read_file(u, dirfd(dir), names.list[i], r, e);
		free(names.list[i]);
	}
	return rc;
}

int
dpkg_updates_read(struct dpkg_updates *u, int dirfd, const struct pkg_reader *r,
    struct err *e)
{
	DIR *dir;
	int fd, rc;

	fd = openat(
	    dirfd, "updates", O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "updates");
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	rc = read_files(u, dir, r, e);
	closedir(dir);
	return rc != 0 ? rc : dpkg_updates_sort(u, e);
}

void
dpkg_updates_release(struct dpkg_updates *u)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		free(u->list[i].name);
	free(u->list);
	free(u->index);
	memset(u, 0, sizeof(*u));
}

/* --- looking one up -------------------------------------------------------*/

static int
compare_keys(const struct dpkg_update *a, const char *name, const char *arch)
{
	int d = strcmp(a->name, name);

	return d != 0 ? d : strcmp(a->arch, arch);
}

static int
compare_updates(const void *a, const void *b, void *arg)
{
	const struct dpkg_updates *u = arg;
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
	int d = compare_keys(&u->list[x], u->list[y].name, u->list[y].arch);

	return d != 0 ? d : x - y;
}

int
dpkg_updates_sort(struct dpkg_updates *u, struct err *e)
{
	size_t i;

	if (u->n == 0)
		return 0;
	u->index = reallocarray(NULL, u->n, sizeof(*u->index));
	if (u->index == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < u->n; i++)
		u->index[i] = (uint16_t)i;
	qsort_r(u->index, u->n, sizeof(*u->index), compare_updates, u);
	return 0;
}

/* The last of this very architecture. */
static const struct dpkg_update *
find_last(const struct dpkg_updates *u, const char *name, const char *arch)
{
	size_t low = 0, high = u->n, middle;
	const struct dpkg_update *up;

	while (low < high) {
		middle = (low + high) / 2;
		if (compare_keys(&u->list[u->index[middle]], name, arch) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	up = &u->list[u->index[low - 1]];
	return compare_keys(up, name, arch) == 0 ? up : NULL;
}

const struct dpkg_update *
dpkg_updates_find(
    const struct dpkg_updates *u, const char *name, const char *arch)
{
	const struct dpkg_update *this = find_last(u, name, arch);
	const struct dpkg_update *all = find_last(u, name, "");

	if (this == NULL || (all != NULL && all > this))
		return all;
	return this;
}
