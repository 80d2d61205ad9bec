/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Version 2: one tree; a group that hands controllers to groups below it may
 * hold no processes itself, but for the root. So in a group of our own we move
 * into "agent" first; in a group that others share nothing can be done.
 */
#include "sandbox/cgroup_kind.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const controllers[] = { "cpu", "memory", "pids", "io" };

#define NCONTROLLERS (sizeof(controllers) / sizeof(controllers[0]))

/* A word of a line of words. */
static bool
has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (;;) {
		line += strspn(line, " \n");
		if (*line == '\0')
			return false;
		if (strncmp(line, word, n) == 0 &&
		    strchr(" \n", line[n]) != NULL)
			return true;
		line += strcspn(line, " \n");
	}
}

/* Whoever is in the group is this process. */
static bool
is_alone(const char *dir)
{
	char text[256], *end;
	long pid;

	if (!cgroup_read(dir, "", "cgroup.procs", text, sizeof(text)))
		return false;
	pid = strtol(text, &end, 10);
	return pid == (long)getpid() && strcmp(end, "\n") == 0;
}

static bool
is_root(const char *dir)
{
	char path[PATH_MAX];

	return cgroup_path(path, dir, "", "cgroup.type") &&
	    access(path, F_OK) != 0 && errno == ENOENT;
}

/* Hands on what is there; each by itself, as one may be refused. */
static void
hand_on(const char *dir, char *ret_controllers, size_t size)
{
	char there[256], word[16];
	size_t i, len;

	*ret_controllers = '\0';
	if (!cgroup_read(dir, "", "cgroup.controllers", there, sizeof(there)))
		return;
	for (i = 0; i < NCONTROLLERS; i++) {
		snprintf(word, sizeof(word), "+%s", controllers[i]);
		if (!has_word(there, controllers[i]) ||
		    cgroup_write(
			dir, "", "cgroup.subtree_control", word, NULL) != 0)
			continue;
		len = strlen(ret_controllers);
		snprintf(
		    ret_controllers + len, size - len, " %s", controllers[i]);
	}
}

/* Below the root of the tree: a group of this agent's, its workers below. */
static const char *
below_root(const char *dir, const char *name, char out[static PATH_MAX],
    char *ret_controllers, size_t size)
{
	char sub[64];

	snprintf(sub, sizeof(sub), "mig-agent-%s", name);
	hand_on(dir, ret_controllers, size);
	if (!has_word(ret_controllers, "cpu") &&
	    !has_word(ret_controllers, "memory"))
		return "the root control group has neither cpu nor memory";
	if (!cgroup_path(out, dir, sub, ""))
		return "the path is too long";
	if (mkdir(out, 0755) != 0 && errno != EEXIST)
		return "no group can be made";
	(void)cgroup_write(out, "", "cpu.weight", "1", NULL);
	hand_on(out, ret_controllers, size);
	return NULL;
}

static const char *
find(struct cgroup_tree trees[static CGROUP_TREES], const char *name,
    char *ret_controllers, size_t size)
{
	char dir[PATH_MAX], there[256], path[PATH_MAX], pid[24];

	if (!cgroup_own_dir(NULL, dir))
		return "no control groups are mounted here";
	if (!cgroup_read(dir, "", "cgroup.controllers", there, sizeof(there)) ||
	    (!has_word(there, "cpu") && !has_word(there, "memory")))
		return "this process' control group has neither the cpu nor "
		       "the memory controller";
	if (access(dir, W_OK) != 0)
		return "this process' control group cannot be written "
		       "(a unit with Delegate=yes can)";
	if (is_root(dir)) {
		trees[0].shared = true;
		return below_root(
		    dir, name, trees[0].dir, ret_controllers, size);
	}
	if (!is_alone(dir))
		return "other processes are in the same control group: start "
		       "the agent by its unit";
	if (!cgroup_path(path, dir, "agent", "") ||
	    (mkdir(path, 0755) != 0 && errno != EEXIST))
		return "no group can be made below this process' own";
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (cgroup_write(dir, "agent", "cgroup.procs", pid, NULL) != 0)
		return "this process cannot be moved into a group of its own";
	hand_on(dir, ret_controllers, size);
	memcpy(trees[0].dir, dir, sizeof(dir));
	trees[0].shared = false;
	return *ret_controllers == '\0' ? "no controller can be handed on"
					: NULL;
}

static int
set(const struct cgroup_tree trees[static CGROUP_TREES], const char *group,
    const struct cgroup_limits *l, struct err *e)
{
	const char *dir = trees[0].dir;
	char text[64], there[256];
	int rc = 0;

	if (!cgroup_read(
		dir, "", "cgroup.subtree_control", there, sizeof(there)))
		return err_errno(e, "%s/cgroup.subtree_control", dir);
	if (has_word(there, "cpu")) {
		snprintf(text, sizeof(text), "max 100000");
		if (l->cpu_percent > 0)
			snprintf(text, sizeof(text), "%" PRIu64 " 100000",
			    (uint64_t)l->cpu_percent * 1000);
		rc = cgroup_write(dir, group, "cpu.max", text, e);
		(void)cgroup_write(dir, group, "cpu.weight", "1", NULL);
	}
	if (rc == 0 && has_word(there, "memory")) {
		snprintf(text, sizeof(text), "max");
		if (l->memory_bytes > 0)
			snprintf(
			    text, sizeof(text), "%" PRIu64, l->memory_bytes);
		rc = cgroup_write(dir, group, "memory.max", text, e);
		(void)cgroup_write(dir, group, "memory.swap.max", "0", NULL);
		(void)cgroup_write(dir, group, "memory.oom.group", "1", NULL);
	}
	if (rc == 0 && has_word(there, "pids")) {
		snprintf(text, sizeof(text), "max");
		if (l->processes > 0)
			snprintf(text, sizeof(text), "%" PRIu32, l->processes);
		rc = cgroup_write(dir, group, "pids.max", text, e);
	}
	if (rc == 0 && has_word(there, "io"))
		(void)cgroup_write(dir, group, "io.weight", "default 1", NULL);
	return rc;
}

const struct cgroup_kind cgroup_v2 = {
	.name = "cgroup-2",
	.find = find,
	.set = set,
	.kills_file = "memory.events",
	.kills_tree = 0,
};
