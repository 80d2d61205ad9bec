/* SPDX-License-Identifier: MPL-2.0 */
/* The state directory; see state.h. */
#include "agent/monitor/state.h"

#include "action/policy.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/purpose.h"
#include "crypto/sha256.h"
#include "os/os.h"

#include <dirent.h>
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

/* As a dead link has nothing in it, it is nobody's. */
static int
check_owner(int at, const char *name, const char *path, struct err *e)
{
	const unsigned int own = (unsigned int)geteuid();
	struct stat st;

	if (fstatat(at, name, &st, 0) != 0)
		return errno == ENOENT || errno == ELOOP
		    ? 0
		    : err_errno(e, "%s", path);
	if (st.st_uid != 0 && st.st_uid != own)
		return err_set(e, ERR_DENIED,
		    "%s belongs to user %u, who could change what this agent "
		    "does; if nobody did: 'chown %u %s', else enrol anew with "
		    "another state directory",
		    path, (unsigned int)st.st_uid, own, path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_DENIED,
		    "%s can be written by others than its owner (mode %04o), "
		    "who could change what this agent does; if nobody did: "
		    "'chmod go-w %s', else enrol anew with another state "
		    "directory",
		    path, (unsigned int)st.st_mode & 07777, path);
	return 0;
}

int
state_owned(const char *dir, struct err *e)
{
	char path[2 * PATH_MAX];
	struct dirent *entry;
	DIR *d = opendir(dir);
	int rc;

	if (d == NULL)
		return err_errno(e, "state directory %s", dir);
	rc = check_owner(dirfd(d), ".", dir, e);
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		rc = check_owner(dirfd(d), entry->d_name, path, e);
	}
	closedir(d);
	return rc;
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
	rc = state_owned(dir, e);
	if (rc != 0)
		return rc;
	state_path(&s, "lock", path);
	s.lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s.lock < 0 && errno == EROFS)
		return err_set(e, ERR_DENIED,
		    "%s is on a read-only file system: where the unit makes it "
		    "so, add it to ReadWritePaths= ('systemctl edit "
		    "mig-agent')",
		    dir);
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
	/* nobody else writes here now */
	file_remove_temporary(dir);
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

#define ENROLMENT_LINE (ID_HEX_LEN + 1)
#define ENROLMENT_IDS (2 * ENROLMENT_LINE)
#define ENROLMENT_LEN (3 * ENROLMENT_LINE)

int
state_enrolment_write(const struct state *s, const struct id *token,
    const struct id *proof, struct err *e)
{
	char text[ENROLMENT_LEN + 1];
	struct id sum;

	if (id_is_zero(token))
		return state_remove(s, "enrolment", e);
	snprintf(
	    text, sizeof(text), "%s\n%s\n", id_hex(token).s, id_hex(proof).s);
	sha256(text, ENROLMENT_IDS, &sum);
	snprintf(
	    text + ENROLMENT_IDS, ENROLMENT_LINE + 1, "%s\n", id_hex(&sum).s);
	return state_write(s, "enrolment", text, ENROLMENT_LEN, e);
}

/* What is missing or damaged proves nothing, and keeps nobody away. Without
 * the sum it is of an agent before there was one. */
static void
read_enrolment(struct state *s)
{
	char line[ENROLMENT_LINE];
	struct id ids[3], sum;
	struct buf b;
	size_t i, n;

	memset(&s->token, 0, sizeof(s->token));
	buf_init(&b, ENROLMENT_LEN);
	if (state_read(s, "enrolment", &b, NULL) != 0 ||
	    (b.len != ENROLMENT_IDS && b.len != ENROLMENT_LEN))
		goto out;
	n = b.len / ENROLMENT_LINE;
	for (i = 0; i < n; i++) {
		memcpy(line, b.data + i * sizeof(line), sizeof(line));
		line[ID_HEX_LEN] = '\0';
		if (id_parse(line, &ids[i]) != 0)
			goto out;
	}
	sha256(b.data, ENROLMENT_IDS, &sum);
	if (n == 3 && !id_equal(&sum, &ids[2]))
		goto out;
	s->token = ids[0];
	s->proof = ids[1];
out:
	buf_release(&b);
}

