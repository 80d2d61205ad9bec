/* SPDX-License-Identifier: MPL-2.0 */
/* The store's promises, against every back end (today: SQLite). */
#include "server/store/actions.h"
#include "server/store/people.h"
#include "server/store/policies.h"
#include "server/store/sql.h"
#include "server/store/store.h"
#include "server/store/upkeep.h"

#include "storetest.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

static int64_t
add_agent(struct fixture *f, const char *name)
{
	struct store_agent a = { .name = name };
	struct id token = make_id("token");
	int64_t n = 0;
	struct err e;

	a.id = make_id(name);
	store_token_put(f->w, &token, 100000, 1, INT64_MAX, NULL);
	assert_int_equal(store_agent_enrol(f->w, &a, &token, 5, &n, &e), 0);
	assert_true(n > 0);
	return (n);
}

static int64_t
add_action(struct fixture *f, const char *name, const struct store_expect *exp,
    size_t nexp)
{
	struct store_action a = { .name = name,
		.target = "all",
		.investigators = "[]",
		.created = 1,
		.valid_from = 10,
		.expire_after = 100,
		.envelope = (const uint8_t *)"env",
		.envelope_len = 3 };
	struct err e;
	int64_t n;

	a.id = make_id(name);
	assert_int_equal(store_action_put(f->w, &a, exp, nexp, &n, &e), 0);
	return (n);
}

static bool
put_answer(struct fixture *f, int64_t action, int64_t agent, int status,
    const char *text)
{
	struct store_answer a = { .action = action,
		.agent = agent,
		.received = 7,
		.status = status,
		.data = (const void *)text,
		.len = strlen(text) };
	bool is_new = false;
	struct err e;

	assert_int_equal(store_answer_put(f->w, &a, &is_new, &e), 0);
	return (is_new);
}

static struct store_counts
counts(struct fixture *f, int64_t action, int *ret_status)
{
	struct store_counts c;
	int status;

	assert_int_equal(
	    store_action_counts(f->r, action, &status, &c, NULL), 0);
	if (ret_status != NULL)
		*ret_status = status;
	return (c);
}

/* --- transactions ------------------------------------------------------- */

static void
test_rollback_and_marks(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(store_begin(f->w, NULL), 0);
	store_meta_set(f->w, "a", "1", 1, NULL);
	assert_int_equal(store_mark(f->w, NULL), 0);
	store_meta_set(f->w, "b", "2", 1, NULL);
	assert_int_equal(store_mark_end(f->w, false, NULL), 0);
	/* readers see nothing before the commit */
	assert_int_equal(store_meta_get(f->r, "a", &b, NULL), ERR_NOTFOUND);
	assert_int_equal(store_commit(f->w, NULL), 0);
	assert_int_equal(store_meta_get(f->r, "a", &b, NULL), 0);
	assert_int_equal(store_meta_get(f->r, "b", &b, NULL), ERR_NOTFOUND);
	assert_int_equal(store_begin(f->w, NULL), 0);
	store_meta_set(f->w, "a", "9", 1, NULL);
	store_rollback(f->w);
	buf_clear(&b);
	assert_int_equal(store_meta_get(f->r, "a", &b, NULL), 0);
	assert_memory_equal(b.data, "1", 1);
	buf_release(&b);
}

static void
test_reader_cannot_write(void **state)
{
	struct fixture *f = *state;

	assert_int_not_equal(store_meta_set(f->r, "a", "1", 1, NULL), 0);
}

static void
test_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	struct err e;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(
	    store_open(f->path, STORE_WRITE, &s, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "99"));
	assert_int_equal(
	    store_open("/nonexistent/x", STORE_WRITE, &s, &e), ERR_IO);
}

/* --- people ------------------------------------------------------------- */

static int
join(const uint8_t *serial, size_t len, void *arg)
{
	strncat(arg, (const char *)serial, len);
	return (0);
}

