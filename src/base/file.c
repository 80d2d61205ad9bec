/* SPDX-License-Identifier: MPL-2.0 */
#include "base/file.h"

#include "base/err.h"
#include "base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STALE 600 /* seconds */
#define READ_STEP 65536
#define READ_FIRST 8192

int
fd_read_all(int fd, struct buf *out, struct err *e)
{
	size_t room, want;
	uint8_t *p;
	ssize_t n;

	for (;;) {
		room = out->max - out->len;
		/* small files stay small, and what is there is filled first */
		want = out->len < READ_STEP ? READ_FIRST : READ_STEP;
		if (out->cap - out->len >= READ_FIRST / 4)
			want = out->cap - out->len;
		if (room > want)
			room = want;
		if (room == 0) {
			char one;

			n = read(fd, &one, 1);
			if (n == 0)
				return 0;
			if (n > 0)
				return err_set(e, ERR_TOOBIG,
				    "more than %zu bytes", out->max);
		} else {
			p = buf_reserve(out, room);
			if (p == NULL)
				return err_set(
				    e, out->error, "%s", err_text(out->error));
			n = read(fd, p, room);
			if (n == 0)
				return 0;
			if (n > 0)
				out->len += (size_t)n;
		}
		if (n < 0 && errno != EINTR)
			return err_errno(e, "read");
	}
}

