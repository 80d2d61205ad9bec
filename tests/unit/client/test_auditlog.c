/* SPDX-License-Identifier: MPL-2.0 */
/* The audit log as the client believes it: honest, then in every way not. */
#include "client/trust/auditlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 6

struct line {
	const char *type;
	struct audit_head head;
	char text[64];
};

/* An honest log: start, N entries, end. */
static size_t
make(struct line *l)
{
	struct audit_head h = { 0 };
	size_t i, n = 0;

	l[n++] = (struct line){ "start", h, "" };
	for (i = 0; i < N; i++) {
		l[n].type = "entry";
		snprintf(l[n].text, sizeof(l[n].text),
		    "{'what': 'thing %zu', 'name': '\xc3\xbc'}", i);
		audit_next(&h, l[n].text, strlen(l[n].text));
		l[n++].head = h;
	}
	l[n++] = (struct line){ "end", h, "" };
	return (n);
}

static int
feed(struct auditlog *log, const struct line *l)
{
	bool entry = strcmp(l->type, "entry") == 0;
	char text[512];

	snprintf(text, sizeof(text),
	    "{\"type\": \"%s\", \"n\": %llu, \"chain\": \"%s\"%s%s%s}", l->type,
	    (unsigned long long)l->head.n, id_hex(&l->head.chain).s,
	    entry ? ", \"text\": \"" : "", entry ? l->text : "",
	    entry ? "\"" : "");
	return (auditlog_line(text, strlen(text), log));
}

/* The first thing that is wrong, or 0. */
static int
run(struct auditlog *log, const struct line *l, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++)
		r = feed(log, &l[i]);
	return (r == 0 ? auditlog_end(log) : r);
}

static int
count(const struct audit_head *head, const char *text, size_t len, void *arg)
{
	size_t *n = arg;

	assert_int_equal(head->n, ++*n);
	assert_true(len > 10);
	return (0);
}

static void
test_honest(void **state)
{
	struct line l[N + 2];
	size_t n = make(l), seen = 0, i;

	for (i = 0; i <= N; i++) {
		struct auditlog log = { .on_entry = count, .arg = &seen };

		seen = 0;
		/* whatever entry was the newest the last time */
		if (i > 0)
			log.known = l[i].head;
		assert_int_equal(run(&log, l, n), 0);
		assert_int_equal(seen, N);
		assert_true(auditlog_reached_known(&log));
	}
}

/* The same log after its oldest entries were removed. */
static void
test_removed(void **state)
{
	struct auditlog one = { 0 }, two = { 0 }, three = { 0 };
	struct line l[N + 2];
	size_t n = make(l);

	l[2].type = "start";
	one.known = l[4].head;
	assert_int_equal(run(&one, l + 2, n - 2), 0);
	assert_true(auditlog_reached_known(&one));
	two.known = l[2].head; /* just the floor */
	assert_int_equal(run(&two, l + 2, n - 2), 0);
	assert_true(auditlog_reached_known(&two));
	three.known = l[1].head;
	assert_int_equal(run(&three, l + 2, n - 2), 0);
	assert_false(auditlog_reached_known(&three));
}

static void
test_tampered(void **state)
{
	struct line l[N + 2];
	size_t n, i;

	for (i = 1; i <= N; i++) {
		struct auditlog text = { 0 }, chain = { 0 }, gone = { 0 };

		n = make(l);
		l[i].text[10] ^= 1;
		assert_int_equal(run(&text, l, n), ERR_AUTH);
		assert_non_null(strstr(text.err.msg, "changed"));
		make(l);
		l[i].head.chain.b[31] ^= 1;
		assert_int_equal(run(&chain, l, n), ERR_AUTH);
		make(l);
		memmove(l + i, l + i + 1, (n - i - 1) * sizeof(l[0]));
		assert_int_equal(run(&gone, l, n - 1), ERR_AUTH);
	}
}

/* Cut, or written anew: right in itself, and not what was seen. */
static void
test_rewritten(void **state)
{
	struct auditlog cut = { 0 }, anew = { 0 };
	struct audit_head h = { 0 }, known;
	struct line l[N + 2];
	size_t n = make(l), i;

	known = l[5].head;
	cut.known = anew.known = known;
	l[4] = (struct line){ "end", l[3].head, "" };
	assert_int_equal(run(&cut, l, 5), ERR_AUTH);
	assert_non_null(strstr(cut.err.msg, "was cut"));
	make(l);
	l[2].text[10] ^= 1;
	for (i = 1; i <= N; i++) {
		audit_next(&h, l[i].text, strlen(l[i].text));
		l[i].head = h;
	}
	l[n - 1].head = h;
	assert_int_equal(run(&anew, l, n), ERR_AUTH);
	assert_non_null(strstr(anew.err.msg, "rewritten"));
	/* with nothing remembered nobody can know */
	anew = (struct auditlog){ 0 };
	assert_int_equal(run(&anew, l, n), 0);
}

static void
test_out_of_order(void **state)
{
	struct auditlog a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };
	struct line l[N + 2];
	size_t n = make(l);

	assert_int_equal(run(&a, l + 1, n - 1), ERR_INVALID); /* no start */
	assert_int_equal(run(&b, l, n - 1), ERR_INVALID);     /* no end */
	assert_int_equal(feed(&c, &l[0]), 0);
	assert_int_equal(feed(&c, &l[0]), ERR_INVALID);
	assert_int_equal(run(&d, l, n), 0);
	assert_int_equal(feed(&d, &l[n - 1]), ERR_INVALID);
	assert_int_equal(feed(&d, &l[1]), ERR_INVALID);
	assert_int_equal(auditlog_line("{}", 2, &e), ERR_INVALID);
	assert_int_equal(auditlog_line("x", 1, &e), ERR_INVALID);
}

static void
test_remembered(void **state)
{
	static const char zeros[] = "0000000000000000000000000000000000000000"
				    "000000000000000000000000";
	char good[128], bad[128];
	struct audit_head h;
	size_t i, len;

	len = (size_t)snprintf(good, sizeof(good), "42 %s\n", zeros);
	assert_int_equal(auditlog_head_parse(good, len, &h), 0);
	assert_int_equal(h.n, 42);
	for (i = 0; i < len; i++) {
		assert_int_equal(auditlog_head_parse(good, i, &h), ERR_INVALID);
		memcpy(bad, good, sizeof(bad));
		bad[i] = '\0';
		assert_int_equal(
		    auditlog_head_parse(bad, len, &h), ERR_INVALID);
	}
	assert_int_equal(auditlog_head_parse("0 x\n", 4, &h), ERR_INVALID);
}

static void
test_remembered_flips(void **state)
{
	char text[AUDITLOG_HEAD_MAX];
	struct audit_head was = { .n = 1234 }, h;
	size_t bit, len;

	memset(was.chain.b, 0xa5, sizeof(was.chain.b));
	len = auditlog_head_write(&was, text);
	assert_int_equal(len, strlen(text));
	assert_int_equal(auditlog_head_parse(text, len, &h), 0);
	assert_int_equal(h.n, was.n);
	assert_true(id_equal(&h.chain, &was.chain));
	for (bit = 0; bit < len * 8; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
		assert_int_equal(
		    auditlog_head_parse(text, len, &h), ERR_INVALID);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
	}
	while (len-- > 0)
		assert_int_equal(
		    auditlog_head_parse(text, len, &h), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_remembered_flips),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
