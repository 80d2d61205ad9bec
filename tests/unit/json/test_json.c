/* SPDX-License-Identifier: MPL-2.0 */
/* The strict reader: what passes, what does not, and what the message says. */
#include "json/json.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

/* The allocation that fails, counted down, and whether all after it do; 0:
 * none. */
static unsigned int countdown;
static bool and_all_after, failed, guarding;

/* What stands behind each allocation: whoever reads on comes to a quote, and
 * what is written there is seen when it is given back. */
#define GUARD "abcdefghijklmnopqrstuvwxyz\"\"\"\"\"\""
static struct {
	char *p;
	size_t size;
} live[1024];

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

void *
__wrap_malloc(size_t size)
{
	char *p;
	size_t i;

	if (countdown > 1 || (countdown == 1 && failed && !and_all_after)) {
		countdown--;
	} else if (countdown == 1) {
		failed = true;
		return NULL;
	}
	p = __real_malloc(size + sizeof(GUARD));
	assert_non_null(p);
	memcpy(p + size, GUARD, sizeof(GUARD));
	if (!guarding)
		return p;
	for (i = 0; live[i].p != NULL; i++)
		assert_true(i < sizeof(live) / sizeof(live[0]) - 1);
	live[i].p = p;
	live[i].size = size;
	return p;
}

void
__wrap_free(void *p)
{
	size_t i;

	for (i = 0; p != NULL && i < sizeof(live) / sizeof(live[0]); i++) {
		if (live[i].p != p)
			continue;
		assert_string_equal(live[i].p + live[i].size, GUARD);
		live[i].p = NULL;
	}
	__real_free(p);
}

/* Whichever fails, it is said; nothing is written elsewhere, or lost. */
static void
fail_each(const char *text, size_t len)
{
	unsigned int n = 0;
	struct err e;
	json_t *v;
	size_t i;

	do {
		err_clear(&e);
		countdown = ++n;
		failed = false;
		v = json_strict(text, len, len, &e);
		countdown = 0;
		if (failed) {
			assert_null(v);
			assert_int_equal(e.code, ERR_NOMEM);
		}
		json_decref(v);
		for (i = 0; i < sizeof(live) / sizeof(live[0]); i++)
			assert_null(live[i].p);
	} while (failed);
	assert_int_equal(e.code, 0);
	assert_true(n > 40 && n < 1000);
}

static void
test_no_memory(void **state)
{
	static char text[20000];

	/* the text buffer grows at the end of the first string */
	guarding = true;
	strcpy(text,
	    "{\"f\":\"fourteen "
	    "bytes\",\"a\":[1,{\"b\":[\"x\",\"y\",[],[[2]]]},\"c\"],\"long\":"
	    "\"");
	memset(text + strlen(text), 'z', 16000);
	strcat(text,
	    "\",\"d\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,"
	    "\"6\":6,\"7\":7,\"8\":8,\"9\":9}}");
	fail_each(text, strlen(text));
	and_all_after = true;
	fail_each(text, strlen(text));
	and_all_after = guarding = false;
}

