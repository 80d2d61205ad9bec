/* SPDX-License-Identifier: MPL-2.0 */
/* A store of its own for each test, in a directory that goes with it. */
#ifndef MIG_TEST_STORETEST_H
#define MIG_TEST_STORETEST_H

#include "server/store/store.h"

#include "base/err.h"
#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[96];
	struct store *w, *r;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	strcpy(f->dir, "/tmp/mig-test-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
	assert_int_equal(store_open(f->path, STORE_WRITE, &f->w, &e), 0);
	assert_int_equal(store_open(f->path, STORE_READ, &f->r, &e), 0);
	*state = f;
	return (0);
}

static void
remove_store(const struct fixture *f)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[128];
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
		unlink(path);
	}
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->r);
	store_close(f->w);
	remove_store(f);
	rmdir(f->dir);
	free(f);
	return (0);
}

static inline struct id
make_id(const char *text)
{
	struct id id;

	sha256(text, strlen(text), &id);
	return (id);
}

#endif
