/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/walk_frame.h"

#include "base/err.h"
#include "os/os.h"
#include "scan/fence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	uint8_t type;
	char name[];
};

static void
skip(struct walk *w, enum skip reason, const char *why)
{
	w->ops.skip(reason, w->path, why, w->arg);
}

/* What errno of an open or read of w->path means. */
static void
skip_errno(struct walk *w, bool root)
{
	int no = errno;

	if (root && no == EXDEV)
		skip(w, SKIP_FENCED, NULL);
	else if (root && no == ELOOP && w->ops.fence != NULL)
		skip(w, SKIP_FENCED,
		    "symbolic links lead there: name the place itself");
	else if (no == ENOENT || no == ENOTDIR)
		skip(w, root ? SKIP_MISSING : SKIP_VANISHED, strerror(no));
	else if (no == EACCES || no == EPERM)
		skip(w, SKIP_UNREADABLE, strerror(no));
	else if (no == ELOOP)
		skip(w, root ? SKIP_LINK_BROKEN : SKIP_VANISHED, strerror(no));
	else
		skip(w, SKIP_IO, strerror(no));
}

static bool
path_append(struct walk *w, const char *name, size_t len)
{
	size_t at = w->path_len;

	if (at + len + 2 > WALK_PATH_MAX)
		return false;
	if (at == 0 || w->path[at - 1] != '/')
		w->path[at++] = '/';
	memcpy(w->path + at, name, len + 1);
	w->path_len = at + len;
	return true;
}

static void
path_cut(struct walk *w, size_t len)
{
	w->path_len = len;
	w->path[len] = '\0';
}

/* The scopes of f that are not done, and those of a nested root. */
static void
deliver(struct walk *w, const struct frame *f, struct wroot *root,
    struct walk_entry *en)
{
	const struct active *a = w->active.data + f->active;
	size_t i, n = 0;

	for (i = 0; i < f->nactive; i++) {
		if (!w->done[a[i].scope])
			w->covering[n++] = a[i].scope;
	}
	for (i = 0; root != NULL && i < root->nscopes; i++) {
		if (!w->done[root->scopes[i]] &&
		    !frame_has(w, f, root->scopes[i]))
			w->covering[n++] = root->scopes[i];
	}
	if (root != NULL)
		root->visited = true;
	if (n == 0)
		return;
	en->scopes = w->covering;
	en->nscopes = n;
	w->ops.entry(en, w->arg);
}

static void
entry_file(struct walk *w, const struct frame *f, const char *name, size_t len,
    uint8_t type)
{
	struct walk_entry en = {
		.dirfd = f->fd, .name = name, .base = name, .type = type
	};
	struct wroot *root;
	size_t keep = w->path_len;

	if (!path_append(w, name, len)) {
		skip(w, SKIP_MEMORY, "the path is too long");
		return;
	}
	en.path = w->path;
	en.path_len = w->path_len;
	root = f->nested ? roots_find(w, w->path) : NULL;
	/* a link that is itself a root is looked at in its own turn */
	if (root != NULL && (type == DT_LNK || root->visited))
		root = NULL;
	deliver(w, f, root, &en);
	path_cut(w, keep);
}

/* A subdirectory: remembered, or beyond every scope's depth. A root that is
 * not reached this way is walked by itself. */
static void
entry_dir(struct walk *w, struct frame *f, const char *name, size_t len)
{
	size_t keep = w->path_len;
	bool cut = false, wanted = frame_goes_deeper(w, f, &cut);

	if (cut) {
		if (!path_append(w, name, len)) {
			skip(w, SKIP_MEMORY, "the path is too long");
			return;
		}
		skip(w, SKIP_DEPTH, NULL);
		path_cut(w, keep);
	}
	if (wanted && !names_push(w, name, len))
		skip(w, SKIP_MEMORY, "too many subdirectories to remember");
}

