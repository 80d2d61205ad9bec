/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Faults on demand, for the programs of tests/fault only. The control file
 * is mapped before main, so that it is there in a sandbox as well; from then
 * on only memory is touched.
 */
#include "base/fault.h"

#include "base/fault_control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HANG_STEP_MS 2

struct fault_control *fault_control;

static char variable[4096];
static char *variables[] = { variable, NULL };

static void __attribute__((constructor)) fault_map(void)
{
	const char *path = secure_getenv("MIG_FAULT");
	struct fault_control *c;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	c = fd < 0
	    ? MAP_FAILED
	    : mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED || memcmp(c->magic, FAULT_MAGIC, 8) != 0) {
		fprintf(stderr, "MIG_FAULT: %s: no control file\n", path);
		_exit(1);
	}
	close(fd);
	snprintf(variable, sizeof(variable), "MIG_FAULT=%s", path);
	fault_alloc_libraries();
	fault_control = c;
}

static bool
is_for_us(const char *program)
{
	return program[0] == '\0' ||
	    strcmp(program, program_invocation_short_name) == 0;
}

static void
count_pass(const char *name)
{
	const char *program = program_invocation_short_name;
	struct fault_pass *p;
	uint32_t none;
	size_t i;

	for (i = 0; i < FAULT_PASSES; i++) {
		p = &fault_control->passes[i];
		none = 0;
		if (atomic_compare_exchange_strong(&p->state, &none, 1)) {
			snprintf(p->program, sizeof(p->program), "%s", program);
			snprintf(p->name, sizeof(p->name), "%s", name);
			p->state = 2;
		}
		while (p->state == 1)
			;
		if (strcmp(p->name, name) == 0 &&
		    strncmp(p->program, program, sizeof(p->program) - 1) == 0)
			break;
	}
	if (i == FAULT_PASSES)
		return;
	p->pid = (uint32_t)getpid();
	p->count++;
}

/* Counts down; true when this pass is one that fires. */
static bool
fires(struct fault_slot *s)
{
	int32_t left;

	if (s->countdown > 1 && s->countdown-- > 1)
		return false;
	s->countdown = 1;
	left = s->times--;
	if (left <= 0)
		return false;
	if (left == 1)
		s->state = FAULT_FIRED;
	s->pid = (uint32_t)getpid();
	s->fired++;
	return true;
}

static struct fault_slot *
slot_that_fires(const char *name, const char *what, bool error)
{
	struct fault_slot *s;
	size_t i;

	if (fault_control == NULL)
		return NULL;
	count_pass(name);
	for (i = 0; i < FAULT_SLOTS; i++) {
		s = &fault_control->slots[i];
		if (s->state != FAULT_ARMED || strcmp(s->name, name) != 0 ||
		    !is_for_us(s->program))
			continue;
		if (s->action == FAULT_ERROR && !error)
			continue;
		if (s->what[0] != '\0' &&
		    (what == NULL || strstr(what, s->what) == NULL))
			continue;
		if (fires(s))
			return s;
	}
	return NULL;
}

static int
obey(struct fault_slot *s)
{
	struct pollfd none;

	switch (s->action) {
	case FAULT_KILL:
		kill(getpid(), SIGKILL);
		/* the sandbox forbids signals */
		__builtin_trap();
	case FAULT_HANG:
		while (s->released == 0)
			poll(&none, 0, HANG_STEP_MS);
		return 0;
	case FAULT_ALLOC:
		fault_alloc_from_here((int32_t)s->arg, s->times + 1);
		return 0;
	default:
		return (int)s->arg;
	}
}

void
fault_point(const char *name)
{
	struct fault_slot *s = slot_that_fires(name, NULL, false);
	int saved = errno;

	if (s != NULL)
		obey(s);
	errno = saved;
}

int
fault_error(const char *name, const char *what)
{
	struct fault_slot *s = slot_that_fires(name, what, true);
	int rc = s != NULL ? obey(s) : 0;

	if (rc != 0)
		errno = rc;
	return rc;
}

int64_t
fault_clock_ms(void)
{
	return fault_control == NULL ? 0 : fault_control->clock_ms;
}

char *const *
fault_env(void)
{
	return fault_control == NULL ? NULL : variables;
}
