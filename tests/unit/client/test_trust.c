/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/trust.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static unsigned int
see(struct trust *t, const struct id *id, const char *name)
{
	struct trust_sight s = { .id = id, .name = name, .connection = -1 };
	struct trust_other other;

	return trust_see(t, &s, &other);
}

static void
test_see(void **state)
{
	struct id a = id_of(1), b = id_of(2);
	struct trust_sight s = { .id = &b, .name = "web1", .connection = -1 };
	struct trust_other other;
	struct trust t;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(see(&t, &a, "web1"), TRUST_NEW);
	assert_int_equal(see(&t, &a, "web1"), 0);
	assert_int_equal(trust_see(&t, &s, &other), TRUST_NAME_TAKEN);
	assert_string_equal(other.id.s, id_short(&a).s);
	assert_string_equal(other.name, "");
	s.id = &a;
	s.name = "web2 with space";
	assert_int_equal(trust_see(&t, &s, &other), TRUST_RENAMED);
	assert_string_equal(other.name, "web1");
	assert_int_equal(trust_save(&t, NULL), 0);
	assert_int_equal(trust_save(&t, NULL), 0); /* nothing twice */
	trust_release(&t);

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.n, 2);
	assert_string_equal(trust_name(&t, &a), "web2 with space");
	assert_string_equal(trust_name(&t, &b), "web1");
	/* both stay marked, though the other one has left the name */
	assert_int_equal(see(&t, &a, "web2 with space"), TRUST_RENAMED);
	assert_int_equal(see(&t, &b, "web1"), TRUST_NAME_TAKEN);
	trust_release(&t);
	unlink(path);
}

static bool
is_id(const struct trust_entry *te, void *arg)
{
	return id_equal(&te->id, arg);
}

/* Another answer to one action that ran as well, wherever its record is. */
static void
test_twice(void **state)
{
	struct id a = id_of(1), head = id_of(9);
	struct trust_sight s = {
		.id = &a, .head = &head, .position = 5, .connection = -1
	};
	struct trust_other other;
	struct trust t;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(trust_see(&t, &s, &other), TRUST_NEW);
	s.position = 7;
	assert_int_equal(trust_see(&t, &s, &other), 0);
	s.twice = true;
	for (s.position = 6; s.position < 9; s.position++)
		assert_int_equal(trust_see(&t, &s, &other), TRUST_COPIED);
	s.twice = false;
	assert_int_equal(trust_see(&t, &s, &other), TRUST_COPIED);
	trust_release(&t);
}