/* Only of the revoked, until their end. */
static void
test_certificates(void **state)
{
	struct fixture *f = *state;
	struct id a = make_id("a"), b = make_id("b"), none = make_id("none");
	char seen[32] = "";
	struct err e;

	add_agent(f, "a");
	add_agent(f, "b");
	assert_int_equal(store_certificate_put(f->w, &a, "A", 1, 100, &e), 0);
	assert_int_equal(store_certificate_put(f->w, &a, "C", 1, 200, &e), 0);
	assert_int_equal(store_certificate_put(f->w, &b, "B", 1, 200, &e), 0);
	/* of nobody, none is kept */
	assert_int_equal(
	    store_certificate_put(f->w, &none, "N", 1, 200, &e), 0);
	assert_int_equal(
	    store_certificates_revoked(f->r, 1, join, seen, &e), 0);
	assert_string_equal(seen, "");
	assert_int_equal(store_agent_revoke(f->w, &a, &e), 0);
	assert_int_equal(
	    store_certificates_revoked(f->r, 1, join, seen, &e), 0);
	assert_string_equal(seen, "AC");
	seen[0] = '\0';
	assert_int_equal(
	    store_certificates_revoked(f->r, 100, join, seen, &e), 0);
	assert_string_equal(seen, "C");
	/* and what has ended goes */
	seen[0] = '\0';
	assert_int_equal(store_prune(f->w, 100000, &e), 0);
	assert_int_equal(
	    store_certificates_revoked(f->r, 1, join, seen, &e), 0);
	assert_string_equal(seen, "C");
}

static int
count_serials(const uint8_t *serial, size_t len, void *arg)
{
	size_t *n = arg;

	n[serial[0] == 'b']++;
	return (0);
}

/* One that has very many leaves room in the list for the others. */
static void
test_certificates_of_one_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct id a = make_id("a"), b = make_id("b");
	size_t n[2] = { 0, 0 };
	char serial[16];
	struct err e;
	int i;

	add_agent(f, "a");
	add_agent(f, "b");
	for (i = 0; i < 2 * STORE_SERIALS_AGENT_MAX; i++) {
		snprintf(serial, sizeof(serial), "a%d", i);
		assert_int_equal(store_certificate_put(f->w, &a, serial,
				     strlen(serial), 100 + i, &e),
		    0);
	}
	assert_int_equal(store_certificate_put(f->w, &b, "b", 1, 100, &e), 0);
	assert_int_equal(store_agent_revoke(f->w, &a, &e), 0);
	assert_int_equal(store_agent_revoke(f->w, &b, &e), 0);
	assert_int_equal(
	    store_certificates_revoked(f->r, 1, count_serials, n, &e), 0);
	assert_int_equal(n[0], STORE_SERIALS_AGENT_MAX);
	assert_int_equal(n[1], 1);
}

static void
test_policies(void **state)
{
	struct fixture *f = *state;
	struct id one = make_id("one"), two = make_id("two"), got;
	struct buf b;

	buf_init(&b, 100);
	assert_int_equal(
	    store_policy_get(f->r, NULL, &got, &b, NULL), ERR_NOTFOUND);
	assert_int_equal(
	    store_policy_put(f->w, &one, 1, "first", 5, 1, NULL), 0);
	assert_int_equal(
	    store_policy_put(f->w, &two, 2, "second", 6, 2, NULL), 0);
	assert_int_equal(store_policy_get(f->r, NULL, &got, &b, NULL), 0);
	assert_true(id_equal(&got, &two));
	buf_clear(&b);
	assert_int_equal(store_policy_get(f->r, &one, NULL, &b, NULL), 0);
	assert_memory_equal(b.data, "first", 5);
	buf_release(&b);
}

static int
list_policy(const struct store_policy *p, void *arg)
{
	char *out = arg;
	size_t n = strlen(out);

	snprintf(out + n, 100 - n, "%d%s%s ", (int)p->version,
	    p->envelope != NULL ? "s" : "", p->current ? "c" : "");
	return (0);
}

