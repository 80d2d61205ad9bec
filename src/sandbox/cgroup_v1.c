/* SPDX-License-Identifier: MPL-2.0 */
/* Version 1: a tree for each controller, processes anywhere in it. */
#include "sandbox/cgroup_kind.h"

#include "base/err.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CPU, MEMORY, PIDS };

static const char *const controllers[CGROUP_TREES] = { "cpu", "memory",
	"pids" };

static const char *
find(struct cgroup_tree trees[static CGROUP_TREES], const char *name,
    char *ret_controllers, size_t size)
{
	char dir[PATH_MAX], sub[64];
	size_t i, len;

	snprintf(sub, sizeof(sub), "mig-agent-%s", name);
	*ret_controllers = '\0';
	for (i = 0; i < CGROUP_TREES; i++) {
		if (!cgroup_own_dir(controllers[i], dir) ||
		    access(dir, W_OK) != 0 ||
		    !cgroup_path(trees[i].dir, dir, sub, "")) {
			trees[i].dir[0] = '\0';
			continue;
		}
		trees[i].shared = true;
		len = strlen(ret_controllers);
		snprintf(
		    ret_controllers + len, size - len, " %s", controllers[i]);
	}
	return *ret_controllers == '\0'
	    ? "no control group of this process can be written"
	    : NULL;
}

static int
set_cpu(const char *dir, const char *group, const struct cgroup_limits *l,
    struct err *e)
{
	char text[32];
	int rc;

	/* as little weight as niceness 19, beside processes of the host */
	(void)cgroup_write(dir, "", "cpu.shares", "16", NULL);
	rc = cgroup_write(dir, group, "cpu.cfs_period_us", "100000", e);
	snprintf(text, sizeof(text), "%" PRId64,
	    l->cpu_percent == 0 ? -1 : (int64_t)l->cpu_percent * 1000);
	if (rc == 0)
		rc = cgroup_write(dir, group, "cpu.cfs_quota_us", text, e);
	return rc;
}

static int
set_memory(const char *dir, const char *group, const struct cgroup_limits *l,
    struct err *e)
{
	static const char file[] = "memory.limit_in_bytes";
	static const char swap[] = "memory.memsw.limit_in_bytes";
	char text[32] = "-1";

	/* the limit with swap is never below the one without */
	(void)cgroup_write(dir, group, swap, text, NULL);
	if (l->memory_bytes > 0)
		snprintf(text, sizeof(text), "%" PRIu64, l->memory_bytes);
	if (cgroup_write(dir, group, file, text, e) != 0)
		return e->code;
	(void)cgroup_write(dir, group, swap, text, NULL);
	return 0;
}

static int
set(const struct cgroup_tree trees[static CGROUP_TREES], const char *group,
    const struct cgroup_limits *l, struct err *e)
{
	char text[32] = "max";
	int rc = 0;

	if (trees[CPU].dir[0] != '\0')
		rc = set_cpu(trees[CPU].dir, group, l, e);
	if (rc == 0 && trees[MEMORY].dir[0] != '\0')
		rc = set_memory(trees[MEMORY].dir, group, l, e);
	if (l->processes > 0)
		snprintf(text, sizeof(text), "%" PRIu32, l->processes);
	if (rc == 0 && trees[PIDS].dir[0] != '\0')
		rc = cgroup_write(trees[PIDS].dir, group, "pids.max", text, e);
	return rc;
}

const struct cgroup_kind cgroup_v1 = {
	.name = "cgroup-1",
	.find = find,
	.set = set,
	.kills_file = "memory.oom_control",
	.kills_tree = MEMORY,
};
