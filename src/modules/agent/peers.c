/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/agent/peers.h"

#include "base/err.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN 4096
#define STAT_MAX 1024
#define CMDLINE_MAX (4096 + PEER_LABEL_MAX)
/* Names as the kernel cuts them (TASK_COMM_LEN). */
#define MONITOR_COMM "mig-agent"

static const char *const role_comms[] = { "mig-agent-judge",
	"mig-agent-verif" };

/* /proc/PID/stat, the fields that are wanted. */
struct pidstat {
	char comm[32];
	pid_t ppid;
	uint64_t start; /* ticks after boot */
	bool ended;     /* but nobody has asked for its status yet */
};

void
peer_label(const char *version, const char *mode, const char *id,
    char out[static PEER_LABEL_MAX])
{
	snprintf(
	    out, PEER_LABEL_MAX, "version=%s mode=%s id=%s", version, mode, id);
}

/* The beginning of a small file; its length, or -1. */
static ssize_t
read_start(
    const char *proc, pid_t pid, const char *name, char *out, size_t size)
{
	char path[PATH_LEN];
	size_t len = 0;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%ld/%s", proc, (long)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	out[len] = '\0';
	return n < 0 ? -1 : (ssize_t)len;
}

/* proc(5): "PID (COMM) STATE PPID ... STARTTIME ...". The name may hold
 * anything, brackets too: it ends at the last one. */
static bool
read_stat(const char *proc, pid_t pid, struct pidstat *ret)
{
	char text[STAT_MAX], *open, *close;
	unsigned long long start;
	struct pidstat s;
	size_t len;
	long ppid;

	if (read_start(proc, pid, "stat", text, sizeof(text)) <= 0)
		return false;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (open == NULL || close == NULL || close < open)
		return false;
	len = (size_t)(close - open - 1);
	if (len >= sizeof(s.comm))
		return false;
	memcpy(s.comm, open + 1, len);
	s.comm[len] = '\0';
	/* fields 3 to 22 */
	if (sscanf(close + 1,
		" %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
		"%*d %*d %*d %*d %llu",
		&ppid, &start) != 2)
		return false;
	s.ppid = (pid_t)ppid;
	s.start = start;
	s.ended = close[1] == ' ' && (close[2] == 'Z' || close[2] == 'X');
	*ret = s;
	return true;
}

static bool
is_role(const char *comm)
{
	size_t i;

	for (i = 0; i < sizeof(role_comms) / sizeof(role_comms[0]); i++) {
		if (strcmp(comm, role_comms[i]) == 0)
			return true;
	}
	return false;
}

/* The value behind "key=" up to the next space. */
static bool
take(const char *label, const char *key, char *out, size_t size)
{
	const char *p = strstr(label, key);
	size_t len;

	if (p == NULL || (p > label && p[-1] != ' '))
		return false;
	p += strlen(key);
	len = strcspn(p, " ");
	if (len == 0 || len >= size)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

/* argv[1] of a role. */
static bool
read_label(const char *proc, pid_t pid, struct peer *p)
{
	char text[CMDLINE_MAX];
	ssize_t len = read_start(proc, pid, "cmdline", text, sizeof(text));
	size_t first = len > 0 ? strlen(text) + 1 : 0;

	if (len <= 0 || first >= (size_t)len ||
	    !str_is_utf8(text + first, strlen(text + first)))
		return false;
	return take(text + first, "version=", p->version, sizeof(p->version)) &&
	    take(text + first, "mode=", p->mode, sizeof(p->mode)) &&
	    take(text + first, "id=", p->id, sizeof(p->id));
}

static int64_t
age_of(uint64_t start)
{
	long ticks = sysconf(_SC_CLK_TCK);
	struct timespec now;
	int64_t age;

	if (ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
		return 0;
	age = (int64_t)now.tv_sec - (int64_t)(start / (uint64_t)ticks);
	return age > 0 ? age : 0;
}

/* pid is one of an agent's roles, perhaps. */
static void
look_at(const char *proc, pid_t pid, struct peers *ret)
{
	struct pidstat role, monitor;
	struct peer p = { 0 };
	char path[PATH_LEN];
	struct stat st;

	if (!read_stat(proc, pid, &role) || !is_role(role.comm) ||
	    peers_by_pid(ret, role.ppid) != NULL ||
	    !read_stat(proc, role.ppid, &monitor) ||
	    strcmp(monitor.comm, MONITOR_COMM) != 0 ||
	    !read_label(proc, pid, &p))
		return;
	if (ret->n == PEERS_MAX) {
		ret->more = true;
		return;
	}
	snprintf(path, sizeof(path), "%s/%ld", proc, (long)role.ppid);
	if (stat(path, &st) != 0)
		return;
	p.pid = role.ppid;
	p.uid = (uint32_t)st.st_uid;
	p.start = monitor.start;
	p.age = age_of(monitor.start);
	ret->list[ret->n++] = p;
}

static int
compare(const void *a, const void *b)
{
	pid_t x = ((const struct peer *)a)->pid;
	pid_t y = ((const struct peer *)b)->pid;

	return (x > y) - (x < y);
}

int
peers_find(const char *proc, struct peers *ret)
{
	struct pidstat init;
	struct dirent *d;
	uint64_t pid;
	DIR *dir = opendir(proc);
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (dir == NULL)
		return ERR_IO;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		if (str_u64(d->d_name, 1, INT32_MAX, &pid) == 0)
			look_at(proc, (pid_t)pid, ret);
	}
	rc = errno == 0 ? 0 : ERR_IO;
	closedir(dir);
	ret->hidden = !read_stat(proc, 1, &init);
	qsort(ret->list, ret->n, sizeof(ret->list[0]), compare);
	return rc;
}

const struct peer *
peers_by_pid(const struct peers *p, pid_t pid)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->list[i].pid == pid)
			return &p->list[i];
	}
	return NULL;
}

bool
peer_runs(const char *proc, pid_t pid, uint64_t start)
{
	struct pidstat s;

	return read_stat(proc, pid, &s) && s.start == start && !s.ended &&
	    strcmp(s.comm, MONITOR_COMM) == 0;
}
