/* SPDX-License-Identifier: MPL-2.0 */
/* Keys of actions that were handed on, in the store. */
#include "server/store/actions.h"
#include "server/store/shares.h"

#include "storetest.h"

static int
count_share(const struct store_share *x, void *arg)
{
	struct store_share *last = arg;

	last->created += x->created;
	last->envelope_len += x->envelope_len;
	return (0);
}

/* One for each pair, only so many an action, gone with it. */
static void
test_shares(void **state)
{
	struct fixture *f = *state;
	struct store_share x = { .by = "aa", .reader = "bb", .created = 1 };
	struct store_share sum = { 0 };
	struct id id = make_id("shared");
	struct store_action a = { .id = id,
		.name = "x",
		.target = "all",
		.investigators = "[]",
		.envelope = (const uint8_t *)"e",
		.envelope_len = 1,
		.expire_after = 1 };
	char reader[8];
	int64_t n = 0;
	struct err e;
	int i;

	x.envelope = (const uint8_t *)"share";
	x.envelope_len = 5;
	assert_int_equal(store_share_put(f->w, &id, &x, &e), ERR_NOTFOUND);
	assert_int_equal(store_action_put(f->w, &a, NULL, 0, &n, &e), 0);
	assert_int_equal(store_share_put(f->w, &id, &x, &e), 0);
	x.created = 2;
	assert_int_equal(store_share_put(f->w, &id, &x, &e), 0);
	assert_int_equal(store_shares(f->r, &id, count_share, &sum, &e), 0);
	assert_int_equal(sum.created, 2);
	assert_int_equal(sum.envelope_len, 5);
	x.by = "cc";
	x.reader = reader;
	for (i = 1; i < STORE_SHARES_MAX; i++) {
		snprintf(reader, sizeof(reader), "%d", i);
		assert_int_equal(store_share_put(f->w, &id, &x, &e), 0);
	}
	snprintf(reader, sizeof(reader), "more");
	assert_int_equal(store_share_put(f->w, &id, &x, &e), ERR_TOOBIG);
	assert_int_equal(store_shares_remove(f->w, &id, "aa", &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_shares_remove(f->w, &id, "cc", &n, &e), 0);
	assert_int_equal(n, STORE_SHARES_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shares, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
