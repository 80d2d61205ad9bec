/* SPDX-License-Identifier: MPL-2.0 */
/* ACLs and limits: who may ask what, and every wrong file. */
#include "action/acl.h"

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
#define B40 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define NOW 1000000000 /* 2001-09-09T01:46:40Z */
#define PERSON(l, f, w) "\"" l "\":{\"fingerprint\":\"" f "\",\"weight\":" w "}"
#define ENTRY(name, min, persons)                                             \
	"\"" name "\":{\"minimumweight\":" min ",\"investigators\":{" persons \
	"}}"

static void
test_parse(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: good */
	} rows[] = {
		{ "{" ENTRY("default", "1", PERSON("a", A40, "1")) "}", NULL },
		{ "{" ENTRY("file", "2", "") "}", NULL },
		{ "{" ENTRY("f", "1000",
		      PERSON("a", A40, "1000") "," PERSON("b", B40, "1")) "}",
		    NULL },
		{ "{}", "0 entries" },
		{ "[]", "expected an object" },
		{ "", "empty" },
		{ "{" ENTRY("default", "0", "") "}", "minimumweight: 0" },
		{ "{" ENTRY("default", "1001", "") "}", "minimumweight" },
		{ "{" ENTRY("default", "1.5", "") "}", "whole number" },
		{ "{" ENTRY("default", "\"1\"", "") "}", "whole number" },
		{ "{" ENTRY("default", "1", PERSON("a", A40, "0")) "}",
		    "default.investigators.a.weight: 0" },
		{ "{" ENTRY("default", "1", PERSON("a", A40, "-5")) "}",
		    "weight: -5" },
		{ "{" ENTRY("default", "1", PERSON("a", A40, "1001")) "}",
		    "weight: 1001" },
		{ "{" ENTRY("default", "1", PERSON("a", "aa", "1")) "}",
		    "40 hex" },
		{ "{" ENTRY("default", "1", PERSON("a", A40 "a", "1")) "}",
		    "40 hex" },
		{ "{" ENTRY("default", "1", PERSON("", A40, "1")) "}",
		    "a label" },
		{ "{" ENTRY("default", "1",
		      PERSON("a", B40, "1") "," PERSON("b",
			  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "1")) "}",
		    "under two labels" },
		{ "{" ENTRY("default", "1",
		      PERSON("a", A40, "1") "," PERSON("a", B40, "1")) "}",
		    "duplicate" },
		{ "{" ENTRY("file", "1", "") "," ENTRY("file", "2", "") "}",
		    "duplicate" },
		{ "{" ENTRY("File", "1", "") "}", "an entry is named" },
		{ "{" ENTRY("", "1", "") "}", "an entry is named" },
		{ "{\"default\":{\"minimumWeight\":1,\"investigators\":{}}}",
		    "did you mean \"minimumweight\"" },
		{ "{\"default\":{\"investigators\":{}}}", "missing" },
		{ "{\"default\":{\"minimumweight\":1}}", "missing" },
		{ "{\"default\":1}", "expected an object" },
		{ "{\"default\":{\"minimumweight\":1,\"investigators\":[]}}",
		    "expected an object" },
	};
	struct acl *a;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		a = NULL;
		rc = acl_parse(rows[i].in, strlen(rows[i].in), &a, &e);
		if ((rc == 0) != (rows[i].want == NULL) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].in, rc, e.msg);
		acl_free(a);
	}
}

#define THE_ACL                                                                \
	"{" ENTRY("default", "2",                                              \
	    PERSON("a", A40, "1") "," PERSON("b", B40, "2")) "," ENTRY("file", \
	    "3",                                                               \
	    PERSON("a", A40, "1") "," PERSON(                                  \
		"b", B40, "2")) "," ENTRY("memory", "1",                       \
	    "") "," ENTRY("policy", "1", PERSON("b", B40, "1")) "}"

