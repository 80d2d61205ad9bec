/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Files name further files: those wait in a list of bounded length, so nothing
 * is read for ever, whatever includes what.
 */
#include "modules/timedrift/clockfiles.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "modules/timedrift/clockconf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 64
#define FILE_SIZE_MAX (64 * 1024)
#define ENTRIES_MAX 64 /* of a directory */

static const char too_long[] = "its path is too long";

struct reading {
	const char *root;
	clockfiles_on_gap *on_gap;
	void *arg;
	struct {
		char *path; /* owned; without root */
		enum clockconf_kind kind;
	} files[FILES_MAX];
	size_t nfiles, at;
	struct clockservers *out;
	/* of timesyncd.conf, until all of it is read */
	struct clockservers own, fallback, built_in;
};

void
clockservers_add(
    struct clockservers *l, const struct host *h, const char *source)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (strcasecmp(l->list[i].host.name, h->name) == 0 &&
		    l->list[i].host.port == h->port)
			return;
	}
	if (l->n == TIMEDRIFT_SERVERS_MAX) {
		l->more++;
		return;
	}
	l->list[l->n].host = *h;
	(void)str_copy(
	    l->list[l->n].source, sizeof(l->list[l->n].source), source);
	l->n++;
}

static void
add_all(struct clockservers *to, const struct clockservers *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		clockservers_add(to, &from->list[i].host, from->list[i].source);
	to->more += from->more;
}

static void
add_file(struct reading *r, const char *path, enum clockconf_kind kind)
{
	char *copy;
	size_t i;

	for (i = 0; i < r->nfiles; i++) {
		if (strcmp(r->files[i].path, path) == 0)
			return;
	}
	if (r->nfiles == FILES_MAX) {
		r->on_gap(path, "there are too many files", r->arg);
		return;
	}
	copy = strdup(path);
	if (copy == NULL) {
		r->on_gap(path, "out of memory", r->arg);
		return;
	}
	r->files[r->nfiles].path = copy;
	r->files[r->nfiles++].kind = kind;
}

/* False: it does not fit. */
static bool
full_path(const struct reading *r, const char *path, char out[static PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s%s", r->root, path);

	return n > 0 && n < PATH_MAX;
}

/* --- directories ---------------------------------------------------------- */

struct entries {
	char *names[ENTRIES_MAX]; /* owned, sorted */
	size_t n;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
entries_release(struct entries *l)
{
	while (l->n > 0)
		free(l->names[--l->n]);
}

static bool
is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

static void
entries_of(struct reading *r, const char *dir, const char *pattern,
    struct entries *ret)
{
	char path[PATH_MAX];
	const struct dirent *de;
	DIR *d;

	ret->n = 0;
	if (!full_path(r, dir, path)) {
		r->on_gap(dir, too_long, r->arg);
		return;
	}
	d = opendir(path);
	if (d == NULL) {
		if (!is_missing(errno))
			r->on_gap(dir, strerror(errno), r->arg);
		return;
	}
	while (errno = 0, (de = readdir(d)) != NULL) {
		if (fnmatch(pattern, de->d_name, FNM_PERIOD) != 0)
			continue;
		if (ret->n == ENTRIES_MAX) {
			r->on_gap(dir, "there are too many files", r->arg);
			break;
		}
		ret->names[ret->n] = strdup(de->d_name);
		if (ret->names[ret->n] == NULL) {
			r->on_gap(dir, "out of memory", r->arg);
			break;
		}
		ret->n++;
	}
	if (de == NULL && errno != 0)
		r->on_gap(dir, strerror(errno), r->arg);
	closedir(d);
	qsort(ret->names, ret->n, sizeof(ret->names[0]), by_name);
}

static void
add_entry(struct reading *r, const char *dir, const char *name,
    enum clockconf_kind kind)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n > 0 && (size_t)n < sizeof(path))
		add_file(r, path, kind);
	else
		r->on_gap(dir, too_long, r->arg);
}

static void
add_directory(struct reading *r, const char *dir, const char *pattern,
    enum clockconf_kind kind)
{
	struct entries l;
	size_t i;