static void
test_policy_steps(void **state)
{
	struct fixture *f = *state;
	struct id one = make_id("one"), got;
	struct store_policy p = { .hash = make_id("two"),
		.previous = one,
		.version = 2,
		.text = (const uint8_t *)"second",
		.len = 6,
		.envelope = (const uint8_t *)"signed",
		.envelope_len = 6 };
	char seen[100] = "";
	struct buf b;
	struct err e;

	buf_init(&b, 100);
	assert_int_equal(
	    store_policy_put(f->w, &one, 1, "first", 5, 1, NULL), 0);
	assert_int_equal(store_policy_step(f->w, &p, &e), 0);
	/* with more signatures */
	p.envelope = (const uint8_t *)"signed2";
	p.envelope_len = 7;
	assert_int_equal(store_policy_step(f->w, &p, &e), 0);
	assert_int_equal(store_policies(f->r, list_policy, seen, &e), 0);
	assert_string_equal(seen, "1 2sc ");
	assert_int_equal(store_policy_envelope(f->r, &p.hash, &b, &e), 0);
	assert_int_equal(b.len, 7);
	assert_int_equal(
	    store_policy_envelope(f->r, &one, &b, &e), ERR_NOTFOUND);
	/* an earlier step, put there later, does not become the current one;
	 * nor is there a second successor */
	p.hash = make_id("other");
	assert_int_equal(store_policy_step(f->w, &p, &e), ERR_EXISTS);
	p.hash = one;
	p.previous = make_id("zero");
	p.version = 1;
	assert_int_equal(store_policy_step(f->w, &p, &e), 0);
	assert_int_equal(store_policy_get(f->r, NULL, &got, NULL, NULL), 0);
	p.hash = make_id("two");
	assert_true(id_equal(&got, &p.hash));
	buf_release(&b);
}

/* --- agents and ids ----------------------------------------------------- */

static int
copy_agent(const struct store_agent *a, void *arg)
{
	struct store_agent *out = arg;

	*out = *a;
	return (
	    strcmp(a->tags, "{\"a\":1}") == 0 && a->hello_len == 5 ? 0 : 77);
}

static void
test_hello_and_presence(void **state)
{
	struct fixture *f = *state;
	struct store_agent a = { .name = "renamed",
		.connection = 3,
		.lastseen = 44,
		.os = "linux",
		.arch = "a",
		.ident = "i",
		.version = "v",
		.mode = "m",
		.environment = "{}",
		.tags = "{\"a\":1}",
		.addresses = "[]",
		.hello = (const uint8_t *)"hello",
		.hello_len = 5 },
			   got;
	struct id id = make_id("host");

	a.n = add_agent(f, "host");
	assert_int_equal(store_agent_hello(f->w, &a, NULL), 0);
	assert_int_equal(store_agent_hello(f->w, &a, NULL), 0);
	assert_int_equal(store_agent_get(f->r, &id, copy_agent, &got, NULL), 0);
	assert_true(got.online && got.said_hello && !got.revoked);
	assert_int_equal(got.connection, 3);
	assert_int_equal(store_agents_offline(f->w, NULL), 0);
	assert_int_equal(store_agent_get(f->r, &id, copy_agent, &got, NULL), 0);
	assert_false(got.online);
	store_agent_presence(f->w, a.n, true, 9, 50, NULL);
	assert_int_equal(store_agent_get(f->r, &id, copy_agent, &got, NULL), 0);
	assert_true(got.online && got.connection == 9 && got.lastseen == 50);
}

static void
test_short_ids(void **state)
{
	static const struct {
		size_t len;
		int want;
	} table[] = { { 7, ERR_INVALID }, { 8, 0 }, { 9, 0 }, { 63, 0 },
		{ 64, 0 } };
	struct fixture *f = *state;
	char text[ID_HEX_LEN + 2];
	struct id id = make_id("host"), got;
	size_t i;

	add_agent(f, "host");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)table[i].len,
		    id_hex(&id).s);
		assert_int_equal(
		    store_agent_find(f->r, text, &got, NULL), table[i].want);
		if (table[i].want == 0)
			assert_true(id_equal(&id, &got));
	}
	assert_int_equal(
	    store_agent_find(f->r, "zzzzzzzz", &got, NULL), ERR_INVALID);
	assert_int_equal(
	    store_agent_find(f->r, "0000000000", &got, NULL), ERR_NOTFOUND);
	assert_int_equal(
	    store_action_find(f->r, id_hex(&id).s, &got, NULL), ERR_NOTFOUND);
}

/* --- actions and answers ------------------------------------------------ */

static void
test_action_is_there_once(void **state)
{
	struct fixture *f = *state;
	struct store_action a = { .name = "x",
		.target = "all",
		.investigators = "[]",
		.envelope = (const uint8_t *)"e",
		.envelope_len = 1 };
	int64_t n;

	add_action(f, "x", NULL, 0);
	a.id = make_id("x");
	assert_int_equal(
	    store_action_put(f->w, &a, NULL, 0, &n, NULL), ERR_EXISTS);
	assert_int_equal(store_actions_total(f->r), 1);
}