static struct signer
signer_of(int byte, enum sig_verdict v)
{
	struct signer s = { .verdict = v };

	memset(s.person, byte, PGP_FPR_LEN);
	return s;
}

static void
test_check(void **state)
{
	static const struct {
		const char *name, *modules[2], *signers; /* a b: good, A: bad,
							    x: in no ACL */
		int64_t weight;
		const char *require; /* one of the letters, or NULL */
		const char *want;    /* NULL: allowed */
	} rows[] = {
		{ "b for default", { "pkg" }, "b", 1, NULL, NULL },
		{ "a is too light", { "pkg" }, "a", 1, NULL,
		    "needs weight 2 " },
		{ "both for file", { "file" }, "ab", 1, NULL, NULL },
		{ "b alone for file", { "file" }, "b", 1, NULL,
		    "the signers bring 2" },
		{ "b twice counts once", { "file" }, "bb", 1, NULL, "bring 2" },
		{ "a thrice", { "pkg" }, "aaa", 1, NULL, "bring 1" },
		{ "bad ones do not count", { "file" }, "Ab", 1, NULL,
		    "bring 2" },
		{ "strangers do not count", { "pkg" }, "xa", 1, NULL,
		    "bring 1" },
		{ "strangers do not harm", { "pkg" }, "xAb", 1, NULL, NULL },
		{ "nobody", { "pkg" }, "", 1, NULL, "(nobody)" },
		{ "every operation", { "pkg", "file" }, "b", 1, NULL,
		    "file: needs weight 3" },
		{ "empty entry", { "memory" }, "ab", 1, NULL,
		    "memory: needs weight 1" },
		{ "own weight", { "pkg" }, "b", 3, NULL, "needs weight 3" },
		{ "own weight met", { "pkg" }, "ab", 3, NULL, NULL },
		{ "own weight never", { "file" }, "ab", 1000, NULL,
		    "needs weight 1000" },
		{ "required there", { "pkg" }, "ab", 1, "a", NULL },
		{ "required missing", { "pkg" }, "b", 1, "a",
		    "requires a signature by aaaa" },
		{ "required bad", { "pkg" }, "Ab", 1, "a", "requires" },
	};
	struct signer signers[8];
	struct action a;
	struct acl *acl;
	struct err e;
	size_t i, j, n;
	int rc;

	assert_int_equal(acl_parse(THE_ACL, sizeof(THE_ACL) - 1, &acl, &e), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&a, 0, sizeof(a));
		for (j = 0; j < 2 && rows[i].modules[j] != NULL; j++)
			strcpy(a.operations[j].module, rows[i].modules[j]);
		a.noperations = j;
		a.require_weight = rows[i].weight;
		if (rows[i].require != NULL) {
			memset(a.require_fprs[0], 0xaa, PGP_FPR_LEN);
			a.nrequire_fprs = 1;
		}
		for (n = 0; rows[i].signers[n] != '\0'; n++) {
			char c = rows[i].signers[n];

			signers[n] = signer_of(c == 'b' ? 0xbb
				: c == 'x'              ? 0x11
							: 0xaa,
			    c == 'A' ? SIG_BAD : SIG_GOOD);
		}
		rc = acl_check(acl, &a, signers, n, NOW, &e);
		if (rc != (rows[i].want == NULL ? 0 : ERR_DENIED) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].name, rc, e.msg);
	}
	memset(&a, 0, sizeof(a));
	assert_int_equal(acl_check(acl, &a, signers, 0, NOW, &e), ERR_DENIED);
	acl_free(acl);
}

