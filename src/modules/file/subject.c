/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/subject.h"

#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_READ (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

void
subject_init(struct subject *s, const struct walk_entry *en)
{
	s->en = en;
	s->real = NULL;
	s->link_fd = s->fd = -1;
	s->have_st = s->failed = false;
}

void
subject_release(struct subject *s)
{
	free(s->real);
	if (s->link_fd >= 0)
		close(s->link_fd);
	if (s->fd >= 0)
		close(s->fd);
}

static enum subject_state
failed(struct subject *s, enum skip reason, const char *why,
    enum skip *ret_reason, const char **ret_why)
{
	s->failed = true;
	*ret_reason = reason;
	*ret_why = why;
	return SUBJECT_FAILED;
}

static enum subject_state
failed_errno(struct subject *s, enum skip *ret_reason, const char **ret_why)
{
	int no = errno;
	enum skip reason = SKIP_IO;

	if (no == ENOENT || no == ENOTDIR)
		reason = s->en->root ? SKIP_MISSING : SKIP_VANISHED;
	else if (no == EACCES || no == EPERM)
		reason = SKIP_UNREADABLE;
	else if (no == ELOOP)
		reason = SKIP_LINK_BROKEN;
	return failed(s, reason, strerror(no), ret_reason, ret_why);
}

static bool
any_scope_covers(
    const struct subject *s, const struct walk *w, const char *path)
{
	size_t i;

	for (i = 0; i < s->en->nscopes; i++) {
		if (walk_covers(w, s->en->scopes[i], path))
			return true;
	}
	return false;
}

/* Where the link seems to lead, by its text alone; owned. */
static char *
link_text(const struct subject *s)
{
	char target[PATH_MAX], *path;
	size_t dir = s->en->path_len;
	ssize_t n;

	n = readlinkat(s->en->dirfd, s->en->name, target, sizeof(target) - 1);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	while (dir > 0 && s->en->path[dir - 1] != '/')
		dir--;
	path = malloc(dir + (size_t)n + 1);
	if (path == NULL)
		return NULL;
	if (target[0] == '/')
		dir = 0;
	memcpy(path, s->en->path, dir);
	memcpy(path + dir, target, (size_t)n + 1);
	path_clean(path);
	return path;
}

/* The kernel's own name of an open descriptor; owned. */
static char *
real_path(int fd)
{
	char proc[40], target[PATH_MAX];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return strdup(target);
}

/*
 * A link is followed only if its text stays within what was asked (so that
 * nothing outside is even touched), and counts only if the object that was
 * then opened lies there: what happens to names in between does not matter.
 */
static enum subject_state
stat_link(struct subject *s, const struct walk *w, enum skip *ret_reason,
    const char **ret_why)
{
	char *text = link_text(s);
	bool covered = text != NULL && any_scope_covers(s, w, text);
	enum skip barred;

	if (text == NULL)
		return failed(s, SKIP_VANISHED, "the link cannot be read",
		    ret_reason, ret_why);
	barred = covered ? walk_barred(w, s->en, text) : SKIP_REASONS;
	free(text);
	if (barred != SKIP_REASONS)
		return failed(s, barred, NULL, ret_reason, ret_why);
	if (!covered)
		return failed(s, SKIP_LINK_OUTSIDE, NULL, ret_reason, ret_why);
	s->link_fd = openat(s->en->dirfd, s->en->name, O_PATH | O_CLOEXEC);
	if (s->link_fd < 0)
		return failed(s,
		    errno == EACCES ? SKIP_UNREADABLE : SKIP_LINK_BROKEN,
		    strerror(errno), ret_reason, ret_why);
	if (fstat(s->link_fd, &s->st) != 0)
		return failed_errno(s, ret_reason, ret_why);
	s->real = real_path(s->link_fd);
	if (s->real == NULL || !any_scope_covers(s, w, s->real))
		return failed(s, SKIP_LINK_OUTSIDE, NULL, ret_reason, ret_why);
	if (S_ISDIR(s->st.st_mode)) {
		s->failed = true; /* examined under its own name */
		return SUBJECT_OTHER;
	}
	return SUBJECT_FILE;
}

enum subject_state
subject_stat(struct subject *s, const struct walk *w, enum skip *ret_reason,
    const char **ret_why)
{
	enum subject_state state = SUBJECT_FILE;

	/* also of what cannot be opened */
	if (s->have_st)
		return SUBJECT_FILE;
	if (s->failed)
		return SUBJECT_OTHER;
	if (s->en->type == DT_LNK) {
		state = stat_link(s, w, ret_reason, ret_why);
		if (state != SUBJECT_FILE)
			return state;
	} else if (fstatat(s->en->dirfd, s->en->name, &s->st,
		       s->en->root ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
		return failed_errno(s, ret_reason, ret_why);
	}
	if (!S_ISREG(s->st.st_mode))
		return failed(s, SKIP_SPECIAL, NULL, ret_reason, ret_why);
	s->have_st = true;
	return SUBJECT_FILE;
}

bool
subject_in_scope(const struct subject *s, const struct walk *w, uint32_t scope)
{
	return s->real == NULL || walk_covers(w, scope, s->real);
}

static int
open_file(const struct subject *s)
{
	char proc[40];

	if (s->link_fd >= 0) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", s->link_fd);
		return open(proc, OPEN_READ);
	}
	return openat(s->en->dirfd, s->en->name,
	    s->en->root ? OPEN_READ : OPEN_READ | O_NOFOLLOW);
}

/* Reading leaves the time of the last access alone, where that is allowed: to
 * the owner. Asked for with the file open, as it would refuse to open others'.
 */
static void
leave_atime(int fd, const struct stat *st)
{
	if (st->st_uid == geteuid())
		(void)fcntl(fd, F_SETFL, O_NONBLOCK | O_NOATIME);
}

enum subject_state
subject_open(struct subject *s, enum skip *ret_reason, const char **ret_why)
{
	struct stat st;

	if (s->failed)
		return SUBJECT_OTHER;
	if (s->fd >= 0) {
		if (lseek(s->fd, 0, SEEK_SET) != 0)
			return failed_errno(s, ret_reason, ret_why);
		return SUBJECT_FILE;
	}
	s->fd = open_file(s);
	if (s->fd < 0)
		return failed_errno(s, ret_reason, ret_why);
	if (fstat(s->fd, &st) != 0)
		return failed_errno(s, ret_reason, ret_why);
	if (!s->have_st) {
		s->st = st;
		s->have_st = S_ISREG(st.st_mode);
	}
	if (!S_ISREG(st.st_mode) || st.st_dev != s->st.st_dev ||
	    st.st_ino != s->st.st_ino)
		return failed(s, SKIP_VANISHED, "replaced while looking",
		    ret_reason, ret_why);
	leave_atime(s->fd, &st);
	return SUBJECT_FILE;
}
