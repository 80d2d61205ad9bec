/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The step with rights: nothing from outside is taken apart here but numbers
 * in names of /proc and "socket:[N]" (proc_pid_fd(5)).
 *
 * A network namespace is found where a process is in it, where one is mounted
 * (ip-netns(8), container engines), and where a process only holds it open. It
 * is entered at once, as its process may end, to open sockets in it: those
 * stay in it wherever this process goes.
 */
#include "os/nets.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

#define NETS_MAX 1024
#define HELD_MAX (1024u * 1024u)
#define HOLDERS_MAX (128u * 1024u)
#define DESCRIPTORS_WANTED 4096

struct held {
	uint32_t inode, holder;
};

struct net {
	struct os_net pub;
	uint64_t number;      /* its own; 0 where that is hidden */
	uint64_t file_number; /* of a file in it; 0: not known */
};

struct os_nets {
	struct net *nets;
	size_t n, cap;
	struct held *held; /* by inode, then by process */
	size_t nheld, held_cap;
	struct os_holder *holders;
	size_t nholders, holders_cap;
	struct os_nets_gaps gaps;
	int own; /* descriptor of the own namespace, while opening */
};

/* Room for one more element; false when it is the last one allowed. */
static bool
grow(void *list, size_t *cap, size_t used, size_t size, size_t max)
{
	void *p, *old;
	size_t n = *cap == 0 ? 64 : *cap * 2;

	if (used < *cap)
		return true;
	if (used >= max)
		return false;
	memcpy(&old, list, sizeof(old));
	p = reallocarray(old, n, size);
	if (p == NULL)
		return false;
	memcpy(list, &p, sizeof(p));
	*cap = n;
	return true;
}

/* "kind:[123]" */
static bool
parse_number(const char *text, const char *kind, uint64_t *ret)
{
	size_t n = strlen(kind);
	char *end;

	if (strncmp(text, kind, n) != 0 || strncmp(text + n, ":[", 2) != 0)
		return false;
	errno = 0;
	*ret = strtoull(text + n + 2, &end, 10);
	return errno == 0 && end != text + n + 2 && strcmp(end, "]") == 0;
}

static bool
read_link(int dir, const char *name, char *out, size_t size)
{
	ssize_t n = readlinkat(dir, name, out, size - 1);

	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

static bool
knows_net(const struct os_nets *ns, uint64_t number, uint64_t file_number)
{
	size_t i;

	for (i = 0; i < ns->n; i++) {
		if ((number != 0 && ns->nets[i].number == number) ||
		    (file_number != 0 &&
			ns->nets[i].file_number == file_number))
			return true;
	}
	return false;
}

/* Files of one network have the same number in every process's view. */
static uint64_t
file_in(int proc, const char *name)
{
	struct stat st;

	return fstatat(proc, name, &st, 0) == 0 ? (uint64_t)st.st_ino : 0;
}

/* One that was met first through a process that may not be looked into. */
static struct net *
hidden_net(const struct os_nets *ns, uint64_t file_number)
{
	size_t i;

	for (i = 0; i < ns->n; i++) {
		if (file_number != 0 && ns->nets[i].number == 0 &&
		    ns->nets[i].file_number == file_number)
			return &ns->nets[i];
	}
	return NULL;
}

static void
name_net(struct net *n, uint64_t number, pid_t pid)
{
	n->number = number;
	n->pub.pid = pid;
	if (number == 0)
		snprintf(n->pub.name, sizeof(n->pub.name), "pid:%d", (int)pid);
	else
		snprintf(n->pub.name, sizeof(n->pub.name), "net:[%" PRIu64 "]",
		    number);
}

static struct net *
add_net(struct os_nets *ns, uint64_t number, uint64_t file_number, pid_t pid)
{
	struct net *n;

	if (!grow(&ns->nets, &ns->cap, ns->n, sizeof(*ns->nets), NETS_MAX)) {
		ns->gaps.networks++;
		return NULL;
	}
	n = &ns->nets[ns->n++];
	memset(n, 0, sizeof(*n));
	n->file_number = file_number;
	n->pub.diag = n->pub.route = -1;
	name_net(n, number, pid);
	return n;
}

static void
open_sockets(struct os_net *n)
{
	n->diag =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	n->route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* A namespace that nobody has told of, by a file that stands for it. What may
 * not be entered is asked through its process, if there is one. */
static void
meet_net(
    struct os_nets *ns, uint64_t number, int dir, const char *path, pid_t pid)
{
	uint64_t file_number;
	struct net *n;
	int fd;

	if (knows_net(ns, number, 0))
		return;
	/* whose descriptor it is may put another file in its place meanwhile:
	 * one that is waited for, or a terminal */
	(void)fault_error("nets.meet", path);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno != EACCES && errno != EPERM) {
		/* gone; another process may be in it still */
		ns->gaps.vanished++;
		return;
	}
	file_number = pid > 0 ? file_in(dir, "net/dev") : 0;
	n = hidden_net(ns, file_number);
	if (n != NULL) {
		name_net(n, number, pid);
		ns->gaps.not_entered--;
	} else {
		n = add_net(ns, number, file_number, pid);
	}
	if (n != NULL && fd >= 0 && setns(fd, CLONE_NEWNET) == 0)
		open_sockets(&n->pub);
	if (n != NULL && n->pub.diag < 0 && n->pub.route < 0)
		ns->gaps.not_entered++;
	if (fd >= 0)
		close(fd);
}

/* The namespace of a process that may not be looked into. */
static void
meet_hidden(struct os_nets *ns, int proc, pid_t pid)
{
	uint64_t file_number = file_in(proc, "net/dev");

	if (file_number == 0 || knows_net(ns, 0, file_number))
		return;
	if (add_net(ns, 0, file_number, pid) != NULL)
		ns->gaps.not_entered++;
}

static bool
is_gone(int error)
{
	return error == ENOENT || error == ESRCH;
}

/* Who it is, once it is known to hold a socket. */
static bool
add_holder(struct os_nets *ns, int proc, pid_t pid)
{
	struct os_holder *h;
	char path[PATH_MAX];
	ssize_t n = 0;
	int fd;

	if (!grow(&ns->holders, &ns->holders_cap, ns->nholders,
		sizeof(*ns->holders), HOLDERS_MAX))
		return false;
	h = &ns->holders[ns->nholders++];
	memset(h, 0, sizeof(*h));
	h->pid = pid;
	fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, h->comm, sizeof(h->comm) - 1);
		close(fd);
	}
	if (n > 0 && h->comm[n - 1] == '\n')
		h->comm[n - 1] = '\0';
	if (read_link(proc, "exe", path, sizeof(path)))
		h->exe = strdup(path);
	return true;
}