static void
test_answers_and_counts(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp[2];
	struct store_counts c;
	int64_t action;
	int status;

	exp[0].agent = add_agent(f, "a");
	exp[1].agent = add_agent(f, "b");
	exp[0].sent = true;
	exp[1].sent = false;
	action = add_action(f, "x", exp, 2);
	c = counts(f, action, &status);
	assert_int_equal(c.expected, 2);
	assert_int_equal(c.sent, 1);
	assert_int_equal(status, ACTION_OPEN);
	assert_true(put_answer(f, action, exp[0].agent, 1, "one"));
	assert_false(put_answer(f, action, exp[0].agent, 1, "one"));
	c = counts(f, action, &status);
	assert_int_equal(c.answered, 1);
	assert_int_equal(c.done, 1);
	assert_int_equal(status, ACTION_OPEN);
	/* an answer proves that it was sent */
	assert_true(put_answer(f, action, exp[1].agent, 2, "two"));
	c = counts(f, action, &status);
	assert_int_equal(c.sent, 2);
	assert_int_equal(c.refused, 1);
	assert_int_equal(status, ACTION_COMPLETE);
	/* one that nobody expected opens nothing, and is counted */
	assert_true(put_answer(f, action, add_agent(f, "c"), 3, "three"));
	c = counts(f, action, &status);
	assert_int_equal(c.expected, 3);
	assert_int_equal(c.answered, 3);
	assert_int_equal(c.stopped, 1);
	assert_int_equal(status, ACTION_COMPLETE);
	assert_int_equal(store_answers_total(f->r), 3);
}

struct seen {
	size_t n, different;
	int64_t last;
};

static int
see_answer(const struct store_answer *a, void *arg)
{
	struct seen *s = arg;

	assert_true(a->cursor > s->last);
	s->last = a->cursor;
	s->n++;
	s->different += a->different;
	return (s->n == 3 ? 1 : 0);
}

static void
test_different_answers_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp = { add_agent(f, "a"), true };
	int64_t action = add_action(f, "x", &exp, 1);
	struct seen s = { 0, 0, 0 };
	char text[16];
	int i;

	assert_true(put_answer(f, action, exp.agent, 1, "first"));
	for (i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "other %d", i);
		assert_int_equal(put_answer(f, action, exp.agent, 1, text),
		    i < STORE_DIFFERENT_MAX);
		assert_false(put_answer(f, action, exp.agent, 1, text));
	}
	assert_int_equal(counts(f, action, NULL).answered, 1);
	/* a callback may stop, and the cursor goes on */
	assert_int_equal(
	    store_answers(f->r, action, 0, 100, see_answer, &s, NULL), 1);
	assert_int_equal(s.n, 3);
	s.n = 10;
	assert_int_equal(
	    store_answers(f->r, action, s.last, 100, see_answer, &s, NULL), 0);
	assert_int_equal(s.n, 12);
	assert_int_equal(s.different, STORE_DIFFERENT_MAX);
}

static int
count_steps(void *arg)
{
	++*(int *)arg;
	return (0);
}

/* Whoever answers differently again and again does not have those of all the
 * others read each time. */
static void
test_different_answers_are_found_at_once(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp = { add_agent(f, "a"), true };
	int64_t i, action = add_action(f, "x", &exp, 1);
	int steps = 0;
	struct err e;

	assert_int_equal(store_begin(f->w, &e), 0);
	assert_true(put_answer(f, action, exp.agent, 1, "first"));
	for (i = 1; i < 1000; i++)
		assert_true(put_answer(f, action, exp.agent + i, 1, "other"));
	sqlite3_progress_handler(f->w->db, 100, count_steps, &steps);
	assert_true(put_answer(f, action, exp.agent, 1, "another"));
	assert_in_range(steps, 0, 5);
	sqlite3_progress_handler(f->w->db, 0, NULL, NULL);
	assert_int_equal(store_commit(f->w, &e), 0);
}

