/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which directories must not even be touched: mount points of file systems
 * whose data is elsewhere, or that mount something when looked at. From
 * /proc/self/mountinfo (proc(5)), a line a mount, the topmost last:
 *
 *   36 35 98:0 /root /mount/point rw,noatime master:1 - nfs4 host:/ rw
 */
#include "os/os.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16 * 1024 * 1024)
#define LINKS_MAX 40

struct mount {
	char *path; /* owned */
	enum os_mount_kind kind;
};

struct os_mounts {
	struct mount *list; /* only those that are not OS_MOUNT_LOCAL */
	size_t n, cap;
};

/* In place: \040 and the like are bytes. */
static void
unescape(char *s)
{
	char *out = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
			    (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static void
mounts_remove(struct os_mounts *m, const char *path)
{
	size_t i, kept = 0;

	for (i = 0; i < m->n; i++) {
		if (strcmp(m->list[i].path, path) == 0)
			free(m->list[i].path);
		else
			m->list[kept++] = m->list[i];
	}
	m->n = kept;
}

/* What was mounted here before is covered. */
static int
mounts_set(struct os_mounts *m, const char *path, enum os_mount_kind kind)
{
	struct mount *p;
	size_t cap;

	mounts_remove(m, path);
	if (kind == OS_MOUNT_LOCAL)
		return 0;
	if (m->n == m->cap) {
		cap = m->cap == 0 ? 16 : m->cap * 2;
		p = reallocarray(m->list, cap, sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		m->list = p;
		m->cap = cap;
	}
	m->list[m->n].path = strdup(path);
	m->list[m->n].kind = kind;
	if (m->list[m->n].path == NULL)
		return ERR_NOMEM;
	m->n++;
	return 0;
}

/* A line that is not understood is none. */
static int
parse_line(struct os_mounts *m, char *line)
{
	char *path = line, *end, *type, *source;
	enum os_mount_kind kind;
	int i;

	type = strstr(line, " - ");
	for (i = 0; i < 4 && path != NULL; i++) {
		path = strchr(path, ' ');
		path = path != NULL ? path + 1 : NULL;
	}
	if (type == NULL || path == NULL || path > type || *path != '/')
		return 0;
	type += 3;
	source = type + strcspn(type, " ");
	if (*source != '\0')
		*source++ = '\0';
	source[strcspn(source, " ")] = '\0';
	end = strchr(path, ' ');
	*end = '\0';
	unescape(path);
	kind = os_mount_kind_of(type);
	if (strcmp(type, "tmpfs") == 0 && strcmp(source, OS_COVER_SOURCE) == 0)
		kind = OS_MOUNT_COVER;
	return mounts_set(m, path, kind);
}

int
os_mounts_parse(char *text, struct os_mounts **ret, struct err *e)
{
	struct os_mounts *m = calloc(1, sizeof(*m));
	char *line, *next;
	int rc = m == NULL ? ERR_NOMEM : 0;

	for (line = text; rc == 0 && line != NULL && *line != '\0';
	     line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		rc = parse_line(m, line);
	}
	if (rc != 0) {
		os_mounts_free(m);
		return err_set(e, rc, "out of memory");
	}
	*ret = m;
	return 0;
}

/* The table as it was read last, and where it was read: who looks at one path
 * would need more time for this than for all else. */
static struct {
	int fd; /* -1: not read yet */
	struct os_mounts *mounts;
} last = { .fd = -1 };

/* Polling tells once of each change after the file was opened (proc(5)). */
static bool
still_so(void)
{
	struct pollfd p = { .fd = last.fd, .events = POLLPRI };

	return last.mounts != NULL && poll(&p, 1, 0) == 0;
}

static int
read_table(struct err *e)
{
	struct buf text;
	int rc = 0;

	os_mounts_free(last.mounts);
	last.mounts = NULL;
	if (last.fd < 0)
		last.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (last.fd < 0 || lseek(last.fd, 0, SEEK_SET) != 0)
		return err_errno(e, "/proc/self/mountinfo");
	buf_init(&text, MOUNTINFO_MAX);
	rc = fd_read_all(last.fd, &text, e);
	if (rc == 0 && buf_add_u8(&text, '\0') != 0)
		rc = err_set(e, text.error, "/proc/self/mountinfo");
	if (rc == 0)
		rc = os_mounts_parse((char *)text.data, &last.mounts, e);
	buf_release(&text);
	return rc;
}

static struct os_mounts *
copy_of(const struct os_mounts *m)
{
	struct os_mounts *copy = calloc(1, sizeof(*copy));
	size_t i;

	for (i = 0; copy != NULL && i < m->n; i++) {
		if (mounts_set(copy, m->list[i].path, m->list[i].kind) != 0) {
			os_mounts_free(copy);
			copy = NULL;
		}
	}
	return copy;
}

int
os_mounts_read(struct os_mounts **ret, struct err *e)
{
	int rc = still_so() ? 0 : read_table(e);

	if (rc != 0)
		return rc;
	*ret = copy_of(last.mounts);
	return *ret != NULL ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int
os_mounts_cover(struct os_mounts **m, const char *path, struct err *e)
{
	if (*m == NULL)
		*m = calloc(1, sizeof(**m));
	if (*m == NULL || mounts_set(*m, path, OS_MOUNT_COVER) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

void
os_mounts_free(struct os_mounts *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n; i++)
		free(m->list[i].path);
	free(m->list);
	free(m);
}

bool
os_mounts_none(const struct os_mounts *m)
{
	return m == NULL || m->n == 0;
}

enum os_mount_kind
os_mounts_find(const struct os_mounts *m, const char *path)
{
	enum os_mount_kind kind = OS_MOUNT_LOCAL;
	size_t i, longest = 0, n;

	for (i = 0; m != NULL && i < m->n; i++) {
		n = strlen(m->list[i].path);
		if (n >= longest && path_below(path, m->list[i].path)) {
			longest = n;
			kind = m->list[i].kind;
		}
	}
	return kind;
}

bool
os_mounts_below(const struct os_mounts *m, const char *dir)
{
	size_t i;

	for (i = 0; m != NULL && i < m->n; i++) {
		if (path_below(m->list[i].path, dir))
			return true;
	}
	return false;
}

/* Puts the target of a link in place of what follows the first n bytes of
 * path: target + the rest. False: too long. */
static bool
put_target(char *path, size_t *n, const char *target, const char *rest)
{
	char tail[PATH_MAX];
	size_t dir = *n, len;

	if (strlen(rest) >= sizeof(tail))
		return false;
	memcpy(tail, rest, strlen(rest) + 1);
	while (dir > 0 && path[dir - 1] != '/')
		dir--;
	if (*target == '/')
		dir = 0;
	len = dir + strlen(target);
	if (len + strlen(tail) >= PATH_MAX)
		return false;
	memcpy(path + dir, target, strlen(target));
	memcpy(path + len, tail, strlen(tail) + 1);
	*n = 0;
	return true;
}

/* Removes the "." or ".." that ends at *n, and empty components. */
static bool
drop_dots(char *path, size_t *n)
{
	size_t from = *n, to;

	while (from > 0 && path[from - 1] != '/')
		from--;
	to = from > 0 ? from - 1 : 0; /* the slash before it */
	if (*n - from == 2 && path[from] == '.' && path[from + 1] == '.') {
		while (to > 0 && path[--to] != '/')
			;
	} else if (*n - from > 1 || (*n > from && path[from] != '.')) {
		return false;
	}
	memmove(path + to, path + *n, strlen(path + *n) + 1);
	*n = to;
	return true;
}

enum os_mount_kind
os_mounts_resolve(
    const struct os_mounts *m, const char *path, char ret[static OS_PATH_MAX])
{
	enum os_mount_kind kind;
	char target[PATH_MAX], keep;
	size_t n = 0;
	ssize_t len;
	int links = 0;

	ret[0] = '\0';
	if (*path != '/' || strlen(path) >= OS_PATH_MAX)
		return OS_MOUNT_LOCAL;
	memcpy(ret, path, strlen(path) + 1);
	while (ret[n] == '/') {
		n += 1 + strcspn(ret + n + 1, "/");
		if (drop_dots(ret, &n))
			continue;
		keep = ret[n];
		ret[n] = '\0';
		kind = os_mounts_find(m, ret);
		len = kind != OS_MOUNT_LOCAL
		    ? -1
		    : readlink(ret, target, sizeof(target) - 1);
		ret[n] = keep;
		if (kind != OS_MOUNT_LOCAL)
			return kind;
		if (len <= 0)
			continue;
		target[len] = '\0';
		if (++links > LINKS_MAX ||
		    !put_target(ret, &n, target, ret + n))
			return OS_MOUNT_LOCAL;
		/* a relative target starts at the link's directory, which is
		 * resolved already: once more over it does no harm */
	}
	if (ret[0] == '\0')
		memcpy(ret, "/", 2);
	return OS_MOUNT_LOCAL;
}
