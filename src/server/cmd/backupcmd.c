/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-server backup and restore. A backup is written beside its name and
 * renamed; a restore is unpacked and checked inside the state directory and
 * only then moved into place, directory by directory: what was there goes to
 * before-restore-TIME/. After a kill in between, it is done again with --force.
 */
#include "server/audit.h"
#include "server/cmd/backup.h"
#include "server/cmd/commands.h"
#include "server/lock.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "server/cmd/admin.h"
#include "server/cmd/stopped.h"
#include "server/store/people.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- backup --------------------------------------------------------------
 */

static int
write_file(const struct server_conf *c, const char *conf, const char *to,
    struct err *e)
{
	char tmp[SERVER_PATH_MAX], dir[SERVER_PATH_MAX], *slash;
	int fd, rc;

	if (strlen(to) > sizeof(tmp) - 32)
		return (err_set(e, ERR_TOOBIG, "%s: the name is too long", to));
	str_copy(dir, sizeof(dir), to);
	if ((slash = strrchr(dir, '/')) == NULL)
		str_copy(dir, sizeof(dir), ".");
	else
		slash[slash == dir ? 1 : 0] = '\0';
	if ((rc = backup_make_temporary(
		 tmp, sizeof(tmp), dir, false, &fd, e)) != 0)
		return (rc);
	rc = backup_write(c, conf, fd, dir, e);
	if (rc != 0)
		err_wrap(e, "%s", to);
	else if (fchmod(fd, 0600) != 0 || fsync(fd) != 0)
		rc = err_errno(e, "%s", tmp);
	if (close(fd) != 0 && rc == 0)
		rc = err_errno(e, "%s", tmp);
	if (rc == 0 && rename(tmp, to) != 0)
		rc = err_errno(e, "%s", to);
	if (rc != 0)
		unlink(tmp);
	return (rc);
}

static int
backup(const char *conf, const char *to, struct err *e)
{
	const char *path = conf != NULL ? conf : SERVER_CONF_PATH;
	struct server_conf c;
	int rc;

	if ((rc = server_conf_load(conf, &c, e)) != 0)
		return (rc);
	/* The copy of the store lies beside db/ and not in it: that is the
	 * roles' own, and they could have root write elsewhere. */
	if (strcmp(to, "-") == 0)
		rc = backup_write(&c, path, STDOUT_FILENO, c.state, e);
	else if ((rc = write_file(&c, path, to, e)) == 0)
		printf("%s: it holds the CA's key: keep it encrypted and away"
		       " from this machine\n",
		    to);
	server_conf_release(&c);
	return (rc);
}