/* Whoever follows a cancelled action asks it after every commit. */
static void
test_one_that_is_online_is_enough(void **state)
{
	struct store_expect exp[1000];
	struct fixture *f = *state;
	int64_t action, none;
	int i, steps = 0;
	char name[16];
	struct err e;

	assert_int_equal(store_begin(f->w, &e), 0);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		exp[i].agent = add_agent(f, name);
		exp[i].sent = true;
		assert_int_equal(
		    store_agent_presence(f->w, exp[i].agent, i != 0, 1, 1, &e),
		    0);
	}
	action = add_action(f, "x", exp, 1000);
	none = add_action(f, "y", exp, 1);
	assert_int_equal(store_commit(f->w, &e), 0);
	sqlite3_progress_handler(f->r->db, 100, count_steps, &steps);
	assert_true(store_sent_online(f->r, action));
	assert_in_range(steps, 0, 5);
	assert_false(store_sent_online(f->r, none));
	sqlite3_progress_handler(f->r->db, 0, NULL, NULL);
}

static void
test_late_agents_open_again(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp = { add_agent(f, "a"), true };
	int64_t action = add_action(f, "x", &exp, 1), late;
	int status;

	put_answer(f, action, exp.agent, 1, "first");
	counts(f, action, &status);
	assert_int_equal(status, ACTION_COMPLETE);
	late = add_agent(f, "late");
	assert_int_equal(store_expect_add(f->w, action, late, false, NULL), 0);
	assert_int_equal(store_expect_add(f->w, action, late, false, NULL), 0);
	assert_int_equal(counts(f, action, &status).expected, 2);
	assert_int_equal(status, ACTION_OPEN);
	assert_int_equal(store_expect_sent(f->w, action, late, NULL), 0);
	assert_int_equal(store_expect_sent(f->w, action, late, NULL), 0);
	assert_int_equal(counts(f, action, NULL).sent, 2);
	/* expired stays expired */
	assert_int_equal(
	    store_action_status(f->w, action, ACTION_EXPIRED, NULL), 0);
	put_answer(f, action, late, 1, "late");
	counts(f, action, &status);
	assert_int_equal(status, ACTION_EXPIRED);
}

/* Steps until there is nothing more to remove. */
static void
prune_all(struct fixture *f, const struct prune_cut *cut, uint64_t *answers,
    uint64_t *actions, bool *over)
{
	struct prune_done d;

	*answers = *actions = 0;
	do {
		assert_int_equal(store_begin(f->w, NULL), 0);
		assert_int_equal(store_prune_step(f->w, cut, &d, NULL), 0);
		assert_int_equal(store_commit(f->w, NULL), 0);
		*answers += d.answers;
		*actions += d.actions;
	} while (d.more);
	*over = d.over;
}

static int
see_pruned(const struct store_action *a, void *arg)
{
	*(int64_t *)arg = a->pruned;
	return (0);
}

/* add_action()'s end at second 100 */
static void
test_prune(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp = { add_agent(f, "a"), true };
	int64_t action = add_action(f, "x", &exp, 1), pruned = -1;
	struct prune_cut cut = {
		.now = 1000, .results_before = 100, .actions_before = 100
	};
	uint64_t answers, actions;
	struct id id = make_id("x");
	bool over;

	put_answer(f, action, exp.agent, 1, "first");
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers + actions, 0);
	/* what has not ended stays, whatever is asked for */
	cut.results_before = cut.actions_before = 5000;
	cut.now = 100;
	cut.bytes_max = 1;
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers + actions, 0);
	assert_true(over);
	/* answers first: the action keeps its counts */
	cut = (struct prune_cut){
		.now = 1000, .results_before = 101, .actions_before = 50
	};
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers, 1);
	assert_int_equal(actions, 0);
	assert_int_equal(store_answers_total(f->r), 0);
	assert_int_equal(counts(f, action, NULL).answered, 1);
	assert_int_equal(
	    store_action_get(f->r, &id, see_pruned, &pruned, NULL), 0);
	assert_int_equal(pruned, 1000000);
	/* neither the same answer nor another comes back */
	put_answer(f, action, exp.agent, 1, "first");
	put_answer(f, action, exp.agent, 1, "another");
	assert_int_equal(store_answers_total(f->r), 0);
	/* then the rest */
	cut.actions_before = 101;
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(actions, 1);
	assert_int_equal(store_actions_total(f->r), 0);
	/* one that comes now is of no use, and no error */
	put_answer(f, action, exp.agent, 1, "too late");
	assert_int_equal(store_answers_total(f->r), 0);
	assert_int_equal(store_prune(f->w, 1000, NULL), 0);
}