/* Of several operations the one that lacks most counts. */
static void
test_standing(void **state)
{
	static const struct {
		const char *modules[2], *signers;
		int64_t weight, has, needs;
		bool alone; /* would do without an ACL */
	} rows[] = {
		{ { "pkg" }, "", 1, 0, 2, false },
		{ { "pkg" }, "a", 1, 1, 2, true },
		{ { "pkg", "file" }, "b", 1, 2, 3, true },
		{ { "file", "pkg" }, "aA", 1, 1, 3, true },
		{ { "pkg" }, "ab", 9, 3, 9, false },
		{ { "memory", "file" }, "", 1, 0, 3, false },
		{ { "file" }, "aa", 2, 1, 3, false },
		{ { "file" }, "ax", 2, 1, 3, true },
	};
	struct acl_standing st;
	struct signer signers[4];
	struct action a;
	struct acl *acl;
	struct err e;
	size_t i, n;

	assert_int_equal(acl_parse(THE_ACL, sizeof(THE_ACL) - 1, &acl, &e), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&a, 0, sizeof(a));
		for (n = 0; n < 2 && rows[i].modules[n] != NULL; n++)
			strcpy(a.operations[n].module, rows[i].modules[n]);
		a.noperations = n;
		a.require_weight = rows[i].weight;
		for (n = 0; rows[i].signers[n] != '\0'; n++) {
			char c = rows[i].signers[n];

			signers[n] = signer_of(c == 'b' ? 0xbb
				: c == 'x'              ? 0x11
							: 0xaa,
			    c == 'A' ? SIG_BAD : SIG_GOOD);
		}
		acl_standing(acl, &a, signers, n, NOW, &st);
		if (st.has != rows[i].has || st.needs != rows[i].needs)
			fail_msg("row %zu: %ld of %ld", i, (long)st.has,
			    (long)st.needs);
		if ((acl_check_alone(&a, signers, n, &e) == 0) != rows[i].alone)
			fail_msg("row %zu alone: %s", i, e.msg);
		acl_standing(NULL, &a, signers, n, NOW, &st);
		assert_int_equal(st.needs, rows[i].weight);
		assert_int_equal(st.has >= st.needs, rows[i].alone);
	}
	memset(a.require_fprs[0], 0xbb, PGP_FPR_LEN);
	a.nrequire_fprs = 1;
	assert_int_equal(acl_check_alone(&a, signers, 2, &e), ERR_DENIED);
	assert_non_null(strstr(e.msg, "requires a signature by bbbb"));
	acl_free(acl);
}

static void
test_counts(void **state)
{
	static const struct {
		const char *modules[2];
		char signer;
		bool counts;
	} rows[] = {
		{ { "file" }, 'a', true },
		{ { "pkg" }, 'b', true },
		{ { "memory" }, 'a', false }, /* its entry has nobody */
		{ { "memory", "file" }, 'a', true },
		{ { "file" }, 'x', false },
		{ { "file" }, 'A', false }, /* not good */
		{ { "file" }, 'r', true },  /* required */
		{ { "file" }, 'R', false },
	};
	struct signer s;
	struct action a;
	struct acl *acl;
	struct err e;
	size_t i, n;

	assert_int_equal(acl_parse(THE_ACL, sizeof(THE_ACL) - 1, &acl, &e), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char c = rows[i].signer;

		memset(&a, 0, sizeof(a));
		for (n = 0; n < 2 && rows[i].modules[n] != NULL; n++)
			strcpy(a.operations[n].module, rows[i].modules[n]);
		a.noperations = n;
		memset(a.require_fprs[0], 0x22, PGP_FPR_LEN);
		a.nrequire_fprs = 1;
		s = signer_of(c == 'b'         ? 0xbb
			: c == 'x'             ? 0x11
			: c == 'r' || c == 'R' ? 0x22
					       : 0xaa,
		    c == 'A' || c == 'R' ? SIG_BAD : SIG_GOOD);
		if (acl_counts(acl, &a, &s, NOW) != rows[i].counts)
			fail_msg("row %zu", i);
	}
	acl_free(acl);
}

