/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-agent-notice TEXT [DIR PROGRAM]: one message on every desktop of this
 * host; DIR and PROGRAM instead of what stands below, for tests.
 *
 * Each session's bus is /run/user/UID/bus. For each a child becomes that user,
 * for good, before it touches anything of the user's, and executes notify-send
 * with the text as one argument; who owns the session can thus harm only what
 * is his anyway. Everything ends by an alarm.
 */
#include "base/buf.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNTIME_DIR "/run/user"
#define PROGRAM "/usr/bin/notify-send"
#define SESSIONS_MAX 16
#define CHILD_SECONDS 5
#define ALL_SECONDS 10
#define BODY_MAX 8192

/* Desktops read a body as markup. */
static int
escape(const char *s, struct buf *out)
{
	for (; *s != '\0'; s++) {
		if (*s == '&')
			buf_add_str(out, "&amp;");
		else if (*s == '<')
			buf_add_str(out, "&lt;");
		else if (*s == '>')
			buf_add_str(out, "&gt;");
		else
			buf_add_u8(out, (uint8_t)*s);
	}
	return out->error;
}

/* Whether the directory is that user's own, with a bus of his in it. */
static bool
is_session(int dirfd, const char *name, uid_t uid, gid_t *ret_gid)
{
	char bus[300];
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISDIR(st.st_mode) || st.st_uid != uid)
		return false;
	*ret_gid = st.st_gid;
	snprintf(bus, sizeof(bus), "%s/bus", name);
	return fstatat(dirfd, bus, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(st.st_mode) && st.st_uid == uid;
}

static bool
become(uid_t uid, gid_t gid)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
		setresuid(uid, uid, uid) != 0))
		return false;
	return geteuid() == uid && getuid() == uid && getegid() != 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static void
show(const char *const where[2], uid_t uid, gid_t gid, const char *body)
{
	static char name[] = "notify-send", app[] = "--app-name=mig-agent",
		    end[] = "--",
		    title[] = "MIG asked something of this machine",
		    path[] = "PATH=/usr/bin:/bin", lang[] = "LC_ALL=C.UTF-8";
	char bus[512], runtime[512], *text = strdup(body);
	char *argv[] = { name, app, end, title, text, NULL };
	char *envp[] = { bus, runtime, path, lang, NULL };

	if (text == NULL || !become(uid, gid))
		_exit(1);
	alarm(CHILD_SECONDS);
	snprintf(bus, sizeof(bus),
	    "DBUS_SESSION_BUS_ADDRESS=unix:path=%s/%u/bus", where[0],
	    (unsigned int)uid);
	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s/%u", where[0],
	    (unsigned int)uid);
	execve(where[1], argv, envp);
	_exit(127);
}

/* Returns how many children were started. */
static size_t
show_all(const char *const where[2], const char *body)
{
	struct dirent *de;
	uint64_t number;
	size_t n = 0;
	gid_t gid;
	DIR *d = opendir(where[0]);

	if (d == NULL)
		return 0;
	while (n < SESSIONS_MAX && (de = readdir(d)) != NULL) {
		if (str_u64(de->d_name, 1, INT32_MAX, &number) != 0 ||
		    (geteuid() != 0 && number != geteuid()) ||
		    !is_session(dirfd(d), de->d_name, (uid_t)number, &gid))
			continue;
		switch (fork()) {
		case 0:
			show(where, (uid_t)number, gid, body);
			_exit(1);
		case -1:
			break;
		default:
			n++;
		}
	}
	closedir(d);
	return n;
}

int
main(int argc, char **argv)
{
	const char *where[2] = { RUNTIME_DIR, PROGRAM };
	int status, failed = 0;
	struct buf body;
	size_t n;

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: mig-agent-notice TEXT [DIR PROGRAM]\n");
		return 2;
	}
	if (argc == 4) {
		where[0] = argv[2];
		where[1] = argv[3];
	}
	alarm(ALL_SECONDS);
	buf_init(&body, BODY_MAX);
	if (access(where[1], X_OK) != 0 || escape(argv[1], &body) != 0 ||
	    buf_str(&body) == NULL)
		return 1;
	for (n = show_all(where, buf_str(&body)); n > 0; n--)
		if (wait(&status) < 0 || status != 0)
			failed = 1;
	buf_release(&body);
	return failed;
}