/* An action that ended at that second, with an answer of so many bytes. */
static int64_t
add_ended(struct fixture *f, int64_t end, int64_t agent, size_t bytes)
{
	struct store_action a = { .target = "all",
		.investigators = "[]",
		.expire_after = end,
		.envelope = (const uint8_t *)"env",
		.envelope_len = 3 };
	struct store_expect exp = { agent, true };
	char name[16], *text = calloc(1, bytes + 1);
	int64_t n;

	snprintf(name, sizeof(name), "end %d", (int)end);
	a.name = name;
	a.id = make_id(name);
	assert_int_equal(store_action_put(f->w, &a, &exp, 1, &n, NULL), 0);
	memset(text, 'x', bytes);
	assert_true(put_answer(f, n, agent, 1, text));
	free(text);
	return (n);
}

static uint64_t
used(struct fixture *f)
{
	struct store_size size;

	assert_int_equal(store_size(f->w, &size, NULL), 0);
	return (size.bytes - size.free);
}

static bool
is_kept(struct fixture *f, int64_t action)
{
	int status;
	struct store_counts c;

	return (store_action_counts(f->r, action, &status, &c, NULL) == 0);
}

/* For its size: answers before actions, those that ended first before others,
 * no more than needed; what an answer may come to keeps its counts. What is
 * due goes before all that. Counting beforehand says the same. */
static void
test_prune_for_size(void **state)
{
	enum { DAY = 86400, NOW = 100 * DAY, LARGE = 100000 };
	struct fixture *f = *state;
	int64_t agent = add_agent(f, "a"), n[8];
	struct prune_cut cut = { .now = NOW };
	struct prune_count count;
	uint64_t answers, actions;
	bool over;
	size_t i;
	struct err e;

	for (i = 0; i < 6; i++)
		n[i] =
		    add_ended(f, NOW - (20 - (int64_t)i) * DAY, agent, LARGE);
	n[6] = add_ended(f, NOW - 3600, agent, LARGE);
	n[7] = add_ended(f, NOW + 3600, agent, LARGE);

	/* room for two and a half */
	cut.bytes_max = used(f) - LARGE * 5 / 2;
	assert_int_equal(store_prune_count(f->r, &cut, &count, &e), 0);
	assert_int_equal(count.answers + count.actions, 0);
	assert_int_equal(count.early_answers, 3);
	assert_int_equal(count.early_actions, 0);
	assert_false(count.over);
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers, 3);
	assert_int_equal(actions, 0);
	assert_false(over);
	assert_int_equal(store_answers_total(f->r), 5);
	assert_int_equal(counts(f, n[0], NULL).answered, 1);

	/* what is due is enough: nothing goes early */
	cut.actions_before = NOW - 18 * DAY;
	cut.results_before = NOW - 16 * DAY;
	cut.bytes_max = used(f) - LARGE / 2;
	assert_int_equal(store_prune_count(f->r, &cut, &count, &e), 0);
	assert_int_equal(count.answers, 1);
	assert_int_equal(count.actions, 2);
	assert_int_equal(count.early_answers + count.early_actions, 0);
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers, 1);
	assert_int_equal(actions, 2);
	assert_false(is_kept(f, n[1]));
	assert_true(is_kept(f, n[2]));

	/* all that may go is not enough */
	cut.bytes_max = 1;
	assert_int_equal(store_prune_count(f->r, &cut, &count, &e), 0);
	assert_int_equal(count.answers + count.actions, 0);
	assert_int_equal(count.early_answers, 3);
	assert_int_equal(count.early_actions, 4);
	assert_true(count.over);
	prune_all(f, &cut, &answers, &actions, &over);
	assert_int_equal(answers, 3);
	assert_int_equal(actions, 4);
	assert_true(over);
	assert_false(is_kept(f, n[5]));
	assert_int_equal(counts(f, n[6], NULL).answered, 1);
	assert_int_equal(store_answers_total(f->r), 1);
	assert_int_equal(counts(f, n[7], NULL).answered, 1);
}