static void
test_accepts(void **state)
{
	static const char *const good[] = {
		"{}", "[]", "1", "\"x\"", "null",
		" {\"a\": [1, 2.5, true, null, \"\\u00e9\"]} \n",
		"9007199254740992", "-9007199254740992",
		("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
		"{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\": \"\\\"[[\"}"
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		json_t *v = json_strict(good[i], strlen(good[i]), 4096, &e);

		if (v == NULL)
			fail_msg("%s: %s", good[i], e.msg);
		json_decref(v);
	}
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *in;
		size_t len; /* 0: strlen */
		int code;
		const char *want; /* part of the message */
	} rows[] = {
		{ "", 0, ERR_INVALID, "empty" },
		{ "{\"a\":1,\n\"a\":2}", 0, ERR_INVALID, "line 2, column" },
		{ "{\"a\":1,\"a\":2}", 0, ERR_INVALID, "duplicate" },
		{ "{\"a\":{\"b\":1,\"b\":1}}", 0, ERR_INVALID, "duplicate" },
		{ "{\"a\":1,\"\\u0061\":2}", 0, ERR_INVALID, "duplicate" },
		{ "{} {}", 0, ERR_INVALID, "line 1" },
		{ "{} x", 0, ERR_INVALID, "line 1" },
		{ "{\"a\":1,}", 0, ERR_INVALID, "line 1" },
		{ "{'a':1}", 0, ERR_INVALID, "line 1" },
		{ "[1,2", 0, ERR_INVALID, "line 1" },
		{ "\"abc", 0, ERR_INVALID, "line 1" },
		{ "\"abc\\", 0, ERR_INVALID, "line 1" },
		{ "[NaN]", 0, ERR_INVALID, "line 1" },
		{ "[01]", 0, ERR_INVALID, "line 1" },
		{ "[1e999]", 0, ERR_INVALID, "line 1" },
		{ "[9007199254740993]", 0, ERR_INVALID, "out of range" },
		{ "{\"n\":{\"m\":-9007199254740993}}", 0, ERR_INVALID, "m:" },
		{ "[99999999999999999999]", 0, ERR_INVALID, "line 1" },
		{ "\"\xff\xfe\"", 0, ERR_INVALID, "line 1" },
		{ "\"\xed\xa0\x80\"", 0, ERR_INVALID, "line 1" },
		{ "\"\\ud800\"", 0, ERR_INVALID, "line 1" },
		{ "\"a\\u0000b\"", 0, ERR_INVALID, "line 1" },
		{ "{\"a\\u0000b\":1}", 0, ERR_INVALID, "line 1" },
		{ "[1]\0[2]", 7, ERR_INVALID, "line 1" },
		{ "\"a\nb\"", 0, ERR_INVALID, "line" },
		{ "/* c */ {}", 0, ERR_INVALID, "line 1" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]"
		  "]]]]]]]]",
		    0, ERR_INVALID, "deep" },
	};
	struct err e;
	size_t i, len;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = rows[i].len == 0 ? strlen(rows[i].in) : rows[i].len;
		err_clear(&e);
		if (json_strict(rows[i].in, len, 4096, &e) != NULL)
			fail_msg("row %zu passed: %s", i, rows[i].in);
		assert_int_equal(e.code, rows[i].code);
		if (strstr(e.msg, rows[i].want) == NULL)
			fail_msg("row %zu: %s", i, e.msg);
	}
}

static void
test_size(void **state)
{
	struct err e;

	assert_null(json_strict("[1234]", 6, 5, &e));
	assert_int_equal(e.code, ERR_TOOBIG);
	assert_null(json_strict("[1234]", 6, 5, NULL));
}

/* Few bytes must not become much memory. */
static void
test_amplification(void **state)
{
	static const char *const unit[] = { "[],", "{},", "1,", "{\"a\":[]},",
		"[[[[[[]]]]]]," };
	size_t len = 1024 * 1024, i, n, at;
	char *text = malloc(len + 2);
	struct err e;

	assert_non_null(text);
	for (i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		n = strlen(unit[i]);
		text[0] = '[';
		for (at = 1; at + n < len; at += n)
			memcpy(text + at, unit[i], n);
		text[at - 1] = ']';
		assert_null(json_strict(text, at, len, &e));
		assert_int_equal(e.code, ERR_TOOBIG);
	}
	free(text);
}

/* A plain list of hashes of the greatest size is no attack. */
static void
test_large_list(void **state)
{
	size_t len = 1024 * 1024, at;
	char *text = malloc(len);
	struct err e;
	json_t *v;

	assert_non_null(text);
	text[0] = '[';
	for (at = 1; at + 40 < len; at += 35)
		memcpy(text + at, "\"0123456789abcdef0123456789abcdef\",", 35);
	text[at - 1] = ']';
	v = json_strict(text, at, len, &e);
	if (v == NULL)
		fail_msg("%s", e.msg);
	json_decref(v);
	free(text);
}

