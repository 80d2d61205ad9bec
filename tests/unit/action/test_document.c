/* SPDX-License-Identifier: MPL-2.0 */
/* Action documents: building, reading, and each way of being wrong. */
#include "action/document.h"

#include "base/err.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include <time.h>

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"
#define GOOD_OPS                                                       \
	"[{\"module\":\"file\",\"parameters\":{\"searches\":{\"s1\":{" \
	"\"paths\":[\"/etc\"],\"names\":[\"^passwd$\"]}}}}]"

/* Each test changes fields of this. */
static json_t *
good_document(void)
{
	static const char text[] =
	    "{\"syntaxversion\":3,"
	    "\"nonce\":\"000102030405060708090a0b0c0d0e0f\","
	    "\"name\":\"find it\",\"description\":{\"author\":\"A\","
	    "\"revision\":2},\"threat\":{\"level\":\"high\"},"
	    "\"target\":\"all\",\"validfrom\":\"2026-11-23T03:00:00Z\","
	    "\"expireafter\":\"2026-11-23T04:00:00Z\","
	    "\"require\":{\"weight\":1,\"fingerprints\":[\"" A40 "\"]},"
	    "\"minpolicy\":4,\"limits\":{\"seconds\":60},"
	    "\"operations\":" GOOD_OPS ","
	    "\"seal\":{\"public\":"
	    "\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\","
	    "\"readers\":[\"" A40 "\"],\"key\":\"\"}}";
	struct err e;
	json_t *v = json_strict(text, sizeof(text) - 1, 65536, &e);

	if (v == NULL)
		fail_msg("%s", e.msg);
	json_object_set_new(
	    json_object_get(v, "seal"), "key", json_string(KEY));
	return v;
}

/* Takes v. */
static int
parse(json_t *v, struct action *a, struct err *e)
{
	char *text = json_dumps(v, JSON_COMPACT);
	int rc;

	assert_non_null(text);
	err_clear(e);
	rc = action_parse(text, strlen(text), a, e);
	free(text);
	json_decref(v);
	return rc;
}

