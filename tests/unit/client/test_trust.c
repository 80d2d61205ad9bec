/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test-trust-XXXXXX";

static struct id
id_of(uint8_t n)
{
	struct id i;

	memset(&i, n, sizeof(i));
	return i;
}

static void
test_see(void **state)
{
	struct id a = id_of(1), b = id_of(2);
	const char *other;
	struct trust t;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(trust_see(&t, &a, "web1", &other), TRUST_FIRST);
	assert_int_equal(trust_see(&t, &a, "web1", &other), TRUST_KNOWN);
	assert_int_equal(trust_see(&t, &b, "web1", &other), TRUST_NAME_TAKEN);
	assert_string_equal(other, id_short(&a).s);
	assert_int_equal(
	    trust_see(&t, &a, "web2 with space", &other), TRUST_RENAMED);
	assert_string_equal(other, "web1");
	assert_int_equal(trust_save(&t, NULL), 0);
	assert_int_equal(trust_save(&t, NULL), 0); /* nothing twice */
	trust_release(&t);

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.n, 3);
	assert_string_equal(trust_name(&t, &a), "web2 with space");
	assert_string_equal(trust_name(&t, &b), "web1");
	assert_int_equal(
	    trust_see(&t, &a, "web2 with space", &other), TRUST_KNOWN);
	/* the name a had before is free again but for b, who has it */
	assert_int_equal(trust_see(&t, &b, "web1", &other), TRUST_KNOWN);
	trust_release(&t);
}

static void
test_damaged(void **state)
{
	static const char text[] =
	    "junk\n\n12 34 name\n"
	    "0303030303030303030303030303030303030303030303030303030303030303"
	    " 17 good\n"
	    "0404040404040404040404040404040404040404040404040404040404040404"
	    " x bad\n"
	    "0505050505050505050505050505050505050505050505050505";
	struct id good = id_of(3), bad = id_of(4);
	const char *other;
	struct trust t;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.n, 1);
	assert_string_equal(trust_name(&t, &good), "good");
	assert_null(trust_name(&t, &bad));
	assert_int_equal(t.bad_line, 1);
	assert_true(t.torn);
	/* what is added is not lost in the unfinished line */
	assert_int_equal(trust_see(&t, &bad, "new", &other), TRUST_FIRST);
	assert_int_equal(trust_save(&t, NULL), 0);
	trust_release(&t);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_string_equal(trust_name(&t, &bad), "new");
	trust_release(&t);
}

/* Whatever bit has changed: it is told, or one of the agents is warned of. */
static void
test_flips(void **state)
{
	struct id a = id_of(1), b = id_of(2);
	const char *other;
	char text[512], bad[512];
	struct trust t;
	size_t len, bit, first;
	FILE *f;

	len = (size_t)snprintf(text, sizeof(text), "%s 17 web1\n%s 18 web2\n",
	    id_hex(&a).s, id_hex(&b).s);
	for (bit = 0; bit < len * 8; bit++) {
		memcpy(bad, text, len);
		bad[bit / 8] = (char)(bad[bit / 8] ^ (1 << bit % 8));
		assert_non_null(f = fopen(path, "wb"));
		assert_int_equal(fwrite(bad, len, 1, f), 1);
		fclose(f);
		assert_int_equal(trust_load(&t, path, NULL), 0);
		first = trust_see(&t, &a, "web1", &other) == TRUST_FIRST;
		first += trust_see(&t, &b, "web2", &other) == TRUST_FIRST;
		/* a lost end of line makes one name of two: warned of once */
		if (t.bad_line == 0 && !t.torn)
			assert_true(first < 2);
		trust_release(&t);
	}
}

static void
test_unreadable(void **state)
{
	struct err e = { 0 };
	struct trust t;

	assert_true(
	    trust_load(&t, "/proc/self/mem-is-no-directory/x", &e) == 0);
	trust_release(&t);
	assert_true(trust_load(&t, "/", &e) != 0);
	assert_true(e.msg[0] != '\0');
	trust_release(&t);
}

static int
setup(void **state)
{
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	return unlink(path);
}

static int
teardown(void **state)
{
	unlink(path);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_see),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