int
file_read(const char *path, struct buf *out, struct err *e)
{
	int fd, rc;

	if (strcmp(path, "-") == 0) {
		rc = fd_read_all(STDIN_FILENO, out, e);
		if (rc != 0)
			err_wrap(e, "standard input");
		return rc;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(e, "%s", path);
	rc = fd_read_all(fd, out, e);
	close(fd);
	if (rc != 0)
		err_wrap(e, "%s", path);
	return rc;
}

int
file_open_foreign(const char *path, int *ret_fd, struct err *e)
{
	int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0 && errno != ELOOP && errno != ENXIO)
		return err_errno(e, "%s", path);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*ret_fd = fd;
		return 0;
	}
	rc = err_set(e, ERR_INVALID, "%s: not a regular file", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
file_read_foreign(const char *path, struct buf *out, struct err *e)
{
	int fd, rc;

	if ((rc = file_open_foreign(path, &fd, e)) != 0)
		return rc;
	rc = fd_read_all(fd, out, e);
	close(fd);
	if (rc != 0)
		err_wrap(e, "%s", path);
	return rc;
}

int
fd_write_all(int fd, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(e, "write");
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
sync_dir_of(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	char *slash;
	int fd, rc = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL)
		memcpy(dir, ".", 2);
	else if (slash == dir)
		dir[1] = '\0';
	else
		*slash = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", dir);
	if (fault_error("file.sync_dir", path) != 0 || fsync(fd) != 0)
		rc = err_errno(e, "%s: fsync", dir);
	close(fd);
	return rc;
}

static bool
may_open(const char *path)
{
	return fault_error("file.open", path) == 0;
}

static int
write_synced(
    int fd, const char *path, const void *data, size_t len, struct err *e)
{
	int rc;

	if (fault_error("file.write", path) != 0)
		return err_errno(e, "write");
	rc = fd_write_all(fd, data, len, e);
	if (rc == 0 && (fault_error("file.sync", path) != 0 || fsync(fd) != 0))
		rc = err_errno(e, "fsync");
	return rc;
}

int
file_write(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	struct file_owner o = { mode, (uid_t)-1, (gid_t)-1 };

	return file_write_owned(path, data, len, &o, e);
}

int
file_write_owned(const char *path, const void *data, size_t len,
    const struct file_owner *o, struct err *e)
{
	char tmp[PATH_MAX];
	int fd, rc;

	if (snprintf(tmp, sizeof(tmp), "%s" FILE_TEMPORARY "XXXXXX", path) >=
	    (int)sizeof(tmp))
		return err_set(e, ERR_TOOBIG, "%s: path too long", path);
	fd = may_open(path) ? mkostemp(tmp, O_CLOEXEC) : -1;
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (fchmod(fd, o->mode) != 0)
		rc = err_errno(e, "fchmod");
	else if (o->uid != (uid_t)-1 && fchown(fd, o->uid, o->gid) != 0)
		rc = err_errno(e, "fchown");
	else
		rc = write_synced(fd, path, data, len, e);
	close(fd);
	if (rc == 0 &&
	    (fault_error("file.rename", path) != 0 || rename(tmp, path) != 0))
		rc = err_errno(e, "rename");
	if (rc != 0) {
		unlink(tmp);
		err_wrap(e, "%s", path);
		return rc;
	}
	fault_point("file.renamed");
	return sync_dir_of(path, e);
}

static bool
is_temporary(const char *name)
{
	size_t len = strlen(name), tail = strlen(FILE_TEMPORARY) + 6;

	return len > tail &&
	    strncmp(
		name + len - tail, FILE_TEMPORARY, strlen(FILE_TEMPORARY)) == 0;
}

void
file_remove_temporary(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;

	if (d == NULL)
		return;
	while ((de = readdir(d)) != NULL) {
		if (is_temporary(de->d_name))
			unlinkat(dirfd(d), de->d_name, 0);
	}
	closedir(d);
}

void
file_remove_stale(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	size_t len = strlen(name);
	struct dirent *de;
	struct stat st;
	char *dir;
	DIR *d;

	dir = slash == NULL || slash == path
	    ? strdup(slash == NULL ? "." : "/")
	    : strndup(path, (size_t)(slash - path));
	d = dir != NULL ? opendir(dir) : NULL;
	free(dir);
	if (d == NULL)
		return;
	while ((de = readdir(d)) != NULL) {
		if (strncmp(de->d_name, name, len) == 0 &&
		    is_temporary(de->d_name) &&
		    strlen(de->d_name) == len + strlen(FILE_TEMPORARY) + 6 &&
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISREG(st.st_mode) && st.st_mtime <= time(NULL) - STALE)
			unlinkat(dirfd(d), de->d_name, 0);
	}
	closedir(d);
}

/* The end of a file whose last line may be torn. */
static int
end_line(int fd, off_t end, struct err *e)
{
	char last;

	if (end == 0)
		return 0;
	if (pread(fd, &last, 1, end - 1) != 1)
		return err_errno(e, "read");
	return last == '\n' ? 0 : fd_write_all(fd, "\n", 1, e);
}

int
file_append(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	off_t end = -1;
	int fd, rc;

	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (flock(fd, LOCK_EX) != 0 || (end = lseek(fd, 0, SEEK_END)) < 0)
		rc = err_errno(e, "lock");
	else
		rc = end_line(fd, end, e);
	if (rc == 0 && fault_error("file.append", path) != 0)
		rc = err_errno(e, "write");
	if (rc == 0)
		rc = fd_write_all(fd, data, len, e);
	/* what no room was left for is no line */
	if (rc != 0 && end >= 0 && ftruncate(fd, end) != 0)
		err_wrap(e, "taken back in part only");
	close(fd);
	return rc != 0 ? err_wrap(e, "%s", path) : 0;
}

int
file_lock(const char *path, int *ret_fd, struct err *e)
{
	char name[PATH_MAX];
	int fd;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return err_set(e, ERR_TOOBIG, "%s: path too long", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "%s", name);
	if (flock(fd, LOCK_EX) != 0) {
		close(fd);
		return err_errno(e, "%s: lock", name);
	}
	*ret_fd = fd;
	return 0;
}

int
file_write_unnamed(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	int fd = -1, rc;

	if (may_open(path))
		fd = open(path,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    mode);
	if (fd < 0)
		return err_errno(e, "%s", path);
	rc = write_synced(fd, path, data, len, e);
	close(fd);
	if (rc != 0) {
		unlink(path);
		err_wrap(e, "%s", path);
	}
	return rc;
}

int
file_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	struct stat st;
	char *p;

	if (path[0] == '\0')
		return err_set(e, ERR_INVALID, "empty path");
	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return err_set(e, ERR_TOOBIG, "%s: path too long", path);
	for (p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			return err_errno(e, "%s", part);
		*p = c;
		if (c == '\0')
			break;
	}
	if (stat(path, &st) != 0)
		return err_errno(e, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_EXISTS, "%s: not a directory", path);
	return 0;
}

int
fd_hold_standard(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* the wrong way round, so that who uses it is told */
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null",
			fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return ERR_IO;
	}
	return 0;
}

int
fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return ERR_IO;
	return 0;
}

int
fd_sealed(const char *name, const void *data, size_t len, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		err_errno(e, "memfd_create");
		return -1;
	}
	if (fd_write_all(fd, data, len, e) != 0)
		goto fail;
	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
		0) {
		err_errno(e, "sealing %s", name);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}