static bool
is_dot(const char *name)
{
	return name[0] == '.' &&
	    (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Must this entry not even be looked at? */
static bool
entry_barred(
    struct walk *w, const struct frame *f, const char *name, size_t len)
{
	size_t keep = w->path_len;
	bool barred = false;

	if (f->mounts && path_append(w, name, len)) {
		barred = mount_barred(w, f);
		path_cut(w, keep);
	}
	return barred;
}

static void
read_entry(struct walk *w, struct frame *f, const struct linux_dirent *d)
{
	uint8_t type = d->type;
	size_t len;
	struct stat st;

	if (is_dot(d->name))
		return;
	len = strlen(d->name);
	if (entry_barred(w, f, d->name, len))
		return;
	if (type == DT_UNKNOWN &&
	    fstatat(f->fd, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = IFTODT(st.st_mode);
	if (type == DT_DIR)
		entry_dir(w, f, d->name, len);
	else
		entry_file(w, f, d->name, len, type);
}

/* Everything in one directory. */
static void
read_dir(struct walk *w, struct frame *f)
{
	const struct linux_dirent *d = NULL;
	long n, at;

	if (w->dents == NULL)
		w->dents = malloc(WALK_DENTS);
	if (w->dents == NULL) {
		skip(w, SKIP_MEMORY, "out of memory");
		return;
	}
	for (;;) {
		if (w->ops.stop(w->arg))
			return;
		n = syscall(SYS_getdents64, f->fd, w->dents, WALK_DENTS);
		if (n == 0)
			return;
		if (n < 0) {
			skip_errno(w, false);
			return;
		}
		for (at = 0; at < n; at += d->reclen) {
			d = (const void *)(w->dents + at);
			read_entry(w, f, d);
			if (w->ops.stop(w->arg))
				return;
		}
		if (f->fs.ends_told && d->off == OS_DIR_END)
			return;
	}
}

/* Is this directory (open, w->path set) to be entered at all? parent: NULL for
 * a root; named: it has a turn of its own. */
static bool
admit(struct walk *w, struct frame *f, const struct frame *parent, bool named)
{
	bool alone = true; /* none above is on its device */
	size_t i;

	for (i = 0; i < w->nframes; i++) {
		if (frame_identify(&w->frames[i]) && w->frames[i].dev != f->dev)
			continue;
		alone = false;
		if (w->frames[i].known && w->frames[i].ino == f->ino) {
			skip(w, SKIP_LOOP, "it is one of its own parents");
			return false;
		}
	}
	if (parent != NULL && parent->known && parent->dev == f->dev) {
		f->fs = parent->fs;
		f->fs.tree = false;
		return true;
	}
	os_fs_read(f->fd, &f->fs);
	f->fs.tree = f->fs.tree && alone;
	if (parent == NULL) {
		w->in_virtual = f->fs.virtual;
	} else if (f->fs.virtual && !w->in_virtual) {
		if (!named)
			skip(w, SKIP_VIRTUAL, NULL);
		return false;
	}
	return true;
}

/* Takes a frame's open directory and reads it; f->fs is set if it is on the
 * parent's mount. False: the directory is not entered. */
static bool
enter(struct walk *w, struct frame *f, const struct frame *parent,
    struct wroot *root)
{
	if (!f->fs.tree && !frame_identify(f)) {
		skip_errno(w, parent == NULL);
		goto refuse;
	}
	if (!f->fs.tree && !admit(w, f, parent, root != NULL))
		goto refuse;
	f->names = w->names_len;
	f->next = w->names_len;
	/* what is not below the parent is not below this one */
	f->nested =
	    (parent == NULL || parent->nested) && roots_below(w, w->path);
	f->mounts = (parent == NULL || parent->mounts) && mounts_below(w);
	if (root != NULL)
		root->visited = true;
	if (!frame_scopes(w, f, parent, root)) {
		skip(w, SKIP_MEMORY, "out of memory");
		goto refuse;
	}
	if (f->refused)
		skip(w, SKIP_REMOTE, NULL);
	if (f->nactive == 0) {
		w->active.n = f->active;
		goto refuse;
	}
	if (!frame_push(w, f)) {
		w->active.n = f->active;
		skip(w, SKIP_MEMORY, "out of memory");
		goto refuse;
	}
	w->directories++;
	read_dir(w, &w->frames[w->nframes - 1]);
	return true;

refuse:
	close(f->fd);
	return false;
}

static void
close_frame(struct frame *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* ... for now: to be found again it must be known. */
static void
put_away(struct frame *f)
{
	(void)frame_identify(f);
	close_frame(f);
}

static void
leave(struct walk *w)
{
	struct frame *f = &w->frames[--w->nframes];
	struct frame *up = w->nframes > 0 ? f - 1 : NULL;

	w->names_len = f->names;
	w->active.n = f->active;
	if (up != NULL && up->fd < 0) {
		up->fd = f->fd >= 0 ? openat(f->fd, "..", OPEN_DIR) : -1;
		if (up->fd >= 0 && !frame_is(up, up->fd)) {
			close(up->fd);
			up->fd = -1;
		}
	}
	close_frame(f);
	path_cut(w, f->path_keep);
}

/* Again an innermost frame's directory that was closed: from the root, if it is
 * still where it was. Whoever moves a directory below hides no other. */
static void
reopen(struct walk *w, struct frame *f)
{
	char *p = w->path + strlen(w->root->path), *end, keep;
	int root = w->frames[0].fd, fd = root, next;

	f->lost = true; /* and not tried for each of its names */
	while (fd >= 0 && *(p += strspn(p, "/")) != '\0') {
		end = p + strcspn(p, "/");
		keep = *end;
		*end = '\0';
		next = openat(fd, p, OPEN_DIR | O_NOFOLLOW);
		*end = keep;
		if (fd != root)
			close(fd);
		fd = next;
		p = end;
	}
	if (fd < 0)
		return;
	if (frame_is(f, fd))
		f->fd = fd;
	else
		close(fd);
}

/* A subdirectory of f. Where the kernel tells that it is on the same mount, no
 * more needs to be known of it: *ret_fs is set. */
static int
open_below(struct walk *w, const struct frame *f, const char *name,
    struct os_fs *ret_fs)
{
	const int flags = OPEN_DIR | O_NOFOLLOW;
	int fd;

	if (f->fs.tree && !w->any_mount) {
		fd = os_open_same_mount(f->fd, name, flags);
		if (fd >= 0) {
			*ret_fs = f->fs;
			return fd;
		}
		w->any_mount = errno == ENOSYS || errno == EPERM;
	}
	return openat(f->fd, name, flags);
}

/* The next remembered subdirectory of the innermost frame. */
static void
descend(struct walk *w, struct frame *f)
{
	const char *name = w->names + f->next;
	size_t len = strlen(name), keep = w->path_len;
	struct frame below = { .path_keep = keep };
	struct wroot *root;

	if (f->fd < 0 && !f->lost)
		reopen(w, f);
	f->next += len + 1;
	w->pending--;
	if (!path_append(w, name, len)) {
		skip(w, SKIP_MEMORY, "the path is too long");
		return;
	}
	root = f->nested ? roots_find(w, w->path) : NULL;
	if (root != NULL && root->visited)
		root = NULL;
	if (f->fd < 0) {
		skip(w, SKIP_VANISHED, "its parent was moved");
		path_cut(w, keep);
		return;
	}
	below.fd = open_below(w, f, name, &below.fs);
	if (below.fd < 0) {
		skip_errno(w, false);
		path_cut(w, keep);
		return;
	}
	if (w->nframes >= WALK_FDS) /* never the root's */
		put_away(&w->frames[w->nframes - WALK_FDS + 1]);
	if (!enter(w, &below, f, root))
		path_cut(w, keep);
}

static void
walk_root_file(struct walk *w, struct wroot *root)
{
	struct frame none = { .fd = AT_FDCWD };
	struct walk_entry en = { .dirfd = AT_FDCWD,
		.name = root->path,
		.path = root->path,
		.path_len = strlen(root->path),
		.type = DT_UNKNOWN,
		.root = true };

	en.base = strrchr(root->path, '/') + 1;
	if (w->ops.fence == NULL) {
		deliver(w, &none, root, &en);
		return;
	}
	/* as if it had been met in its directory: no link is followed */
	en.root = false;
	en.dirfd = fence_open_parent(w->ops.fence, root->path, &en.name);
	if (en.dirfd < 0) {
		skip_errno(w, true);
		return;
	}
	deliver(w, &none, root, &en);
	close(en.dirfd);
}

static void
walk_root(struct walk *w, struct wroot *root)
{
	struct frame f = { .path_keep = 0 };
	size_t n;

	w->path_len = strlen(root->path);
	memcpy(w->path, root->path, w->path_len + 1);
	root->visited = true;
	if (!root_wanted(w, root))
		return;
	if (root->barred != SKIP_REASONS) {
		skip(w, root->barred, NULL);
		return;
	}
	w->root = root;
	f.fd = fence_open(w->ops.fence, root->path, OPEN_DIR);
	if (f.fd < 0 && errno == ENOTDIR) {
		walk_root_file(w, root);
		return;
	}
	if (f.fd < 0) {
		skip_errno(w, true);
		return;
	}
	enter(w, &f, NULL, root);
	while (w->nframes > 0) {
		n = w->nframes;
		if (w->ops.stop(w->arg) ||
		    w->frames[n - 1].next >= w->names_len)
			leave(w);
		else
			descend(w, &w->frames[n - 1]);
	}
}

void
walk_run(struct walk *w)
{
	size_t i;

	mounts_prepare(w);
	for (i = 0; i < w->nroots; i++) {
		if (w->roots[i].visited)
			continue;
		if (w->ops.stop(w->arg))
			w->pending++;
		else
			walk_root(w, &w->roots[i]);
	}
}

uint64_t
walk_pending(const struct walk *w)
{
	return w->pending;
}

const char *
walk_path(const struct walk *w)
{
	return w->path;
}

uint64_t
walk_directories(const struct walk *w)
{
	return w->directories;
}

void
walk_scope_done(struct walk *w, uint32_t scope)
{
	w->done[scope] = true;
}