/* Only who has the right to stop an agent: that is what is asked. */
static void
test_counts_for_a_wish(void **state)
{
	static const char text[] = "{" ENTRY("agent", "1", "") "," ENTRY(
	    "agentstop", "1", PERSON("b", B40, "1")) "}";
	struct signer s = signer_of(0xbb, SIG_GOOD);
	struct action a = { .noperations = 1 };
	json_t *none = json_pack("{}"), *stop;
	struct acl *acl;
	struct err e;

	stop = json_pack("{s:{s:i,s:s}}", "stop", "pid", 7, "version", "1.0");
	assert_int_equal(acl_parse(text, sizeof(text) - 1, &acl, &e), 0);
	strcpy(a.operations[0].module, "agent");
	a.operations[0].module_number = MODULE_agent;
	a.operations[0].parameters = none;
	assert_false(acl_counts(acl, &a, &s, NOW));
	a.operations[0].parameters = stop;
	assert_true(acl_counts(acl, &a, &s, NOW));
	s = signer_of(0xaa, SIG_GOOD);
	assert_false(acl_counts(acl, &a, &s, NOW));
	json_decref(none);
	json_decref(stop);
	acl_free(acl);
}

/* Rights that are no modules never fall back to "default". */
static void
test_rights(void **state)
{
	struct signer b = signer_of(0xbb, SIG_GOOD);
	struct action act = { .noperations = 1, .require_weight = 1 };
	static const char only[] =
	    "{" ENTRY("file", "1", PERSON("b", B40, "1")) "}";
	struct acl *acl;
	struct err e;

	assert_int_equal(acl_parse(THE_ACL, sizeof(THE_ACL) - 1, &acl, &e), 0);
	assert_int_equal(acl_check_right(acl, "policy", &b, 1, NOW, &e), 0);
	assert_int_equal(
	    acl_check_right(acl, "policy", &b, 0, NOW, &e), ERR_DENIED);
	assert_int_equal(
	    acl_check_right(acl, "cancel", &b, 1, NOW, &e), ERR_DENIED);
	acl_free(acl);
	assert_int_equal(acl_parse(only, sizeof(only) - 1, &acl, &e), 0);
	strcpy(act.operations[0].module, "pkg");
	assert_int_equal(acl_check(acl, &act, &b, 1, NOW, &e), ERR_DENIED);
	assert_non_null(strstr(e.msg, "no default"));
	acl_free(acl);
}

#define LIMITED(name, more) \
	"{\"" name "\":{\"minimumweight\":1,\"investigators\":{}," more "}}"

