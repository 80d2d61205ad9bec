/* SPDX-License-Identifier: MPL-2.0 */
/* The chain's rules: one step at a time, by enough weight, and never one after
 * which nobody could take another. */
#include "action/policy_step.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B40 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C40 "cccccccccccccccccccccccccccccccccccccccc"
#define NOW 1000000
#define Z16 "0000000000000000"
#define Z64 Z16 Z16 Z16 Z16

#define PERSON(f, w) "\"" f "\":{\"fingerprint\":\"" f "\",\"weight\":" w "}"
#define ENTRY(name, min, persons)                                             \
	"\"" name "\":{\"minimumweight\":" min ",\"investigators\":{" persons \
	"}}"
#define KEY(f, created, expires) \
	"key " f " ed25519 " created " " expires " 00\n"
#define RING                                                  \
	"mig-keyring 3\nperson " A40 " Alice\n" KEY(A40, "1", \
	    "0") "# comment\n\nperson " B40 " Bob\n" KEY(B40, "1", "0")
#define BOTH PERSON(A40, "1") "," PERSON(B40, "1")
#define ACL "{" ENTRY("default", "1", BOTH) "," ENTRY("policy", "2", BOTH) "}"

static struct policy
policy_of(uint64_t version, const char *keyring, const char *acl)
{
	struct policy p = { .version = version, .issued = 1, .expires = NOW };

	p.keyring = (const uint8_t *)keyring;
	p.keyring_len = strlen(keyring);
	p.acl = (const uint8_t *)acl;
	p.acl_len = strlen(acl);
	p.hash.b[0] = (uint8_t)version;
	p.previous.b[0] = (uint8_t)(version - 1);
	return p;
}

static struct signer
signer_of(uint8_t who, enum sig_verdict verdict)
{
	struct signer s = { .verdict = verdict };

	memset(s.person, who, sizeof(s.person));
	memset(s.key, who, sizeof(s.key));
	return s;
}

static void
test_steps(void **state)
{
	static const struct {
		const char *name;
		uint64_t version;
		uint8_t previous;
		size_t nsigners;
		enum policy_refusal want;
	} rows[] = {
		{ "the next", 4, 3, 2, POLICY_TAKEN },
		{ "the same", 3, 3, 2, POLICY_OLDER },
		{ "an older one", 2, 1, 2, POLICY_OLDER },
		{ "the first", 1, 0, 2, POLICY_OLDER },
		{ "one skipped", 5, 3, 2, POLICY_SKIPS },
		{ "the last of all", UINT64_MAX, 3, 2, POLICY_SKIPS },
		{ "a foreign one", 4, 9, 2, POLICY_FOREIGN },
		{ "by one", 4, 3, 1, POLICY_WEIGHT },
		{ "by nobody", 4, 3, 0, POLICY_WEIGHT },
	};
	struct signer signers[2] = { signer_of(0xaa, SIG_GOOD),
		signer_of(0xbb, SIG_GOOD) };
	struct policy was = policy_of(3, RING, ACL), next;
	enum policy_refusal reason;
	struct acl *acl;
	struct err e;
	size_t i;
	int rc;

	assert_int_equal(acl_parse(ACL, strlen(ACL), &acl, NULL), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		next = policy_of(4, RING, ACL);
		next.version = rows[i].version;
		next.previous.b[0] = rows[i].previous;
		err_clear(&e);
		rc = policy_step(&was, acl, &next, signers, rows[i].nsigners,
		    NOW, &reason, &e);
		if (reason != rows[i].want ||
		    (rc == 0) != (reason == POLICY_TAKEN))
			fail_msg("%s: %d %d %s", rows[i].name, rc, (int)reason,
			    e.msg);
	}
	/* who is not good does not count, nor does a person twice */
	next = policy_of(4, RING, ACL);
	signers[1] = signer_of(0xbb, SIG_BAD);
	policy_step(&was, acl, &next, signers, 2, NOW, &reason, NULL);
	assert_int_equal(reason, POLICY_WEIGHT);
	signers[1] = signer_of(0xaa, SIG_GOOD);
	policy_step(&was, acl, &next, signers, 2, NOW, &reason, NULL);
	assert_int_equal(reason, POLICY_WEIGHT);
	acl_free(acl);
}

/* "default" gives nobody the right to change it. */
static void
test_no_default(void **state)
{
	static const char only[] = "{" ENTRY("default", "1", BOTH) "}";
	struct policy was = policy_of(3, RING, only);
	struct policy next = policy_of(4, RING, ACL);
	struct signer s = signer_of(0xaa, SIG_GOOD);
	enum policy_refusal reason;
	struct acl *acl;

	assert_int_equal(acl_parse(only, strlen(only), &acl, NULL), 0);
	assert_int_equal(
	    policy_step(&was, acl, &next, &s, 1, NOW, &reason, NULL),
	    ERR_DENIED);
	assert_int_equal(reason, POLICY_WEIGHT);
	acl_free(acl);
}

