/* SPDX-License-Identifier: MPL-2.0 */
/* Inside of scan/walk*.c only: roots, the stack of open directories, and the
 * arenas behind it. */
#ifndef MIG_SCAN_WALK_FRAME_H
#define MIG_SCAN_WALK_FRAME_H

#include "os/os.h"
#include "scan/walk.h"

#include <sys/types.h>

struct wroot {
	const char *path; /* borrowed from the scopes */
	char *real;       /* owned; resolved when first needed */
	uint32_t *scopes; /* owned */
	size_t nscopes;
	bool visited;
	enum skip barred; /* SKIP_REASONS: it may be touched */
};

struct active {
	uint32_t scope;
	uint64_t left; /* levels from here on, this one included */
};

struct frame {
	int fd;     /* -1: closed for now */
	bool known; /* which it is: dev and ino */
	dev_t dev;
	ino_t ino;
	/* .tree: what is below on the same mount is none of those above */
	struct os_fs fs;
	size_t path_keep;       /* length of the path to go back to */
	size_t names, next;     /* into names: begin, next to enter */
	size_t active, nactive; /* into active */
	bool lost;              /* fd is -1 for good */
	bool nested;            /* a root not yet visited lies below */
	bool refused; /* a network file system, not entered by some scope */
	bool mounts;  /* a mount that may be barred lies below */
};

struct walk {
	const struct walk_scope *scopes; /* borrowed */
	size_t nscopes;
	struct walk_ops ops;
	void *arg;
	struct wroot *roots; /* sorted by path */
	size_t nroots;
	bool *done;         /* by scope */
	uint32_t *covering; /* scratch for entries, one a scope */
	struct frame *frames;
	size_t nframes, frames_cap;
	char *names; /* of directories to enter, terminated */
	size_t names_len, names_cap;
	struct {
		struct active *data;
		size_t n, cap;
	} active;
	bool in_virtual;          /* the root itself is on a virtual one */
	bool any_mount;           /* directories can be opened only so */
	struct os_mounts *mounts; /* NULL: none but local ones */
	const struct wroot *root; /* below which we are */
	uint64_t pending, directories;
	/* owned, made when first needed: looking at single files takes none */
	char *real;  /* for walk_mount.c: where path is; WALK_PATH_MAX */
	char *dents; /* WALK_DENTS */
	size_t path_len;
	char path[WALK_PATH_MAX]; /* last: only its begin is cleared */
};
#define WALK_DENTS ((size_t)256 * 1024)

/* May w->path, an entry of f, not be touched? Then it is reported. */
bool mount_barred(struct walk *w, const struct frame *f);
/* Which roots may be touched, and where they really are. */
void mounts_prepare(struct walk *w);
/* Does a mount lie below w->path? */
bool mounts_below(struct walk *w);

/* NULL when this path is no root. */
struct wroot *roots_find(struct walk *w, const char *path);
/* Is there a root strictly below that was not visited? */
bool roots_below(const struct walk *w, const char *path);
/* Does any of its scopes still look? */
bool root_wanted(const struct walk *w, const struct wroot *root);

bool frame_has(const struct walk *w, const struct frame *f, uint32_t scope);
/* Some scope goes into subdirectories; *ret_cut: another one no longer. */
bool
frame_goes_deeper(const struct walk *w, const struct frame *f, bool *ret_cut);
/* Which scopes hold in f: those of its parent that go deeper, and those of
 * the root that it is. Pushes them. False: out of memory. */
bool frame_scopes(struct walk *w, struct frame *f, const struct frame *parent,
    const struct wroot *root);
bool frame_push(struct walk *w, const struct frame *f);
/* Makes known which it is; false: that cannot be told (any more). */
bool frame_identify(struct frame *f);
/* Is this the directory of f, which was closed? */
bool frame_is(const struct frame *f, int fd);
bool names_push(struct walk *w, const char *name, size_t len);

#endif
