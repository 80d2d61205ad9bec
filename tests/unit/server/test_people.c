/* SPDX-License-Identifier: MPL-2.0 */
/* Who may do what, in the store: people, sessions, API keys, tokens. */
#include "server/store/people.h"

#include "storetest.h"

#include <ctype.h>

static void
test_sessions(void **state)
{
	struct fixture *f = *state;
	struct store_investigator i = { .fpr = "aa",
		.name = "Alice",
		.role = PERSON_ADMIN,
		.keyring = "x",
		.created = 1 };
	struct id h = make_id("session");
	struct store_caller s;
	int64_t revision = store_investigators_revision(f->r);

	assert_int_equal(store_investigator_put(f->w, &i, NULL), 0);
	assert_true(store_investigators_revision(f->r) > revision);
	assert_int_equal(store_session_put(f->w, &h, "aa", 10, 20, NULL), 0);
	assert_int_equal(store_caller_get(f->r, &h, 15, &s, NULL), 0);
	assert_string_equal(s.name, "Alice");
	assert_int_equal(s.role, PERSON_ADMIN);
	assert_int_equal(
	    store_caller_get(f->r, &h, 20, &s, NULL), ERR_NOTFOUND);
	assert_true(store_session_any(f->r, "aa", 19));
	assert_false(store_session_any(f->r, "aa", 20));
	assert_int_equal(store_investigator_remove(f->w, "aa", NULL), 0);
	assert_int_equal(
	    store_caller_get(f->r, &h, 15, &s, NULL), ERR_NOTFOUND);
	assert_int_equal(
	    store_investigator_remove(f->w, "aa", NULL), ERR_NOTFOUND);
}

static int
count_key(const struct store_key *k, void *arg)
{
	assert_string_equal(k->name, "grafana");
	assert_string_equal(k->by, "aa");
	++*(int *)arg;
	return (0);
}

static int
count_session(const struct store_session *x, void *arg)
{
	assert_string_equal(x->fpr, "aa");
	++*(int *)arg;
	return (0);
}

static void
test_keys(void **state)
{
	struct fixture *f = *state;
	struct store_key k = { .hash = make_id("key"),
		.name = "grafana",
		.calls = 6,
		.created = 5,
		.expires = 100,
		.by = "aa" };
	struct id other = make_id("other");
	char ended[STORE_KEY_NAME_MAX];
	struct store_caller c;
	int64_t doors;
	int n = 0;

	assert_int_equal(store_key_put(f->w, &k, 5, NULL), 0);
	assert_int_equal(store_key_put(f->w, &k, 6, NULL), ERR_EXISTS);
	assert_int_equal(store_caller_get(f->r, &k.hash, 50, &c, NULL), 0);
	assert_string_equal(c.fpr, "key:grafana");
	assert_int_equal(c.role, 0);
	assert_int_equal(c.calls, 6);
	assert_int_equal(
	    store_caller_get(f->r, &k.hash, 100, &c, NULL), ERR_NOTFOUND);
	assert_int_equal(
	    store_caller_get(f->r, &other, 50, &c, NULL), ERR_NOTFOUND);
	assert_int_equal(store_keys(f->r, count_key, &n, NULL), 0);
	assert_int_equal(n, 1);
	/* one past its end makes room for its name */
	k.hash = other;
	assert_int_equal(store_key_put(f->w, &k, 100, NULL), 0);
	/* nor does it stay when nobody takes the name */
	k.hash = make_id("key");
	k.name = "short";
	k.expires = 99;
	assert_int_equal(store_key_put(f->w, &k, 50, NULL), 0);
	assert_int_equal(store_key_end(f->w, 98, ended, NULL), ERR_NOTFOUND);
	assert_int_equal(store_key_end(f->w, 99, ended, NULL), 0);
	assert_string_equal(ended, "short");
	assert_int_equal(store_key_end(f->w, 99, ended, NULL), ERR_NOTFOUND);
	doors = store_doors_revision(f->r);
	assert_int_equal(store_key_remove(f->w, "grafana", NULL), 0);
	assert_true(store_doors_revision(f->r) > doors);
	assert_int_equal(store_key_remove(f->w, "grafana", NULL), ERR_NOTFOUND);
}