static int
open_backup(const char *from, struct err *e)
{
	int fd = strcmp(from, "-") == 0 ? dup(STDIN_FILENO)
					: open(from, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err_errno(e, "%s", from);
	return (fd);
}

static void
say(const char *what, const struct backup_info *i)
{
	printf("%s: a backup of mig-server %s made at %s, schema %d, %llu"
	       " bytes\n",
	    what, i->version, i->created, i->schema,
	    (unsigned long long)i->bytes);
}

static int
verify(const char *from, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char dir[SERVER_PATH_MAX];
	struct backup_info info;
	int fd, lock, rc;

	if ((fd = open_backup(from, e)) < 0)
		return (ERR_IO);
	if (tmp == NULL || tmp[0] != '/')
		tmp = "/tmp";
	backup_remove_left(tmp);
	if ((rc = backup_make_temporary(
		 dir, sizeof(dir), tmp, true, &lock, e)) == 0) {
		rc = backup_unpack(fd, dir, &info, e);
		if (rc != 0)
			err_wrap(e, "%s", from);
		backup_remove(dir);
		close(lock);
	}
	close(fd);
	if (rc == 0)
		say("good", &info);
	return (rc);
}

int
command_backup(const char *conf, int argc, char **argv)
{
	static const struct option options[] = {
		{ "verify", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	bool only_verify = false;
	struct err e;
	int opt, rc;

	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'v')
			return (admin_usage("backup"));
		only_verify = true;
	}
	if (optind + 1 != argc)
		return (admin_usage("backup"));
	umask(077);
	stopped_by_signals();
	err_clear(&e);
	rc = only_verify ? verify(argv[optind], &e)
			 : backup(conf, argv[optind], &e);
	return (rc != 0 ? admin_fail(&e) : 0);
}

/* --- restore -------------------------------------------------------------
 */

struct restore {
	const char *conf_path;
	bool force;
	struct server_conf conf;
	char work[SERVER_PATH_MAX]; /* unpacked here */
	char old[SERVER_PATH_MAX];  /* what was there; "" nothing */
	struct backup_info info;
	int lock;
};

static int
unpack(struct restore *r, const char *from, struct err *e)
{
	int fd, rc;

	if ((fd = open_backup(from, e)) < 0)
		return (ERR_IO);
	if (mkdir(r->work, 0700) != 0)
		rc = err_errno(e, "%s", r->work);
	else if ((rc = backup_unpack(fd, r->work, &r->info, e)) != 0)
		err_wrap(e, "%s", from);
	close(fd);
	return (rc);
}

static int
refuse_existing(struct restore *r, struct err *e)
{
	char path[SERVER_PATH_MAX];
	size_t i;

	for (i = 0; i < BACKUP_DIRS; i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", r->conf.state, backup_dirs[i]);
		if (access(path, F_OK) != 0)
			continue;
		if (!r->force)
			return (err_set(e, ERR_EXISTS,
			    "%s is there: nothing was changed. With --force it"
			    " is moved aside",
			    path));
		snprintf(r->old, sizeof(r->old), "%s/before-restore-%lld",
		    r->conf.state, (long long)(clock_wall_ms() / 1000));
	}
	return (0);
}

/* Logins and enrolment tokens of then are not good any more: what was used up
 * or ended since would be good again. */
static int
forget_secrets(struct restore *r, struct err *e)
{
	char path[SERVER_PATH_MAX + 32];
	struct store *s;
	int rc;

	snprintf(path, sizeof(path), "%s/db/store.sqlite", r->work);
	if ((rc = store_open(path, STORE_WRITE, &s, e)) != 0)
		return (rc);
	if ((rc = store_begin(s, e)) == 0) {
		if ((rc = store_forget_secrets(s, e)) == 0 &&
		    (rc = audit_local(s, "restored", "",
			 "from a backup: what came after it is not here", e)) ==
			0)
			rc = store_commit(s, e);
		if (rc != 0)
			store_rollback(s);
	}
	store_close(s);
	return (rc);
}

static int
give_to_user(struct restore *r, struct err *e)
{
	char path[SERVER_PATH_MAX + 128];
	uid_t uid;
	gid_t gid;
	size_t i;
	int rc;

	if ((rc = server_user(&r->conf, &uid, &gid, e)) != 0 ||
	    uid == (uid_t)-1)
		return (rc);
	for (i = 0; i < BACKUP_FILES; i++) {
		if (!backup_files[i].users)
			continue;
		snprintf(
		    path, sizeof(path), "%s/%s", r->work, backup_files[i].name);
		if (chown(path, uid, gid) != 0)
			return (err_errno(e, "%s", path));
		*strrchr(path, '/') = '\0';
		if (chown(path, uid, gid) != 0)
			return (err_errno(e, "%s", path));
	}
	return (0);
}

/* Of one directory: unpacked, in place, and where the one before it goes. */
struct places {
	char from[SERVER_PATH_MAX + 32], to[SERVER_PATH_MAX + 32],
	    old[SERVER_PATH_MAX + 32];
};

static void
places_of(const struct restore *r, size_t i, struct places *ret)
{
	const char *name = backup_dirs[i];

	snprintf(ret->from, sizeof(ret->from), "%s/%s", r->work, name);
	snprintf(ret->to, sizeof(ret->to), "%s/%s", r->conf.state, name);
	snprintf(ret->old, sizeof(ret->old), "%s/%s", r->old, name);
}

static int
put_in(const struct restore *r, size_t i, struct err *e)
{
	struct places p;
	bool aside = false;
	int rc;

	places_of(r, i, &p);
	if (r->old[0] != '\0') {
		aside = rename(p.to, p.old) == 0;
		if (!aside && errno != ENOENT)
			return (err_errno(e, "%s", p.to));
	}
	if (fault_error("restore.put_in", p.to) == 0 &&
	    rename(p.from, p.to) == 0)
		return (0);
	rc = err_errno(e, "%s", p.to);
	if (aside && rename(p.old, p.to) != 0)
		err_wrap(e, "%s could not be put back", p.old);
	return (rc);
}

static void
take_out(const struct restore *r, size_t i, struct err *e)
{
	struct places p;

	places_of(r, i, &p);
	if (rename(p.to, p.from) != 0 ||
	    (r->old[0] != '\0' && rename(p.old, p.to) != 0 && errno != ENOENT))
		err_wrap(e, "%s could not be put back", p.to);
}

/* All of them or none: a server must not run with keys of one time and a store
 * of another. */
static int
move_in(struct restore *r, struct err *e)
{
	size_t i;
	int rc;

	if (r->old[0] != '\0' && mkdir(r->old, 0700) != 0)
		return (err_errno(e, "%s", r->old));
	for (i = 0; i < BACKUP_DIRS; i++) {
		if ((rc = put_in(r, i, e)) == 0)
			continue;
		while (i-- > 0)
			take_out(r, i, e);
		if (r->old[0] != '\0')
			rmdir(r->old);
		return (rc);
	}
	return (0);
}

static int
restore(struct restore *r, const char *from, struct err *e)
{
	int rc;

	if ((rc = file_mkdirs(r->conf.state, 0755, e)) != 0 ||
	    (rc = server_lock(&r->conf, &r->lock, e)) != 0 ||
	    (rc = refuse_existing(r, e)) != 0)
		return (rc);
	snprintf(r->work, sizeof(r->work), "%s/restore.tmp", r->conf.state);
	backup_remove(r->work); /* of one that was killed */
	if ((rc = unpack(r, from, e)) == 0 &&
	    (rc = forget_secrets(r, e)) == 0 && (rc = give_to_user(r, e)) == 0)
		rc = move_in(r, e);
	backup_remove(r->work);
	return (rc);
}

static void
print_restored(const struct restore *r)
{
	say("restored", &r->info);
	if (r->old[0] != '\0')
		printf("what was there is in %s: remove it when all is well\n",
		    r->old);
	printf("\nInvestigators log in again; enrolment tokens are void. Since"
	       " %s are lost: enrolments\n(those agents enrol again),"
	       " revocations and removed investigators (repeat them), and"
	       " actions\n(launch the same signed file again: agents send what"
	       " they answered).\n",
	    r->info.created);
}

/* The configuration says where the state is, and is this machine's own. */
static int
find_conf(struct restore *r, const char *conf, struct err *e)
{
	if (access(conf, F_OK) == 0)
		return (server_conf_load(conf, &r->conf, e));
	return (err_set(e, ERR_NOTFOUND,
	    "%s: no such file: take it out of the backup (tar -xOf FILE"
	    " server.conf), adapt it to this machine, and restore again",
	    conf));
}

int
command_restore(const char *conf, int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	struct restore r = { .lock = -1 };
	struct err e;
	int opt, rc;

	while ((opt = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'f')
			return (admin_usage("restore"));
		r.force = true;
	}
	if (optind + 1 != argc)
		return (admin_usage("restore"));
	umask(022);
	r.conf_path = conf != NULL ? conf : SERVER_CONF_PATH;
	err_clear(&e);
	if ((rc = find_conf(&r, r.conf_path, &e)) == 0) {
		rc = restore(&r, argv[optind], &e);
		if (rc == 0)
			print_restored(&r);
		server_unlock(r.lock);
		server_conf_release(&r.conf);
	}
	return (rc != 0 ? admin_fail(&e) : 0);
}