int
state_identity(struct state *s, struct err *e)
{
	char path[PATH_MAX];
	int rc;

	state_path(s, "identity", path);
	read_enrolment(s);
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

/* --- the policy ------------------------------------------------------------
 *
 * A changed bit in an ACL or a keyring would be another policy, so its hash
 * stands beside it: one a line, that of a policy about to be installed before
 * the one in force. Whichever of the two a crash leaves is whole. */

#define HASH_LINE (ID_HEX_LEN + 1)

static int
read_hashes(
    const struct state *s, struct id ret[2], size_t *ret_n, struct err *e)
{
	struct buf b;
	char line[HASH_LINE];
	size_t i;
	int rc;

	buf_init(&b, 2 * HASH_LINE);
	rc = state_read(s, "policy.hash", &b, e);
	if (rc == 0 && (b.len == 0 || b.len % HASH_LINE != 0))
		rc = ERR_INVALID;
	for (i = 0; rc == 0 && i < b.len / HASH_LINE; i++) {
		memcpy(line, b.data + i * HASH_LINE, HASH_LINE);
		if (line[ID_HEX_LEN] != '\n')
			rc = ERR_INVALID;
		line[ID_HEX_LEN] = '\0';
		if (rc == 0)
			rc = id_parse(line, &ret[i]);
	}
	*ret_n = i;
	buf_release(&b);
	return rc;
}

int
state_policy_read(const struct state *s, struct buf *out, struct err *e)
{
	struct id hashes[2], is;
	size_t start = out->len, n;
	int rc;

	rc = state_read(s, "policy", out, e);
	if (rc != 0)
		return rc;
	purpose_hash(PURPOSE_POLICY, out->data + start, out->len - start, &is);
	rc = read_hashes(s, hashes, &n, e);
	if (rc == 0 && !id_equal(&is, &hashes[0]) &&
	    (n < 2 || !id_equal(&is, &hashes[1])))
		rc = ERR_INVALID;
	if (rc == 0)
		return 0;
	out->len = start;
	return err_set(e, ERR_INVALID,
	    "%s/policy is not what policy.hash beside it says: it was damaged "
	    "or changed; install it again with 'mig-agent policy FILE'",
	    s->dir);
}

bool
state_has_policy(const struct state *s)
{
	char path[PATH_MAX];

	state_path(s, "policy", path);
	return access(path, F_OK) == 0;
}

int
state_policy_write(
    const struct state *s, const void *text, size_t len, struct err *e)
{
	char lines[2 * HASH_LINE + 1];
	struct id now, before;
	struct buf old;
	int rc;

	purpose_hash(PURPOSE_POLICY, text, len, &now);
	snprintf(lines, sizeof(lines), "%s\n", id_hex(&now).s);
	/* the one that is there: of several that could not be written the
	 * hashes may name another */
	buf_init(&old, POLICY_MAX);
	rc = state_policy_read(s, &old, e);
	if (rc == 0) {
		purpose_hash(PURPOSE_POLICY, old.data, old.len, &before);
		snprintf(lines + HASH_LINE, HASH_LINE + 1, "%s\n",
		    id_hex(&before).s);
	}
	buf_release(&old);
	if (rc == ERR_NOMEM)
		return rc;
	rc = state_write(s, "policy.hash", lines, strlen(lines), e);
	fault_point("state.policy_hash");
	return rc == 0 ? state_write(s, "policy", text, len, e) : rc;
}

int
state_remove(const struct state *s, const char *name, struct err *e)
{
	char path[PATH_MAX];

	state_path(s, name, path);
	return unlink(path) == 0 || errno == ENOENT ? 0
						    : err_errno(e, "%s", path);
}
