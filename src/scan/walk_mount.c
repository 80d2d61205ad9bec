/* SPDX-License-Identifier: MPL-2.0 */
/* The part of scan/walk.h that keeps away from mounts which may block. */
#include "scan/walk_frame.h"

#include "base/err.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum skip
skip_of(enum os_mount_kind kind)
{
	switch (kind) {
	case OS_MOUNT_REMOTE:
		return SKIP_REMOTE;
	case OS_MOUNT_AUTO:
		return SKIP_AUTOMOUNT;
	case OS_MOUNT_COVER:
		return SKIP_COVERED;
	default:
		return SKIP_REASONS;
	}
}

static bool
root_enters(const struct walk *w, const struct wroot *root)
{
	size_t i;

	for (i = 0; i < root->nscopes; i++) {
		if (w->scopes[root->scopes[i]].remote)
			return true;
	}
	return false;
}

void
mounts_prepare(struct walk *w)
{
	char real[OS_PATH_MAX];
	struct err e;
	size_t i;

	for (i = 0; i < w->nroots; i++)
		w->roots[i].barred = SKIP_REASONS;
	err_clear(&e);
	/* without /proc: what is opened still tells what it is on */
	(void)os_mounts_read(&w->mounts, &e);
	if (w->ops.hidden != NULL)
		(void)os_mounts_cover(&w->mounts, w->ops.hidden, &e);
	if (w->mounts != NULL && os_mounts_none(w->mounts)) {
		os_mounts_free(w->mounts);
		w->mounts = NULL;
		return;
	}
	for (i = 0; w->mounts != NULL && i < w->nroots; i++) {
		w->roots[i].barred = skip_of(
		    os_mounts_resolve(w->mounts, w->roots[i].path, real));
		if (w->roots[i].barred != SKIP_REASONS &&
		    w->roots[i].barred != SKIP_COVERED &&
		    root_enters(w, &w->roots[i]))
			w->roots[i].barred = SKIP_REASONS;
		else if (w->ops.fence == NULL && w->roots[i].real == NULL &&
		    *real != '\0')
			w->roots[i].real = strdup(real);
	}
}

/* Where w->path really is, into w->real: links are followed in the root only.
 * Not on the stack, where it would be cleared for each directory. False: out
 * of memory. */
static bool
real_path(struct walk *w)
{
	const char *from = w->root->path, *to = w->root->real;
	const char *rest = w->path;

	if (w->real == NULL)
		w->real = malloc(WALK_PATH_MAX);
	if (w->real == NULL)
		return false;
	if (to == NULL)
		to = from;
	if (strcmp(from, "/") != 0)
		rest += strlen(from);
	else if (strcmp(rest, "/") == 0)
		rest = "";
	if (strcmp(to, "/") == 0 && *rest == '/')
		to = "";
	snprintf(w->real, WALK_PATH_MAX, "%s%s", to, rest);
	return true;
}

bool
mounts_below(struct walk *w)
{
	if (w->mounts == NULL)
		return false;
	return !real_path(w) || os_mounts_below(w->mounts, w->real);
}

static bool
frame_enters(const struct walk *w, const struct frame *f)
{
	const struct active *a = w->active.data + f->active;
	size_t i;

	for (i = 0; i < f->nactive; i++) {
		if (w->scopes[a[i].scope].remote && !w->done[a[i].scope])
			return true;
	}
	return false;
}

bool
mount_barred(struct walk *w, const struct frame *f)
{
	enum skip reason;

	if (w->mounts == NULL || !f->mounts)
		return false;
	if (!real_path(w)) {
		w->ops.skip(SKIP_MEMORY, w->path, "out of memory", w->arg);
		return true;
	}
	reason = skip_of(os_mounts_find(w->mounts, w->real));
	if (reason == SKIP_REASONS ||
	    (reason != SKIP_COVERED && frame_enters(w, f)))
		return false;
	w->ops.skip(reason, w->path, NULL, w->arg);
	return true;
}

enum skip
walk_barred(const struct walk *w, const struct walk_entry *en, const char *path)
{
	char real[OS_PATH_MAX];
	enum skip reason;
	size_t i;

	if (w->mounts == NULL)
		return SKIP_REASONS;
	reason = skip_of(os_mounts_resolve(w->mounts, path, real));
	for (i = 0; i < en->nscopes && reason != SKIP_COVERED; i++) {
		if (w->scopes[en->scopes[i]].remote)
			return SKIP_REASONS;
	}
	return reason;
}