/* What was read of a text is given back, in no more time than it took. */
static void
test_refused_at_its_end(void **state)
{
	enum { VALUES = 150000, EACH = 6 };
	size_t len = VALUES * EACH + 64, at, i;
	char *text = malloc(len);
	clock_t began;
	struct err e;

	assert_non_null(text);
	at = (size_t)snprintf(text, len, "{\"a\":[");
	for (i = 0; i < VALUES; i++)
		at += (size_t)snprintf(text + at, len - at, "1.555,");
	at += (size_t)snprintf(text + at, len - at, "1],\"a\":1}");
	began = clock();
	assert_null(json_strict(text, at, len, &e));
	assert_non_null(strstr(e.msg, "duplicate"));
	/* 0.05 s, and several times that under the sanitizers */
	assert_true(clock() - began < 2 * CLOCKS_PER_SEC);
	free(text);
}

static void
test_fields(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"n\":7,\"f\":7.0,\"b\":true,"
				   "\"o\":{},\"a\":[],\"z\":null}";
	struct err e;
	json_t *v = json_strict(text, sizeof(text) - 1, 4096, &e), *sub = NULL;
	const char *s = "before";
	int64_t n = -1;
	bool b = false;

	assert_non_null(v);
	assert_int_equal(json_need_str(v, "", "s", &s, &e), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_need_int(v, "", "n", 0, 10, &n, &e), 0);
	assert_int_equal(n, 7);
	assert_int_equal(json_opt_bool(v, "", "b", &b, &e), 0);
	assert_true(b);
	assert_int_equal(json_need_object(v, "", "o", &sub, &e), 0);
	assert_true(json_is_object(sub));
	assert_int_equal(json_need_array(v, "", "a", &sub, &e), 0);
	assert_true(json_is_array(sub));
	/* absent and null leave the value alone */
	n = 42;
	assert_int_equal(json_opt_int(v, "", "none", 0, 1, &n, &e), 0);
	assert_int_equal(json_opt_int(v, "", "z", 0, 1, &n, &e), 0);
	assert_int_equal(n, 42);

	assert_int_equal(json_need_str(v, "", "z", &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "z: expected a string, got null");
	assert_int_equal(json_need_str(v, "a[0]", "q", &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "a[0].q: missing");
	assert_int_equal(json_need_int(v, "", "n", 8, 10, &n, &e), ERR_INVALID);
	assert_string_equal(e.msg, "n: 7 is not within 8 and 10");
	assert_int_equal(json_need_int(v, "", "f", 0, 10, &n, &e), ERR_INVALID);
	assert_int_equal(json_opt_str(v, "", "n", &s, &e), ERR_INVALID);
	assert_int_equal(json_opt_bool(v, "", "n", &b, &e), ERR_INVALID);
	assert_int_equal(json_opt_array(v, "", "o", &sub, &e), ERR_INVALID);
	assert_int_equal(json_opt_object(v, "", "a", &sub, &e), ERR_INVALID);
	assert_int_equal(json_need_str(sub, "list", "x", &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "list: expected an object, got an array");
	assert_int_equal(json_need_str(NULL, "", "x", &s, &e), ERR_INVALID);
	assert_string_equal(s, "x");
	json_decref(v);
}

static void
test_only_keys(void **state)
{
	static const char *const keys[] = { "module", "parameters", NULL };
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "{\"module\":1}", NULL },
		{ "{}", NULL },
		{ "{\"modul\":1}",
		    "op.modul: unknown field (did you mean \"module\"?)" },
		{ "{\"Module\":1}",
		    "op.Module: unknown field (did you mean \"module\"?)" },
		{ "{\"zzzzzzzzzz\":1}", "op.zzzzzzzzzz: unknown field" },
		{ "{\"a\\u001b[1m\":1}", "op.a\\x1b[1m: unknown field" },
		{ "[]", "op: expected an object, got an array" },
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *v =
		    json_strict(rows[i].in, strlen(rows[i].in), 4096, &e);
		int rc = json_only_keys(v, "op", keys, &e);

		assert_int_equal(rc, rows[i].want == NULL ? 0 : ERR_INVALID);
		if (rows[i].want != NULL)
			assert_string_equal(e.msg, rows[i].want);
		json_decref(v);
	}
}

/* Every truncation of a good text is refused. */
static void
test_truncations(void **state)
{
	static const char text[] =
	    "{\"a\":[1,{\"b\":\"c\\u00e9\"}],\"d\":-2.5}";
	size_t n;

	for (n = 0; n < sizeof(text) - 1; n++)
		assert_null(json_strict(text, n, 4096, NULL));
}

/* What is cut out and what is left agree with reading it all. */
static void
test_cut(void **state)
{
	static const struct {
		const char *in, *cut; /* NULL: is not cut out */
		const char *left;     /* in the value; NULL: an error */
	} rows[] = {
		{ "{\"k\":\"abc\",\"n\":1}", "abc", "" },
		{ " { \"n\" : 1 , \"k\" : \"abc\" } ", "abc", "" },
		{ "{\"k\":\"\"}", "", "" },
		{ "{\"k\":\"a\\u0062\"}", NULL, "ab" },
		{ "{\"\\u006b\":\"abc\"}", NULL, "abc" },
		{ "{\"k\":1}", NULL, "1" },
		{ "{\"k\":[\"k\",\"abc\"]}", NULL, "[\"k\",\"abc\"]" },
		{ "{\"n\":{\"k\":\"abc\"},\"k\":\"d\"}", "d", "" },
		{ "{\"n\":\"\\\"k\\\":\\\"abc\",\"k\":\"d\"}", "d", "" },
		{ "{\"n\":\"k\",\"k\":\"d\"}", "d", "" },
		/* what would have been an error is one */
		{ "{\"k\":\"a\",\"k\":\"b\"}", "a", NULL },
		{ "{\"k\":\"abc\"", "abc", NULL },
		{ "{\"k\":\"abc", NULL, NULL },
		{ "{\"k\":\"abc\\", NULL, NULL },
		{ "{\"k\":\"abc\\\"", NULL, NULL },
		{ "{\"k\":\"abc\"}}", "abc", NULL },
		{ "{\"k\":\"abc\",}", "abc", NULL },
		{ "[{\"k\":\"abc\"}", NULL, NULL },
		{ "}{\"k\":\"abc\"}", NULL, NULL },
		{ "{\"k\"", NULL, NULL },
		{ "{\"k\":", NULL, NULL },
		{ "{\"k", NULL, NULL },
		{ "", NULL, NULL },
	};
	struct json_cut cut = { .key = "k" };
	struct err e = { 0 };
	char *left;
	json_t *v;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v = json_strict_cut(
		    rows[i].in, strlen(rows[i].in), 4096, &cut, &e);
		assert_int_equal(cut.text != NULL, rows[i].cut != NULL);
		if (cut.text != NULL) {
			assert_int_equal(cut.len, strlen(rows[i].cut));
			assert_memory_equal(cut.text, rows[i].cut, cut.len);
		}
		assert_int_equal(v != NULL, rows[i].left != NULL);
		if (v == NULL)
			continue;
		left = json_dumps(
		    json_object_get(v, "k"), JSON_ENCODE_ANY | JSON_COMPACT);
		if (json_is_string(json_object_get(v, "k")))
			assert_string_equal(
			    json_string_value(json_object_get(v, "k")),
			    rows[i].left);
		else
			assert_string_equal(left, rows[i].left);
		free(left);
		json_decref(v);
	}
	/* it is not looked at, and counts for the size */
	v = json_strict_cut("{\"k\":\"\xff\1\"}", 10, 10, &cut, &e);
	assert_non_null(v);
	assert_memory_equal(cut.text, "\xff\1", cut.len);
	json_decref(v);
	assert_null(json_strict_cut("{\"k\":\"ab\"}", 10, 9, &cut, &e));
	assert_string_equal(e.msg, "10 bytes of JSON, at most 9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_large_list),
		cmocka_unit_test(test_refused_at_its_end),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_only_keys),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
