/* SPDX-License-Identifier: MPL-2.0 */
/* Nonces of logins: for one use and two minutes, however many are asked for. */
#include "server/core/nonces.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000

static int
setup(void **state)
{
	*state = nonces_new();
	return (*state == NULL);
}

static int
teardown(void **state)
{
	nonces_free(*state);
	return (0);
}

static void
test_one_use(void **state)
{
	struct id a, b, c;
	struct err e;

	assert_int_equal(nonces_make(*state, NOW, &a), 0);
	assert_int_equal(nonces_make(*state, NOW, &b), 0);
	assert_true(nonces_good(*state, &a, NOW));
	assert_int_equal(nonces_use(*state, &a, NOW, &e), 0);
	assert_false(nonces_good(*state, &a, NOW));
	assert_true(nonces_good(*state, &b, NOW + NONCE_MS - 1));
	assert_false(nonces_good(*state, &b, NOW + NONCE_MS));
	/* one that was made up */
	memset(&c, 0, sizeof(c));
	assert_false(nonces_good(*state, &c, NOW));
	c = b;
	c.b[1] = 1; /* good for longer */
	assert_false(nonces_good(*state, &c, NOW));
	c = b;
	c.b[31] ^= 1;
	assert_false(nonces_good(*state, &c, NOW));
}

/* Whoever asks for very many takes nobody's away. */
static void
test_many_are_asked_for(void **state)
{
	struct id mine, other;
	int i;

	assert_int_equal(nonces_make(*state, NOW, &mine), 0);
	for (i = 0; i < 3 * NONCES_USED_MAX; i++)
		assert_int_equal(nonces_make(*state, NOW, &other), 0);
	assert_true(nonces_good(*state, &mine, NOW));
}

/* None is used twice, however many are used. */
static void
test_many_are_used(void **state)
{
	struct id first, x;
	struct err e;
	int i;

	assert_int_equal(nonces_make(*state, NOW, &first), 0);
	assert_int_equal(nonces_use(*state, &first, NOW, &e), 0);
	for (i = 1; i < NONCES_USED_MAX; i++) {
		assert_int_equal(nonces_make(*state, NOW, &x), 0);
		assert_int_equal(nonces_use(*state, &x, NOW, &e), 0);
	}
	assert_int_equal(nonces_make(*state, NOW, &x), 0);
	assert_int_equal(nonces_use(*state, &x, NOW, &e), ERR_BUSY);
	assert_false(nonces_good(*state, &first, NOW));
	/* once they have ended there is room */
	assert_int_equal(nonces_make(*state, NOW + NONCE_MS, &x), 0);
	assert_int_equal(nonces_use(*state, &x, NOW + NONCE_MS, &e), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_use),
		T(test_many_are_asked_for),
		T(test_many_are_used),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