static void
test_good(void **state)
{
	struct action a;
	struct err e;

	if (parse(good_document(), &a, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(a.name, "find it");
	assert_string_equal(a.target, "all");
	assert_int_equal(a.nonce[15], 15);
	assert_int_equal(a.expire_after - a.valid_from, 3600);
	assert_int_equal(a.require_weight, 1);
	assert_int_equal(a.nrequire_fprs, 1);
	assert_int_equal(a.require_fprs[0][0], 0xaa);
	assert_int_equal(a.min_policy, 4);
	assert_int_equal(a.limits.seconds, 60);
	assert_int_equal(a.limits.cpu_seconds, 0);
	assert_int_equal(a.seal_public[31], 32);
	assert_string_equal(a.readers[0], A40);
	assert_string_equal(a.seal_key, KEY);
	assert_int_equal(a.noperations, 1);
	assert_string_equal(a.operations[0].module, "file");
	assert_int_equal(a.operations[0].module_number, 1);
	assert_true(json_is_object(a.operations[0].parameters));
	action_release(&a);
}

/* One field replaced (value NULL: removed); "a.b" for one inside. */
static const struct {
	const char *field, *value;
	int code;
	const char *want;
} fields[] = {
	{ "syntaxversion", "2", ERR_INVALID, "syntaxversion: 2" },
	{ "syntaxversion", "\"3\"", ERR_INVALID, "syntaxversion" },
	{ "syntaxversion", NULL, ERR_INVALID, "missing" },
	{ "nonce", NULL, ERR_INVALID, "nonce: missing" },
	{ "nonce", "\"00\"", ERR_INVALID, "32 hex" },
	{ "name", "\"\"", ERR_INVALID, "name: 0 bytes" },
	{ "name", "\"a\\nb\"", ERR_INVALID, "control" },
	{ "name", "7", ERR_INVALID, "expected a string" },
	{ "name", NULL, ERR_INVALID, "name: missing" },
	{ "description", NULL, 0, "" },
	{ "description", "null", 0, "" },
	{ "description", "{\"x\":1}", ERR_INVALID, "description.x" },
	{ "description", "{\"author\":1}", ERR_INVALID, "description.author" },
	{ "description", "{\"revision\":\"1\"}", ERR_INVALID,
	    "description.revision" },
	{ "description", "\"x\"", ERR_INVALID, "description" },
	{ "threat", "{\"revision\":1}", ERR_INVALID, "threat.revision" },
	{ "target", "\"\"", ERR_INVALID, "target: 0" },
	{ "target", NULL, ERR_INVALID, "target: missing" },
	{ "validfrom", "\"2026-11-23\"", ERR_INVALID, "validfrom" },
	{ "validfrom", "\"2026-11-23T03:00:00.5Z\"", ERR_INVALID, "validfrom" },
	{ "validfrom", "\"1960-11-23T03:00:00Z\"", ERR_INVALID, "before 1970" },
	{ "validfrom", "\"2026-11-23T05:00:00+01:00\"", ERR_INVALID,
	    "not later" },
	{ "validfrom", "\"2026-11-23T04:30:00+01:00\"", 0, "" },
	{ "validfrom", "\"2026-11-23T04:00:00Z\"", ERR_INVALID, "not later" },
	{ "expireafter", "1", ERR_INVALID, "expireafter" },
	{ "require", NULL, ERR_INVALID, "require: missing" },
	{ "require.weight", "0", ERR_INVALID, "require.weight" },
	{ "require.weight", "1001", ERR_INVALID, "require.weight" },
	{ "require.weight", NULL, ERR_INVALID, "missing" },
	{ "require.fingerprints", NULL, 0, "" },
	{ "require.fingerprints", "[]", 0, "" },
	{ "require.fingerprints", "null", ERR_INVALID, "null says nothing" },
	{ "minpolicy", "null", ERR_INVALID, "minpolicy: null" },
	{ "limits", "null", ERR_INVALID, "limits: null" },
	{ "limits.seconds", "null", ERR_INVALID, "limits.seconds: null" },
	{ "require.fingerprints", "[\"aa\"]", ERR_INVALID, "40 hex" },
	{ "require.fingerprints", "[1]", ERR_INVALID, "40 hex" },
	{ "require.fingerprints", "[\"" A40 "\",\"" A40 "\"]", ERR_INVALID,
	    "twice" },
	{ "require.x", "1", ERR_INVALID, "require.x" },
	{ "minpolicy", "-1", ERR_INVALID, "minpolicy" },
	{ "minpolicy", NULL, 0, "" },
	{ "limits", NULL, 0, "" },
	{ "limits.seconds", "0", ERR_INVALID, "limits.seconds" },
	{ "limits.x", "0", ERR_INVALID, "limits.x" },
	{ "limits.resultbytes", "1", ERR_INVALID, "resultbytes" },
	{ "operations", "[]", ERR_INVALID, "operations: 0" },
	{ "operations", "{}", ERR_INVALID, "operations" },
	{ "operations", "[1]", ERR_INVALID, "operations[0]" },
	{ "operations", "[{\"module\":\"file\"}]", ERR_INVALID,
	    "operations[0].parameters: missing" },
	{ "operations", "[{\"parameters\":{}}]", ERR_INVALID,
	    "operations[0].module: missing" },
	{ "operations", "[{\"module\":\"file\",\"parameters\":{},\"x\":1}]",
	    ERR_INVALID, "operations[0].x" },
	{ "operations", "[{\"module\":\"file\",\"parameters\":[]}]",
	    ERR_INVALID, "operations[0].parameters" },
	{ "operations", "[{\"module\":\"FILE\",\"parameters\":{}}]",
	    ERR_INVALID, "lower-case" },
	{ "operations",
	    "[{\"module\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
	    "\"parameters\":{}}]",
	    ERR_INVALID, "31" },
	{ "operations", "[{\"module\":\"nosuch\",\"parameters\":{}}]",
	    ERR_UNSUPPORTED, "no module \"nosuch\"" },
	{ "operations", "[{\"module\":\"file\",\"parameters\":{}}]", ERR_DENIED,
	    "operations[0].parameters" },
	{ "seal", NULL, ERR_INVALID, "seal: missing" },
	{ "seal.public", "\"AQID\"", ERR_INVALID, "seal.public" },
	{ "seal.public", "\"!\"", ERR_INVALID, "seal.public" },
	{ "seal.public", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
	    ERR_INVALID, "seal.public" },
	{ "seal.readers", "[]", ERR_INVALID, "seal.readers: 0" },
	{ "seal.readers", "[\"x\"]", ERR_INVALID, "seal.readers[0]" },
	{ "seal.readers",
	    "[\"" A40 "\",\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]",
	    ERR_INVALID, "twice" },
	{ "seal.key", "\"x\"", ERR_INVALID, "armoured" },
	{ "seal.key", "\"-----BEGIN MIG READER KEY-----\\u001b\"", ERR_INVALID,
	    "0x1b" },
	{ "seal.key", "\"-----BEGIN PGP MESSAGE-----\\u001b\"", ERR_INVALID,
	    "0x1b" },
	{ "seal.x", "1", ERR_INVALID, "seal.x" },
	{ "status", "\"x\"", ERR_INVALID, "status: unknown" },
	{ "Name", "\"x\"", ERR_INVALID, "did you mean \"name\"" },
};

static void
test_fields(void **state)
{
	struct action a;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		json_t *v = good_document(), *o = v, *value;
		const char *key = strchr(fields[i].field, '.');
		char first[32];
		int rc;

		if (key == NULL) {
			key = fields[i].field;
		} else {
			snprintf(first, sizeof(first), "%.*s",
			    (int)(key - fields[i].field), fields[i].field);
			o = json_object_get(v, first);
			key++;
		}
		if (fields[i].value == NULL) {
			json_object_del(o, key);
		} else {
			value =
			    json_loads(fields[i].value, JSON_DECODE_ANY, NULL);
			assert_non_null(value);
			json_object_set_new(o, key, value);
		}
		memset(&a, 0, sizeof(a));
		rc = parse(v, &a, &e);
		if (rc != fields[i].code ||
		    strstr(e.msg, fields[i].want) == NULL)
			fail_msg("%s = %s: %d %s", fields[i].field,
			    fields[i].value, rc, e.msg);
		action_release(&a);
	}
}

static void
test_sizes(void **state)
{
	static char text[4200];
	struct action a;
	struct err e;
	json_t *v, *list;
	int i;

	memset(text, 'x', sizeof(text) - 1);
	v = good_document();
	json_object_set_new(v, "target", json_string(text));
	assert_int_equal(parse(v, &a, &e), ERR_INVALID);
	v = good_document();
	json_object_set_new(v, "name", json_string(text));
	assert_int_equal(parse(v, &a, &e), ERR_INVALID);
	v = good_document();
	list = json_object_get(v, "operations");
	for (i = 1; i < 64; i++)
		json_array_append(list, json_array_get(list, 0));
	assert_int_equal(parse(json_incref(v), &a, &e), 0);
	assert_int_equal(a.noperations, 64);
	action_release(&a);
	json_array_append(list, json_array_get(list, 0));
	assert_int_equal(parse(v, &a, &e), ERR_INVALID);
	assert_int_equal(
	    action_parse("{}", 1024 * 1024 + 1, &a, &e), ERR_TOOBIG);
}

static void
test_truncations(void **state)
{
	json_t *v = good_document();
	char *text = json_dumps(v, JSON_COMPACT);
	struct action a, before;
	size_t i, len = strlen(text);

	memset(&a, 0x5a, sizeof(a));
	before = a;
	for (i = 0; i < len; i++)
		assert_int_not_equal(action_parse(text, i, &a, NULL), 0);
	assert_memory_equal(&a, &before, sizeof(a));
	free(text);
	json_decref(v);
}

static void
draft(struct action_draft *d, json_t *ops)
{
	static const char *const readers[] = { A40 };

	*d = (struct action_draft){ .name = "n \xc3\xa9 \"q\"",
		.target = "name = 'x'",
		.valid_from = 1700000000,
		.expire_after = 1700003600,
		.limits = { .read_bytes = 1000 },
		.operations = ops,
		.seal_key = KEY,
		.readers = readers,
		.nreaders = 1,
		.require_fprs = readers,
		.nrequire_fprs = 1,
		.min_policy = 2 };
	memset(d->seal_public, 7, sizeof(d->seal_public));
}

static void
test_build(void **state)
{
	json_t *ops = json_loads(GOOD_OPS, 0, NULL);
	struct action_draft d;
	struct action a, b;
	struct buf one, two;
	struct err e;

	draft(&d, ops);
	buf_init(&one, 65536);
	buf_init(&two, 65536);
	if (action_build(&d, &one, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(action_build(&d, &two, &e), 0);
	assert_int_equal(action_parse(one.data, one.len, &a, &e), 0);
	assert_int_equal(action_parse(two.data, two.len, &b, &e), 0);
	assert_string_equal(a.name, d.name);
	assert_int_equal(a.valid_from, d.valid_from);
	assert_int_equal(a.require_weight, 1);
	assert_int_equal(a.nrequire_fprs, 1);
	assert_int_equal(a.min_policy, 2);
	assert_int_equal(a.limits.read_bytes, 1000);
	assert_memory_not_equal(a.nonce, b.nonce, sizeof(a.nonce));
	action_release(&a);
	action_release(&b);
	/* nothing is left of what could not be built */
	d.target = "";
	buf_clear(&one);
	assert_int_equal(action_build(&d, &one, &e), ERR_INVALID);
	assert_int_equal(one.len, 0);
	d.target = "all";
	d.operations = NULL;
	assert_int_equal(action_build(&d, &one, &e), ERR_INVALID);
	buf_release(&one);
	buf_init(&one, 100);
	assert_int_equal(action_build(&d, &one, &e), ERR_TOOBIG);
	buf_release(&one);
	buf_release(&two);
	json_decref(ops);
}

static void
test_reasons(void **state)
{
	assert_int_equal(action_refusal(0), REFUSAL_NONE);
	assert_int_equal(action_refusal(ERR_INVALID), REFUSAL_MALFORMED);
	assert_int_equal(action_refusal(ERR_TOOBIG), REFUSAL_MALFORMED);
	assert_int_equal(action_refusal(ERR_UNSUPPORTED), REFUSAL_MODULE);
	assert_int_equal(action_refusal(ERR_DENIED), REFUSAL_PARAMETERS);
}

/* What libsodium refuses to seal for is no key, in any writing of it. */
static void
test_small_order(void **state)
{
	static const struct {
		uint8_t first, middle, last;
	} simple[] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0xec, 0xff, 0x7f },
		{ 0xed, 0xff, 0x7f }, { 0xee, 0xff, 0x7f } };
	static const char *const order8[] = {
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b8"
		"00",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11"
		"57",
	};
	uint8_t key[32], sealed[crypto_box_SEALBYTES + 1];
	char text[64];
	struct action a;
	struct err e;
	json_t *v;

	assert_true(sodium_init() >= 0);
	for (int i = 0; i < 14; i++) {
		if (i / 2 < 5) {
			memset(key, simple[i / 2].middle, sizeof(key));
			key[0] = simple[i / 2].first;
			key[31] = simple[i / 2].last;
		} else {
			sodium_hex2bin(key, sizeof(key), order8[i / 2 - 5], 64,
			    NULL, NULL, NULL);
		}
		key[31] |= i % 2 == 0 ? 0 : 0x80;
		assert_int_not_equal(
		    crypto_box_seal(sealed, (const uint8_t *)"x", 1, key), 0);
		sodium_bin2base64(text, sizeof(text), key, sizeof(key),
		    sodium_base64_VARIANT_ORIGINAL);
		v = good_document();
		json_object_set_new(
		    json_object_get(v, "seal"), "public", json_string(text));
		assert_int_equal(parse(v, &a, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, "small order"));
		assert_int_equal(
		    action_refusal(ERR_INVALID), REFUSAL_MALFORMED);
	}
}

/* operations of a document: nops times a search for n times this name. */
static json_t *
costly(const char *name, size_t n, size_t nops)
{
	json_t *doc = good_document(), *ops = json_array();

	for (size_t k = 0; k < nops; k++) {
		json_t *names = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(names, json_string(name));
		json_array_append_new(ops,
		    json_pack("{s:s,s:{s:{s:{s:[s],s:o}}}}", "module", "file",
			"parameters", "searches", "s", "paths", "/a", "names",
			names));
	}
	json_object_set_new(doc, "operations", ops);
	return doc;
}

/* unit many times, then end. */
static char *
times(const char *begin, const char *unit, size_t n, const char *end)
{
	size_t len = strlen(unit), at = strlen(begin);
	char *s = calloc(1, at + n * len + strlen(end) + 1);

	assert_non_null(s);
	memcpy(s, begin, at);
	for (size_t i = 0; i < n; i++, at += len)
		memcpy(s + at, unit, len);
	memcpy(s + at, end, strlen(end));
	return s;
}

/* Whatever a document asks for, judging it takes a blink: the time depends on
 * its length alone. Far below a second even with sanitizers. */
static void
test_cost(void **state)
{
	static const struct {
		const char *begin, *unit, *end;
		size_t repeat, n, nops;
		int code;
	} table[] = {
		{ "", "(?i)[^\\pL]", "", 1, 4000, 1, 0 },
		{ "", "(?i)[^\\pL]", "", 1, 960, 60, 0 },
		{ "", "(?i)[^\\pL]", "", 1, 32000, 1, ERR_DENIED },
		{ "", "\\pL", "", 200, 1200, 1, ERR_DENIED },
		{ "", "\\pL", "", 200, 18, 64, 0 },
		{ "", "(?i)[\\pL\\pN\\p{Greek}]{1,1000}", "", 1, 430, 64,
		    ERR_DENIED },
		{ "", "(?i)[\\pL\\pN\\p{Greek}]{1,1000}", "", 1, 20000, 1,
		    ERR_DENIED },
		{ "[", "[:", "a]", 4000, 120, 1, 0 },
		{ "", "(?:", "", 190, 1600, 1, ERR_DENIED },
		{ "", "a|", "", 16000, 30, 1, 0 },
		{ "", "|", "", 60000, 17, 1, 0 },
		{ "", "a?", "", 30000, 17, 1, 0 },
		{ "", "()", "", 20000, 26, 1, 0 },
		{ "", "(?i)", "", 16000, 16, 1, 0 },
		{ "(?i)", "[\xc3\xa9-\xf0\x90\x80\x80]", "", 2000, 50, 1,
		    ERR_DENIED },
		{ "", "\\p{Zanabazar_Square}", "", 3000, 16, 1, 0 },
		{ "[", "[:^alpha:]", "]", 1600, 60, 1, 0 },
		{ "", "evil-[a-z]{1,8}\\.example", "", 1, 10000, 1, 0 },
		{ "", ".{0,600}", "", 1, 10000, 1, 0 },
		{ "(?i)", "\\pL+\xc3\xa9", "", 1, 10000, 1, 0 },
	};
	/* thirty times as long in ./dev asan, and a busy machine takes more */
	const int most = getenv("MIG_ROUNDS_SHARE") == NULL ? 1000 : 6000;
	struct action a;
	struct err e;
	clock_t began;
	char *name;
	int rc, ms;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		name = times(table[i].begin, table[i].unit, table[i].repeat,
		    table[i].end);
		json_t *v = costly(name, table[i].n, table[i].nops);
		char *text = json_dumps(v, JSON_COMPACT);

		err_clear(&e);
		began = clock();
		rc = action_parse(text, strlen(text), &a, &e);
		ms = (int)((clock() - began) / (CLOCKS_PER_SEC / 1000));
		print_message(
		    "%.24s...: %zu bytes, %d ms\n", name, strlen(text), ms);
		if (rc != table[i].code)
			fail_msg("%.40s: %d, %s", name, rc, e.msg);
		assert_true(ms < most);
		if (rc == 0)
			action_release(&a);
		free(text);
		free(name);
		json_decref(v);
	}
}

