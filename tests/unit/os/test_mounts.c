/* SPDX-License-Identifier: MPL-2.0 */
/* Mounts that must not be touched: mountinfo's text, and paths with links. */
#include "base/err.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char table[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "23 22 0:21 / /proc rw - proc proc rw\n"
    "30 22 0:40 / /home rw shared:9 master:3 - nfs4 host:/home rw,vers=4.2\n"
    "31 22 0:41 / /srv/with\\040space rw - cifs //host/x rw\n"
    "32 22 0:42 / /boot/efi rw - autofs systemd-1 rw,direct\n"
    "33 32 8:2 / /boot/efi rw - vfat /dev/sda2 rw\n"
    "34 22 0:43 / /net rw - autofs auto.net rw,indirect\n"
    "35 22 0:44 / /mnt/ssh rw - fuse.sshfs me@host: rw\n"
    "36 22 0:45 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw\n"
    "37 22 0:46 / /mnt/lx rw - fuse.lxcfs lxcfs rw\n"
    "38 30 0:47 / /home/local rw - ext4 /dev/sdc rw\n"
    "not a line of it\n"
    "39 22 0:48 / relative rw - nfs x rw\n"
    "40 22 0:49 / /cut rw\n"
    "41 22 0:50 / /last rw - 9p x rw";

static struct os_mounts *
parse(const char *text)
{
	struct os_mounts *m = NULL;
	char *copy = strdup(text);
	struct err e;

	err_clear(&e);
	assert_non_null(copy);
	assert_int_equal(os_mounts_parse(copy, &m, &e), 0);
	free(copy);
	return m;
}

static void
test_find(void **state)
{
	static const struct {
		const char *path;
		enum os_mount_kind want;
	} cases[] = {
		{ "/", OS_MOUNT_LOCAL },
		{ "/etc/passwd", OS_MOUNT_LOCAL },
		{ "/proc/1", OS_MOUNT_LOCAL },
		{ "/home", OS_MOUNT_REMOTE },
		{ "/home/x/y", OS_MOUNT_REMOTE },
		{ "/homes", OS_MOUNT_LOCAL },
		{ "/srv/with space", OS_MOUNT_REMOTE },
		{ "/srv/with", OS_MOUNT_LOCAL },
		{ "/boot/efi", OS_MOUNT_LOCAL }, /* mounted already */
		{ "/net", OS_MOUNT_AUTO },
		{ "/net/host", OS_MOUNT_AUTO },
		{ "/mnt/ssh/a", OS_MOUNT_REMOTE },
		{ "/mnt/ntfs", OS_MOUNT_LOCAL },
		{ "/mnt/lx", OS_MOUNT_LOCAL },
		/* below a server that may be gone */
		{ "/home/local/f", OS_MOUNT_REMOTE },
		{ "/cut", OS_MOUNT_LOCAL },
		{ "/last", OS_MOUNT_REMOTE },
	};
	struct os_mounts *m = parse(table);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (os_mounts_find(m, cases[i].path) != cases[i].want)
			fail_msg("%s", cases[i].path);
	}
	assert_false(os_mounts_none(m));
	assert_true(os_mounts_below(m, "/"));
	assert_true(os_mounts_below(m, "/srv"));
	assert_true(os_mounts_below(m, "/home"));
	assert_false(os_mounts_below(m, "/boot"));
	assert_false(os_mounts_below(m, "/hom"));
	os_mounts_free(m);
	m = parse("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	assert_true(os_mounts_none(m));
	os_mounts_free(m);
	m = parse("");
	assert_true(os_mounts_none(m) && os_mounts_none(NULL));
	os_mounts_free(m);
}