static void
test_parse_limits(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: good */
	} rows[] = {
		{ LIMITED("file", "\"paths\":[\"/var/log\",\"/\"]"), NULL },
		{ LIMITED("default", "\"paths\":[\"/srv\"]"), NULL },
		{ LIMITED("pkg", "\"paths\":[\"/srv\"]"), NULL },
		{ LIMITED("file", "\"detail\":\"found-only\""), NULL },
		{ LIMITED("netstat", "\"detail\":\"metadata\""), NULL },
		{ LIMITED("memory", "\"detail\":\"full\""), NULL },
		{ LIMITED("file", "\"notafter\":\"2030-01-01T00:00:00Z\""),
		    NULL },
		{ LIMITED("cancel", "\"notafter\":\"2030-01-01T00:00:00Z\""),
		    NULL },
		{ LIMITED("file", "\"paths\":[]"), "0 paths" },
		{ LIMITED("file", "\"paths\":null"), "file.paths: null" },
		{ LIMITED("file", "\"notafter\":null"), "notafter: null" },
		{ LIMITED("file", "\"detail\":null"), "detail: null" },
		{ "{" ENTRY("file", "1",
		      "\"a\":{\"fingerprint\":\"" A40
		      "\",\"weight\":1,\"notafter\":null}") "}",
		    "file.investigators.a.notafter: null" },
		{ LIMITED("file", "\"paths\":[\"var\"]"),
		    "file.paths[0]: expected an absolute path" },
		{ LIMITED("file", "\"paths\":[\"/a\",\"/a/../b\"]"),
		    "file.paths[1]" },
		{ LIMITED("file", "\"paths\":[\"/a/\"]"), "file.paths[0]" },
		{ LIMITED("file", "\"paths\":[\"/a//b\"]"), "file.paths[0]" },
		{ LIMITED("file", "\"paths\":[\"/a/./b\"]"), "file.paths[0]" },
		{ LIMITED("file", "\"paths\":[\"/a\\nb\"]"), "control" },
		{ LIMITED("file", "\"paths\":[\"\"]"), "file.paths[0]" },
		{ LIMITED("file", "\"paths\":[7]"), "file.paths[0]" },
		{ LIMITED("file", "\"paths\":\"/a\""), "array" },
		{ LIMITED("memory", "\"paths\":[\"/a\"]"),
		    "the module memory takes no paths" },
		{ LIMITED("netstat", "\"paths\":[\"/a\"]"), "takes no paths" },
		{ LIMITED("policy", "\"detail\":\"full\""),
		    "policy.detail: this right has no answer" },
		{ LIMITED("cancel", "\"paths\":[\"/a\"]"), "no answer" },
		{ LIMITED("agentstop", "\"detail\":\"metadata\""),
		    "no answer" },
		{ LIMITED("policy", "\"notafter\":\"2030-01-01T00:00:00Z\""),
		    "nobody could change the policy" },
		{ LIMITED("file", "\"detail\":\"some\""), "file.detail" },
		{ LIMITED("file", "\"detail\":1"), "file.detail" },
		{ LIMITED("file", "\"detail\":\"full\",\"detail\":\"full\""),
		    "duplicate" },
		{ LIMITED("file", "\"details\":\"full\""),
		    "did you mean \"detail\"" },
		{ LIMITED("file", "\"notafter\":\"tomorrow\""),
		    "file.notafter: expected a time" },
		{ LIMITED("file", "\"notafter\":1"), "file.notafter" },
		{ LIMITED("file", "\"notafter\":\"2030-01-01T00:00:00.5Z\""),
		    "file.notafter: expected a time" },
		{ LIMITED("file",
		      "\"notbefore\":\"2030-01-01T00:00:00Z\","
		      "\"notafter\":\"2030-01-01T00:00:00Z\""),
		    "not later than notbefore" },
		{ "{" ENTRY("file", "1",
		      "\"a\":{\"fingerprint\":\"" A40
		      "\",\"weight\":1,\"notafter\":\"x\"}") "}",
		    "file.investigators.a.notafter" },
		{ "{" ENTRY("file", "1",
		      "\"a\":{\"fingerprint\":\"" A40
		      "\",\"weight\":1,\"paths\":[]}") "}",
		    "file.investigators.a" },
	};
	struct acl *a;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		a = NULL;
		rc = acl_parse(rows[i].in, strlen(rows[i].in), &a, &e);
		if ((rc == 0) != (rows[i].want == NULL) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].in, rc, e.msg);
		acl_free(a);
	}
}

/* n paths of width characters and a slash, the first longer by more: refused
 * with this text, NULL: taken. */
static void
many_paths(size_t n, int width, int more, const char *want)
{
	struct acl *a = NULL;
	struct err e;
	struct buf b;
	size_t i;
	int rc;

	err_clear(&e);
	buf_init(&b, 65536);
	buf_add_str(&b,
	    "{\"file\":{\"minimumweight\":1,\"investigators\":{},"
	    "\"paths\":[");
	for (i = 0; i < n; i++)
		buf_add_fmt(&b, "%s\"/%0*zu\"", i > 0 ? "," : "",
		    width + (i == 0 ? more : 0), i);
	buf_add_str(&b, "]}}");
	rc = acl_parse(b.data, b.len, &a, &e);
	if ((rc == 0) != (want == NULL) ||
	    (rc != 0 && strstr(e.msg, want) == NULL))
		fail_msg("%zu of %d: %d %s", n, width + more, rc, e.msg);
	acl_free(a);
	buf_release(&b);
}