	entries_of(r, dir, pattern, &l);
	for (i = 0; i < l.n; i++)
		add_entry(r, dir, l.names[i], kind);
	entries_release(&l);
}

/* Files named by a pattern; only the last part may be one. */
static void
add_pattern(struct reading *r, const char *pattern, enum clockconf_kind kind)
{
	const char *slash = strrchr(pattern, '/');
	char dir[PATH_MAX];

	if (pattern[0] != '/' || slash[1] == '\0') {
		r->on_gap(pattern, "not an absolute path of a file", r->arg);
		return;
	}
	if (strpbrk(pattern, "*?[") == NULL) {
		add_file(r, pattern, kind);
		return;
	}
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - pattern), pattern);
	if (strpbrk(dir, "*?[") != NULL)
		r->on_gap(pattern, "a pattern of directories is not followed",
		    r->arg);
	else
		add_directory(r, dir, slash + 1, kind);
}

/* --- files ---------------------------------------------------------------- */

static void
on_item(enum clockconf_item item, const char *value, uint16_t port, void *arg)
{
	struct reading *r = arg;
	const char *path = r->files[r->at].path;
	enum clockconf_kind kind = r->files[r->at].kind;
	struct host h = { .port = port };

	switch (item) {
	case CLOCKCONF_INCLUDE:
		add_pattern(r, value, kind);
		return;
	case CLOCKCONF_CONFDIR:
		add_directory(r, value, "*.conf", kind);
		return;
	case CLOCKCONF_SOURCEDIR:
		add_directory(r, value, "*.sources", kind);
		return;
	case CLOCKCONF_NO_SERVER:
		r->own.n = r->own.more = 0;
		return;
	case CLOCKCONF_NO_FALLBACK:
		r->fallback.n = r->fallback.more = 0;
		return;
	default:
		break;
	}
	(void)str_copy(h.name, sizeof(h.name), value);
	clockservers_add(item == CLOCKCONF_FALLBACK ? &r->fallback
		: item == CLOCKCONF_BUILT_IN        ? &r->built_in
		: kind == CLOCKCONF_TIMESYNCD       ? &r->own
						    : r->out,
	    &h, path);
}

