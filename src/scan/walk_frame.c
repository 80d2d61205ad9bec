/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/walk_frame.h"

#include "base/err.h"
#include "base/path.h"
#include "os/os.h"
#include "scan/fence.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int
root_cmp(const void *a, const void *b)
{
	return strcmp(
	    ((const struct wroot *)a)->path, ((const struct wroot *)b)->path);
}

static bool
root_add_scope(struct wroot *r, uint32_t scope)
{
	uint32_t *p;
	size_t i;

	for (i = 0; i < r->nscopes; i++) {
		if (r->scopes[i] == scope)
			return true;
	}
	p = reallocarray(r->scopes, r->nscopes + 1, sizeof(*p));
	if (p == NULL)
		return false;
	r->scopes = p;
	r->scopes[r->nscopes++] = scope;
	return true;
}

/* Roots of all scopes, each path once. */
static bool
roots_build(struct walk *w)
{
	size_t i, k, n = 0, total = 0;
	struct wroot *r;
	bool ok = true;

	for (i = 0; i < w->nscopes; i++)
		total += w->scopes[i].npaths;
	w->roots = calloc(total + 1, sizeof(*w->roots));
	if (w->roots == NULL)
		return false;
	for (i = 0; i < w->nscopes; i++) {
		for (k = 0; k < w->scopes[i].npaths; k++) {
			r = &w->roots[w->nroots++];
			r->path = w->scopes[i].paths[k];
			ok = ok && root_add_scope(r, (uint32_t)i);
		}
	}
	qsort(w->roots, w->nroots, sizeof(*w->roots), root_cmp);
	for (i = 0; i < w->nroots; i++) {
		r = &w->roots[i];
		if (n > 0 && strcmp(w->roots[n - 1].path, r->path) == 0) {
			ok = ok && r->nscopes > 0 &&
			    root_add_scope(&w->roots[n - 1], r->scopes[0]);
			free(r->scopes);
			r->scopes = NULL;
		} else {
			w->roots[n++] = *r;
			if (n - 1 != i)
				memset(r, 0, sizeof(*r));
		}
	}
	w->nroots = n;
	return ok;
}

