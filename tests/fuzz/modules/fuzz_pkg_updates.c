/* SPDX-License-Identifier: MPL-2.0 */
/* dpkg's status and its updates: files, each ended by a byte 0xff, the first of
 * them status. What is looked up is what a look at all of them one by one
 * finds. */
#include "modules/pkg/dpkg.h"
#include "modules/pkg/dpkgupdates.h"

#include "base/err.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	const struct dpkg_updates *u;
	size_t damaged;
};

static const struct dpkg_update *
look_at_all(const struct dpkg_updates *u, const char *name, const char *arch)
{
	size_t i;

	for (i = u->n; i > 0; i--) {
		if (strcmp(u->list[i - 1].name, name) == 0 &&
		    (*u->list[i - 1].arch == '\0' ||
			strcmp(u->list[i - 1].arch, arch) == 0))
			return &u->list[i - 1];
	}
	return NULL;
}

static void
on_package(const struct package *p, void *arg)
{
	struct seen *s = arg;

	BUG_ON(dpkg_updates_find(s->u, p->name, p->arch) !=
	    look_at_all(s->u, p->name, p->arch));
}

static void
on_damaged(const char *what, void *arg)
{
	struct seen *s = arg;

	BUG_ON(*what == '\0');
	s->damaged++;
}

static bool
on_stop(void *arg)
{
	return false;
}

static void
add(struct dpkg_updates *u, const struct pkg_reader *r, const uint8_t *data,
    size_t size)
{
	size_t n = u->n, damaged = ((struct seen *)r->arg)->damaged;
	int fd = fd_sealed("fuzz", data, size, NULL);
	char name[16];
	struct err e;

	snprintf(name, sizeof(name), "%04zu", n);
	BUG_ON(fd < 0 || dpkg_updates_add(u, fd, name, r, &e) != 0);
	close(fd);
	BUG_ON(u->n > n + 1);
	/* whatever is not taken is told */
	BUG_ON(u->n == n && memchr(data, ':', size) != NULL &&
	    ((struct seen *)r->arg)->damaged == damaged);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dpkg_updates u = { 0 };
	struct seen seen = { &u, 0 };
	const struct pkg_reader r = { on_package, on_damaged, on_stop, &seen };
	const uint8_t *end = data + size, *status = data, *stop;
	size_t status_len, i;
	struct dpkg_parser p;

	stop = memchr(data, 0xff, size);
	status_len = (size_t)((stop != NULL ? stop : end) - data);
	while (stop != NULL && u.n < DPKG_UPDATES_MAX) {
		data = stop + 1;
		stop = memchr(data, 0xff, (size_t)(end - data));
		add(&u, &r, data, (size_t)((stop != NULL ? stop : end) - data));
	}
	BUG_ON(dpkg_updates_sort(&u, NULL) != 0);
	for (i = 0; i < u.n; i++)
		BUG_ON(dpkg_updates_find(&u, u.list[i].name, u.list[i].arch) !=
		    look_at_all(&u, u.list[i].name, u.list[i].arch));
	dpkg_begin(&p, &r);
	dpkg_feed(&p, status, status_len);
	dpkg_end(&p);
	dpkg_updates_release(&u);
	return 0;
}