/* Marks of names are there each time, until a person says so. */
static void
test_names(void **state)
{
	struct id a = id_of(1), b = id_of(2), c = id_of(3);
	struct trust_sight s = { .id = &c, .name = "web1", .connection = -1 };
	const unsigned int both = TRUST_RENAMED | TRUST_NAME_TAKEN;
	struct trust_other other;
	struct trust t;
	size_t n, i;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(see(&t, &a, "web1"), TRUST_NEW);
	assert_int_equal(see(&t, &b, "web1"), TRUST_NAME_TAKEN);
	assert_int_equal(see(&t, &c, "web3"), TRUST_NEW);
	/* who takes a name that way is marked for both, and both are named */
	assert_int_equal(trust_see(&t, &s, &other), both);
	assert_string_equal(other.name, "web3");
	assert_true(strcmp(other.id.s, id_short(&a).s) == 0 ||
	    strcmp(other.id.s, id_short(&b).s) == 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(trust_save(&t, NULL), 0);
		trust_release(&t);
		assert_int_equal(trust_load(&t, path, NULL), 0);
		assert_int_equal(see(&t, &a, "web1"), 0);
		assert_int_equal(see(&t, &b, "web1"), TRUST_NAME_TAKEN);
		assert_int_equal(trust_see(&t, &s, &other), both);
		assert_string_equal(other.name, "");
		assert_string_not_equal(other.id.s, "");
	}
	trust_release(&t);

	assert_int_equal(trust_accept(path, is_id, &a, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(trust_accept(path, is_id, &b, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.n, 3);
	assert_int_equal(see(&t, &b, "web1"), 0);
	assert_int_equal(trust_see(&t, &s, &other), both);
	/* what is about the record is not a matter of the name */
	trust_find(&t, &c)->sticky |= TRUST_COPIED;
	trust_find(&t, &c)->changed = true;
	assert_int_equal(trust_save(&t, NULL), 0);
	trust_release(&t);
	assert_int_equal(trust_accept(path, is_id, &c, &n, NULL), 0);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(trust_see(&t, &s, &other), TRUST_COPIED);
	trust_release(&t);

	/* who forgets instead sees it again, as the name is still another's */
	assert_int_equal(trust_remove(path, is_id, &c, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(trust_see(&t, &s, &other), TRUST_NAME_TAKEN);
	trust_release(&t);
	unlink(path);
}

/* Statements of one agent, one after the other. */
static void
test_record(void **state)
{
	enum { ANSWER = -1 };
	static const struct {
		const char *what;
		uint64_t position;
		uint8_t head;
		int64_t agent_s; /* from the first one's */
		int64_t connection;
		bool fresh; /* answers an action made in an hour */
		unsigned int want;
	} steps[] = {
		{ "first", 10, 1, 0, 5, false, TRUST_NEW },
		{ "again", 10, 1, 0, 5, false, 0 },
		{ "hello of before", 10, 1, -50, 4, false, TRUST_OLD },
		{ "further", 12, 2, 10, 5, false, 0 },
		{ "further, its clock set back", 13, 3, -900, 6, false, 0 },
		{ "old answer read again", 9, 9, -990, ANSWER, false, 0 },
		{ "old hello", 9, 9, -990, 3, false, TRUST_OLD },
		{ "answer behind the newest hello", 15, 6, -890, ANSWER, false,
		    0 },
		{ "the newest hello still", 13, 3, -900, 6, false, 0 },
		{ "a little behind its clock", 12, 2, -840, ANSWER, false, 0 },
		{ "certainly later, and less", 12, 2, -800, ANSWER, true,
		    TRUST_WENT_BACK },
		{ "sticks", 16, 4, -700, 7, false, TRUST_WENT_BACK },
		{ "later by its own clock", 13, 3, -600, ANSWER, false,
		    TRUST_WENT_BACK },
		{ "another head", 16, 5, -700, ANSWER, false,
		    TRUST_COPIED | TRUST_WENT_BACK },
	};
	const int64_t begin = INT64_C(1700000000);
	struct id a = id_of(1), head;
	struct trust_sight s = { .id = &a, .name = "web1", .head = &head };
	struct trust_other other;
	struct trust t;
	size_t i;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		head = id_of(steps[i].head);
		s.position = steps[i].position;
		s.agent_ms = (begin + steps[i].agent_s) * 1000;
		s.connection = steps[i].connection;
		s.asked_s = s.connection >= 0 ? 0
		    : steps[i].fresh          ? time(NULL) + 3600
					      : begin;
		if (trust_see(&t, &s, &other) != steps[i].want)
			fail_msg("%s", steps[i].what);
		/* it is the same after each in a new process */
		assert_int_equal(trust_save(&t, NULL), 0);
		trust_release(&t);
		assert_int_equal(trust_load(&t, path, NULL), 0);
		assert_int_equal(t.bad_line, 0);
	}
	assert_int_equal(t.n, 1);
	assert_int_equal(t.list[0].position, 16);
	assert_int_equal(t.list[0].connection, 7);
	assert_int_equal(t.list[0].sticky, TRUST_COPIED | TRUST_WENT_BACK);
	trust_release(&t);
	unlink(path);
}

/* A counter that goes back beside a record that grows. */
static void
test_counters(void **state)
{
	struct id a = id_of(1), head = id_of(7);
	struct trust_sight s = { .id = &a,
		.head = &head,
		.position = 5,
		.agent_ms = 1000000,
		.connection = 9,
		.row = "{}" };
	struct trust_other other;
	struct trust t;

	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(trust_see(&t, &s, &other), TRUST_NEW);
	s.position = 6;
	s.agent_ms += 1000;
	s.connection = 3;
	/* too near to tell which was first */
	assert_int_equal(trust_see(&t, &s, &other), 0);
	s.position = 7;
	s.agent_ms += 100000;
	assert_int_equal(trust_see(&t, &s, &other), TRUST_COPIED);
	assert_int_equal(trust_save(&t, NULL), 0);
	trust_release(&t);
	unlink(path);
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
	assert_int_equal(see(&t, &bad, "new"), TRUST_NEW);
	assert_int_equal(trust_save(&t, NULL), 0);
	trust_release(&t);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_string_equal(trust_name(&t, &bad), "new");
	trust_release(&t);
	unlink(path);
}

/* Whatever bit has changed: it is told, or one of the agents is warned of. */
static void
test_flips(void **state)
{
	struct id a = id_of(1), b = id_of(2);
	char text[512], bad[512];
	struct trust t;
	size_t len, bit, known;
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
		known = see(&t, &a, "web1") != TRUST_NEW;
		known += see(&t, &b, "web2") != TRUST_NEW;
		/* a lost end of line makes one name of two: warned of once */
		assert_true(t.bad_line > 0 || t.torn || known > 0);
		trust_release(&t);
	}
	unlink(path);
}

/* With a sum in each line every one is told. */
static void
test_sums(void **state)
{
	struct id a = id_of(1), head = id_of(9);
	struct trust_sight s = { .id = &a,
		.name = "web1",
		.head = &head,
		.position = 4,
		.connection = 2,
		.row = "{\"os\":\"linux\"}" };
	struct trust_import im;
	struct trust t = { 0 }, other = { 0 };
	struct trust_other ignored;
	struct buf line, bad;
	size_t bit;

	buf_init(&line, 4096);
	buf_init(&bad, 4096);
	assert_int_equal(trust_see(&t, &s, &ignored), TRUST_NEW);
	assert_int_equal(trust_line(&t.list[0], &line), 0);
	for (bit = 0; bit < line.len * 8; bit++) {
		buf_clear(&bad);
		buf_add(&bad, line.data, line.len);
		bad.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    trust_import(&other, bad.data, bad.len, &im, NULL), 0);
		assert_true(im.bad > 0);
		assert_int_equal(other.n, 0);
	}
	for (bit = 0; bit < line.len; bit++) { /* cut */
		assert_int_equal(
		    trust_import(&other, line.data, bit, &im, NULL), 0);
		assert_int_equal(other.n, 0);
	}
	assert_int_equal(
	    trust_import(&other, line.data, line.len, &im, NULL), 0);
	assert_int_equal(im.bad, 0);
	assert_int_equal(im.added, 1);
	assert_string_equal(other.list[0].row, s.row);
	trust_release(&t);
	trust_release(&other);
	buf_release(&line);
	buf_release(&bad);
}

/* Two clients at once, one of which makes the file small again. */
static void
test_two_clients(void **state)
{
	struct id head = id_of(9), who;
	struct trust_sight s = {
		.id = &who, .name = "x", .head = &head, .connection = 1
	};
	struct trust_other other;
	struct trust one, two;
	char row[7000], name[16];
	size_t i;

	memset(row, 'r', sizeof(row) - 1);
	row[sizeof(row) - 1] = '\0';
	s.row = row;
	s.name = name;
	assert_int_equal(trust_load(&two, path, NULL), 0);
	assert_int_equal(trust_load(&one, path, NULL), 0);
	for (i = 0; i < 300; i++) {
		who = id_of((uint8_t)(i % 20));
		snprintf(name, sizeof(name), "n%zu", i % 20);
		s.position = i;
		row[0] = (char)('a' + i % 7);
		(void)trust_see(&one, &s, &other);
		assert_int_equal(trust_save(&one, NULL), 0);
		if (i % 50 == 0) { /* the other one has its own news */
			who = id_of((uint8_t)(100 + i / 50));
			snprintf(name, sizeof(name), "m%zu", i);
			(void)trust_see(&two, &s, &other);
			assert_int_equal(trust_save(&two, NULL), 0);
		}
	}
	trust_release(&one);
	trust_release(&two);
	assert_int_equal(trust_load(&one, path, NULL), 0);
	assert_int_equal(one.n, 26);
	assert_int_equal(one.bad_line, 0);
	assert_true(one.bytes < 300 * sizeof(row) * 3 / 4);
	who = id_of(19);
	assert_int_equal(trust_find(&one, &who)->position, 299);
	who = id_of(105);
	assert_string_equal(trust_name(&one, &who), "m250");
	trust_release(&one);
	unlink(path);
}

/* A line that was damaged after it was read stays to be seen: the file is not
 * made small again without it. */
static void
test_damaged_since(void **state)
{
	struct id head = id_of(9), who = id_of(1);
	struct trust_sight s = {
		.id = &who, .name = "x", .head = &head, .connection = 1
	};
	struct trust t = { 0 };
	struct trust_other other;
	char row[7000];
	struct buf line;
	size_t i;
	FILE *f;

	memset(row, 'r', sizeof(row) - 1);
	row[sizeof(row) - 1] = '\0';
	s.row = row;
	(void)trust_see(&t, &s, &other);
	buf_init(&line, 2 * sizeof(row));
	assert_int_equal(trust_line(&t.list[0], &line), 0);
	trust_release(&t);
	assert_non_null(f = fopen(path, "w"));
	for (i = 0; i < 300; i++)
		assert_int_equal(fwrite(line.data, line.len, 1, f), 1);
	buf_release(&line);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.bad_line, 0);
	rewind(f);
	assert_int_equal(fputc('!', f), '!');
	assert_int_equal(fclose(f), 0);
	s.position = 1;
	(void)trust_see(&t, &s, &other);
	assert_int_equal(trust_save(&t, NULL), 0);
	assert_int_equal(t.bad_line, 1);
	trust_release(&t);
	assert_int_equal(trust_load(&t, path, NULL), 0);
	assert_int_equal(t.bad_line, 1);
	assert_int_equal(trust_find(&t, &who)->position, 1);
	trust_release(&t);
	unlink(path);
}

/* As many as there may be, and one more; names that hold the same place. */
static void
test_many(void **state)
{
	struct trust t = { 0 };
	struct id id = id_of(0);
	size_t n;
	uint32_t i;

	for (i = 0; i < TRUST_ENTRIES_MAX; i++) {
		memcpy(id.b + 8, &i, sizeof(i));
		memcpy(id.b, &i, i % 2 * sizeof(i));
		assert_int_equal(see(&t, &id, "the same name") & TRUST_NEW,
		    i == 0 ? TRUST_NEW : 0);
		if (i == 2000)
			i = TRUST_ENTRIES_MAX - 10;
	}
	n = t.n;
	t.n = TRUST_ENTRIES_MAX;
	memset(id.b, 0xff, sizeof(id.b));
	assert_int_equal(see(&t, &id, "full"), TRUST_NEW);
	assert_int_equal(see(&t, &id, "full"), TRUST_NEW);
	t.n = n;
	trust_release(&t);
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
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_two_clients),
		cmocka_unit_test(test_damaged_since),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