static void
test_one_operation(void **state)
{
	json_t *v = good_document(), *ops = json_array();
	struct action a;
	struct err e;
	char *text;

	json_array_append_new(ops,
	    json_loads("{\"module\":\"file\",\"parameters\":{}}", 0, NULL));
	json_array_append(
	    ops, json_array_get(json_object_get(v, "operations"), 0));
	json_object_set_new(v, "operations", ops);
	text = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	assert_int_equal(action_parse(text, strlen(text), &a, &e), ERR_DENIED);
	assert_int_equal(
	    action_parse_for(text, strlen(text), 0, &a, &e), ERR_DENIED);
	assert_int_equal(action_parse_for(text, strlen(text), 1, &a, &e), 0);
	assert_int_equal(a.noperations, 2);
	action_release(&a);
	assert_int_equal(
	    action_parse_for(text, strlen(text), 2, &a, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "has 2 operations"));
	assert_int_equal(action_parse_for(text, strlen(text), SIZE_MAX, &a, &e),
	    ERR_INVALID);
	free(text);
}

/* The server reads stored actions so at its start. */
static void
test_no_reason_wanted(void **state)
{
	static const char *const bad[] = {
		"{\"module\":\"file\",\"parameters\":{}}",
		"{\"module\":\"timedrift\","
		"\"parameters\":{\"servers\":[\"no host\"]}}",
		"{\"module\":\"netstat\","
		"\"parameters\":{\"neighbormac\":[\"(\"]}}",
	};
	struct action a;
	char *text;
	json_t *v;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = good_document();
		json_object_set_new(v, "operations",
		    json_pack("[o]", json_loads(bad[i], 0, NULL)));
		text = json_dumps(v, JSON_COMPACT);
		assert_int_equal(
		    action_parse(text, strlen(text), &a, NULL), ERR_DENIED);
		free(text);
		json_decref(v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_small_order),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_one_operation),
		cmocka_unit_test(test_no_reason_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
