/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a scanner that was taken over may send to the opener. A first byte says
 * whether there is an agent; then a byte below STEP is a request, one from
 * STEP on leads to a process of ours, one from MESSAGE on is followed by a
 * message of that many bytes. The opener answers what it knows, or ends; its
 * descriptors only read, are those of the process it named, and that is never
 * one of the agent.
 */
#include "modules/opener.h"

#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP 0xe0
#define MESSAGE 0xf0
#define STEPS_MAX 4 /* each lists the processes of the host */
#define FDS_MAX 8
#define FD_NUMBERS 64 /* no descriptor has a higher number */

/* What the opener has to say of: this program, a child of it that runs the
 * same, one that runs another, one that is no more, one that is not there. */
enum ours { SELF, TWIN, OTHER, ZOMBIE, NOBODY, OURS };

static pid_t ours[OURS];

struct answer {
	struct opener_reply head;
	char name[OPENER_NAME_MAX];
	size_t nfds;
	int fds[FDS_MAX];
};

struct scanner {
	int fd;
	bool agent;
	struct answer a; /* the last one */
	bool given;      /* there is a process whose descriptors are given */
	uint32_t pid;    /* that of it */
	unsigned steps;
};

struct opener {
	int fd;
	struct opener_self self;
};

/* --- processes ------------------------------------------------------------ */

static pid_t
child(enum ours which)
{
	int p[2];
	pid_t pid;
	char c;

	BUG_ON(pipe2(p, O_CLOEXEC) != 0);
	pid = fork();
	BUG_ON(pid < 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (which == OTHER)
			execl("/bin/sleep", "sleep", "infinity", (char *)NULL);
		close(p[0]);
		close(p[1]);
		while (which == TWIN)
			pause();
		_exit(0);
	}
	close(p[1]);
	/* it is what it is to be when its end of the pipe is closed */
	BUG_ON(read(p[0], &c, 1) != 0);
	close(p[0]);
	if (which == ZOMBIE)
		BUG_ON(waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT) != 0);
	return pid;
}

static void
begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	ours[SELF] = getpid();
	ours[TWIN] = child(TWIN);
	ours[OTHER] = child(OTHER);
	ours[ZOMBIE] = child(ZOMBIE);
}

/* --- what is to hold ------------------------------------------------------ */

static void
check_kind(const struct scanner *s)
{
	static const enum opener_kind want[2][OURS] = {
		{ OPENER_OWN, OPENER_AGENT, OPENER_ORDINARY, OPENER_ZOMBIE, 0 },
		{ OPENER_OWN, OPENER_OWN, OPENER_ORDINARY, OPENER_ZOMBIE, 0 },
	};
	size_t i;

	BUG_ON(s->a.head.kind > OPENER_FAILED);
	for (i = 0; i < NOBODY; i++)
		BUG_ON((pid_t)s->a.head.pid == ours[i] &&
		    s->a.head.kind != want[s->agent][i]);
}

