/* SPDX-License-Identifier: MPL-2.0 */
/* The groups of worker slots, whichever version there is. */
#include "sandbox/cgroup.h"

#include "base/err.h"
#include "base/str.h"
#include "sandbox/cgroup_kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct slot {
	bool made;
	struct cgroup_limits limits;
};

struct cgroup {
	const struct cgroup_kind *kind; /* NULL: none */
	struct cgroup_tree trees[CGROUP_TREES];
	struct slot slots[CGROUP_SLOTS];
	char text[160];
};

static void
group_name(unsigned int slot, char out[static 32])
{
	snprintf(out, 32, "worker-%u", slot);
}

struct cgroup *
cgroup_new(const char *name)
{
	static const struct cgroup_kind *const kinds[] = { &cgroup_v2,
		&cgroup_v1 };
	struct cgroup *c = calloc(1, sizeof(*c));
	const char *why = NULL, *first = NULL;
	char controllers[64];
	size_t i;

	for (i = 0; c != NULL && i < 2; i++) {
		why = kinds[i]->find(
		    c->trees, name, controllers, sizeof(controllers));
		if (why == NULL) {
			c->kind = kinds[i];
			snprintf(c->text, sizeof(c->text), "%s%s",
			    kinds[i]->name, controllers);
			return c;
		}
		if (first == NULL)
			first = why;
		memset(c->trees, 0, sizeof(c->trees));
	}
	if (c != NULL)
		snprintf(c->text, sizeof(c->text), "none: %s", first);
	return c;
}

void
cgroup_free(struct cgroup *c)
{
	char path[PATH_MAX], group[32];
	unsigned int i;
	size_t t;

	if (c == NULL)
		return;
	for (t = 0; c->kind != NULL && t < CGROUP_TREES; t++) {
		if (c->trees[t].dir[0] == '\0')
			continue;
		for (i = 0; i < CGROUP_SLOTS; i++) {
			group_name(i, group);
			if (c->slots[i].made &&
			    cgroup_path(path, c->trees[t].dir, group, ""))
				(void)rmdir(path);
		}
		if (c->trees[t].shared)
			(void)rmdir(c->trees[t].dir);
	}
	free(c);
}

const char *
cgroup_describe(const struct cgroup *c)
{
	return c->text;
}

bool
cgroup_there(const struct cgroup *c)
{
	return c->kind != NULL;
}

static int
make(struct cgroup *c, const char *group, struct err *e)
{
	char path[PATH_MAX];
	size_t t;

	for (t = 0; t < CGROUP_TREES; t++) {
		if (c->trees[t].dir[0] == '\0')
			continue;
		if (c->trees[t].shared && mkdir(c->trees[t].dir, 0755) != 0 &&
		    errno != EEXIST)
			return err_errno(e, "%s", c->trees[t].dir);
		if (!cgroup_path(path, c->trees[t].dir, group, ""))
			return err_set(e, ERR_TOOBIG, "%s", c->trees[t].dir);
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return err_errno(e, "%s", path);
	}
	return 0;
}

static int
prepare(struct cgroup *c, unsigned int slot, const struct cgroup_limits *l,
    struct err *e)
{
	struct slot *s = &c->slots[slot];
	char group[32];
	int rc = 0;

	group_name(slot, group);
	if (s->made && s->limits.memory_bytes == l->memory_bytes &&
	    s->limits.cpu_percent == l->cpu_percent &&
	    s->limits.processes == l->processes)
		return 0;
	if (!s->made)
		rc = make(c, group, e);
	/* from here on there is something to remove */
	s->made = s->made || rc == 0;
	memset(&s->limits, 0xff, sizeof(s->limits));
	if (rc == 0)
		rc = c->kind->set(c->trees, group, l, e);
	if (rc == 0)
		s->limits = *l;
	return rc;
}

static int
place(struct cgroup *c, unsigned int slot, const char *pid,
    const struct cgroup_limits *l, struct err *e)
{
	char group[32];
	int rc = prepare(c, slot, l, e);
	size_t t;

	group_name(slot, group);
	for (t = 0; rc == 0 && t < CGROUP_TREES; t++) {
		if (c->trees[t].dir[0] == '\0')
			continue;
		errno = 0;
		rc = cgroup_write(
		    c->trees[t].dir, group, "cgroup.procs", pid, e);
		if (rc != 0 && errno == ESRCH) {
			err_clear(e);
			return 0;
		}
	}
	return rc;
}

int
cgroup_place(struct cgroup *c, unsigned int slot, pid_t pid,
    const struct cgroup_limits *l, struct err *e)
{
	char text[24];
	int rc;

	if (c->kind == NULL)
		return 0;
	if (slot >= CGROUP_SLOTS)
		return err_set(e, ERR_INVALID, "worker slot %u", slot);
	snprintf(text, sizeof(text), "%ld", (long)pid);
	rc = place(c, slot, text, l, e);
	if (rc == ERR_NOTFOUND && c->slots[slot].made) {
		/* somebody removed the group */
		c->slots[slot].made = false;
		err_clear(e);
		rc = place(c, slot, text, l, e);
	}
	return rc;
}

uint64_t
cgroup_memory_kills(const struct cgroup *c, unsigned int slot)
{
	static const char word[] = "oom_kill ";
	char text[1024], group[32];
	const char *p;

	if (c->kind == NULL || slot >= CGROUP_SLOTS || !c->slots[slot].made ||
	    c->trees[c->kind->kills_tree].dir[0] == '\0')
		return 0;
	group_name(slot, group);
	if (!cgroup_read(c->trees[c->kind->kills_tree].dir, group,
		c->kind->kills_file, text, sizeof(text)))
		return 0;
	for (p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (str_starts(p, word))
			return strtoull(p + strlen(word), NULL, 10);
	}
	return 0;
}
