/* SPDX-License-Identifier: MPL-2.0 */
/* Actions that wait for signatures, in the store: every way in and out. */
#include "server/store/upkeep.h"
#include "server/store/waiting.h"

#include "storetest.h"

/* With an envelope of so many bytes. */
static struct store_action
make_action(const char *name, size_t len)
{
	static uint8_t bytes[STORE_WAITING_BYTES_MAX / 8];

	return ((struct store_action){ .id = make_id(name),
	    .name = name,
	    .target = "all",
	    .investigators = "[\"A\"]",
	    .status = ACTION_WAITING,
	    .expire_after = 100,
	    .envelope = bytes,
	    .envelope_len = len });
}

static const struct store_waiting half = { "aa", 1, 2, "weight", true, 3 };

static int
take_status(const struct store_action *a, void *arg)
{
	*(struct store_action *)arg = *a;
	return (0);
}

static struct store_action
stored(struct fixture *f, const struct id *id)
{
	struct store_action a;
	struct err e;

	assert_int_equal(store_action_get(f->r, id, take_status, &a, &e), 0);
	return (a);
}

static int
take_waiting(const struct store_waiting *w, void *arg)
{
	int64_t *ret = arg;

	assert_string_equal(w->first, "aa");
	ret[0] = w->has;
	ret[1] = w->needs;
	return (0);
}

static int
count(const struct store_action *a, void *arg)
{
	++*(int *)arg;
	return (0);
}

static int
listed(struct fixture *f)
{
	int n = 0;

	assert_int_equal(
	    store_actions_waiting(f->r, 0, 1000, count, &n, NULL), 0);
	assert_int_equal(store_waiting_total(f->r), n);
	return (n);
}

/* Two signatures at once: the second was made for what is not there. */
static void
test_sign_and_launch(void **state)
{
	struct fixture *f = *state;
	struct store_action a = make_action("one", 10);
	struct store_waiting more = half;
	struct store_expect x = { 7, true };
	struct store_counts n;
	int64_t w[2];
	struct err e;
	int status;

	assert_int_equal(store_waiting_put(f->w, &a, &half, &a.n, &e), 0);
	assert_int_equal(stored(f, &a.id).status, ACTION_WAITING);
	assert_int_equal(listed(f), 1);
	a.envelope_len = 15;
	a.investigators = "[\"A\",\"B\"]";
	more.has = 2;
	more.needs = 3;
	assert_int_equal(store_waiting_sign(f->w, &a, &more, 10, &e), 0);
	assert_int_equal(store_waiting_get(f->r, a.n, take_waiting, w, &e), 0);
	assert_true(w[0] == 2 && w[1] == 3);
	assert_int_equal(stored(f, &a.id).envelope_len, 15);
	a.envelope_len = 20;
	assert_int_equal(
	    store_waiting_sign(f->w, &a, &more, 10, &e), ERR_EXISTS);
	assert_int_equal(
	    store_waiting_launch(f->w, &a, 10, &x, 1, &e), ERR_EXISTS);
	assert_int_equal(listed(f), 1);
	assert_int_equal(store_waiting_launch(f->w, &a, 15, &x, 1, &e), 0);
	assert_int_equal(store_action_counts(f->r, a.n, &status, &n, &e), 0);
	assert_int_equal(status, ACTION_OPEN);
	assert_true(n.expected == 1 && n.sent == 1);
	assert_int_equal(listed(f), 0);
	/* once, and not to be signed any more */
	assert_int_equal(
	    store_waiting_launch(f->w, &a, 20, &x, 1, &e), ERR_EXISTS);
	assert_int_equal(
	    store_waiting_sign(f->w, &a, &more, 20, &e), ERR_EXISTS);
	assert_int_equal(
	    store_waiting_put(f->w, &a, &half, &a.n, &e), ERR_EXISTS);
}

static int
take_row(const struct store_waiting *w, void *arg)
{
	struct store_waiting *ret = arg;

	*ret = *w;
	assert_string_equal(w->first, "aa");
	assert_string_equal(w->missing, ret->possible ? "weight" : "hope");
	return (0);
}

static int
take_numbers(int64_t n, const struct id *id, void *arg)
{
	int64_t **at = arg;

	assert_false(id_is_zero(id));
	*(*at)++ = n;
	return (0);
}

/* By another policy: what is signed meanwhile is left alone. */
static void
test_judged_anew(void **state)
{
	struct fixture *f = *state;
	struct store_action a = make_action("one", 10);
	struct store_action b = make_action("two", 10);
	struct store_waiting w = half, none = { NULL, 0, 2, "hope", false, 4 };
	int64_t numbers[4], *at = numbers;
	struct err e;

	assert_int_equal(store_waiting_put(f->w, &a, &half, &a.n, &e), 0);
	assert_int_equal(store_waiting_put(f->w, &b, &half, &b.n, &e), 0);
	assert_int_equal(store_waiting_get(f->r, a.n, take_row, &w, &e), 0);
	assert_true(w.possible && w.policy == 3);
	assert_int_equal(
	    store_waiting_judge(f->w, a.n, 11, &none, &e), ERR_EXISTS);
	assert_int_equal(store_waiting_judge(f->w, a.n, 10, &none, &e), 0);
	assert_int_equal(store_waiting_get(f->r, a.n, take_row, &w, &e), 0);
	assert_true(!w.possible && w.policy == 4 && w.has == 0);
	assert_int_equal(
	    store_waiting_after(f->r, 0, 1, take_numbers, &at, &e), 0);
	assert_int_equal(
	    store_waiting_after(f->r, a.n, 2, take_numbers, &at, &e), 0);
	assert_true(
	    at == numbers + 2 && numbers[0] == a.n && numbers[1] == b.n);
	a.envelope_len = 20;
	assert_int_equal(store_waiting_launch(f->w, &a, 10, NULL, 0, &e), 0);
	assert_int_equal(
	    store_waiting_judge(f->w, a.n, 20, &none, &e), ERR_EXISTS);
}

