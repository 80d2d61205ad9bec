/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is written where in a tree of version 2, against a model of its rules
 * in a plain directory: the linker puts our own cgroup_own_dir() and
 * cgroup_write() in place of the real ones (--wrap). The rules (kernel
 * documentation, cgroup-v2): a group that hands controllers on holds no
 * processes, but for the root; a controller can be handed on when the group
 * has it.
 */
#include "sandbox/cgroup_kind.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1024 * 1024)

static char top[64], log_text[4096];
static bool refuses; /* the kernel, to hand controllers on */

int __wrap_cgroup_write(const char *dir, const char *group, const char *file,
    const char *text, struct err *e);
bool __wrap_cgroup_own_dir(const char *controller, char out[static PATH_MAX]);

/* Version 1 is not there. */
bool
__wrap_cgroup_own_dir(const char *controller, char out[static PATH_MAX])
{
	if (controller != NULL)
		return false;
	snprintf(out, PATH_MAX, "%s", top);
	return true;
}

static void
put(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Where the processes of the tree are: in the root, or in groups. */
static bool
occupied(const char *dir)
{
	char text[64];

	return cgroup_read(dir, "", "cgroup.procs", text, sizeof(text)) &&
	    text[0] != '\0';
}

static int
hand_on(const char *dir, const char *word, struct err *e)
{
	char there[128], now[128] = "";
	struct stat st;
	char path[PATH_MAX];

	if (refuses)
		return err_set(e, ERR_DENIED, "cgroup.subtree_control");
	assert_true(cgroup_path(path, dir, "", "cgroup.type"));
	if (stat(path, &st) == 0 && occupied(dir))
		return err_set(e, ERR_BUSY, "processes are in it");
	if (!cgroup_read(dir, "", "cgroup.controllers", there, sizeof(there)) ||
	    strstr(there, word + 1) == NULL)
		return err_set(e, ERR_NOTFOUND, "%s", word);
	cgroup_read(dir, "", "cgroup.subtree_control", now, sizeof(now));
	now[strcspn(now, "\n")] = '\0';
	snprintf(now + strlen(now), sizeof(now) - strlen(now), "%s%s\n",
	    now[0] != '\0' ? " " : "", word + 1);
	put(dir, "cgroup.subtree_control", now);
	return 0;
}

int
__wrap_cgroup_write(const char *dir, const char *group, const char *file,
    const char *text, struct err *e)
{
	char path[PATH_MAX], line[64];
	struct stat st;

	assert_true(cgroup_path(path, dir, group, ""));
	if (stat(path, &st) != 0)
		return err_errno(e, "%s", path);
	snprintf(log_text + strlen(log_text),
	    sizeof(log_text) - strlen(log_text), "%s%s%s=%s\n",
	    path + strlen(top), "/", file,
	    strcmp(file, "cgroup.procs") == 0 &&
		    strtol(text, NULL, 10) == (long)getpid()
		? "SELF"
		: text);
	if (strcmp(file, "cgroup.subtree_control") == 0)
		return hand_on(path, text, e);
	if (strcmp(file, "cgroup.procs") == 0 && group[0] != '\0') {
		put(dir, "cgroup.procs", "");
		snprintf(line, sizeof(line), "%s\n", text);
		put(path, file, line);
		return 0;
	}
	put(path, file, text);
	return 0;
}

/* A group as the unit's Delegate= gives it, or the root. */
static void
make_tree(const char *controllers, bool root)
{
	char pid[32];

	snprintf(top, sizeof(top), "/tmp/mig-cgroup-XXXXXX");
	assert_non_null(mkdtemp(top));
	log_text[0] = '\0';
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	put(top, "cgroup.controllers", controllers);
	put(top, "cgroup.subtree_control", "");
	put(top, "cgroup.procs", pid);
	if (!root)
		put(top, "cgroup.type", "domain\n");
}

static int
remove_tree(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf -- %s", top);
	return top[0] == '/' && system(command) != 0;
}

static void
wrote(const char *want)
{
	assert_string_equal(log_text, want);
	log_text[0] = '\0';
}

static void
place(struct cgroup *c, unsigned int slot, const struct cgroup_limits *l)
{
	struct err e;

	err_clear(&e);
	if (cgroup_place(c, slot, 4242, l, &e) != 0)
		fail_msg("%s", e.msg);
}

static void
test_delegated(void **state)
{
	static const struct cgroup_limits half = {
		.memory_bytes = 64 * MIB, .cpu_percent = 50, .processes = 1
	};
	static const struct cgroup_limits less = {
		.memory_bytes = 64 * MIB, .cpu_percent = 20, .processes = 1
	};
	static const struct cgroup_limits none = { 0 };
	struct cgroup *c;

	make_tree("cpu io memory pids\n", false);
	c = cgroup_new("test");
	assert_non_null(c);
	assert_string_equal(cgroup_describe(c), "cgroup-2 cpu memory pids io");
	wrote("/agent/cgroup.procs=SELF\n"
	      "/cgroup.subtree_control=+cpu\n"
	      "/cgroup.subtree_control=+memory\n"
	      "/cgroup.subtree_control=+pids\n"
	      "/cgroup.subtree_control=+io\n");
	place(c, 0, &half);
	wrote("/worker-0/cpu.max=50000 100000\n"
	      "/worker-0/cpu.weight=1\n"
	      "/worker-0/memory.max=67108864\n"
	      "/worker-0/memory.swap.max=0\n"
	      "/worker-0/memory.oom.group=1\n"
	      "/worker-0/pids.max=1\n"
	      "/worker-0/io.weight=default 1\n"
	      "/worker-0/cgroup.procs=4242\n");
	/* the same limits again: only the process */
	place(c, 0, &half);
	wrote("/worker-0/cgroup.procs=4242\n");
	/* a share that policy or action made smaller */
	place(c, 0, &less);
	assert_non_null(strstr(log_text, "/worker-0/cpu.max=20000 100000\n"));
	log_text[0] = '\0';
	place(c, 1, &none);
	wrote("/worker-1/cpu.max=max 100000\n"
	      "/worker-1/cpu.weight=1\n"
	      "/worker-1/memory.max=max\n"
	      "/worker-1/memory.swap.max=0\n"
	      "/worker-1/memory.oom.group=1\n"
	      "/worker-1/pids.max=max\n"
	      "/worker-1/io.weight=default 1\n"
	      "/worker-1/cgroup.procs=4242\n");
	cgroup_free(c);
}

/* Only what the system hands on is used and said. */
static void
test_some_controllers(void **state)
{
	static const struct cgroup_limits l = {
		.memory_bytes = MIB, .cpu_percent = 150, .processes = 3
	};
	struct cgroup *c;

	make_tree("cpu\n", false);
	c = cgroup_new("test");
	assert_non_null(c);
	assert_string_equal(cgroup_describe(c), "cgroup-2 cpu");
	log_text[0] = '\0';
	place(c, 7, &l);
	wrote("/worker-7/cpu.max=150000 100000\n"
	      "/worker-7/cpu.weight=1\n"
	      "/worker-7/cgroup.procs=4242\n");
	cgroup_free(c);
}

/* Below the root nobody has to move. */
static void
test_root(void **state)
{
	static const struct cgroup_limits l = { .cpu_percent = 50 };
	char path[128];
	struct cgroup *c;

	make_tree("cpu memory\n", true);
	snprintf(path, sizeof(path), "%s/mig-agent-test", top);
	assert_int_equal(mkdir(path, 0755), 0);
	put(path, "cgroup.type", "domain\n");
	put(path, "cgroup.controllers", "cpu memory\n");
	put(path, "cgroup.subtree_control", "");
	c = cgroup_new("test");
	assert_non_null(c);
	assert_string_equal(cgroup_describe(c), "cgroup-2 cpu memory");
	wrote("/cgroup.subtree_control=+cpu\n"
	      "/cgroup.subtree_control=+memory\n"
	      "/mig-agent-test/cpu.weight=1\n"
	      "/mig-agent-test/cgroup.subtree_control=+cpu\n"
	      "/mig-agent-test/cgroup.subtree_control=+memory\n");
	place(c, 0, &l);
	wrote("/mig-agent-test/worker-0/cpu.max=50000 100000\n"
	      "/mig-agent-test/worker-0/cpu.weight=1\n"
	      "/mig-agent-test/worker-0/memory.max=max\n"
	      "/mig-agent-test/worker-0/memory.swap.max=0\n"
	      "/mig-agent-test/worker-0/memory.oom.group=1\n"
	      "/mig-agent-test/worker-0/cgroup.procs=4242\n");
	cgroup_free(c);
}

/* The find of version 2 alone, as the room for the controllers is what it
 * reads: here it holds what no kernel handed on. */
static void
test_root_refuses(void **state)
{
	struct cgroup_tree trees[CGROUP_TREES] = { 0 };
	char said[64] = "?cpu memory";
	const char *why;

	make_tree("cpu memory\n", true);
	refuses = true;
	why = cgroup_v2.find(trees, "test", said, sizeof(said));
	refuses = false;
	assert_non_null(why);
	assert_non_null(strstr(why, "neither cpu nor memory"));
	wrote("/cgroup.subtree_control=+cpu\n"
	      "/cgroup.subtree_control=+memory\n");
}

/* Where nothing can be done nothing is written, and it is said why. */
static void
test_not_ours(void **state)
{
	static const struct {
		const char *controllers, *procs, *why;
	} cases[] = {
		{ "io pids\n", NULL, "neither the cpu nor" },
		{ "cpu memory\n", "1\n2\n", "other processes are in" },
		{ "cpu memory\n", "", "other processes are in" },
	};
	struct cgroup *c;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_tree(cases[i].controllers, false);
		if (cases[i].procs != NULL)
			put(top, "cgroup.procs", cases[i].procs);
		c = cgroup_new("test");
		assert_non_null(c);
		assert_false(cgroup_there(c));
		assert_non_null(strstr(cgroup_describe(c), cases[i].why));
		assert_string_equal(log_text, "");
		cgroup_free(c);
		assert_int_equal(remove_tree(state), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_delegated, remove_tree),
		cmocka_unit_test_teardown(test_some_controllers, remove_tree),
		cmocka_unit_test_teardown(test_root, remove_tree),
		cmocka_unit_test_teardown(test_root_refuses, remove_tree),
		cmocka_unit_test_teardown(test_not_ours, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