static void
test_lock_out(void **state)
{
	static const struct {
		const char *name, *keyring, *acl;
		enum policy_refusal want;
	} rows[] = {
		{ "both", RING, ACL, POLICY_TAKEN },
		{ "no entry", RING, "{" ENTRY("default", "1", BOTH) "}",
		    POLICY_LOCKS_OUT },
		{ "too heavy", RING, "{" ENTRY("policy", "3", BOTH) "}",
		    POLICY_LOCKS_OUT },
		{ "nobody", RING, "{" ENTRY("policy", "1", "") "}",
		    POLICY_LOCKS_OUT },
		{ "not in the keyring", RING,
		    "{" ENTRY("policy", "1", PERSON(C40, "5")) "}",
		    POLICY_LOCKS_OUT },
		{ "one of two is there",
		    "mig-keyring 3\nperson " A40 " Alice\n" KEY(A40, "1", "0"),
		    ACL, POLICY_LOCKS_OUT },
		{ "a key has expired",
		    "mig-keyring 3\nperson " A40 " A\n" KEY(A40, "1",
			"0") "person " B40 " B\n" KEY(B40, "1", "1000000"),
		    ACL, POLICY_LOCKS_OUT },
		{ "but another has not",
		    "mig-keyring 3\nperson " A40
		    " A\n" KEY(A40, "1", "0") "person " B40 " B\n" KEY(
			B40, "1", "1000000") KEY(C40, "2", "1000001"),
		    ACL, POLICY_TAKEN },
		{ "one is not valid yet",
		    "mig-keyring 3\nperson " A40 " A\n" KEY(A40, "1",
			"0") "person " B40 " B\n" KEY(B40, "1000001", "0"),
		    ACL, POLICY_LOCKS_OUT },
		/* to keyring_parse(), which reads all of them, it has ended */
		{ "an end of many digits",
		    "mig-keyring 3\nperson " A40 " A\n" KEY(A40, "1",
			"0") "person " B40 " B\n" KEY(B40, "1", Z64 "1000000"),
		    ACL, POLICY_MALFORMED },
		{ "empty keyring", "mig-keyring 3\n", ACL, POLICY_LOCKS_OUT },
		{ "no keyring", "", ACL, POLICY_MALFORMED },
		{ "no times",
		    "mig-keyring 3\nperson " A40 " A\nkey " A40 " ed25519\n",
		    ACL, POLICY_MALFORMED },
		{ "no person", "mig-keyring 3\n" KEY(A40, "1", "0"), ACL,
		    POLICY_MALFORMED },
		{ "no acl", RING, "{}", POLICY_MALFORMED },
	};
	enum policy_refusal reason;
	struct policy p;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = policy_of(2, rows[i].keyring, rows[i].acl);
		err_clear(&e);
		reason = POLICY_TAKEN;
		rc = policy_check(&p, NOW, &reason, &e);
		if ((rc == 0) != (rows[i].want == POLICY_TAKEN) ||
		    (rc != 0 && reason != rows[i].want))
			fail_msg("%s: %d %d %s", rows[i].name, rc, (int)reason,
			    e.msg);
	}
}

/* No document has more signatures than SIGS_MAX: more people are no help. */
static void
test_as_many_as_sign(void **state)
{
	char ring[8192] = "mig-keyring 3\n", acl[8192] = "", one[256];
	enum policy_refusal reason;
	struct policy p;
	int i, minimum;

	for (i = 0; i < SIGS_MAX + 1; i++) {
		snprintf(one, sizeof(one),
		    "person %040x P\nkey %040x a 1 0 x\n", (unsigned int)i + 1,
		    (unsigned int)i + 1);
		strcat(ring, one);
		snprintf(one, sizeof(one),
		    "%s\"p%d\":{\"fingerprint\":\"%040x\",\"weight\":1}",
		    i == 0 ? "" : ",", i, (unsigned int)i + 1);
		strcat(acl, one);
	}
	for (minimum = SIGS_MAX; minimum <= SIGS_MAX + 1; minimum++) {
		char text[9000];

		snprintf(text, sizeof(text),
		    "{\"policy\":{\"minimumweight\":%d,\"investigators\":{%s}}"
		    "}",
		    minimum, acl);
		p = policy_of(2, ring, text);
		assert_int_equal(policy_check(&p, NOW, &reason, NULL),
		    minimum == SIGS_MAX ? 0 : ERR_DENIED);
	}
}

static void
test_end(void **state)
{
	struct policy p = policy_of(2, RING, ACL);

	assert_int_equal(policy_is_fresh(&p, NOW - 1, NULL), 0);
	assert_int_equal(policy_is_fresh(&p, NOW, NULL), ERR_EXPIRED);
	assert_string_equal(policy_refusal_text(4000), "unknown reason");
	assert_string_equal(policy_refusal_text(POLICY_TAKEN), "taken");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_no_default),
		cmocka_unit_test(test_lock_out),
		cmocka_unit_test(test_as_many_as_sign),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
