/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One pass over the memory of a child that changes when it is told to, with
 * PAGEMAP_SCAN (where this kernel has it) and without. Of the child only what
 * it has reserved is looked at.
 */
#include "modules/memory/look.h"

#include "base/err.h"
#include "os/pages.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define SIZE (256 * GIB)
#define FAR (SIZE - GIB)
/* Of looking up all of it there are 16,384, 16 MiB each. */
#define FEW 3000
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, Linux 6.13 */

enum what { WRITE, READ, DROP, GUARD, NEEDLE };

struct command {
	enum what what;
	size_t at;
};

static const char needle[] = "n33dle";

struct child {
	pid_t pid;
	int to, from;
	uint8_t *memory; /* there, and not used, in this process too */
};

struct look_test {
	struct child child;
	struct look_job job;
	struct memory_window window;
	struct os_devices devices;
	uint64_t read_left;
	unsigned int stops;
	/* done at the nth question whether to stop */
	unsigned int when;
	struct command then[2];
	uint64_t found; /* end, from the begin of its memory; 0: not */
};

static void
obey(uint8_t *memory, const struct command *c, size_t page)
{
	volatile uint8_t *p = memory + c->at;

	if (c->what == WRITE)
		*p = 1;
	else if (c->what == READ)
		(void)*p;
	else if (c->what == NEEDLE)
		memcpy(memory + c->at, needle, sizeof(needle) - 1);
	else if (madvise(memory + c->at, page,
		     c->what == DROP ? MADV_DONTNEED : GUARD_INSTALL) != 0)
		_exit(1);
}

static struct child
start(void)
{
	struct child c;
	struct command cmd;
	int to[2], from[2];

	c.memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(c.memory, MAP_FAILED);
	madvise(c.memory, SIZE, MADV_NOHUGEPAGE);
	assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
	fflush(NULL);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to[1]);
		close(from[0]);
		while (read(to[0], &cmd, sizeof(cmd)) == sizeof(cmd)) {
			obey(c.memory, &cmd, (size_t)sysconf(_SC_PAGESIZE));
			if (write(from[1], "", 1) != 1)
				break;
		}
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	c.to = to[1];
	c.from = from[0];
	return c;
}

static bool
tell(struct child *c, enum what what, size_t at)
{
	const struct command cmd = { what, at };
	char done;

	assert_int_equal(write(c->to, &cmd, sizeof(cmd)), sizeof(cmd));
	return read(c->from, &done, 1) == 1;
}

static int
open_of(const struct child *c, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)c->pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
on_hit(const struct look_hit *h, void *arg)
{
	struct look_test *t = arg;
	uint64_t at = h->end - (uint64_t)(uintptr_t)t->child.memory;

	/* the program itself has it as well, below or behind */
	if (t->found == 0 && at <= SIZE)
		t->found = at;
}

static void
on_cut(uint32_t pattern, void *arg)
{
}

static bool
enough(void *arg)
{
	return false;
}

static bool
stop(void *arg)
{
	struct look_test *t = arg;
	size_t i;

	if (++t->stops != t->when)
		return false;
	for (i = 0; i < 2; i++)
		assert_true(tell(&t->child, t->then[i].what, t->then[i].at));
	return false;
}

static void
begin(struct look_test *t, bool no_scan)
{
	memset(t, 0, sizeof(*t));
	t->child = start();
	t->window.offset = (uint64_t)(uintptr_t)t->child.memory;
	t->window.maxlength = GIB;
	t->read_left = UINT64_MAX;
	t->job.fds.maps = open_of(&t->child, "smaps");
	t->job.fds.mem = open_of(&t->child, "mem");
	t->job.fds.pagemap = open_of(&t->child, "pagemap");
	t->job.no_scan = no_scan;
	t->job.window = &t->window;
	t->job.devices = &t->devices;
	t->job.read_left = &t->read_left;
	t->job.hit = on_hit;
	t->job.cut = on_cut;
	t->job.enough = enough;
	t->job.stop = stop;
	t->job.arg = t;
}

static enum look_end
run(struct look_test *t)
{
	const struct match_pattern p = { .bytes = needle,
		.literal = (const uint8_t *)needle,
		.literal_len = sizeof(needle) - 1,
		.longest = sizeof(needle) - 1,
		.plain = true };
	struct look *l = look_new();
	enum look_end end;
	struct match *m;
	struct err e;
	size_t bad;

	assert_non_null(l);
	assert_int_equal(
	    match_new(&p, 1, MATCH_STREAM, MATCH_PLAIN, &m, &bad, &e), 0);
	assert_int_equal(match_state_new(m, &t->job.match, &e), 0);
	end = look_run(l, &t->job, &e);
	match_state_free(t->job.match);
	match_free(m);
	look_free(l);
	return end;
}

