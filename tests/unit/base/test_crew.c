/* SPDX-License-Identifier: MPL-2.0 */
/* Work comes back in its order, whoever did it, and nothing waits for ever. */
#include "base/crew.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PLACES 16
#define FOR_EVER 60000 /* ms */

struct item {
	unsigned int in, out;
	int hand;
};

static struct item items[PLACES];
static atomic_uint begun, done_by_owner;
static atomic_bool held;

static void
twice(size_t place, int hand, void *arg)
{
	atomic_fetch_add(&begun, 1);
	while (hand != CREW_OWNER && atomic_load(&held))
		usleep(100);
	items[place].out = 2 * items[place].in;
	items[place].hand = hand;
	if (hand == CREW_OWNER)
		atomic_fetch_add(&done_by_owner, 1);
}

static struct crew *
crew_of(unsigned int threads)
{
	struct crew *c;
	struct err e;

	atomic_store(&begun, 0);
	atomic_store(&done_by_owner, 0);
	atomic_store(&held, false);
	assert_int_equal(crew_new(threads, PLACES, twice, NULL, &c, &e), 0);
	return c;
}

static void
give(struct crew *c, unsigned int in)
{
	size_t place;

	assert_true(crew_next(c, &place));
	items[place].in = in;
	items[place].out = 1;
	crew_add(c, false);
}

static void
test_order(void **state)
{
	struct crew *c = crew_of(3);
	unsigned int in = 0, out = 0;
	size_t place;

	while (out < 20000) {
		while (in < 20000 && crew_next(c, &place))
			give(c, in++);
		assert_true(crew_first(c, FOR_EVER, &place));
		assert_int_equal(items[place].in, out);
		assert_int_equal(items[place].out, 2 * out);
		assert_in_range(items[place].hand + 1, 0, 3);
		crew_drop(c);
		out++;
	}
	assert_int_equal(crew_used(c), 0);
	assert_false(crew_first(c, 0, &place));
	assert_false(crew_first(c, 1, &place));
	assert_int_equal(begun, 20000);
	crew_free(c);
}

/* A thread that hangs at the oldest: the owner does all others meanwhile, and
 * does not wait for longer than it said. */
static void
test_one_hangs(void **state)
{
	struct crew *c = crew_of(1);
	struct timespec from, to;
	unsigned int i;
	size_t place;

	atomic_store(&held, true);
	give(c, 0);
	assert_true(crew_next(c, &place));
	items[place].in = 1;
	crew_add(c, true);
	while (atomic_load(&begun) == 0)
		usleep(100);
	for (i = 2; i < PLACES; i++)
		give(c, i);
	assert_false(crew_next(c, &place));
	assert_int_equal(crew_used(c), PLACES);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_false(crew_first(c, 30, &place));
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true((to.tv_sec - from.tv_sec) * 1000 +
		(to.tv_nsec - from.tv_nsec) / 1000000 >=
	    29);
	assert_int_equal(done_by_owner, PLACES - 1);
	atomic_store(&held, false);
	for (i = 0; i < PLACES; i++) {
		assert_true(crew_first(c, FOR_EVER, &place));
		assert_int_equal(items[place].out, 2 * i);
		crew_drop(c);
	}
	crew_free(c);
}

/* What was not begun is never done; what was is waited for. */
static void
test_left_early(void **state)
{
	struct crew *c = crew_of(2);
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		give(c, i);
	crew_free(c);
	i = atomic_load(&begun);
	usleep(20000);
	assert_int_equal(begun, i);
}

static volatile sig_atomic_t taken_by_owner;
static pthread_t owner;

static void
on_signal(int sig)
{
	taken_by_owner = pthread_equal(pthread_self(), owner) != 0;
}

static void
test_signals(void **state)
{
	struct crew *c = crew_of(3);
	int i;

	owner = pthread_self();
	signal(SIGUSR1, on_signal);
	for (i = 0; i < 50; i++) {
		taken_by_owner = 0;
		kill(getpid(), SIGUSR1);
		while (taken_by_owner == 0)
			usleep(100);
	}
	crew_free(c);
}

static void
test_no_thread(void **state)
{
	struct rlimit was, none;
	struct crew *c;
	struct err e;
	bool root = getuid() == 0;
	int rc;

	assert_int_equal(getrlimit(RLIMIT_NPROC, &was), 0);
	none = was;
	none.rlim_cur = 0;
	/* root may make as many as it likes */
	if (root)
		assert_int_equal(setresuid(65534, 65534, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NPROC, &none), 0);
	rc = crew_new(2, PLACES, twice, NULL, &c, &e);
	assert_int_equal(setrlimit(RLIMIT_NPROC, &was), 0);
	if (root)
		assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(rc, ERR_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_one_hangs),
		cmocka_unit_test(test_left_early),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