/* More than one step's worth of everything, and the file gets smaller. */
static void
test_prune_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct store_expect exp[1300];
	struct prune_cut cut = {
		.now = 1000, .results_before = 101, .actions_before = 101
	};
	struct store_size before, after;
	struct prune_done d;
	char name[16], text[4096];
	int64_t action;
	int i, steps = 0;
	struct err e;
	bool more;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(store_begin(f->w, NULL), 0);
	for (i = 0; i < 1300; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		exp[i].agent = add_agent(f, name);
		exp[i].sent = true;
	}
	action = add_action(f, "x", exp, 1300);
	for (i = 0; i < 1300; i++)
		put_answer(f, action, exp[i].agent, 1, text);
	assert_int_equal(store_commit(f->w, NULL), 0);
	assert_int_equal(store_size(f->w, &before, NULL), 0);
	do {
		assert_int_equal(store_begin(f->w, NULL), 0);
		assert_int_equal(store_prune_step(f->w, &cut, &d, NULL), 0);
		assert_int_equal(store_commit(f->w, NULL), 0);
		assert_true(d.answers <= 500);
		steps++;
	} while (d.more);
	assert_true(steps > 5);
	assert_int_equal(store_actions_total(f->r), 0);
	do {
		assert_int_equal(store_begin(f->w, NULL), 0);
		assert_int_equal(store_mark(f->w, NULL), 0);
		assert_int_equal(store_shrink(f->w, 256, &more, &e), 0);
		assert_int_equal(store_mark_end(f->w, true, &e), 0);
		assert_int_equal(store_commit(f->w, NULL), 0);
	} while (more);
	assert_int_equal(store_size(f->w, &after, NULL), 0);
	/* some unused pages stay for what comes */
	assert_true(after.bytes < before.bytes * 3 / 4);
	assert_int_equal(store_quick_check(f->w, &e), 0);
}

static int
is_offline(const struct store_agent *a, void *arg)
{
	*(bool *)arg = !a->online;
	return (0);
}

static void
test_revoked_stay_offline(void **state)
{
	struct fixture *f = *state;
	int64_t n = add_agent(f, "a");
	struct id id = make_id("a");
	struct store_agent a = { .n = n,
		.name = "a",
		.connection = 2,
		.os = "",
		.arch = "",
		.ident = "",
		.version = "",
		.mode = "",
		.environment = "",
		.tags = "",
		.addresses = "",
		.hello = (const uint8_t *)"h",
		.hello_len = 1 };
	bool offline = false;

	/* what was on its way when it was revoked */
	assert_int_equal(store_agent_revoke(f->w, &id, NULL), 0);
	assert_int_equal(store_agent_presence(f->w, n, true, 2, 5, NULL), 0);
	assert_int_equal(store_agent_hello(f->w, &a, NULL), 0);
	assert_int_equal(
	    store_agent_get(f->r, &id, is_offline, &offline, NULL), 0);
	assert_true(offline);
}

static int
count_event(int64_t cursor, const char *kind, const char *json, void *arg)
{
	++*(int64_t *)arg;
	return (0);
}

/* However many come before it is time to prune. */
static void
test_events_are_bounded(void **state)
{
	struct fixture *f = *state;
	int64_t n = 0;
	int i;

	assert_int_equal(store_begin(f->w, NULL), 0);
	for (i = 0; i < STORE_EVENTS_KEPT + 3500; i++)
		assert_int_equal(
		    store_event_put(f->w, 1, "agent", "{}", NULL), 0);
	assert_int_equal(store_commit(f->w, NULL), 0);
	assert_int_equal(
	    store_events(f->r, 0, INT32_MAX, count_event, &n, NULL), 0);
	assert_in_range(n, STORE_EVENTS_KEPT, STORE_EVENTS_KEPT + 1000);
	assert_int_equal(store_events_last(f->r), STORE_EVENTS_KEPT + 3500);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rollback_and_marks),
		T(test_events_are_bounded),
		T(test_reader_cannot_write),
		T(test_certificates),
		T(test_certificates_of_one_are_bounded),
		T(test_newer_schema_is_refused),
		T(test_policies),
		T(test_policy_steps),
		T(test_hello_and_presence),
		T(test_short_ids),
		T(test_action_is_there_once),
		T(test_answers_and_counts),
		T(test_different_answers_are_bounded),
		T(test_different_answers_are_found_at_once),
		T(test_late_agents_open_again),
		T(test_one_that_is_online_is_enough),
		T(test_prune),
		T(test_prune_in_pieces),
		T(test_prune_for_size),
		T(test_revoked_stay_offline),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
