/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/fence.h"

#include "base/err.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
fence_new(const char *lines, struct fence **ret, struct err *e)
{
	struct fence *f;
	char *p, *next;
	size_t n = 1;

	*ret = NULL;
	if (*lines == '\0')
		return 0;
	f = calloc(1, sizeof(*f));
	if (f == NULL || (f->text = strdup(lines)) == NULL)
		goto memory;
	for (p = f->text; *p != '\0'; p++)
		n += *p == '\n';
	f->paths = calloc(n, sizeof(*f->paths));
	if (f->paths == NULL)
		goto memory;
	for (p = f->text; p != NULL; p = next) {
		next = strchr(p, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (!path_is_clean(p) || f->n == FENCE_PATHS_MAX) {
			fence_free(f);
			return err_set(e, ERR_INVALID,
			    "the paths of the policy cannot be read");
		}
		f->paths[f->n++] = p;
	}
	*ret = f;
	return 0;
memory:
	fence_free(f);
	return err_set(e, ERR_NOMEM, "out of memory");
}

void
fence_free(struct fence *f)
{
	if (f == NULL)
		return;
	free(f->text);
	free(f->paths);
	free(f);
}

bool
fence_allows(const struct fence *f, const char *path)
{
	size_t i;

	if (f == NULL)
		return true;
	for (i = 0; i < f->n; i++) {
		if (path_below(path, f->paths[i]))
			return true;
	}
	return false;
}

/* What could not be opened in dir: was it for a link? */
static int
failed(int dir, const char *name)
{
	int no = errno;
	struct stat st;

	if ((no == ENOTDIR || no == ELOOP) &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		no = ELOOP;
	close(dir);
	errno = no;
	return -1;
}

int
fence_open_parent(
    const struct fence *f, const char *path, const char **ret_name)
{
	char name[NAME_MAX + 1];
	const char *p = path;
	int dir, next;
	size_t n;

	if (!path_is_clean(path) || !fence_allows(f, path)) {
		errno = EXDEV;
		return -1;
	}
	dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 && strchr(++p, '/') != NULL) {
		n = strcspn(p, "/");
		if (n > NAME_MAX) {
			close(dir);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, p, n);
		name[n] = '\0';
		next = openat(
		    dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return failed(dir, name);
		close(dir);
		dir = next;
		p += n;
	}
	*ret_name = *p != '\0' ? p : ".";
	return dir;
}

int
fence_open(const struct fence *f, const char *path, int flags)
{
	const char *name;
	int dir, fd;

	flags |= O_CLOEXEC;
	if (f == NULL)
		return open(path, flags);
	dir = fence_open_parent(f, path, &name);
	if (dir < 0)
		return -1;
	fd = openat(dir, name, flags | O_NOFOLLOW);
	if (fd < 0)
		return failed(dir, name);
	close(dir);
	return fd;
}