/* What is known of a process while its descriptors are gone through. */
struct passing {
	int proc, fds; /* its directories */
	pid_t pid;
	bool is_holder, refused;
};

static void
meet_descriptor(struct os_nets *ns, struct passing *p, const char *name)
{
	char link[64];
	uint64_t number;

	if (!read_link(p->fds, name, link, sizeof(link))) {
		p->refused = p->refused || !is_gone(errno);
		return;
	}
	if (parse_number(link, "net", &number)) {
		meet_net(ns, number, p->fds, name, 0);
		return;
	}
	if (!parse_number(link, "socket", &number))
		return;
	if (!p->is_holder)
		p->is_holder = add_holder(ns, p->proc, p->pid);
	if (!p->is_holder || number > UINT32_MAX ||
	    !grow(&ns->held, &ns->held_cap, ns->nheld, sizeof(*ns->held),
		HELD_MAX)) {
		ns->gaps.holders++;
		return;
	}
	ns->held[ns->nheld].inode = (uint32_t)number;
	ns->held[ns->nheld++].holder = (uint32_t)ns->nholders - 1;
}

static void
meet_descriptors(struct os_nets *ns, int proc, pid_t pid)
{
	struct passing p = { .proc = proc, .pid = pid };
	const struct dirent *de;
	DIR *d;

	p.fds = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = p.fds >= 0 ? fdopendir(p.fds) : NULL;
	if (d == NULL) {
		if (is_gone(errno))
			ns->gaps.vanished++;
		else
			ns->gaps.processes++;
		if (p.fds >= 0)
			close(p.fds);
		return;
	}
	errno = 0;
	/* who may not follow one of its links may follow none */
	while (!p.refused && (de = readdir(d)) != NULL) {
		if (de->d_name[0] != '.')
			meet_descriptor(ns, &p, de->d_name);
		errno = 0;
	}
	/* the directory opens for who may read it, its links are for who may
	 * trace */
	if (is_gone(errno))
		ns->gaps.vanished++;
	else if (errno != 0 || p.refused)
		ns->gaps.processes++;
	closedir(d);
}

static void
meet_process(struct os_nets *ns, int procs, const char *name, pid_t pid)
{
	char link[64];
	uint64_t number;
	int proc = openat(procs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0) {
		if (is_gone(errno))
			ns->gaps.vanished++;
		else
			ns->gaps.processes++;
		return;
	}
	if (!read_link(proc, "ns/net", link, sizeof(link))) {
		if (!is_gone(errno))
			meet_hidden(ns, proc, pid);
	} else if (parse_number(link, "net", &number)) {
		meet_net(ns, number, proc, "ns/net", pid);
	}
	meet_descriptors(ns, proc, pid);
	close(proc);
}

