/* SPDX-License-Identifier: MPL-2.0 */
/* The state directory; see state.h. */
#include "agent/state.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MACHINE_MAX 128
#define LOCK_TRIES 5
#define LOCK_WAIT_US 20000

void
state_path(const struct state *s, const char *name, char *out)
{
	snprintf(out, PATH_MAX, "%s/%s", s->dir, name);
}

int
state_open(const char *dir, struct state *ret, struct err *e)
{
	struct state s = { .dir = dir, .lock = -1 };
	char path[PATH_MAX];
	int rc, tries;

	if (strlen(dir) > PATH_MAX - 128)
		return err_set(e, ERR_TOOBIG, "state: path too long");
	rc = file_mkdirs(dir, 0700, e);
	if (rc != 0)
		return err_wrap(e, "state directory");
	state_path(&s, "lock", path);
	s.lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s.lock < 0)
		return err_errno(e, "%s", path);
	/* who only looks whether it is taken has it for a moment */
	for (tries = 0; (rc = flock(s.lock, LOCK_EX | LOCK_NB)) != 0 &&
	     errno == EWOULDBLOCK && tries < LOCK_TRIES;
	     tries++)
		usleep(LOCK_WAIT_US);
	if (rc != 0) {
		rc = errno == EWOULDBLOCK
		    ? err_set(e, ERR_BUSY,
			  "%s is in use by another mig-agent; stop it first, "
			  "or use another state directory",
			  dir)
		    : err_errno(e, "%s", path);
		close(s.lock);
		return rc;
	}
	*ret = s;
	return 0;
}

int
state_look(const char *dir, struct state *ret, bool *ret_running, struct err *e)
{
	struct state s = { .dir = dir, .lock = -1 };
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (strlen(dir) > PATH_MAX - 128)
		return err_set(e, ERR_TOOBIG, "state: path too long");
	if (stat(dir, &st) != 0)
		return err_errno(e, "state directory %s", dir);
	*ret_running = false;
	state_path(&s, "lock", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return err_errno(e, "%s", path);
	if (fd >= 0) {
		*ret_running = flock(fd, LOCK_SH | LOCK_NB) != 0;
		close(fd);
	}
	*ret = s;
	return 0;
}

void
state_close(struct state *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
	identity_wipe(&s->who);
}

/* "-" where the machine has nothing to be known by. */
static int
machine_text(char out[MACHINE_MAX], struct err *e)
{
	uint8_t fpr[32];
	int rc = os_machine_fingerprint(fpr, e);

	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		memcpy(out, "-", 2);
		return 0;
	}
	if (rc == 0)
		hex_encode(fpr, sizeof(fpr), out);
	return rc;
}

static int
check_machine(const struct state *s, struct err *e)
{
	char now[MACHINE_MAX];
	struct buf b;
	int rc;

	buf_init(&b, MACHINE_MAX);
	rc = state_read(s, "machine", &b, e);
	if (rc == 0)
		rc = machine_text(now, e);
	if (rc == 0 &&
	    (b.len != strlen(now) + 1 || memcmp(b.data, now, strlen(now)) != 0))
		rc = err_set(e, ERR_DENIED,
		    "%s was made on another machine (this one is a copy): "
		    "run 'mig-agent enrol' again to get an identity of its own",
		    s->dir);
	buf_release(&b);
	return rc;
}

int
state_identity(struct state *s, struct err *e)
{
	char path[PATH_MAX];
	int rc;

	state_path(s, "identity", path);
	rc = identity_load(path, &s->who, e);
	if (rc == 0)
		rc = check_machine(s, e);
	return rc;
}

int
state_identity_new(struct state *s, struct err *e)
{
	char path[PATH_MAX], aside[PATH_MAX], machine[MACHINE_MAX];
	int rc;

	rc = machine_text(machine, e);
	if (rc != 0)
		return rc;
	state_path(s, "identity", path);
	state_path(s, "identity.old", aside);
	if (rename(path, aside) != 0 && errno != ENOENT)
		return err_errno(e, "%s", path);
	memcpy(machine + strlen(machine), "\n", 2);
	rc = state_write(s, "machine", machine, strlen(machine), e);
	if (rc != 0)
		return rc;
	identity_new(&s->who);
	return identity_save(path, &s->who, e);
}

int
state_read(
    const struct state *s, const char *name, struct buf *out, struct err *e)
{
	char path[PATH_MAX];

	state_path(s, name, path);
	return file_read(path, out, e);
}

int
state_write(const struct state *s, const char *name, const void *data,
    size_t len, struct err *e)
{
	char path[PATH_MAX];

	state_path(s, name, path);
	return file_write(path, data, len, 0600, e);
}