static int
take_uncounted(const struct store_waiting *w, void *arg)
{
	snprintf(arg, 64, "%s %s", w->left_out, w->uncounted);
	return (0);
}

/* What was left out stays so; what does not count is as it was judged last. */
static void
test_signatures_that_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct store_action a = make_action("one", 10);
	struct store_waiting w = half;
	struct err e;
	char is[64];

	w.left_out = "[1]";
	assert_int_equal(store_waiting_put(f->w, &a, &w, &a.n, &e), 0);
	store_waiting_get(f->r, a.n, take_uncounted, is, &e);
	assert_string_equal(is, "[1] []");
	w.left_out = NULL;
	w.uncounted = "[2]";
	assert_int_equal(store_waiting_judge(f->w, a.n, 10, &w, &e), 0);
	store_waiting_get(f->r, a.n, take_uncounted, is, &e);
	assert_string_equal(is, "[1] [2]");
	w.uncounted = "[3]";
	assert_int_equal(store_waiting_sign(f->w, &a, &w, 10, &e), 0);
	store_waiting_get(f->r, a.n, take_uncounted, is, &e);
	assert_string_equal(is, "[1] [3]");
}

static void
test_cancelled_and_expired(void **state)
{
	struct fixture *f = *state;
	struct store_action a = make_action("cancelled", 10);
	struct store_action b = make_action("expired", 10);
	struct store_action c = make_action("later", 10);
	struct store_cancel k = { .investigators = "[]",
		.reason = "",
		.envelope = (const uint8_t *)"c",
		.envelope_len = 1 };
	struct prune_cut cut = {
		.now = 1000, .results_before = 1000, .actions_before = 1000
	};
	struct prune_done done = { .more = true };
	int64_t n = 0;
	struct err e;

	c.expire_after = 101;
	assert_int_equal(store_waiting_put(f->w, &a, &half, &a.n, &e), 0);
	assert_int_equal(store_waiting_put(f->w, &b, &half, &b.n, &e), 0);
	assert_int_equal(store_waiting_put(f->w, &c, &half, &c.n, &e), 0);
	assert_int_equal(store_cancel_put(f->w, a.n, &k, &e), 0);
	assert_int_equal(stored(f, &a.id).status, ACTION_CANCELLED);
	assert_int_equal(
	    store_waiting_launch(f->w, &a, 10, NULL, 0, &e), ERR_EXISTS);
	assert_int_equal(store_waiting_due(f->r, 99), 0);
	assert_int_equal(store_waiting_due(f->r, 100), 1);
	assert_int_equal(store_waiting_expire(f->w, 100, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(stored(f, &b.id).status, ACTION_EXPIRED);
	assert_int_equal(stored(f, &c.id).status, ACTION_WAITING);
	assert_int_equal(stored(f, &a.id).status, ACTION_CANCELLED);
	assert_int_equal(
	    store_waiting_sign(f->w, &b, &half, 10, &e), ERR_EXISTS);
	/* one that is pruned before it was expired leaves nothing behind */
	while (done.more)
		assert_int_equal(store_prune_step(f->w, &cut, &done, &e), 0);
	assert_int_equal(listed(f), 0);
}

/* A refused one is taken back by its caller, as the writer does it. */
static int
put(struct fixture *f, struct store_action *a, const char *first)
{
	struct store_waiting w = half;
	struct err e;
	int rc;

	w.first = first;
	assert_int_equal(store_begin(f->w, &e), 0);
	rc = store_waiting_put(f->w, a, &w, &a->n, &e);
	if (rc != 0)
		store_rollback(f->w);
	else
		assert_int_equal(store_commit(f->w, &e), 0);
	return (rc);
}

static void
test_limits(void **state)
{
	struct fixture *f = *state;
	struct store_action a;
	char name[32], first[8];
	int i;

	for (i = 0; i < STORE_WAITING_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(
		    first, sizeof(first), "%d", i / STORE_WAITING_PERSON_MAX);
		a = make_action(name, 10);
		assert_int_equal(put(f, &a, first), 0);
		if (i + 1 != STORE_WAITING_PERSON_MAX)
			continue;
		a = make_action("too many", 10);
		assert_int_equal(put(f, &a, first), ERR_TOOBIG);
	}
	a = make_action("one more", 10);
	assert_int_equal(put(f, &a, "another"), ERR_TOOBIG);
	assert_int_equal(listed(f), STORE_WAITING_MAX);
}

static void
test_bytes(void **state)
{
	struct fixture *f = *state;
	struct store_action a;
	char name[32];
	int i;

	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%d", i);
		a = make_action(name, STORE_WAITING_BYTES_MAX / 8 - 1);
		assert_int_equal(put(f, &a, "aa"), 0);
	}
	a = make_action("large", 100);
	assert_int_equal(put(f, &a, "aa"), ERR_TOOBIG);
	a = make_action("small", 8);
	assert_int_equal(put(f, &a, "aa"), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sign_and_launch),
		T(test_judged_anew),
		T(test_signatures_that_do_not_count),
		T(test_cancelled_and_expired),
		T(test_limits),
		T(test_bytes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
