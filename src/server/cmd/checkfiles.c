/* SPDX-License-Identifier: MPL-2.0 */
/* mig-server check: files, their owners and modes. */
#include "server/cmd/check.h"

#include "base/err.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct wanted {
	enum server_file file;
	mode_t not ; /* bits that must not be set */
	bool users, dir;
	bool late; /* the server makes it when it runs */
};

static const struct wanted files[] = {
	{ FILE_CA_DIR, 077, false, true, false },
	{ FILE_CA_CERT, 022, false, false, false },
	{ FILE_CA_KEY, 077, false, false, false },
	{ FILE_TLS_CERT, 022, false, false, false },
	{ FILE_TLS_KEY, 077, false, false, false },
	{ FILE_DB_DIR, 077, true, true, false },
	{ FILE_DB, 077, true, false, false },
	{ FILE_RELAY_DIR, 077, true, true, false },
	{ FILE_RELAY_CA, 022, true, false, false },
	{ FILE_RELAY_CERT, 022, true, false, false },
	{ FILE_RELAY_KEY, 077, true, false, false },
	{ FILE_RELAY_ACL, 022, true, false, true },
	{ FILE_RELAY_CRL, 022, true, false, true },
};

struct user {
	uid_t uid;
	gid_t gid;
	bool known;
};

static const char *
how_back(const struct wanted *f)
{
	if (f->late)
		return ("stop the server, and start it: it makes it anew");
	if (server_file_of_relay(f->file) || f->file == FILE_TLS_CERT ||
	    f->file == FILE_TLS_KEY)
		return ("`mig-server renew` makes it anew");
	return ("run `mig-server init`, or restore a backup");
}

static void
check_file(struct check *k, const struct wanted *f, const struct user *u)
{
	char path[SERVER_PATH_MAX];
	uid_t owner = f->users && u->uid != (uid_t)-1 ? u->uid : geteuid();
	struct stat st;
	int rc;

	server_file(&k->conf, f->file, path);
	/* the directories are root's to link, what is in the user's is not */
	rc = f->users && !f->dir ? lstat(path, &st) : stat(path, &st);
	if (rc != 0 && f->late && errno == ENOENT)
		return;
	if (rc != 0) {
		check_say(k, CHECK_PROBLEM, "files", "%s: %s: %s", path,
		    strerror(errno), how_back(f));
	} else if (f->dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) {
		check_say(k, CHECK_PROBLEM, "files", "%s is no %s: %s", path,
		    f->dir ? "directory" : "file", how_back(f));
	} else if ((st.st_mode & f->not ) != 0) {
		check_say(k, CHECK_PROBLEM, "files",
		    "%s has mode %04o: chmod %s %s", path,
		    (unsigned int)st.st_mode & 07777,
		    f->not == 077 ? "go=" : "go-w", path);
	} else if (st.st_uid != owner && !f->late && (u->known || !f->users)) {
		check_say(k, CHECK_PROBLEM, "files",
		    "%s belongs to uid %u instead of %u: chown %u %s", path,
		    (unsigned int)st.st_uid, (unsigned int)owner,
		    (unsigned int)owner, path);
	}
}

/* systemd gives a StateDirectory= of another owner to root, with all below it.
 */
static void
check_state_dir(struct check *k)
{
	struct stat st;

	if (stat(k->conf.state, &st) == 0 && st.st_uid != geteuid())
		check_say(k, CHECK_PROBLEM, "files",
		    "%s belongs to uid %u instead of %u: chown %u %s (not what"
		    " is in it)",
		    k->conf.state, (unsigned int)st.st_uid,
		    (unsigned int)geteuid(), (unsigned int)geteuid(),
		    k->conf.state);
}

static bool
may_enter(const struct stat *st, const struct user *u)
{
	if (st->st_uid == u->uid)
		return ((st->st_mode & S_IXUSR) != 0);
	if (st->st_gid == u->gid)
		return ((st->st_mode & S_IXGRP) != 0);
	return ((st->st_mode & S_IXOTH) != 0);
}

/* Roles and relay come to what is theirs by way of each directory above. */
static void
check_way(struct check *k, const struct user *u)
{
	char real[PATH_MAX], *p;
	struct stat st;
	bool last;

	if (u->uid == (uid_t)-1 || realpath(k->conf.state, real) == NULL)
		return;
	for (p = real + 1; *p != '\0'; p++) {
		p += strcspn(p, "/");
		last = *p == '\0';
		*p = '\0';
		if (stat(real, &st) == 0 && !may_enter(&st, u)) {
			check_say(k, CHECK_PROBLEM, "files",
			    "%s has mode %04o: the user %s cannot enter it:"
			    " chmod o+x %s",
			    real, (unsigned int)st.st_mode & 07777,
			    k->conf.user, real);
			return;
		}
		if (last)
			return;
		*p = '/';
	}
}

void
check_files(struct check *k)
{
	enum check_how before = k->worst;
	struct user u = { .known = true };
	struct err e;
	size_t i;

	k->worst = CHECK_OK;
	if (server_user(&k->conf, &u.uid, &u.gid, &e) != 0) {
		check_say(k, CHECK_PROBLEM, "user", "%s", e.msg);
		u.uid = (uid_t)-1;
		u.known = false;
	}
	check_state_dir(k);
	check_way(k, &u);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		check_file(k, &files[i], &u);
	if (k->worst == CHECK_OK)
		check_say(k, CHECK_OK, "files",
		    "%s: owners and modes are as they should be",
		    k->conf.state);
	if (before > k->worst)
		k->worst = before;
}
