/* SPDX-License-Identifier: MPL-2.0 */
/* The policy's paths, on a real directory. */
#include "scan/fence.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/mig-fence-XXXXXX";

static const char *
at(const char *name)
{
	static char path[4][128];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "%s%s", dir, name);
	return p;
}

static int
set_up(void **state)
{
	if (mkdtemp(dir) == NULL || mkdir(at("/in"), 0700) != 0 ||
	    mkdir(at("/in/sub"), 0700) != 0 || mkdir(at("/out"), 0700) != 0 ||
	    symlink(at("/out"), at("/in/link")) != 0 ||
	    symlink("sub", at("/in/inner")) != 0 ||
	    symlink(at("/in"), at("/way")) != 0)
		return -1;
	close(open(at("/in/sub/f"), O_CREAT | O_WRONLY, 0600));
	close(open(at("/out/f"), O_CREAT | O_WRONLY, 0600));
	return 0;
}

static int
tear_down(void **state)
{
	unlink(at("/in/sub/f"));
	unlink(at("/out/f"));
	unlink(at("/in/link"));
	unlink(at("/in/inner"));
	unlink(at("/way"));
	rmdir(at("/in/sub"));
	rmdir(at("/in"));
	rmdir(at("/out"));
	return rmdir(dir);
}

static void
test_parse(void **state)
{
	struct fence *f = NULL;
	char many[4 * FENCE_PATHS_MAX + 8] = "";
	struct err e;
	size_t i;

	assert_int_equal(fence_new("", &f, &e), 0);
	assert_null(f);
	assert_true(fence_allows(NULL, "/x"));
	assert_int_equal(fence_new("/a\n/b/c", &f, &e), 0);
	assert_int_equal(f->n, 2);
	assert_true(fence_allows(f, "/b/c/d"));
	assert_false(fence_allows(f, "/b"));
	assert_false(fence_allows(f, "/ab"));
	fence_free(f);
	assert_int_equal(fence_new("/a\n", &f, &e), ERR_INVALID);
	assert_int_equal(fence_new("/a\nb", &f, &e), ERR_INVALID);
	assert_int_equal(fence_new("/a/../b", &f, &e), ERR_INVALID);
	for (i = 0; i <= FENCE_PATHS_MAX; i++)
		strcat(many, i > 0 ? "\n/x" : "/x");
	assert_int_equal(fence_new(many, &f, &e), ERR_INVALID);
}

static void
test_open(void **state)
{
	static const struct {
		const char *fence, *path;
		int flags, want; /* errno */
	} rows[] = {
		{ "/in", "/in", O_RDONLY | O_DIRECTORY, 0 },
		{ "/in", "/in/sub/f", O_RDONLY, 0 },
		{ "/in/sub", "/in/sub/f", O_RDONLY, 0 },
		{ "/in/sub/f", "/in/sub/f", O_RDONLY, 0 },
		{ "/in", "/out/f", O_RDONLY, EXDEV },
		{ "/in/sub", "/in", O_RDONLY, EXDEV },
		{ "/in", "/in/link", O_RDONLY | O_DIRECTORY, ELOOP },
		{ "/in", "/in/link", O_RDONLY, ELOOP },
		{ "/in", "/in/link/f", O_RDONLY, ELOOP },
		/* where it leads does not matter: it may change meanwhile */
		{ "/in", "/in/inner/f", O_RDONLY, ELOOP },
		/* the policy's own path is no exception */
		{ "/way", "/way/sub/f", O_RDONLY, ELOOP },
		{ "/in", "/in/none", O_RDONLY, ENOENT },
		{ "/in", "/in/none/f", O_RDONLY, ENOENT },
		{ "/in", "/in/sub/f/g", O_RDONLY, ENOTDIR },
		{ "/in", "/in/sub/f", O_RDONLY | O_DIRECTORY, ENOTDIR },
		/* not clean: never taken apart */
		{ "/in", "/in/../out/f", O_RDONLY, EXDEV },
	};
	struct fence *f = NULL;
	struct err e;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fence_new(at(rows[i].fence), &f, &e), 0);
		errno = 0;
		fd = fence_open(f, at(rows[i].path), rows[i].flags);
		if ((fd >= 0) != (rows[i].want == 0) || errno != rows[i].want)
			if (fd < 0 || rows[i].want != 0)
				fail_msg("%s in %s: %s", rows[i].path,
				    rows[i].fence, strerror(errno));
		if (fd >= 0)
			close(fd);
		fence_free(f);
	}
	/* none at all: as open(2) */
	fd = fence_open(NULL, at("/in/link/f"), O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fence_new("/", &f, &e), 0);
	fd = fence_open(f, "/", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	close(fd);
	fence_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
