/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The opener's side: requests of one byte, answers made of what the kernel
 * says. What it never hands out is the agent itself, whoever asks: its own
 * processes, known by their descent from the monitor, and any other process
 * that runs the same program, as another agent of the host would, whose keys
 * are not this one's to look at. A process cannot hide by a name, only by
 * running the agent's own program, and then the answer names it.
 */
#include "modules/opener.h"

#include "base/err.h"
#include "base/str.h"
#include "os/os_process.h"
#include "proc/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAT_MAX 1024
#define DELETED " (deleted)"
#define PROGRAMS_MAX 8
#define ANCESTORS_MAX 64
#define FDS_MAX 3

struct program {
	dev_t dev;
	ino_t ino;
};

struct server {
	int fd;
	const struct opener_self *self;
	DIR *proc;
	int process; /* directory of the last one; -1: none that is given */
	struct os_process last;
	struct program programs[PROGRAMS_MAX];
	size_t nprograms;
	struct program client; /* mig, when it started the scanner */
	pid_t client_pid;
};

/* --- whose it is ---------------------------------------------------------- */

static bool
program_of(int dirfd, const char *path, struct program *ret)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, 0) != 0)
		return false;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	return true;
}

static void
add_program(struct server *s, const char *path)
{
	if (s->nprograms < PROGRAMS_MAX &&
	    program_of(AT_FDCWD, path, &s->programs[s->nprograms]))
		s->nprograms++;
}

static int
read_stat(int dirfd, const char *path, struct os_process *ret)
{
	char text[STAT_MAX];
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC), saved;
	ssize_t n;

	if (fd < 0)
		return errno;
	n = read(fd, text, sizeof(text));
	saved = n < 0 ? errno : 0;
	close(fd);
	if (saved != 0)
		return saved;
	/* an empty one is that of a process that has just gone */
	if (n == 0)
		return ESRCH;
	return os_process_parse(text, (size_t)n, ret) == 0 ? 0 : EINVAL;
}

static void
know_programs(struct server *s)
{
	static const char *const roles[] = { "mig-agent", "mig-agent-net",
		"mig-agent-verify", "mig-agent-judge", "mig-agent-enrol" };
	struct os_process scanner;
	char path[PATH_MAX];
	size_t i;

	add_program(s, "/proc/self/exe");
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (proc_sibling(roles[i], path, sizeof(path), NULL) == 0)
			add_program(s, path);
	}
	if (s->self->agent > 0) {
		/* an upgrade may have put another in its place */
		snprintf(
		    path, sizeof(path), "/proc/%ld/exe", (long)s->self->agent);
		add_program(s, path);
		return;
	}
	/* by hand: mig, who has what is looked for on its command line */
	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)s->self->scanner);
	if (read_stat(AT_FDCWD, path, &scanner) == 0 &&
	    proc_sibling("mig", path, sizeof(path), NULL) == 0 &&
	    program_of(AT_FDCWD, path, &s->client))
		s->client_pid = (pid_t)scanner.parent;
}

static bool
descends(const struct server *s, const struct os_process *p)
{
	char path[64];
	struct os_process up = *p;
	int i;

	if (s->self->agent <= 0)
		return false;
	for (i = 0; i < ANCESTORS_MAX && up.parent > 0; i++) {
		if ((pid_t)up.parent == s->self->agent)
			return true;
		snprintf(path, sizeof(path), "/proc/%lu/stat",
		    (unsigned long)up.parent);
		if (read_stat(AT_FDCWD, path, &up) != 0)
			return false;
	}
	return false;
}

/* A role of before an upgrade; only asked of the monitor's own. In a container
 * it may be everybody's parent. */
static bool
is_ours_by_name(const struct server *s)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(s->process, "exe", path, sizeof(path) - 1);
	const char *base;

	if (n <= 0)
		return false;
	path[n] = '\0';
	base = strrchr(path, '/');
	return base != NULL && str_starts(base, "/mig-");
}

static enum opener_kind
whose(const struct server *s, const struct os_process *p)
{
	struct program its;
	pid_t pid = (pid_t)p->pid;
	size_t i;

	if (pid == getpid() || pid == s->self->scanner ||
	    (s->self->agent > 0 && pid == s->self->agent))
		return OPENER_OWN;
	if (!program_of(s->process, "exe", &its))
		return OPENER_ORDINARY;
	if (s->client_pid > 0 && pid == s->client_pid &&
	    its.dev == s->client.dev && its.ino == s->client.ino)
		return OPENER_OWN;
	for (i = 0; i < s->nprograms; i++) {
		if (its.dev == s->programs[i].dev &&
		    its.ino == s->programs[i].ino)
			return descends(s, p) ? OPENER_OWN : OPENER_AGENT;
	}
	return is_ours_by_name(s) && descends(s, p) ? OPENER_OWN
						    : OPENER_ORDINARY;
}

/* --- answers -------------------------------------------------------------- */

