/* SPDX-License-Identifier: MPL-2.0 */
/* Policies: one form of bytes, everything else refused. */
#include "action/policy.h"

#include "action/limits.h"
#include "action/refusal.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TIMES "issued 2026-11-23T03:44:11Z\nexpires 2027-11-23T03:44:11Z\n"
#define HEAD "mig-policy 3\nversion 1\nprevious " ZEROS "\n" TIMES
#define GOOD HEAD "keyring 3\nacl 2\nlimits 0\n\nkkk{}"

static void
test_good(void **state)
{
	struct policy p;
	struct buf out;
	struct err e;

	if (policy_parse(GOOD, sizeof(GOOD) - 1, &p, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(p.version, 1);
	assert_int_equal(p.expires - p.issued, 365 * 86400);
	assert_memory_equal(p.keyring, "kkk", p.keyring_len);
	assert_memory_equal(p.acl, "{}", p.acl_len);
	assert_int_equal(p.limits_len, 0);
	/* of "MIG policy v3\n185\n" and the text */
	assert_string_equal(id_hex(&p.hash).s,
	    "bcd58b1c52c734a5131256a6e7c606cf"
	    "d0c2672b93e029b8235e1bcfeff610bd");
	buf_init(&out, POLICY_MAX);
	assert_int_equal(policy_write(&p, &out, &e), 0);
	assert_int_equal(out.len, sizeof(GOOD) - 1);
	assert_memory_equal(out.data, GOOD, out.len);
	/* what it would not read it does not write */
	p.version = 2;
	buf_clear(&out);
	assert_int_equal(policy_write(&p, &out, &e), ERR_INVALID);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

/* What the second one names is SHA-256 of purpose, length and the first. */
static void
test_chain(void **state)
{
	static const char second[] =
	    "mig-policy 3\nversion 2\nprevious "
	    "bcd58b1c52c734a5131256a6e7c606cfd0c2672b93e029b8235e1bcfeff610bd"
	    "\n" TIMES "keyring 3\nacl 2\nlimits 2\n\nkkk{}{}";
	struct policy p, first;

	assert_int_equal(policy_parse(GOOD, sizeof(GOOD) - 1, &first, NULL), 0);
	assert_int_equal(policy_parse(second, sizeof(second) - 1, &p, NULL), 0);
	assert_true(id_equal(&p.previous, &first.hash));
	assert_string_equal(id_hex(&p.hash).s,
	    "5cad8c1cb99f7f940669c21172354e2c"
	    "2ceb044660a7cc2aa91f5626cfb8141f");
}

static void
test_bad(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "line 1" },
		{ "mig-policy 2\n", "line 1" },
		{ "mig-policy 3", "line 1" },
		{ "mig-policy 3\nversion 0\n", "line 2" },
		{ "mig-policy 3\nversion 01\n", "line 2" },
		{ "mig-policy 3\nversion -1\n", "line 2" },
		{ "mig-policy 3\nversion 1 \n", "line 2" },
		{ "mig-policy 3\nversion  1\n", "line 2" },
		{ "mig-policy 3\r\nversion 1\n", "line 1" },
		{ "mig-policy 3\nversion 99999999999999999999\n", "line 2" },
		{ "mig-policy 3\nprevious " ZEROS "\n", "line 2" },
		{ "mig-policy 3\nversion 1\nprevious 00\n", "line 3" },
		{ "mig-policy 3\nversion 2\nprevious " ZEROS "\n" TIMES,
		    "previous is zeros" },
		{ "mig-policy 3\nversion 1\nprevious " ONES "\n" TIMES,
		    "previous is zeros" },
		{ "mig-policy 3\nversion 1\nprevious " ZEROS
		  "\nissued 2026-11-23T03:44:11+00:00\n",
		    "line 4" },
		{ "mig-policy 3\nversion 1\nprevious " ZEROS
		  "\nissued 2027-11-23T03:44:11Z\nexpires "
		  "2026-11-23T03:44:11Z\n",
		    "before it is issued" },
		{ HEAD "keyring 3\nacl 2\nlimits 0\n\nkkk{", "announces 5" },
		{ HEAD "keyring 3\nacl 2\nlimits 0\n\nkkk{}x", "announces 5" },
		{ HEAD "keyring 3\nacl 2\nlimits 0\nkkk{}", "line 9" },
		{ HEAD "keyring 9999999999\nacl 2\nlimits 0\n\n", "line 6" },
		{ HEAD "keyring 8388608\nacl 8388608\nlimits 8388608\n\n",
		    "announces" },
		{ HEAD "acl 2\nkeyring 3\nlimits 0\n\nkkk{}", "line 6" },
		{ HEAD "keyring 3\nkeyring 3\nacl 2\nlimits 0\n\nkkk{}",
		    "line 7" },
	};
	struct policy p;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		if (policy_parse(rows[i].in, strlen(rows[i].in), &p, &e) !=
			ERR_INVALID ||
		    strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%zu: %s", i, e.msg);
	}
	assert_int_equal(policy_parse("", POLICY_MAX + 1, &p, &e), ERR_TOOBIG);
}

/* Any flipped bit is refused or gives another hash. */
static void
test_mutations(void **state)
{
	char text[] = GOOD;
	struct policy good, p;
	size_t i, bit;

	assert_int_equal(policy_parse(GOOD, sizeof(GOOD) - 1, &good, NULL), 0);
	for (i = 0; i < sizeof(GOOD) - 1; i++) {
		for (bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ (1 << bit));
			if (policy_parse(text, sizeof(GOOD) - 1, &p, NULL) == 0)
				assert_false(id_equal(&p.hash, &good.hash));
			text[i] = (char)(text[i] ^ (1 << bit));
		}
		assert_int_not_equal(policy_parse(GOOD, i, &p, NULL), 0);
	}
}

static void
test_narrow(void **state)
{
	struct action_limits a = {
		.seconds = 10, .cpu_seconds = 1000, .read_bytes = 5
	};
	struct policy_limits l;

	policy_limits_default(&l);
	assert_int_equal(l.max_validity, 7 * 86400);
	policy_limits_narrow(&l, &a);
	assert_int_equal(l.seconds, 10);
	assert_int_equal(l.cpu_seconds, 120); /* the agent's own wins */
	assert_int_equal(l.read_bytes, 5);    /* unlimited until stated */
	assert_int_equal(l.result_bytes, 8 * 1024 * 1024);
	assert_int_equal(l.cpu_percent, 0); /* as the agent's owner says */
	a.cpu_percent = 30;
	policy_limits_narrow(&l, &a);
	assert_int_equal(l.cpu_percent, 30);
	a.cpu_percent = 60;
	policy_limits_narrow(&l, &a);
	assert_int_equal(l.cpu_percent, 30);
}

static void
test_refusals(void **state)
{
	assert_string_equal(
	    refusal_text(REFUSAL_NOT_TARGETED), "this agent is not targeted");
	assert_string_equal(refusal_text(0), "not refused");
	assert_string_equal(refusal_text(9999), "unknown reason");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
