/* SPDX-License-Identifier: MPL-2.0 */
/* Many questions walk together; what is found where is the file module's tests'
 * (tests/unit/modules/test_file_run.c). */
#include "scan/walk.h"

#include "base/err.h"

#include "../rounds.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SCOPES 20000
#define DIRECTORIES 200
#define FILES 4000

static uint64_t covered;

static void
on_entry(const struct walk_entry *en, void *arg)
{
	covered += en->nscopes;
}

static void
on_skip(enum skip reason, const char *path, const char *why, void *arg)
{
	fail_msg("%s: %s", path, why != NULL ? why : "");
}

static bool
on_stop(void *arg)
{
	return false;
}

static int64_t
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A directory costs as much as there are questions, not as there are pairs of
 * them; one in the middle of the tree is a root of half of them as well. */
static void
test_many_scopes(void **state)
{
	char root[] = "/tmp/walk-XXXXXX", inner[64], path[96], command[64];
	const struct walk_ops ops = { on_entry, on_skip, on_stop, NULL, NULL };
	const size_t nscopes = rounds(SCOPES);
	struct walk_scope *scopes = calloc(nscopes, sizeof(*scopes));
	char *outer_paths[1], *both_paths[2];
	struct walk *w;
	struct err e;
	int64_t before;
	size_t i;
	FILE *f;

	assert_non_null(scopes);
	assert_non_null(mkdtemp(root));
	snprintf(inner, sizeof(inner), "%s/inner", root);
	for (i = 0; i < DIRECTORIES; i++) {
		snprintf(path, sizeof(path), "%s/%zu", root, i);
		assert_int_equal(mkdir(i == 0 ? inner : path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/file", inner);
	f = fopen(path, "w");
	assert_true(f != NULL && fclose(f) == 0);
	outer_paths[0] = both_paths[0] = root;
	both_paths[1] = inner;
	for (i = 0; i < nscopes; i++) {
		scopes[i].paths = i % 2 == 0 ? outer_paths : both_paths;
		scopes[i].npaths = i % 2 == 0 ? 1 : 2;
		scopes[i].depth = i % 4 == 0 ? 2 : UINT64_MAX;
	}
	before = cpu_ms();
	assert_int_equal(walk_new(scopes, nscopes, &ops, NULL, &w, &e), 0);
	walk_run(w);
	assert_int_equal(walk_directories(w), DIRECTORIES + 1);
	walk_free(w);
	assert_int_equal(covered, nscopes);
	assert_in_range(cpu_ms() - before, 0, 4000);
	free(scopes);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

static char moving[2][64]; /* from, to */

static void
on_bottom(const struct walk_entry *en, void *arg)
{
	if (covered++ > 0)
		return;
	snprintf(moving[0], sizeof(moving[0]), "%.*s/x/x",
	    (int)(strstr(en->path, "/x/") - en->path), en->path);
	assert_int_equal(rename(moving[0], moving[1]), 0);
}

/* One is moved while the walk is deep below it, and the directories above are
 * closed for now: the others are found all the same. */
static void
test_moved_above(void **state)
{
	char root[] = "/tmp/walk-XXXXXX", command[256], *paths[1] = { root };
	const struct walk_ops ops = { on_bottom, on_skip, on_stop, NULL, NULL };
	const struct walk_scope scope = { paths, 1, UINT64_MAX, false };
	struct walk *w;
	struct err e;

	assert_non_null(mkdtemp(root));
	snprintf(moving[1], sizeof(moving[1]), "%s.moved", root);
	snprintf(command, sizeof(command),
	    "cd %s && for d in a b c d e; do p=$d$(printf '/x%%.0s' $(seq %d));"
	    "mkdir -p $p && : >$p/file || exit 1; done",
	    root, WALK_FDS + 20);
	assert_int_equal(system(command), 0);
	covered = 0;
	assert_int_equal(walk_new(&scope, 1, &ops, NULL, &w, &e), 0);
	walk_run(w);
	walk_free(w);
	assert_int_equal(covered, 5);
	snprintf(command, sizeof(command), "rm -rf %s %s", root, moving[1]);
	assert_int_equal(system(command), 0);
}

static size_t left_out; /* /proc, as a kernel's file system */

static void
on_any_skip(enum skip reason, const char *path, const char *why, void *arg)
{
	left_out += reason == SKIP_VIRTUAL && strcmp(path, "/proc") == 0;
}

/* A kernel's file system that is asked for as well is not one left out. */
static void
test_named_virtual(void **state)
{
	char top[] = "/", proc[] = "/proc", *paths[] = { top, proc };
	const struct walk_ops ops = { on_entry, on_any_skip, on_stop, NULL,
		NULL };
	const struct walk_scope scopes[] = { { paths, 1, 2, false },
		{ paths + 1, 1, 1, false } };
	struct walk *w;
	struct err e;
	size_t n;

	for (n = 1; n <= 2; n++) {
		left_out = 0;
		assert_int_equal(walk_new(scopes, n, &ops, NULL, &w, &e), 0);
		walk_run(w);
		walk_free(w);
		assert_int_equal(left_out, n == 1);
	}
}

static void
on_tick(int sig)
{
}

/* A read of a directory that a signal cuts short says so to nobody: it is not
 * taken for the last. */
static void
test_signals(void **state)
{
	const struct walk_ops ops = { on_entry, on_skip, on_stop, NULL, NULL };
	const struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { 0 };
	const struct sigaction tick = { .sa_handler = on_tick,
		.sa_flags = SA_RESTART };
	char root[] = "/tmp/walk-XXXXXX", command[128], *paths[1] = { root };
	const struct walk_scope scope = { paths, 1, UINT64_MAX, false };
	struct walk *w;
	struct err e;
	size_t i;

	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command), "cd %s && seq -w %d | xargs touch",
	    root, FILES);
	assert_int_equal(system(command), 0);
	assert_int_equal(sigaction(SIGALRM, &tick, NULL), 0);
	for (i = 0; i < 20; i++) {
		covered = 0;
		assert_int_equal(walk_new(&scope, 1, &ops, NULL, &w, &e), 0);
		assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
		walk_run(w);
		assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
		walk_free(w);
		assert_int_equal(covered, FILES);
	}
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_scopes),
		cmocka_unit_test(test_moved_above),
		cmocka_unit_test(test_named_virtual),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