static void
test_resolve(void **state)
{
	char root[] = "/tmp/mig-test-XXXXXX", path[512], text[PATH_MAX + 512];
	char real[PATH_MAX];
	char got[OS_PATH_MAX];
	struct os_mounts *m;
	size_t i;
	static const struct {
		const char *path, *want; /* below root; NULL: remote */
	} cases[] = {
		{ "/d/f", "/d/f" }, { "/d/../d//./f", "/d/f" },
		{ "/up/f", "/d/f" }, { "/abs/f", "/d/f" },
		{ "/none/x", "/none/x" }, { "/far", NULL }, { "/far/x", NULL },
		{ "/d/tofar", NULL }, { "/chain/x", NULL },
		{ "/far/../d", NULL }, /* the kernel would look at it, too */
	};

	assert_non_null(mkdtemp(root));
	assert_non_null(realpath(root, real));
	assert_int_equal(chdir(root), 0);
	mkdir("d", 0755);
	mkdir("far", 0755);
	snprintf(path, sizeof(path), "%s/d", root);
	assert_int_equal(symlink(path, "abs"), 0);
	assert_int_equal(symlink("./d/../d", "up"), 0);
	assert_int_equal(symlink("../far/x", "d/tofar"), 0);
	assert_int_equal(symlink("up/tofar", "chain"), 0);
	assert_int_equal(symlink("self", "self"), 0);
	snprintf(
	    text, sizeof(text), "1 2 3:4 / %s/far rw - nfs h:/ rw\n", real);
	m = parse(text);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, cases[i].path);
		if ((os_mounts_resolve(m, path, got) == OS_MOUNT_REMOTE) !=
		    (cases[i].want == NULL))
			fail_msg("%s: %s", path, got);
		snprintf(text, sizeof(text), "%s%s", real,
		    cases[i].want != NULL ? cases[i].want : "");
		if (cases[i].want != NULL && strcmp(got, text) != 0)
			fail_msg("%s: %s", path, got);
	}
	snprintf(path, sizeof(path), "%s/self/x", root);
	assert_int_equal(os_mounts_resolve(m, path, got), OS_MOUNT_LOCAL);
	assert_int_equal(os_mounts_resolve(m, "/", got), OS_MOUNT_LOCAL);
	assert_string_equal(got, "/");
	assert_int_equal(os_mounts_resolve(m, "/../..", got), OS_MOUNT_LOCAL);
	assert_string_equal(got, "/");
	os_mounts_free(m);
	assert_int_equal(chdir("/"), 0);
	snprintf(text, sizeof(text), "rm -rf %s", root);
	assert_int_equal(system(text), 0);
}

static void
test_here(void **state)
{
	struct os_mounts *m = NULL;
	struct err e;

	err_clear(&e);
	assert_int_equal(os_mounts_read(&m, &e), 0);
	assert_int_equal(os_mounts_find(m, "/proc"), OS_MOUNT_LOCAL);
	os_mounts_free(m);
	os_mounts_free(NULL);
}

static enum os_mount_kind
kind_now(const char *path)
{
	struct os_mounts *m = NULL;
	enum os_mount_kind kind;
	struct err e;

	err_clear(&e);
	assert_int_equal(os_mounts_read(&m, &e), 0);
	kind = os_mounts_find(m, path);
	os_mounts_free(m);
	return kind;
}

/* What is mounted while a process waits is seen by its next look. */
static void
test_changes(void **state)
{
	char root[] = "/tmp/mig-test-XXXXXX";

	/* before anything was read: a table is that of one namespace */
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		skip();
	assert_non_null(mkdtemp(root));
	assert_int_equal(kind_now(root), OS_MOUNT_LOCAL);
	assert_int_equal(mount(OS_COVER_SOURCE, root, "tmpfs", 0, NULL), 0);
	assert_int_equal(kind_now(root), OS_MOUNT_COVER);
	assert_int_equal(kind_now(root), OS_MOUNT_COVER);
	assert_int_equal(umount(root), 0);
	assert_int_equal(kind_now(root), OS_MOUNT_LOCAL);
	assert_int_equal(rmdir(root), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