static void
end(struct look_test *t)
{
	int status;

	close(t->job.fds.maps);
	close(t->job.fds.mem);
	if (t->job.fds.pagemap >= 0)
		close(t->job.fds.pagemap);
	close(t->child.to);
	assert_int_equal(waitpid(t->child.pid, &status, 0), t->child.pid);
	close(t->child.from);
	munmap(t->child.memory, SIZE);
}

static bool
can_scan(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	static struct os_pages p;
	bool can;

	assert_true(fd >= 0);
	can = os_pages_scan(fd, page, 2 * page, &p) == 0;
	close(fd);
	return can;
}

/* Where it may be, what else is there, and what the child does at the second
 * look-up; all of it is found in few steps. */
static void
test_found(void **state)
{
	static const struct {
		const char *name;
		struct command before[4];
		unsigned int when;
		struct command then[2];
		size_t needle;
	} table[] = {
		{ "alone", { { 0 } }, 0, { { 0 } }, GIB },
		{ "behind others",
		    { { WRITE, MIB }, { WRITE, 2 * MIB }, { WRITE, 20 * MIB } },
		    0, { { 0 } }, GIB + 5 },
		{ "behind pages of zeros",
		    { { READ, MIB }, { READ, 2 * MIB }, { READ, 3 * MIB } }, 0,
		    { { 0 } }, GIB },
		{ "behind one that has come since", { { WRITE, MIB } }, 2,
		    { { WRITE, 20 * MIB }, { WRITE, 20 * MIB } }, GIB },
		{ "behind one that has come for one that has gone",
		    { { WRITE, MIB } }, 2,
		    { { WRITE, 20 * MIB }, { DROP, MIB } }, GIB },
	};
	struct look_test t;
	size_t i, k, mode;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (mode = 0; mode < 2; mode++) {
			begin(&t, mode == 1);
			for (k = 0; k < 4; k++) {
				if (table[i].before[k].at != 0)
					tell(&t.child, table[i].before[k].what,
					    table[i].before[k].at);
			}
			tell(&t.child, NEEDLE, table[i].needle);
			t.when = table[i].when;
			memcpy(t.then, table[i].then, sizeof(t.then));
			if (run(&t) != LOOK_ALL ||
			    t.found != table[i].needle + sizeof(needle) - 1)
				fail_msg("%s, mode %zu: found %llu",
				    table[i].name, mode,
				    (unsigned long long)t.found);
			if (t.when != 0)
				assert_true(t.stops > t.when);
			else if (mode == 1 || can_scan())
				assert_in_range(
				    t.stops, mode == 1 ? 64 : 1, FEW);
			end(&t);
		}
	}
}

/* At the end of it. */
static void
test_far(void **state)
{
	struct look_test t;

	if (!can_scan())
		skip();
	begin(&t, false);
	tell(&t.child, NEEDLE, FAR);
	assert_int_equal(run(&t), LOOK_ALL);
	assert_int_equal(t.found, FAR + sizeof(needle) - 1);
	assert_in_range(t.stops, 1, FEW);
	end(&t);
}

/* Not waited for yet, so it has a number, and maps without a line. */
static void
test_has_ended(void **state)
{
	struct look_test t;
	siginfo_t info;
	size_t mode;

	for (mode = 0; mode < 2; mode++) {
		begin(&t, mode == 1);
		kill(t.child.pid, SIGKILL);
		assert_int_equal(
		    waitid(P_PID, (id_t)t.child.pid, &info, WEXITED | WNOWAIT),
		    0);
		assert_int_equal(run(&t), LOOK_VANISHED);
		end(&t);
	}
}

/* Nothing is there, by intent: no page that could not be read. */
static void
test_guard(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct look_test t;
	bool has;

	begin(&t, false);
	tell(&t.child, WRITE, MIB);
	has = tell(&t.child, GUARD, MIB + page) &&
	    os_pages_at(t.job.fds.pagemap,
		(uint64_t)(uintptr_t)t.child.memory + MIB + page) ==
		OS_PAGE_GUARD;
	if (has) {
		assert_int_equal(run(&t), LOOK_ALL);
		assert_int_equal(t.job.unreadable, 0);
	}
	end(&t);
	if (!has)
		skip();
}

/* What is too large to be read without knowing where is told. */
static void
test_no_pagemap(void **state)
{
	struct look_test t;

	begin(&t, false);
	close(t.job.fds.pagemap);
	t.job.fds.pagemap = -1;
	tell(&t.child, NEEDLE, MIB);
	assert_int_equal(run(&t), LOOK_ALL);
	assert_int_equal(t.found, 0);
	assert_true(t.job.absent >= SIZE && t.job.absent_mappings > 0);
	assert_string_equal(t.job.absent_first, "memory without a name");
	end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_has_ended),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_no_pagemap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
