/* SPDX-License-Identifier: MPL-2.0 */
/* The known policy's file: one of which a bit has changed is no policy. */
#include "client/policy/policy_file.h"

#include "base/err.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define PLAIN                                             \
	"mig-policy 3\nversion 1\nprevious " ZEROS        \
	"\nissued 2026-11-23T03:44:11Z\nexpires "         \
	"2027-11-23T03:44:11Z\nkeyring 3\nacl 2\nlimits " \
	"0\n\nkkk{}"

static char path[] = "/tmp/mig-test-policy-XXXXXX";

/* In place: what is flipped is not to be synced as well. */
static int
load(const void *text, size_t len, struct policy_file *f, struct err *e)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
	err_clear(e);
	return policy_file_load(path, f, e);
}

static void
is_plain(const struct policy_file *f)
{
	assert_int_equal(f->text.len, sizeof(PLAIN) - 1);
	assert_memory_equal(f->text.data, PLAIN, sizeof(PLAIN) - 1);
	assert_int_equal(f->policy.version, 1);
}

static void
test_known(void **state)
{
	struct policy_file f;
	struct buf known;
	struct err e;
	size_t i;
	int rc;

	/* as it was written before there was a hash, and as people have it */
	assert_int_equal(load(PLAIN, sizeof(PLAIN) - 1, &f, &e), 0);
	is_plain(&f);
	buf_init(&known, 4096);
	assert_int_equal(policy_file_known(&f, &known), 0);
	policy_file_release(&f);
	assert_int_equal(load(known.data, known.len, &f, &e), 0);
	is_plain(&f);
	policy_file_release(&f);
	for (i = 0; i < known.len * 8; i++) {
		known.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		rc = load(known.data, known.len, &f, &e);
		known.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		/* the same, or none */
		if (rc == 0)
			is_plain(&f);
		else
			assert_int_equal(rc, ERR_INVALID);
		assert_true(rc == 0 || strstr(e.msg, path) != NULL);
		policy_file_release(&f);
	}
	for (i = 0; i < known.len; i++) {
		assert_int_equal(load(known.data, i, &f, &e), ERR_INVALID);
		policy_file_release(&f);
	}
	known.data[known.len - 1] = 'x';
	assert_int_equal(load(known.data, known.len, &f, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "mig policy pin"));
	policy_file_release(&f);
	buf_release(&known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
	};
	int fd = mkstemp(path), rc;

	if (fd < 0)
		return 1;
	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
