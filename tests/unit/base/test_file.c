/* SPDX-License-Identifier: MPL-2.0 */
/* Whole files, directories, sealed memory. */
#include "base/file.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[64];

static char *
in_dir(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned int next;
	char *out = path[next++ % 4];

	snprintf(out, PATH_MAX, "%s/%s", dir, name);
	return out;
}

static int
group_setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/mig-test-file-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
group_teardown(void **state)
{
	static const char *const made[] = { "a", "b", "big", "f", "pipe",
		"link", "good" };
	size_t i;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(in_dir(made[i]));
	rmdir(in_dir("x/y/z"));
	rmdir(in_dir("x/y"));
	rmdir(in_dir("x"));
	return rmdir(dir);
}

static void
test_write_read(void **state)
{
	struct stat st;
	struct err e;
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(file_write(in_dir("a"), "one", 3, 0640, &e), 0);
	assert_int_equal(stat(in_dir("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_read(in_dir("a"), &b, &e), 0);
	assert_string_equal(buf_str(&b), "one");
	/* replaced as a whole, mode included; reading appends */
	assert_int_equal(file_write(in_dir("a"), "", 0, 0600, &e), 0);
	assert_int_equal(stat(in_dir("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(file_read(in_dir("a"), &b, &e), 0);
	assert_string_equal(buf_str(&b), "one");
	buf_release(&b);
}

/* Another's from the first moment; who may not give it away leaves nothing. */
static void
test_write_owned(void **state)
{
	uid_t id = geteuid() == 0 ? 65534 : 0;
	struct file_owner other = { 0640, id, id }, own = { 0600, -1, -1 };
	struct stat st;
	struct err e;

	assert_int_equal(file_write_owned(in_dir("o"), "x", 1, &own, &e), 0);
	assert_int_equal(stat(in_dir("o"), &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	if (geteuid() != 0) {
		assert_int_equal(
		    file_write_owned(in_dir("o"), "new", 3, &other, &e),
		    ERR_DENIED);
		assert_non_null(strstr(e.msg, "/o"));
	} else {
		assert_int_equal(
		    file_write_owned(in_dir("o"), "new", 3, &other, &e), 0);
		assert_int_equal(stat(in_dir("o"), &st), 0);
		assert_int_equal(st.st_uid, id);
		assert_int_equal(st.st_gid, id);
		assert_int_equal(st.st_mode & 07777, 0640);
	}
	assert_int_equal(unlink(in_dir("o")), 0);
}

static int
count_entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* In place: what was there is gone, nothing stays of a failed one. */
static void
test_write_unnamed(void **state)
{
	char *path = in_dir("f");
	struct buf b;

	assert_int_equal(file_write_unnamed(path, "longer", 6, 0600, NULL), 0);
	assert_int_equal(file_write_unnamed(path, "new", 3, 0600, NULL), 0);
	buf_init(&b, 100);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_str(&b), "new");
	buf_release(&b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("a", path), 0);
	assert_true(file_write_unnamed(path, "x", 1, 0600, NULL) < 0);
	assert_int_equal(unlink(path), 0);
	assert_true(
	    file_write_unnamed(in_dir("no/such"), "x", 1, 0600, NULL) < 0);
}

static void
test_write_fails(void **state)
{
	int before = count_entries();
	struct err e;

	assert_int_equal(
	    file_write(in_dir("no/such"), "x", 1, 0600, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "no/such"));
	/* over a directory: fails and leaves no temporary file */
	assert_int_not_equal(file_write(dir, "x", 1, 0600, &e), 0);
	assert_int_equal(file_mkdirs(in_dir("x/y/z"), 0700, &e), 0);
	before++;
	assert_int_not_equal(file_write(in_dir("x"), "x", 1, 0600, &e), 0);
	assert_int_equal(count_entries(), before);
}

/* Of this file alone, and not what somebody writes now. */
static void
test_remove_stale(void **state)
{
	static const struct {
		const char *name;
		bool old, stays;
	} files[] = {
		{ "state.tmp-AbC123", true, false },
		{ "state.tmp-zzzzzz", true, false },
		{ "state.tmp-AbC124", false, true },
		{ "state", true, true },
		{ "state.tmp-AbC12", true, true },
		{ "state.tmp-AbC1234", true, true },
		{ "state2.tmp-AbC123", true, true },
		{ "other.tmp-AbC123", true, true },
	};
	struct timespec times[2];
	char path[PATH_MAX];
	struct err e;
	size_t i;

	memset(times, 0, sizeof(times));
	times[0].tv_sec = times[1].tv_sec = time(NULL) - 601;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		assert_int_equal(file_write(path, "x", 1, 0600, &e), 0);
		if (files[i].old)
			assert_int_equal(
			    utimensat(AT_FDCWD, path, times, 0), 0);
	}
	snprintf(path, sizeof(path), "%s/state", dir);
	file_remove_stale(path);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		assert_int_equal(access(path, F_OK), files[i].stays ? 0 : -1);
		unlink(path);
	}
	file_remove_stale("/no/such/directory/file");
}

static void
test_read_fails(void **state)
{
	struct err e;
	struct buf b;

	buf_init(&b, 4);
	assert_int_equal(file_read(in_dir("none"), &b, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, "none"));
	assert_int_not_equal(file_read(dir, &b, &e), 0);
	assert_int_equal(file_write(in_dir("big"), "12345", 5, 0600, &e), 0);
	assert_int_equal(file_read(in_dir("big"), &b, &e), ERR_TOOBIG);
	assert_non_null(strstr(e.msg, "big"));
	buf_clear(&b);
	assert_int_equal(file_read(in_dir("big"), &b, NULL), ERR_TOOBIG);
	buf_release(&b);
	/* exactly as much as there is room for is fine */
	buf_init(&b, 5);
	assert_int_equal(file_read(in_dir("big"), &b, &e), 0);
	assert_int_equal(b.len, 5);
	buf_release(&b);
}

/* Whoever owns the directory put it there: one does not wait for a pipe, and
 * does not go where a link leads. */
static void
test_read_foreign(void **state)
{
	struct err e;
	struct buf b;

	buf_init(&b, 4);
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	assert_int_equal(
	    file_read_foreign(in_dir("pipe"), &b, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "pipe: not a regular file"));
	assert_int_equal(symlink(in_dir("good"), in_dir("link")), 0);
	assert_int_equal(file_write(in_dir("good"), "123", 3, 0600, &e), 0);
	assert_int_equal(
	    file_read_foreign(in_dir("link"), &b, &e), ERR_INVALID);
	assert_int_equal(file_read_foreign(dir, &b, NULL), ERR_INVALID);
	assert_int_equal(
	    file_read_foreign(in_dir("none"), &b, &e), ERR_NOTFOUND);
	assert_int_equal(b.len, 0);
	assert_int_equal(file_read_foreign(in_dir("good"), &b, &e), 0);
	assert_int_equal(b.len, 3);
	assert_int_equal(file_read_foreign(in_dir("good"), &b, &e), ERR_TOOBIG);
	buf_release(&b);
}

static void
test_mkdirs(void **state)
{
	struct stat st;
	struct err e;

	assert_int_equal(file_mkdirs(in_dir("x/y/z"), 0700, &e), 0);
	assert_int_equal(file_mkdirs(in_dir("x/y//z/"), 0755, &e), 0);
	assert_int_equal(stat(in_dir("x/y"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(file_mkdirs("/", 0700, &e), 0);
	assert_int_equal(file_mkdirs("", 0700, &e), ERR_INVALID);
	assert_int_equal(file_write(in_dir("f"), "x", 1, 0600, &e), 0);
	assert_int_not_equal(file_mkdirs(in_dir("f"), 0700, &e), 0);
	assert_int_not_equal(file_mkdirs(in_dir("f/g"), 0700, &e), 0);
}

static void
test_sealed(void **state)
{
	struct err e;
	struct buf b;
	int fd;

	fd = fd_sealed("test", "secret", 6, &e);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(
	    mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
	    MAP_FAILED);
	buf_init(&b, 100);
	assert_int_equal(fd_read_all(fd, &b, &e), 0);
	assert_string_equal(buf_str(&b), "secret");
	buf_release(&b);
	close(fd);
	fd = fd_sealed("empty", NULL, 0, &e);
	assert_true(fd >= 0);
	close(fd);
}

static void
test_descriptors(void **state)
{
	struct err e;
	struct buf b;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_set_nonblock(p[0]), 0);
	buf_init(&b, 10);
	assert_int_equal(fd_read_all(p[0], &b, &e), ERR_BUSY);
	assert_int_equal(fd_write_all(p[1], "hello", 5, &e), 0);
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], &b, &e), 0);
	assert_string_equal(buf_str(&b), "hello");
	close(p[0]);
	assert_int_not_equal(fd_write_all(p[1], "x", 1, &e), 0);
	assert_int_equal(fd_set_nonblock(p[1]), ERR_IO);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_read),
		cmocka_unit_test(test_write_owned),
		cmocka_unit_test(test_write_unnamed),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_remove_stale),
		cmocka_unit_test(test_read_fails),
		cmocka_unit_test(test_read_foreign),
		cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