static void
test_many_paths(void **state)
{
	many_paths(65, 3, 0, "65 paths");
	many_paths(16, 128, 0, "2047 bytes");
	/* 2047 bytes with what stands between them, and one more */
	many_paths(16, 126, 0, NULL);
	many_paths(16, 126, 1, "2047 bytes");
	many_paths(1, 2046, 0, NULL);
	many_paths(1, 2046, 1, "2047 bytes");
}

#define AT(from, to) "\"notbefore\":\"" from "\",\"notafter\":\"" to "\""
#define PAST "2000-01-01T00:00:00Z"
#define THEN "2001-09-09T01:46:40Z" /* NOW */
#define LATER "2001-09-09T01:46:41Z"
#define DATED(l, f, w, at) \
	"\"" l "\":{\"fingerprint\":\"" f "\",\"weight\":" w "," at "}"

static void
test_dates(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "{\"file\":{\"minimumweight\":2,\"investigators\":{" PERSON(
		      "a", A40, "2") "}," AT(THEN, LATER) "}}",
		    NULL },
		{ "{\"file\":{\"minimumweight\":2,\"investigators\":{" PERSON(
		      "a", A40, "2") "}," AT(PAST, THEN) "}}",
		    "file: entry \"file\" of the ACL ended at " THEN },
		{ "{\"file\":{\"minimumweight\":2,\"investigators\":{" PERSON(
		      "a", A40, "2") "},\"notbefore\":\"" LATER "\"}}",
		    "holds from " LATER },
		/* an entry that has ended is not "default" again */
		{ "{\"file\":{\"minimumweight\":2,\"investigators\":{" PERSON(
		      "a", A40, "2") "}," AT(PAST, THEN) "}," ENTRY("default",
		      "1", PERSON("a", A40, "2")) "}",
		    "ended at" },
		{ "{" ENTRY(
		      "file", "2", DATED("a", A40, "2", AT(PAST, LATER))) "}",
		    NULL },
		{ "{" ENTRY(
		      "file", "2", DATED("a", A40, "2", AT(PAST, THEN))) "}",
		    "weight 2 more is of people whose time" },
		{ "{" ENTRY("file", "2",
		      DATED("a", A40, "1", AT(PAST, THEN)) "," PERSON(
			  "b", B40, "1")) "}",
		    "the signers bring 1" },
	};
	struct signer s[2] = { signer_of(0xaa, SIG_GOOD),
		signer_of(0xbb, SIG_GOOD) };
	struct action act = { .noperations = 1, .require_weight = 1 };
	struct acl *acl;
	struct err e;
	size_t i;
	int rc;

	strcpy(act.operations[0].module, "file");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		acl = NULL;
		assert_int_equal(
		    acl_parse(rows[i].in, strlen(rows[i].in), &acl, &e), 0);
		rc = acl_check(acl, &act, s, 2, NOW, &e);
		if (rc != (rows[i].want == NULL ? 0 : ERR_DENIED) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%zu: %d %s", i, rc, e.msg);
		acl_free(acl);
	}
}