static void
check_fd(int fd, pid_t pid, const char *file)
{
	char link[32], want[64], path[128];
	struct statfs fs;
	ssize_t n;

	BUG_ON((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY);
	BUG_ON(fstatfs(fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	BUG_ON(n <= 0);
	path[n] = '\0';
	snprintf(want, sizeof(want), "/proc/%ld/%s", (long)pid, file);
	/* "... (deleted)": it has ended by now */
	BUG_ON(!str_starts(path, want) ||
	    (path[strlen(want)] != '\0' && path[strlen(want)] != ' '));
}

static void
check_fds(const struct scanner *s, enum opener_request what)
{
	const struct answer *a = &s->a;
	size_t n = a->nfds;

	BUG_ON(a->head.name_len != 0 || a->head.status < 0);
	if (a->head.status != 0) {
		BUG_ON(n != 0);
		return;
	}
	if (what == OPENER_MOUNTS) {
		BUG_ON(n != 1);
		check_fd(a->fds[0], getpid(), "mountinfo");
		return;
	}
	BUG_ON(!s->given);
	if (what == OPENER_MAPS) {
		BUG_ON(n != 1);
		check_fd(a->fds[0], (pid_t)s->pid, "maps");
		return;
	}
	BUG_ON(n != 2 && n != 3);
	check_fd(a->fds[0], (pid_t)s->pid, a->head.detailed ? "smaps" : "maps");
	check_fd(a->fds[1], (pid_t)s->pid, "mem");
	if (n == 3)
		check_fd(a->fds[2], (pid_t)s->pid, "pagemap");
}

static void
check(struct scanner *s, enum opener_request what)
{
	const struct answer *a = &s->a;
	size_t i;

	if (what != OPENER_NEXT) {
		check_fds(s, what);
	} else {
		BUG_ON(a->nfds != 0);
		BUG_ON(a->head.status != 0 && a->head.status != 1);
		if (a->head.status == 1)
			check_kind(s);
		s->given =
		    a->head.status == 1 && a->head.kind == OPENER_ORDINARY;
		s->pid = a->head.pid;
	}
	for (i = 0; i < a->nfds; i++)
		close(a->fds[i]);
}

/* --- the scanner ---------------------------------------------------------- */

/* False: it has ended. */
static bool
hear(struct scanner *s)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct answer *a = &s->a;
	struct iovec iov[2] = { { &a->head, sizeof(a->head) },
		{ a->name, sizeof(a->name) } };
	struct msghdr mh = { .msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	ssize_t n;

	/* libFuzzer has an alarm */
	do {
		n = recvmsg(s->fd, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	BUG_ON(n < 0);
	if (n == 0)
		return false;
	BUG_ON((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0);
	BUG_ON((size_t)n != sizeof(a->head) + a->head.name_len ||
	    a->head.name_len >= sizeof(a->name));
	a->nfds = 0;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL) {
		BUG_ON(
		    c->cmsg_type != SCM_RIGHTS || CMSG_NXTHDR(&mh, c) != NULL);
		a->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(a->fds, CMSG_DATA(c), a->nfds * sizeof(int));
	}
	return true;
}

/* False: that was the end, as it is of all but requests of one byte. */
static bool
say(struct scanner *s, const uint8_t *bytes, size_t n)
{
	bool known =
	    n == 1 && bytes[0] >= OPENER_NEXT && bytes[0] <= OPENER_MOUNTS;

	BUG_ON(send(s->fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n);
	BUG_ON(hear(s) != known);
	if (known)
		check(s, (enum opener_request)bytes[0]);
	return known;
}

/* To one of ours, or the end of the list. */
static bool
step(struct scanner *s, pid_t pid)
{
	const uint8_t request = OPENER_NEXT;

	if (s->steps++ >= STEPS_MAX)
		return true;
	do {
		if (!say(s, &request, 1))
			return false;
	} while (s->a.head.status == 1 && (pid_t)s->a.head.pid != pid);
	return true;
}

static void
speak(struct scanner *s, const uint8_t *data, size_t size)
{
	size_t n;
	uint8_t b;
	bool on = true;

	while (on && size > 0) {
		b = *data++;
		size--;
		if (b < STEP) {
			on = say(s, &b, 1);
		} else if (b < MESSAGE) {
			on = step(s, ours[b % OURS]);
		} else {
			n = b - MESSAGE < size ? b - MESSAGE : size;
			on = say(s, data, n);
			data += n;
			size -= n;
		}
	}
}

static void *
serve(void *arg)
{
	const struct opener *o = arg;

	opener_serve(o->fd, &o->self);
	close(o->fd);
	return NULL;
}

/* How many descriptors are open. */
static unsigned
open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < FD_NUMBERS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scanner s;
	struct opener o = { .fd = -1 };
	pthread_t thread;
	unsigned before;
	int fd[2];

	if (ours[SELF] == 0)
		begin();
	if (size == 0)
		return 0;
	before = open_fds();
	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0);
	memset(&s, 0, sizeof(s));
	s.fd = fd[0];
	s.agent = data[0] % 2 != 0;
	o.fd = fd[1];
	o.self.scanner = ours[SELF];
	o.self.agent = s.agent ? ours[SELF] : 0;
	BUG_ON(pthread_create(&thread, NULL, serve, &o) != 0);
	speak(&s, data + 1, size - 1);
	close(s.fd);
	BUG_ON(pthread_join(thread, NULL) != 0);
	BUG_ON(open_fds() != before);
	return 0;
}
