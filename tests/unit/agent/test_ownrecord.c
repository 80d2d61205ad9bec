/* SPDX-License-Identifier: MPL-2.0 */
/* Entries of the own record: written to a real file, read back, cut. */
#include "agent/store/ownrecord.h"

#include "../known.h"
#include "base/err.h"
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct got {
	size_t n;
	struct own_asked asked;
	struct own_answered answered;
	struct own_policy policy;
	struct own_cancelled cancelled;
	char note[NOTE_MAX];
};

static int
on_entry(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	struct own_answered answered;
	struct own_policy policy;
	struct own_asked asked;
	struct own_cancelled cancelled;
	struct got *g = arg;
	char note[NOTE_MAX];
	int64_t ms;
	size_t cut;

	g->n++;
	for (cut = 0; cut < len; cut++) {
		if (type != OWN_CANCELLED)
			assert_int_not_equal(
			    own_asked_parse(data, cut, &asked), 0);
		if (type == OWN_ANSWERED)
			assert_int_not_equal(
			    own_answered_parse(data, cut, &answered), 0);
		if (type == OWN_POLICY)
			assert_int_not_equal(
			    own_policy_parse(data, cut, &policy), 0);
		if (type == OWN_CANCELLED)
			assert_int_not_equal(
			    own_cancelled_parse(data, cut, &cancelled), 0);
		if (type == OWN_NOTE)
			assert_int_not_equal(
			    own_note_parse(data, cut, &ms, note), 0);
	}
	if (type == OWN_ASKED)
		return own_asked_parse(data, len, &g->asked);
	if (type == OWN_ANSWERED)
		return own_answered_parse(data, len, &g->answered);
	if (type == OWN_POLICY)
		return own_policy_parse(data, len, &g->policy);
	if (type == OWN_CANCELLED)
		return own_cancelled_parse(data, len, &g->cancelled);
	return own_note_parse(data, len, &ms, g->note);
}

static void
there_and_back(void **state)
{
	char path[] = "/tmp/test-ownrecord-XXXXXX";
	struct own_answered ans = { .time_ms = 5,
		.status = 1,
		.done = 2,
		.plain_len = 100,
		.sealed_len = 1200 };
	struct own_policy policy = { .time_ms = 7,
		.version = 3,
		.was = 2,
		.reason = 8,
		.nsigners = 1,
		.detail = "nobody" };
	struct cancelled c = { .by = { .n = 2 }, .text = "cancelled by A" };
	struct judge_verdict v;
	struct verify_verdict by;
	struct record *r = NULL;
	struct got g;
	int fd = mkstemp(path);

	close(fd);
	unlink(path);
	memset(&v, 0, sizeof(v));
	memset(&by, 0, sizeof(by));
	memset(&g, 0, sizeof(g));
	v.noperations = 2;
	v.modules[1] = 1;
	memcpy(v.name, "question", 9);
	memcpy(v.target, "all", 4);
	by.n = 2;
	by.signers[0].verdict = SIG_BAD;
	by.signers[1].verdict = SIG_GOOD;
	by.signers[1].person[0] = 0xaa;
	assert_int_equal(record_open(path, NULL, NULL, &r, NULL), 0);
	assert_int_equal(own_add_asked(r, &v, &by, 4, NULL), 0);
	assert_int_equal(own_add_answered(r, &ans, NULL), 0);
	assert_int_equal(own_add_note(r, 6, "a note", NULL), 0);
	policy.persons[0][3] = 0xbb;
	assert_int_equal(own_add_policy(r, &policy, NULL), 0);
	assert_int_equal(own_add_cancelled(r, &c, true, 7, NULL), 0);
	record_free(r);
	assert_int_equal(record_scan(path, on_entry, &g, NULL), 0);
	assert_int_equal(g.n, 5);
	assert_memory_equal(&g.policy, &policy, sizeof(policy));
	assert_true(g.cancelled.open);
	assert_int_equal(g.cancelled.time_ms, 7);
	assert_int_equal(g.cancelled.by.n, 2);
	assert_string_equal(g.cancelled.text, "cancelled by A");
	assert_string_equal(g.asked.name, "question");
	assert_int_equal(g.asked.nsigners, 1);
	assert_int_equal(g.asked.persons[0][0], 0xaa);
	assert_int_equal(g.asked.noperations, 2);
	assert_int_equal(g.asked.modules[1], 1);
	assert_int_equal(g.answered.sealed_len, 1200);
	assert_string_equal(g.note, "a note");
	unlink(path);
}