static const char *
read_regular(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *why = NULL;
	struct stat st;
	struct err e;

	if (fd < 0)
		return is_missing(errno) ? "" : strerror(errno);
	err_clear(&e);
	if (fstat(fd, &st) != 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "not a file";
	else if (fd_read_all(fd, out, &e) != 0)
		why = e.code == ERR_TOOBIG ? "larger than 64 KiB"
					   : "cannot be read";
	close(fd);
	return why;
}

/* Those that are named while they are read come behind. */
static void
read_files(struct reading *r)
{
	char path[PATH_MAX];
	const char *why;
	struct buf text;

	for (; r->at < r->nfiles; r->at++) {
		if (!full_path(r, r->files[r->at].path, path)) {
			r->on_gap(r->files[r->at].path, too_long, r->arg);
			continue;
		}
		buf_init(&text, FILE_SIZE_MAX);
		why = read_regular(path, &text);
		if (why != NULL && *why != '\0')
			r->on_gap(r->files[r->at].path, why, r->arg);
		if (why == NULL &&
		    clockconf_parse(r->files[r->at].kind, text.data, text.len,
			on_item, r) > 0)
			r->on_gap(r->files[r->at].path,
			    "lines about servers that were not understood",
			    r->arg);
		buf_release(&text);
	}
}

/* --- which files ---------------------------------------------------------- */

static bool
is_there(const struct reading *r, const char *path)
{
	char full[PATH_MAX];

	return full_path(r, path, full) && access(full, F_OK) == 0;
}

struct dropins {
	struct entries all;
	const char *dir_of[ENTRIES_MAX]; /* of each of them; borrowed */
};

/* Takes *name. False: there is no room for one more. */
static bool
take_dropin(struct dropins *l, char **name, const char *dir)
{
	struct entries *all = &l->all;
	size_t k = all->n;

	while (k > 0 && strcmp(all->names[k - 1], *name) > 0)
		k--;
	if (k > 0 && strcmp(all->names[k - 1], *name) == 0)
		return true;
	if (all->n == ENTRIES_MAX)
		return false;
	memmove(&all->names[k + 1], &all->names[k],
	    (all->n - k) * sizeof(all->names[0]));
	memmove(&l->dir_of[k + 1], &l->dir_of[k],
	    (all->n - k) * sizeof(l->dir_of[0]));
	all->names[k] = *name;
	*name = NULL;
	l->dir_of[k] = dir;
	all->n++;
	return true;
}

/* systemd(1): a file of an earlier directory stands for those of the same name
 * in later ones; they are read in the order of their names. */
static void
add_dropins(struct reading *r, const char *const *dirs, const char *name)
{
	struct dropins l = { .all = { .n = 0 } };
	struct entries some;
	char dir[PATH_MAX];
	size_t d, i;

	for (d = 0; dirs[d] != NULL; d++) {
		snprintf(dir, sizeof(dir), "%s/%s.d", dirs[d], name);
		entries_of(r, dir, "*.conf", &some);
		for (i = 0; i < some.n; i++) {
			if (take_dropin(&l, &some.names[i], dirs[d]))
				continue;
			r->on_gap(dir, "there are too many files", r->arg);
			break;
		}
		entries_release(&some);
	}
	for (i = 0; i < l.all.n; i++) {
		snprintf(dir, sizeof(dir), "%s/%s.d", l.dir_of[i], name);
		add_entry(r, dir, l.all.names[i], CLOCKCONF_TIMESYNCD);
	}
	entries_release(&l.all);
}

static void
add_timesyncd(struct reading *r)
{
	static const char *const dirs[] = { "/etc/systemd", "/run/systemd",
		"/usr/local/lib/systemd", "/usr/lib/systemd", NULL };
	static const char name[] = "timesyncd.conf";
	char path[PATH_MAX];
	size_t i;

	for (i = 0; dirs[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (is_there(r, path)) {
			add_file(r, path, CLOCKCONF_TIMESYNCD);
			break;
		}
	}
	add_dropins(r, dirs, name);
	add_directory(r, "/run/systemd/netif/links", "[0-9]*", CLOCKCONF_LINK);
}

static void
add_known(struct reading *r)
{
	static const struct {
		const char *path;
		enum clockconf_kind kind;
	} files[] = {
		{ "/etc/chrony/chrony.conf", CLOCKCONF_CHRONY },
		{ "/etc/chrony.conf", CLOCKCONF_CHRONY },
		/* Debian's, in place of the next: what DHCP says */
		{ "/run/ntpsec/ntp.conf.dhcp", CLOCKCONF_NTP },
		{ "/run/ntp.conf.dhcp", CLOCKCONF_NTP },
		{ "/etc/ntpsec/ntp.conf", CLOCKCONF_NTP },
		{ "/etc/ntp.conf", CLOCKCONF_NTP },
		{ "/etc/openntpd/ntpd.conf", CLOCKCONF_NTP },
		{ "/etc/ntpd.conf", CLOCKCONF_NTP },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		add_file(r, files[i].path, files[i].kind);
	add_directory(r, "/etc/ntpsec/ntp.d", "*.conf", CLOCKCONF_NTP);
	add_timesyncd(r);
}

void
clockfiles_read(const char *root, struct clockservers *ret,
    clockfiles_on_gap *on_gap, void *arg)
{
	struct reading *r = calloc(1, sizeof(*r));
	size_t i;

	ret->n = ret->more = 0;
	if (r == NULL) {
		on_gap("", "out of memory", arg);
		return;
	}
	r->root = root;
	r->on_gap = on_gap;
	r->arg = arg;
	r->out = ret;
	add_known(r);
	read_files(r);
	add_all(ret, &r->own);
	/* what timesyncd takes only when it knows no other */
	if (ret->n == 0)
		add_all(ret, &r->fallback);
	if (ret->n == 0)
		add_all(ret, &r->built_in);
	for (i = 0; i < r->nfiles; i++)
		free(r->files[i].path);
	free(r);
}