static void
test_revoked_sessions(void **state)
{
	struct fixture *f = *state;
	struct store_investigator i = { .fpr = "aa",
		.name = "Alice",
		.role = PERSON_READER,
		.keyring = "x",
		.created = 1 };
	struct id a = make_id("one"), b = make_id("two"), found;
	struct store_caller c;
	char fpr[STORE_FPR_HEX + 1];
	struct id_hex hex = id_hex(&a);
	int64_t ended, doors;
	int n = 0;

	assert_int_equal(store_investigator_put(f->w, &i, NULL), 0);
	assert_int_equal(store_session_put(f->w, &a, "aa", 10, 20, NULL), 0);
	assert_int_equal(store_session_put(f->w, &b, "aa", 11, 20, NULL), 0);
	/* readers launch nothing */
	assert_int_equal(store_session_any(f->r, "aa", 12), 0);
	assert_int_equal(
	    store_investigator_role(f->w, "aa", PERSON_INVESTIGATOR, NULL), 0);
	assert_int_equal(store_session_any(f->r, "aa", 12), 1);
	assert_int_equal(
	    store_investigator_role(f->w, "bb", PERSON_READER, NULL),
	    ERR_NOTFOUND);
	assert_int_equal(
	    store_sessions(f->r, "aa", 12, count_session, &n, NULL), 0);
	assert_int_equal(
	    store_sessions(f->r, "bb", 12, count_session, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(
	    store_session_find(f->r, "00", &found, fpr, NULL), ERR_INVALID);
	assert_int_equal(
	    store_session_find(f->r, "%%%%%%%%", &found, fpr, NULL),
	    ERR_INVALID);
	hex.s[16] = '\0';
	assert_int_equal(store_session_find(f->r, hex.s, &found, fpr, NULL), 0);
	assert_true(id_equal(&found, &a));
	assert_string_equal(fpr, "aa");
	doors = store_doors_revision(f->r);
	assert_int_equal(store_sessions_end(f->w, "aa", &ended, NULL), 0);
	assert_int_equal(ended, 2);
	assert_true(store_doors_revision(f->r) > doors);
	assert_int_equal(
	    store_caller_get(f->r, &a, 12, &c, NULL), ERR_NOTFOUND);
}

static void
test_tokens(void **state)
{
	struct fixture *f = *state;
	struct id t = make_id("t"), a = make_id("a"), b = make_id("b");
	struct store_agent x = { .name = "a" };
	int64_t n, again;

	assert_int_equal(store_token_check(f->r, &t, &a, 5, NULL), ERR_AUTH);
	assert_int_equal(store_token_put(f->w, &t, 1, 1, 100, NULL), 0);
	assert_int_equal(store_token_check(f->r, &t, &a, 5, NULL), 0);
	assert_int_equal(store_token_check(f->r, &t, &a, 100, NULL), ERR_AUTH);
	x.id = a;
	assert_int_equal(store_agent_enrol(f->w, &x, &t, 5, &n, NULL), 0);
	/* used up, but not for the one that used it */
	assert_int_equal(store_token_check(f->r, &t, &b, 5, NULL), ERR_AUTH);
	assert_int_equal(store_agent_enrol(f->w, &x, &t, 6, &again, NULL), 0);
	assert_int_equal(n, again);
	x.id = b;
	assert_int_equal(
	    store_agent_enrol(f->w, &x, &t, 6, &again, NULL), ERR_AUTH);
	assert_int_equal(store_agent_revoke(f->w, &a, NULL), 0);
	x.id = a;
	assert_int_equal(
	    store_agent_enrol(f->w, &x, &t, 6, &again, NULL), ERR_DENIED);
}

/* By a prefix, in either case, that only one has. */
static void
test_token_prefixes(void **state)
{
	struct fixture *f = *state;
	struct id t = make_id("t"), near = t, got;
	struct id_hex hex = id_hex(&t);
	char text[ID_HEX_LEN + 2];
	size_t i;

	near.b[ID_LEN - 1] ^= 1;
	assert_int_equal(store_token_put(f->w, &t, 1, 1, 100, NULL), 0);
	assert_int_equal(
	    store_token_remove(f->w, "%%%%%%%%", &got, NULL), ERR_INVALID);
	assert_int_equal(
	    store_token_remove(f->w, "00000000", &got, NULL), ERR_NOTFOUND);
	assert_int_equal(store_token_put(f->w, &near, 1, 1, 100, NULL), 0);
	snprintf(text, sizeof(text), "%.16s", hex.s);
	assert_int_equal(
	    store_token_remove(f->w, text, &got, NULL), ERR_INVALID);
	assert_int_equal(store_token_remove(f->w, hex.s, &got, NULL), 0);
	assert_true(id_equal(&got, &t));
	for (i = 0; text[i] != '\0'; i++)
		text[i] = (char)toupper(text[i]);
	assert_int_equal(store_token_remove(f->w, text, &got, NULL), 0);
	assert_true(id_equal(&got, &near));
	snprintf(text, sizeof(text), "%s0", hex.s);
	assert_int_equal(
	    store_token_remove(f->w, text, &got, NULL), ERR_INVALID);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_sessions),
		T(test_keys),
		T(test_revoked_sessions),
		T(test_tokens),
		T(test_token_prefixes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