static int
meet_processes(struct os_nets *ns, struct err *e)
{
	const struct dirent *de;
	DIR *d = opendir("/proc");
	uint64_t pid;

	if (d == NULL)
		return err_errno(e, "/proc");
	while ((de = readdir(d)) != NULL) {
		if (str_u64(de->d_name, 1, INT_MAX, &pid) == 0)
			meet_process(ns, dirfd(d), de->d_name, (pid_t)pid);
	}
	closedir(d);
	return 0;
}

/* proc_pid_mountinfo(5): of type nsfs, with "net:[N]" as its root. Spaces and
 * backslashes in the path are octal there. */
static void
unescape(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			    (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static void
meet_mounts(struct os_nets *ns)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *save = NULL, *root, *path;
	uint64_t number;
	size_t size = 0;

	while (f != NULL && getline(&line, &size, f) > 0) {
		if (strstr(line, " - nsfs ") == NULL)
			continue;
		(void)strtok_r(line, " ", &save);
		(void)strtok_r(NULL, " ", &save);
		(void)strtok_r(NULL, " ", &save);
		root = strtok_r(NULL, " ", &save);
		path = strtok_r(NULL, " ", &save);
		if (root == NULL || path == NULL ||
		    !parse_number(root, "net", &number))
			continue;
		unescape(path);
		meet_net(ns, number, AT_FDCWD, path, 0);
	}
	free(line);
	if (f != NULL)
		fclose(f);
}

static int
meet_own(struct os_nets *ns, struct err *e)
{
	char link[64];
	uint64_t number = 0;
	struct net *n;

	/* without namespaces in the kernel there is one network */
	if (read_link(AT_FDCWD, "/proc/self/ns/net", link, sizeof(link)))
		(void)parse_number(link, "net", &number);
	n = add_net(
	    ns, number, file_in(AT_FDCWD, "/proc/self/net/dev"), getpid());
	if (n == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	n->pub.own = true;
	open_sockets(&n->pub);
	ns->own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int
by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->holder < y->holder ? -1 : x->holder > y->holder;
}

/* Two for each namespace, beside what is there. */
static void
raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 ||
	    rl.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	rl.rlim_cur =
	    rl.rlim_max < DESCRIPTORS_WANTED ? rl.rlim_max : DESCRIPTORS_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

int
os_nets_open(struct os_nets **ret, struct err *e)
{
	struct os_nets *ns = calloc(1, sizeof(*ns));
	int rc;

	if (ns == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	ns->own = -1;
	raise_descriptors();
	rc = meet_own(ns, e);
	if (rc == 0)
		rc = meet_processes(ns, e);
	if (rc == 0)
		meet_mounts(ns);
	if (ns->own >= 0) {
		if (rc == 0 && setns(ns->own, CLONE_NEWNET) != 0 &&
		    errno != EPERM)
			rc = err_errno(e, "going back to the own network");
		close(ns->own);
	}
	if (rc != 0) {
		os_nets_free(ns);
		return rc;
	}
	if (ns->nheld > 0)
		qsort(ns->held, ns->nheld, sizeof(*ns->held), by_inode);
	*ret = ns;
	return 0;
}

void
os_nets_free(struct os_nets *ns)
{
	size_t i;

	if (ns == NULL)
		return;
	for (i = 0; i < ns->n; i++) {
		if (ns->nets[i].pub.diag >= 0)
			close(ns->nets[i].pub.diag);
		if (ns->nets[i].pub.route >= 0)
			close(ns->nets[i].pub.route);
	}
	for (i = 0; i < ns->nholders; i++)
		free(ns->holders[i].exe);
	free(ns->nets);
	free(ns->held);
	free(ns->holders);
	free(ns);
}

size_t
os_nets_count(const struct os_nets *ns)
{
	return ns->n;
}

const struct os_net *
os_nets_at(const struct os_nets *ns, size_t i)
{
	return &ns->nets[i].pub;
}

const struct os_nets_gaps *
os_nets_gaps(const struct os_nets *ns)
{
	return &ns->gaps;
}

size_t
os_nets_descriptors(const struct os_nets *ns)
{
	return 2 * ns->n;
}

const struct os_holder *
os_nets_holder(const struct os_nets *ns, uint32_t inode, size_t *ret_more)
{
	size_t lo = 0, hi = ns->nheld, mid, i;
	uint32_t last;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (ns->held[mid].inode < inode)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == ns->nheld || ns->held[lo].inode != inode)
		return NULL;
	*ret_more = 0;
	last = ns->held[lo].holder;
	for (i = lo + 1; i < ns->nheld && ns->held[i].inode == inode; i++) {
		if (ns->held[i].holder != last)
			++*ret_more;
		last = ns->held[i].holder;
	}
	return &ns->holders[ns->held[lo].holder];
}