/* Who has signed, who has a key, how many places are taken by strangers. */
static void
test_could(void **state)
{
#define END "2001-09-09T02:46:40Z" /* of the action */
	static const char acl_text[] = "{" ENTRY("default", "2",
	    PERSON("a", A40, "1") "," PERSON("b", B40, "2")) "," ENTRY("file",
	    "3",
	    PERSON("a", A40, "1") "," PERSON("b", B40,
		"2")) ","
		      "\"pkg\":{\"minimumweight\":1,\"investigators\":{" PERSON(
			  "a", A40, "1") "}," AT(PAST,
			  THEN) "},"
				"\"ping\":{\"minimumweight\":1,"
				"\"investigators\":{" DATED("a", A40, "1",
				    AT(LATER, END)) "}},"
						    "\"memory\":{"
						    "\"minimumweight\":1,"
						    "\"investigators\":{" DATED(
							"a", A40, "1",
							AT(END,
							    "2030-01-01T00:00:"
							    "00Z")) "}}}";
	static const struct {
		const char *module, *signers, *keys;
		size_t strangers;
		int64_t weight;
		const char *require, *want; /* want NULL: it could */
	} rows[] = {
		{ "file", "", "ab", 0, 1, NULL, NULL },
		{ "file", "a", "ab", 0, 1, NULL, NULL },
		{ "file", "ab", "", 0, 1, NULL, NULL },
		{ "file", "a", "a", 0, 1, NULL, "could bring 1" },
		{ "file", "A", "ab", 0, 1, NULL, NULL }, /* again, good */
		{ "file", "", "ab", 0, 4, NULL, "needs weight 4 " },
		{ "file", "", "ab", 14, 1, NULL, NULL },
		{ "file", "", "ab", 15, 1, NULL, "could bring 2" },
		{ "file", "", "xy", 0, 1, NULL, "could bring 0" },
		{ "netstat", "", "b", 0, 1, NULL, NULL },
		{ "netstat", "b", "", 0, 1, "a",
		    "requires a signature by aaaa" },
		{ "netstat", "b", "a", 0, 1, "a", NULL },
		{ "netstat", "b", "a", 15, 1, "a", "takes 16" },
		{ "pkg", "", "a", 0, 1, NULL, "does not hold any more" },
		{ "ping", "", "a", 0, 1, NULL, NULL },
		{ "memory", "", "a", 0, 1, NULL, "could bring 0" },
	};
	uint8_t keys[4][PGP_FPR_LEN];
	struct signer signers[SIGS_MAX];
	struct action a;
	struct acl *acl;
	struct err e;
	size_t i, n, k;
	int rc;

	assert_int_equal(
	    acl_parse(acl_text, sizeof(acl_text) - 1, &acl, &e), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&a, 0, sizeof(a));
		strcpy(a.operations[0].module, rows[i].module);
		a.noperations = 1;
		a.require_weight = rows[i].weight;
		a.expire_after = NOW + 3600;
		if (rows[i].require != NULL)
			memset(a.require_fprs[a.nrequire_fprs++], 0xaa,
			    PGP_FPR_LEN);
		for (n = 0; rows[i].signers[n] != '\0'; n++)
			signers[n] =
			    signer_of(rows[i].signers[n] == 'b' ? 0xbb : 0xaa,
				rows[i].signers[n] == 'A' ? SIG_BAD : SIG_GOOD);
		for (k = 0; k < rows[i].strangers; k++)
			signers[n++] = signer_of(0, SIG_UNKNOWN_KEY);
		for (k = 0; rows[i].keys[k] != '\0'; k++)
			memset(keys[k],
			    rows[i].keys[k] == 'a'       ? 0xaa
				: rows[i].keys[k] == 'b' ? 0xbb
							 : 0xcc + (int)k,
			    PGP_FPR_LEN);
		err_clear(&e);
		rc = acl_could_check(acl, &a, signers, n,
		    (const uint8_t(*)[PGP_FPR_LEN])keys, k, NOW, &e);
		if (rc != (rows[i].want == NULL ? 0 : ERR_DENIED) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("row %zu: %d %s", i, rc, e.msg);
	}
	acl_free(acl);
}

