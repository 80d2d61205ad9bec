/* SPDX-License-Identifier: MPL-2.0 */
/* Answers from a real spool: whatever bit has changed, it is noticed. */
#include "agent/monitor/stored.h"

#include "action/result.h"
#include "agent/store/small.h"
#include "agent/store/spool.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/identity.h"
#include "crypto/seal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1000000

static char dir[64];
static struct spool *spool;
static struct identity who;

static int
setup(void **state)
{
	struct err e;

	identity_new(&who);
	snprintf(dir, sizeof(dir), "/tmp/mig-test-stored-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return spool_open(dir, 16 << 20, NOW, &spool, &e);
}

static int
teardown(void **state)
{
	char command[128];

	spool_free(spool);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void
make(const struct id *action, bool refused, struct buf *out)
{
	static const char text[] = "{\"foundanything\":true}";
	struct result_part part = { .operation = 0,
		.status = PART_DONE,
		.data = (const uint8_t *)text,
		.len = sizeof(text) - 1 };
	struct result_header h = { .status = RESULT_DONE, .time_ms = 5 };
	uint8_t pub[SEAL_KEY_LEN], sec[SEAL_KEY_LEN];
	struct err e;

	assert_int_equal(seal_keypair(pub, sec), 0);
	h.action = *action;
	if (refused) {
		h.status = RESULT_REFUSED;
		h.reason = 3;
	}
	buf_init(out, 1 << 20);
	assert_int_equal(result_make(&h, &who, "web1", refused ? NULL : pub,
			     refused ? NULL : &part, refused ? 0 : 1, out, &e),
	    0);
}

static void
put(const struct id *id, const struct buf *b)
{
	struct err e;

	assert_int_equal(
	    spool_put(spool, id, NOW + 60, b->data, b->len, &e), 0);
}

static void
flips(bool refused)
{
	struct id id = { { 7 } };
	struct buf b;
	struct err e;
	char path[160];
	size_t bit;
	off_t first;
	int fd;

	make(&id, refused, &b);
	put(&id, &b);
	assert_int_equal(stored_check(spool, &who, &id, &e), 0);
	snprintf(path, sizeof(path), "%s/" SMALL_NAME, dir);
	first = spool_find(spool, &id)->block * SMALL_BLOCK + SMALL_HEAD;
	assert_true((fd = open(path, O_WRONLY)) >= 0);
	for (bit = 0; bit < b.len * 8; bit++) {
		/* all of the head, a bit of each byte that is sealed */
		if (bit / 8 >= RESULT_HEADER_LEN + IDENTITY_SIG_LEN &&
		    bit % 8 != bit / 8 % 8)
			continue;
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		assert_int_equal(
		    pwrite(fd, b.data + bit / 8, 1, first + (off_t)(bit / 8)),
		    1);
		err_clear(&e);
		assert_int_not_equal(stored_check(spool, &who, &id, &e), 0);
		assert_true(e.msg[0] != '\0');
		b.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		assert_int_equal(
		    pwrite(fd, b.data + bit / 8, 1, first + (off_t)(bit / 8)),
		    1);
	}
	close(fd);
	buf_release(&b);
}

static void
test_flips(void **state)
{
	flips(false);
	flips(true);
}

static void
test_others(void **state)
{
	struct id one = { { 1 } }, two = { { 2 } };
	struct identity other;
	struct buf b;
	struct err e;

	make(&one, false, &b);
	put(&one, &b);
	put(&two, &b);
	assert_int_equal(stored_check(spool, &who, &one, &e), 0);
	/* under another action's name; another agent's; none; cut */
	assert_int_equal(stored_check(spool, &who, &two, &e), ERR_AUTH);
	identity_new(&other);
	assert_int_equal(stored_check(spool, &other, &one, &e), ERR_AUTH);
	two.b[0] = 3;
	assert_int_equal(stored_check(spool, &who, &two, &e), ERR_NOTFOUND);
	b.len--;
	put(&one, &b);
	assert_int_equal(stored_check(spool, &who, &one, &e), ERR_INVALID);
	b.len = 0;
	put(&one, &b);
	assert_int_equal(stored_check(spool, &who, &one, &e), ERR_INVALID);
	buf_release(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_flips),
		T(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
