/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/still.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOKS 3 /* the first has nothing to compare with */
#define NOTHING_US 1000

int64_t
still_cpu_us(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &t) != 0)
		return 0;
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The letter of proc_pid_stat(5) says that it sleeps, interruptibly or not. */
static bool
sleeps(pid_t pid)
{
	char path[32], text[128], *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	name_end = strrchr(text, ')');
	return name_end != NULL &&
	    (strncmp(name_end, ") S", 3) == 0 ||
		strncmp(name_end, ") D", 3) == 0);
}

void
still_look(struct still *s, pid_t pid)
{
	int64_t cpu = still_cpu_us(pid);

	if (cpu - s->cpu_us > NOTHING_US || !sleeps(pid))
		s->looks = 0;
	if (s->looks < LOOKS)
		s->looks++;
	s->cpu_us = cpu;
}

bool
still_stands(const struct still *s)
{
	return s->looks >= LOOKS;
}
