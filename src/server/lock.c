/* SPDX-License-Identifier: MPL-2.0 */
#include "server/lock.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOOKED_AT_TRIES 25 /* half a second */

static const char *
lock_path(const struct server_conf *c, char out[static SERVER_PATH_MAX])
{
	snprintf(out, SERVER_PATH_MAX, "%s/lock", c->state);
	return (out);
}

static pid_t
read_pid(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return (n > 0 ? (pid_t)strtol(text, NULL, 10) : 0);
}

/* Who only looks (server_lock_holder) has it for a moment. */
static int
take(int fd)
{
	static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int i, rc = -1;

	for (i = 0; i < LOOKED_AT_TRIES; i++) {
		if ((rc = flock(fd, LOCK_EX | LOCK_NB)) == 0 ||
		    errno != EWOULDBLOCK)
			return (rc);
		(void)nanosleep(&pause, NULL);
		errno = EWOULDBLOCK;
	}
	return (rc);
}

/* For people, and for whoever tells the server something: without room on the
 * disk it starts all the same. */
static void
write_pid(int fd)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (pwrite(fd, text, (size_t)len, 0) == len && ftruncate(fd, len) == 0)
		return;
	/* better none than another's */
	if (ftruncate(fd, 0) != 0)
		return;
}

int
server_lock(const struct server_conf *c, int *ret_fd, struct err *e)
{
	char path[SERVER_PATH_MAX];
	int fd, rc = 0;

	fd = open(lock_path(c, path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0644);
	if (fd < 0 && errno == EROFS)
		return (err_set(e, ERR_DENIED,
		    "%s is on a read-only file system: where the unit makes it"
		    " so, add it to ReadWritePaths= (`systemctl edit"
		    " mig-server`)",
		    c->state));
	if (fd < 0)
		return (err_errno(e, "%s", path));
	if (take(fd) != 0)
		rc = errno == EWOULDBLOCK
		    ? err_set(e, ERR_BUSY,
			  "a mig-server uses %s already (pid %d): stop it"
			  " first",
			  c->state, (int)read_pid(fd))
		    : err_errno(e, "%s", path);
	else
		write_pid(fd);
	if (rc != 0) {
		close(fd);
		return (rc);
	}
	*ret_fd = fd;
	return (0);
}

void
server_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

pid_t
server_lock_holder(const struct server_conf *c)
{
	char path[SERVER_PATH_MAX];
	int fd = open(lock_path(c, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	pid_t pid = 0;

	if (fd < 0)
		return (0);
	if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		pid = read_pid(fd);
		pid = pid > 0 ? pid : 1;
	}
	close(fd);
	return (pid);
}
