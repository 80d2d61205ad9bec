/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Walks directory trees for several scopes (searches) at once. Each directory
 * is read once however many scopes cover it; a scope covers what lies below
 * its own roots, component by component, to its own depth (the root itself
 * is level 1; below nested roots the nearest root counts).
 *
 *   roots, sorted -> open, resolved once if a symbolic link
 *      -> directory: every entry that is no directory goes to entry(), then
 *         its subdirectories, one after the other, without following links
 *
 * Nothing is allocated for an entry except the name of a subdirectory. At
 * most WALK_FDS directories are open: further up, but for the root, they are
 * closed and found again by "..", or from the root, checked by device and
 * inode.
 *
 * Mount points of network file systems and automounts are known before the
 * walk starts and are neither opened nor looked at where no scope enters
 * them: that could block for ever.
 */
#ifndef MIG_SCAN_WALK_H
#define MIG_SCAN_WALK_H

#include "scan/skip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct fence;
struct walk;

#define WALK_FDS 64
#define WALK_PATH_MAX (64 * 1024)
#define WALK_PENDING_MAX (16 * 1024 * 1024) /* bytes of names */

struct walk_scope {
	char *const *paths; /* borrowed; absolute and cleaned */
	size_t npaths;
	uint64_t depth; /* levels; UINT64_MAX: any */
	bool remote;    /* enters network file systems */
};

struct walk_entry {
	int dirfd; /* with name: where it is; AT_FDCWD for roots */
	const char *name;
	const char *base; /* last component */
	const char *path; /* whole path, as asked for */
	size_t path_len;
	uint8_t type;           /* DT_REG, DT_LNK, DT_FIFO ... DT_UNKNOWN */
	bool root;              /* asked for by itself: links are followed
				   (never with a fence) */
	const uint32_t *scopes; /* that cover it */
	size_t nscopes;
};

struct walk_ops {
	/* Not called for directories. */
	void (*entry)(const struct walk_entry *en, void *arg);
	/* Something was left out; why is for people, may be NULL. */
	void (*skip)(
	    enum skip reason, const char *path, const char *why, void *arg);
	bool (*stop)(void *arg); /* asked often; true ends the walk */
	/* The policy's paths; NULL: none. What it does not allow, and roots to
	 * which symbolic links lead, are passed by as SKIP_FENCED. */
	const struct fence *fence;
	const char *hidden; /* a real path that is passed by as
			       SKIP_COVERED; may be NULL */
};

int walk_new(const struct walk_scope *scopes, size_t n,
    const struct walk_ops *ops, void *arg, struct walk **ret, struct err *e);
void walk_free(struct walk *w);
void walk_run(struct walk *w);
/* This scope has had enough; usable from entry(). */
void walk_scope_done(struct walk *w, uint32_t scope);
/* Directories known of but not read when the walk was stopped. */
uint64_t walk_pending(const struct walk *w);
/* Where it is: what entry() has at hand, or else the directory. Empty before
 * it began; borrowed, until the walk goes on. */
const char *walk_path(const struct walk *w);
/* Directories read. */
uint64_t walk_directories(const struct walk *w);
/* The scope's own roots, as asked for or resolved, cover this path. */
bool walk_covers(const struct walk *w, uint32_t scope, const char *path);

/* Is path (links in it are followed) on a file system that none of the
 * entry's scopes enters? SKIP_REASONS: no. Touches no such thing itself. */
enum skip walk_barred(
    const struct walk *w, const struct walk_entry *en, const char *path);

#endif