int
walk_new(const struct walk_scope *scopes, size_t n, const struct walk_ops *ops,
    void *arg, struct walk **ret, struct err *e)
{
	struct walk *w = malloc(sizeof(*w));

	if (w == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	memset(w, 0, offsetof(struct walk, path) + 1);
	w->scopes = scopes;
	w->nscopes = n;
	w->ops = *ops;
	w->arg = arg;
	w->done = calloc(n + 1, sizeof(*w->done));
	w->covering = calloc(n + 1, sizeof(*w->covering));
	if (w->done == NULL || w->covering == NULL || !roots_build(w)) {
		walk_free(w);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	*ret = w;
	return 0;
}

void
walk_free(struct walk *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->nroots; i++) {
		free(w->roots[i].scopes);
		free(w->roots[i].real);
	}
	free(w->roots);
	free(w->done);
	free(w->covering);
	free(w->frames);
	free(w->names);
	free(w->active.data);
	os_mounts_free(w->mounts);
	free(w->real);
	free(w->dents);
	free(w);
}

/* The first root that is not before path + suffix. */
static size_t
lower_bound(const struct walk *w, const char *path, const char *suffix)
{
	size_t lo = 0, hi = w->nroots, mid, len = strlen(path);
	int c;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		c = strncmp(w->roots[mid].path, path, len);
		if (c == 0)
			c = strcmp(w->roots[mid].path + len, suffix);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct wroot *
roots_find(struct walk *w, const char *path)
{
	size_t i = lower_bound(w, path, "");

	if (i < w->nroots && strcmp(w->roots[i].path, path) == 0)
		return &w->roots[i];
	return NULL;
}

/* path itself may be "/". */
bool
roots_below(const struct walk *w, const char *path)
{
	const char *suffix = strcmp(path, "/") == 0 ? "" : "/";
	size_t len = strlen(path), i;
	const char *p;

	for (i = lower_bound(w, path, suffix); i < w->nroots; i++) {
		p = w->roots[i].path;
		if (strncmp(p, path, len) != 0 ||
		    (*suffix == '/' && p[len] != '/'))
			return false;
		if (p[len] != '\0' && !w->roots[i].visited)
			return true;
	}
	return false;
}

bool
root_wanted(const struct walk *w, const struct wroot *root)
{
	size_t i;

	for (i = 0; i < root->nscopes; i++) {
		if (!w->done[root->scopes[i]])
			return true;
	}
	return false;
}

bool
walk_covers(const struct walk *w, uint32_t scope, const char *path)
{
	const struct walk_scope *s = &w->scopes[scope];
	struct wroot *r;
	size_t i;

	if (!fence_allows(w->ops.fence, path))
		return false;
	for (i = 0; i < s->npaths; i++) {
		r = &w->roots[lower_bound(w, s->paths[i], "")];
		if (path_below(path, r->path))
			return true;
		/* with a fence a root is where its text says */
		if (w->ops.fence == NULL && r->real == NULL &&
		    r->barred == SKIP_REASONS)
			r->real = realpath(r->path, NULL);
		if (r->real != NULL && path_below(path, r->real))
			return true;
	}
	return false;
}

bool
frame_has(const struct walk *w, const struct frame *f, uint32_t scope)
{
	const struct active *a = w->active.data + f->active;
	size_t i;

	for (i = 0; i < f->nactive; i++) {
		if (a[i].scope == scope)
			return true;
	}
	return false;
}

bool
frame_goes_deeper(const struct walk *w, const struct frame *f, bool *ret_cut)
{
	const struct active *a = w->active.data + f->active;
	bool deeper = false;
	size_t i;

	for (i = 0; i < f->nactive; i++) {
		if (w->done[a[i].scope])
			continue;
		if (a[i].left > 1)
			deeper = true;
		else
			*ret_cut = true;
	}
	return deeper;
}

/* Adds a scope, which f has not. */
static bool
active_push(struct walk *w, struct frame *f, uint32_t scope, uint64_t left)
{
	struct active *p;
	size_t cap;

	if (w->done[scope])
		return true;
	if (f->fs.remote && !w->scopes[scope].remote) {
		f->refused = true;
		return true;
	}
	if (w->active.n == w->active.cap) {
		cap = w->active.cap == 0 ? 64 : w->active.cap * 2;
		p = reallocarray(w->active.data, cap, sizeof(*p));
		if (p == NULL)
			return false;
		w->active.data = p;
		w->active.cap = cap;
	}
	w->active.data[w->active.n].scope = scope;
	w->active.data[w->active.n++].left = left;
	f->nactive++;
	return true;
}

/* Adds a scope to f, or gives it the greater depth of the two. */
static bool
active_add(struct walk *w, struct frame *f, uint32_t scope, uint64_t left)
{
	struct active *p;
	size_t i;

	for (i = 0; i < f->nactive; i++) {
		p = &w->active.data[f->active + i];
		if (p->scope == scope) {
			if (left > p->left)
				p->left = left;
			return true;
		}
	}
	return active_push(w, f, scope, left);
}

bool
frame_scopes(struct walk *w, struct frame *f, const struct frame *parent,
    const struct wroot *root)
{
	struct active a;
	size_t i;

	f->active = w->active.n;
	for (i = 0; parent != NULL && i < parent->nactive; i++) {
		a = w->active.data[parent->active + i];
		/* for each directory, so none is looked for among thousands */
		if (a.left > 1 &&
		    !active_push(w, f, a.scope,
			a.left == UINT64_MAX ? a.left : a.left - 1))
			return false;
	}
	for (i = 0; root != NULL && i < root->nscopes; i++) {
		if (!active_add(w, f, root->scopes[i],
			w->scopes[root->scopes[i]].depth))
			return false;
	}
	return true;
}

bool
frame_push(struct walk *w, const struct frame *f)
{
	struct frame *p;
	size_t cap;

	if (w->nframes == w->frames_cap) {
		cap = w->frames_cap == 0 ? 64 : w->frames_cap * 2;
		p = reallocarray(w->frames, cap, sizeof(*p));
		if (p == NULL)
			return false;
		w->frames = p;
		w->frames_cap = cap;
	}
	w->frames[w->nframes++] = *f;
	return true;
}

bool
frame_identify(struct frame *f)
{
	struct stat st;

	if (!f->known && f->fd >= 0 && fstat(f->fd, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->known = true;
	}
	return f->known;
}

bool
frame_is(const struct frame *f, int fd)
{
	struct stat st;

	return f->known && fstat(fd, &st) == 0 && st.st_dev == f->dev &&
	    st.st_ino == f->ino;
}

bool
names_push(struct walk *w, const char *name, size_t len)
{
	size_t cap;
	char *p;

	if (w->names_len + len + 1 > w->names_cap) {
		cap = w->names_cap == 0 ? 4096 : w->names_cap * 2;
		if (w->names_len + len + 1 > WALK_PENDING_MAX)
			return false;
		p = realloc(w->names, cap);
		if (p == NULL)
			return false;
		w->names = p;
		w->names_cap = cap;
	}
	memcpy(w->names + w->names_len, name, len + 1);
	w->names_len += len + 1;
	w->pending++;
	return true;
}