static bool
reply(const struct server *s, const struct opener_reply *head, const char *name,
    const int *fds, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct opener_reply h = *head;
	char text[OPENER_NAME_MAX];
	struct iovec iov[2] = { { &h, sizeof(h) }, { text, h.name_len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c;

	memcpy(text, name, h.name_len);
	if (nfds > 0) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	return sendmsg(s->fd, &mh, MSG_NOSIGNAL) >= 0;
}

static bool
reply_fds(const struct server *s, int error, const int *fds, size_t nfds,
    bool detailed)
{
	struct opener_reply h = { .status = error,
		.detailed = (uint8_t)detailed };

	return reply(s, &h, "", fds, error == 0 ? nfds : 0);
}

/* --- requests ------------------------------------------------------------- */

static void
drop_process(struct server *s)
{
	if (s->process >= 0)
		close(s->process);
	s->process = -1;
}

/* "/usr/bin/x" or "[comm]"; where the link cannot be read, why. */
static void
put_name(const struct server *s, const struct os_process *p,
    struct opener_reply *h, char name[static OPENER_NAME_MAX])
{
	size_t d = sizeof(DELETED) - 1;
	ssize_t n = readlinkat(s->process, "exe", name, OPENER_NAME_MAX - 1);

	if (n > 0) {
		h->named = 1;
		h->name_len = (uint32_t)n;
		if ((size_t)n > d && memcmp(name + n - d, DELETED, d) == 0) {
			h->deleted = 1;
			h->name_len -= (uint32_t)d;
		}
		return;
	}
	h->error = n < 0 ? errno : 0;
	snprintf(name, OPENER_NAME_MAX, "[%s]", p->comm);
	h->name_len = (uint32_t)strlen(name);
}

static bool
gone(int error)
{
	return error == ENOENT || error == ESRCH;
}

static bool
answer_process(struct server *s, uint64_t pid)
{
	struct opener_reply h = { .status = 1, .pid = (uint32_t)pid };
	char name[OPENER_NAME_MAX] = "", path[32];
	struct os_process *p = &s->last;
	int error = 0;

	snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)pid);
	s->process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->process < 0)
		error = errno;
	else
		error = read_stat(s->process, "stat", p);
	if (error != 0) {
		h.kind = gone(error) ? OPENER_VANISHED : OPENER_FAILED;
		h.error = error;
	} else if (p->kernel) {
		h.kind = OPENER_KERNEL;
	} else if (p->state == 'Z' || p->state == 'X') {
		h.kind = OPENER_ZOMBIE;
	} else {
		h.kind = (uint8_t)whose(s, p);
	}
	if (error == 0)
		put_name(s, p, &h, name);
	if (h.kind != OPENER_ORDINARY)
		drop_process(s);
	return reply(s, &h, name, NULL, 0);
}

static bool
next(struct server *s)
{
	const struct opener_reply end = { .status = 0 };
	const struct dirent *de;
	uint64_t pid;

	drop_process(s);
	while (errno = 0, (de = readdir(s->proc)) != NULL) {
		if (str_u64(de->d_name, 1, INT_MAX, &pid) == 0)
			return answer_process(s, pid);
	}
	/* what cannot be listed to its end must not look as if it had one */
	return errno == 0 && reply(s, &end, "", NULL, 0);
}

/* Whose it is is asked behind the open: since it was listed, it may have become
 * the agent's program. A descriptor stays with the program it was opened of. */
static int
open_in(const struct server *s, const char *name)
{
	int fd;

	if (s->process < 0) {
		errno = ESRCH;
		return -1;
	}
	fd = openat(s->process, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && whose(s, &s->last) != OPENER_ORDINARY) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* fd is an open's result. */
static bool
reply_one(const struct server *s, int fd)
{
	int error = fd < 0 ? errno : 0;
	bool ok = reply_fds(s, error, &fd, 1, false);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
memory(const struct server *s)
{
	int fds[FDS_MAX] = { -1, -1, -1 }, error = 0;
	bool detailed = true, ok;
	size_t i, n = FDS_MAX;

	fds[1] = open_in(s, "mem");
	if (fds[1] < 0)
		error = errno;
	if (error == 0 && (fds[0] = open_in(s, "smaps")) < 0) {
		detailed = false;
		fds[0] = open_in(s, "maps");
	}
	if (error == 0 && fds[0] < 0)
		error = errno;
	if (error == 0 && (fds[2] = open_in(s, "pagemap")) < 0)
		n--;
	ok = reply_fds(s, error, fds, n, detailed);
	for (i = 0; i < FDS_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return ok;
}

void
opener_serve(int fd, const struct opener_self *self)
{
	struct server s = { .fd = fd, .self = self, .process = -1 };
	uint8_t request[2]; /* one more shows that there is more */
	ssize_t n;
	bool ok = true;

	s.proc = opendir("/proc");
	if (s.proc == NULL)
		return;
	know_programs(&s);
	while (ok) {
		n = read(fd, request, sizeof(request));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1)
			break;
		if (request[0] == OPENER_NEXT)
			ok = next(&s);
		else if (request[0] == OPENER_MAPS)
			ok = reply_one(&s, open_in(&s, "maps"));
		else if (request[0] == OPENER_MOUNTS)
			ok = reply_one(&s,
			    open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
		else
			ok = request[0] == OPENER_MEMORY && memory(&s);
	}
	drop_process(&s);
	closedir(s.proc);
}