static void
test_paths(void **state)
{
	static const char text[] =
	    "{\"default\":{\"minimumweight\":1,\"investigators\":{" PERSON(
		"a", A40, "1") "},\"paths\":[\"/var/log\",\"/home\"]}}";
	static const struct {
		const char *module, *params, *want; /* NULL: allowed */
	} rows[] = {
		{ "sshkey", "{\"paths\":[\"/home\",\"/var/log/a\"]}", NULL },
		{ "sshkey", "{\"paths\":[\"/home/\",\"//var//log\"]}", NULL },
		{ "sshkey", "{\"paths\":[\"/home\",\"/var/logs\"]}",
		    "sshkey: /var/logs is outside the paths that entry "
		    "\"default\" of the ACL allows (/var/log, /home)" },
		{ "sshkey", "{\"paths\":[\"/home/../etc\"]}", "/etc is out" },
		{ "sshkey", "{\"paths\":[\"/home/x/..\"]}", NULL },
		{ "sshkey", "{\"paths\":[\"/\"]}", "/ is outside" },
		{ "sshkey", "{}", "/root is outside" },
		{ "file",
		    "{\"searches\":{\"x\":{\"paths\":[\"/home\"],\"names\":"
		    "[\"a\"]},\"y\":{\"paths\":[\"/home\",\"/var\"],"
		    "\"names\":[\"a\"]}}}",
		    "file: /var is outside" },
		{ "pkg", "{\"pkgmatch\":{\"matches\":[\"a\"]}}", NULL },
		{ "pkg",
		    "{\"pkgmatch\":{\"matches\":[\"a\"]},\"roots\":"
		    "[\"/srv/x\"]}",
		    "/srv/x is outside" },
		{ "netstat", "{\"listeningport\":[\"22\"]}", NULL },
	};
	struct action act = { .noperations = 1, .require_weight = 1 };
	struct signer s = signer_of(0xaa, SIG_GOOD);
	struct acl *acl;
	struct err e;
	json_t *params;
	size_t i;
	int rc;

	assert_int_equal(acl_parse(text, sizeof(text) - 1, &acl, &e), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		params = json_loads(rows[i].params, 0, NULL);
		assert_non_null(params);
		strcpy(act.operations[0].module, rows[i].module);
		act.operations[0].module_number =
		    module_find(rows[i].module)->number;
		act.operations[0].parameters = params;
		rc = acl_check(acl, &act, &s, 1, NOW, &e);
		if (rc != (rows[i].want == NULL ? 0 : ERR_DENIED) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].params, rc, e.msg);
		json_decref(params);
	}
	acl_free(acl);
}

static void
test_limits(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", NULL },
		{ "{}", NULL },
		{ "{\"seconds\":5,\"workers\":1,\"maxvalidity\":60}", NULL },
		{ "{\"readbytes\":0,\"resultbytes\":4096}", NULL },
		{ "{\"second\":5}", "did you mean \"seconds\"" },
		{ "{\"seconds\":0}", "limits.seconds: 0" },
		{ "{\"seconds\":-1}", "seconds: -1" },
		{ "{\"seconds\":99999999}", "limits.seconds" },
		{ "{\"workers\":65}", "limits.workers" },
		{ "{\"resultbytes\":16777217}", "limits.resultbytes" },
		{ "{\"seconds\":5.0}", "whole number" },
		{ "{\"workers\":null}", "limits.workers: null" },
		{ "{\"seconds\":5,\"seconds\":6}", "duplicate" },
		{ "[]", "expected an object" },
		{ "x", "limits: line 1" },
	};
	struct policy_limits l;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		rc =
		    policy_limits_parse(rows[i].in, strlen(rows[i].in), &l, &e);
		if ((rc == 0) != (rows[i].want == NULL) ||
		    (rc != 0 && strstr(e.msg, rows[i].want) == NULL))
			fail_msg("%s: %d %s", rows[i].in, rc, e.msg);
	}
	assert_int_equal(
	    policy_limits_parse(rows[2].in, strlen(rows[2].in), &l, &e), 0);
	assert_int_equal(l.seconds, 5);
	assert_int_equal(l.workers, 1);
	assert_int_equal(l.max_validity, 60);
	assert_int_equal(l.queue, 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_standing),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_counts_for_a_wish),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_parse_limits),
		cmocka_unit_test(test_many_paths),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_could),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