static int
entry_known(uint64_t position, uint16_t type, const uint8_t *data, size_t len,
    void *arg)
{
	const char *const *want = arg;
	char is[2 * KNOWN_MAX + 16];

	snprintf(is, sizeof(is), "%02x %s", type, hex_of(data, len));
	assert_non_null(want[position - 1]);
	assert_string_equal(is, want[position - 1]);
	return 0;
}

/* Written by hand from ownrecord.h: a record is never rewritten, and read for
 * years by whatever version there is. */
static void
entries_known(void **state)
{
#define MS "0000018bcfe5687b"
#define PERSON X8("0303") "03030303"
#define PERSON_KEY X8("0404") "04040404"
	static const char *const want[] = {
		"01 " MS X32("01") "000401" PERSON PERSON_KEY
				   "0200030001000000006553f100000000006553f4e8"
				   "000000017100000003616c6c00000000",
		"02 " MS X32("02") "0300130001000200000000000000640000"
				   "04b0",
		"03 " MS "000000026869",
		"04 " MS X32("05") "000000000000000300000000000000020008"
				   "01" PERSON PERSON_KEY "000000026e6f",
		"05 " MS X32("06") "0101" PERSON "000000026279",
		NULL,
	};
	char path[] = "/tmp/test-ownrecord-XXXXXX";
	const int64_t ms = 1700000000123;
	struct judge_verdict v = { .reason = 4,
		.noperations = 2,
		.modules = { 3, 1 },
		.valid_from = 1700000000,
		.expire_after = 1700001000,
		.name = "q",
		.target = "all" };
	struct own_answered ans = { .time_ms = ms,
		.status = 3,
		.reason = 19,
		.done = 1,
		.failed = 2,
		.plain_len = 100,
		.sealed_len = 1200 };
	struct own_policy policy = { .time_ms = ms,
		.version = 3,
		.was = 2,
		.reason = 8,
		.nsigners = 1,
		.detail = "no" };
	struct cancelled c = { .by = { .n = 1 }, .text = "by" };
	struct verify_verdict by = { .n = 2 };
	struct record_found found;
	struct record *r = NULL;
	int fd = mkstemp(path);

	close(fd);
	unlink(path);
	memset(v.id.b, 1, ID_LEN);
	memset(ans.id.b, 2, ID_LEN);
	memset(policy.hash.b, 5, ID_LEN);
	memset(c.action.b, 6, ID_LEN);
	by.signers[0].verdict = SIG_BAD;
	memset(by.signers[1].person, 3, PGP_FPR_LEN);
	memset(by.signers[1].key, 4, PGP_FPR_LEN);
	memset(policy.persons[0], 3, PGP_FPR_LEN);
	memset(policy.keys[0], 4, PGP_FPR_LEN);
	memset(c.by.persons[0], 3, PGP_FPR_LEN);
	assert_int_equal(record_open(path, NULL, NULL, &r, NULL), 0);
	assert_int_equal(own_add_asked(r, &v, &by, ms, NULL), 0);
	assert_int_equal(own_add_answered(r, &ans, NULL), 0);
	assert_int_equal(own_add_note(r, ms, "hi", NULL), 0);
	assert_int_equal(own_add_policy(r, &policy, NULL), 0);
	assert_int_equal(own_add_cancelled(r, &c, true, ms, NULL), 0);
	record_free(r);
	assert_int_equal(record_verify(path, entry_known, NULL,
			     (void *)(uintptr_t)want, &found, NULL),
	    0);
	assert_int_equal(found.position, sizeof(want) / sizeof(want[0]) - 1);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(entries_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
