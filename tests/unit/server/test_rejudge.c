/* SPDX-License-Identifier: MPL-2.0 */
/* What waits is judged anew in pieces, and by the policy that is stored. */
#include "server/core/core.h"
#include "server/core/judging.h"
#include "server/store/policies.h"
#include "server/store/waiting.h"

#include "storetest.h"

#include "action/envelope.h"
#include "base/buf.h"

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Its time is over: to look at it takes the reading, and writes nothing. */
static const char *const head =
    "\"syntaxversion\":3,\"name\":\"find it\",\"target\":\"all\","
    "\"validfrom\":\"2020-11-23T03:00:00Z\","
    "\"expireafter\":\"2020-11-23T04:00:00Z\",\"require\":{\"weight\":2},"
    "\"operations\":[{\"module\":\"file\",\"parameters\":{\"searches\":{\"s1\":"
    "{\"paths\":[\"/etc\"],\"names\":[\"^passwd$\"]}}}}],"
    "\"seal\":{\"public\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\","
    "\"readers\":[\"" A40 "\"],\"key\":\"-----BEGIN PGP MESSAGE-----\\n\\n"
    "AAAA\\n-----END PGP MESSAGE-----\\n\"}";

/* Number i of them waits, with so many blanks in its document. */
static int64_t
add(struct fixture *f, unsigned int i, int blanks)
{
	struct store_waiting w = { A40, 1, 2, "weight", true, 1, NULL, NULL };
	struct store_action a = { .name = "find it",
		.target = "all",
		.investigators = "[]",
		.status = ACTION_WAITING,
		.expire_after = 1 };
	static const uint8_t no_signature[] = "none";
	struct envelope env = { .nsigs = 1,
		.sigs = { { no_signature, sizeof(no_signature) } } };
	struct buf doc, bytes;
	char first[16];
	struct err e;

	buf_init(&doc, ENVELOPE_MAX);
	buf_init(&bytes, ENVELOPE_MAX);
	buf_add_fmt(&doc, "{%*s\"nonce\":\"%032x\",%s}", blanks, "", i, head);
	env.doc = doc.data;
	env.doc_len = doc.len;
	if (envelope_write(&env, &bytes, &e) != 0)
		fail_msg("%s", e.msg);
	purpose_hash(PURPOSE_ACTION, env.doc, env.doc_len, &a.id);
	a.envelope = bytes.data;
	a.envelope_len = bytes.len;
	snprintf(first, sizeof(first), "%u", i / STORE_WAITING_PERSON_MAX);
	w.first = first;
	if (store_waiting_put(f->w, &a, &w, &a.n, &e) != 0)
		fail_msg("%s", e.msg);
	buf_release(&doc);
	buf_release(&bytes);
	return (a.n);
}

static void
release(struct core *c)
{
	judging_free(c->judging);
	keyring_release(&c->keyring);
	free(c);
}

/* How far each step of a sweep comes; the last finds nothing more. */
static void
sweep(struct core *c, int64_t last, int64_t most)
{
	int64_t before;
	int steps = 0;

	rejudge_begin(c, 1000);
	assert_true(c->rejudge.running);
	while (c->rejudge.after < last) {
		before = c->rejudge.after;
		rejudge_step(c);
		assert_true(c->rejudge.running);
		assert_true(c->rejudge.after > before);
		assert_true(c->rejudge.after - before <= most);
		assert_true(++steps <= last);
	}
	assert_int_equal(steps, (last + most - 1) / most);
	rejudge_step(c);
	assert_false(c->rejudge.running || c->rejudge.failed);
}

static void
sweep_of(struct fixture *f, unsigned int count, size_t bytes, int64_t most)
{
	struct core *c = calloc(1, sizeof(*c));
	int64_t last = 0;
	unsigned int i;

	assert_non_null(c);
	c->read = f->r;
	for (i = 0; i < count; i++)
		last = add(f, i, bytes);
	sweep(c, last, most);
	release(c);
}

static void
test_so_many_at_once(void **state)
{
	sweep_of(*state, 40, 0, 16);
}

static void
test_so_many_bytes_at_once(void **state)
{
	sweep_of(*state, 10, 100000, 3);
}

static void
put_policy(struct fixture *f, const char *text, struct id *ret)
{
	struct err e;

	*ret = make_id(text);
	assert_int_equal(
	    store_policy_put(f->w, ret, 1, text, strlen(text), 1, &e), 0);
}

/* A core that has just started has judged by none: it begins with the one that
 * the store names, not when the time for the next sweep has come. */
static void
test_stored_policy(void **state)
{
	struct core *c = calloc(1, sizeof(*c));
	struct fixture *f = *state;
	struct id one, two;

	c->read = f->r;
	put_policy(f, "one", &one);
	rejudge_begin(c, 1);
	assert_true(c->rejudge.running);
	assert_true(id_equal(&c->rejudge.policy, &one));
	rejudge_step(c);
	assert_false(c->rejudge.running);
	rejudge_begin(c, 2);
	assert_false(c->rejudge.running);
	/* by hand, or restored: nobody has told the core */
	put_policy(f, "two", &two);
	rejudge_begin(c, 3);
	assert_true(c->rejudge.running);
	assert_true(id_equal(&c->rejudge.policy, &two));
	release(c);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_so_many_at_once),
		T(test_so_many_bytes_at_once),
		T(test_stored_policy),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
