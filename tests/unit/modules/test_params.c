/* SPDX-License-Identifier: MPL-2.0 */
/* What tables of parameters do for every module: flags, check, printing. */
#include "base/err.h"
#include "modules/params.h"
#include "modules/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int
is_even(const char *value, struct err *e)
{
	return strlen(value) % 2 == 0
	    ? 0
	    : err_set(e, ERR_INVALID, "'%s' is odd", value);
}

static const struct param table[] = {
	{ NULL, "description", PARAM_ONE, NULL, "for people" },
	{ "name", "names", PARAM_STR, "REGEX", "a name", params_is_not_regex },
	{ "hex", "bytes", PARAM_STR, "HEX", "bytes", is_even },
	{ "to", "destination", PARAM_ONE, "HOST", "where to" },
	{ "count", "count", PARAM_NUM, "N", "how often", NULL, 1, 10 },
	{ "max", "options.max", PARAM_NUM, "N", "at most" },
	{ "all", "options.all", PARAM_BOOL, NULL, "all of them" },
	{ "any", "options.all", PARAM_NOT, NULL, "any of them" },
	{ "verbose", "options.debug", PARAM_WORD, "print", "talk" },
	{ .help = NULL },
};

static void
test_flags(void **state)
{
	static const struct {
		const char *flags[8];
		const char *want; /* JSON, or the beginning of the error */
	} t[] = {
		{ { NULL }, "{\"options\": {\"all\": true}}" },
		{ { "name", "a", "name", "!b", "to", "x", NULL },
		    "{\"destination\": \"x\", \"names\": [\"a\", \"!b\"], "
		    "\"options\": {\"all\": true}}" },
		{ { "max", "7", "any", NULL, "verbose", NULL, NULL },
		    "{\"options\": {\"all\": false, \"debug\": \"print\", "
		    "\"max\": 7}}" },
		{ { "max", "1", "max", "2", NULL },
		    "{\"options\": {\"all\": true, \"max\": 2}}" },
		{ { "to", "x", "to", "y", NULL }, "-to is given twice" },
		{ { "max", "x", NULL },
		    "-max: 'x' is not a number from 0 to 2^50" },
		{ { "count", "-1", NULL },
		    "-count: '-1' is not a number from 1 to 10" },
		{ { "name", NULL, NULL }, "-name needs a value (REGEX)" },
		{ { "to", "\xff", NULL }, "-to: the value is not UTF-8" },
		{ { "nmae", "x", NULL }, "unknown flag -nmae" },
	};
	const char *flag[4], *value[4];
	struct module_flags f = { 0, flag, value };
	struct err e;
	json_t *j;
	char *text;
	size_t i, k;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		f.n = 0;
		for (k = 0; t[i].flags[k] != NULL; k += 2) {
			flag[f.n] = t[i].flags[k];
			value[f.n++] = t[i].flags[k + 1];
		}
		err_clear(&e);
		j = params_from_flags(
		    table, &f, json_pack("{s:{s:b}}", "options", "all", 1), &e);
		if (t[i].want[0] == '{') {
			assert_non_null(j);
			text = json_dumps(j, JSON_SORT_KEYS);
			assert_string_equal(text, t[i].want);
			free(text);
			assert_int_equal(params_check(table, j, "", &e), 0);
		} else {
			assert_null(j);
			assert_ptr_equal(strstr(e.msg, t[i].want), e.msg);
		}
		json_decref(j);
	}
}

/* What was typed is named, where the error says a field. */
static void
test_name_flags(void **state)
{
	static const char *const flag[] = { "name", "count", "any", "name",
		"max", "hex" };
	static const char *const value[] = { "a", "3", NULL, "b", "77", "abc" };
	static const struct module_flags f = { 6, flag, value };
	static const struct {
		const char *msg, *want;
	} t[] = {
		{ "names[1]: 'b' is odd", "-name: 'b' is odd" },
		{ "searches.s1.names[0]: why", "-name: why" },
		{ "count: expected", "-count 3: expected" },
		{ "searches.s1.options.max: 5: why", "-max 77: 5: why" },
		{ "options.all: why", "-any: why" },
		/* not given, but there is one */
		{ "destination: why", "-to: why" },
		{ "searches.s1: too many", "too many" },
		/* no flag sets it, or no field is meant */
		{ "searches.s1.description: why",
		    "searches.s1.description: why" },
		{ "nothing: why", "nothing: why" },
		{ "names of it: why", "names of it: why" },
		{ "names[1", "names[1" },
		{ "-max: why", "-max: why" },
		{ "", "" },
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		err_clear(&e);
		err_set(&e, ERR_TOOBIG, "%s", t[i].msg);
		params_name_flags(table, &f, &e);
		assert_string_equal(e.msg, t[i].want);
		assert_int_equal(e.code, ERR_TOOBIG);
	}
}

static void
test_exclude(void **state)
{
	const char *flag[] = { "all", "any" };
	const char *value[] = { NULL, NULL };
	struct module_flags f = { 2, flag, value };
	struct err e;
	json_t *j;

	assert_true(params_has_flag(&f, "any"));
	assert_false(params_has_flag(&f, "an"));
	assert_int_equal(params_exclude(&f, "all", "max", &e), 0);
	assert_int_equal(params_exclude(&f, "all", "any", &e), ERR_INVALID);
	assert_string_equal(e.msg, "-all and -any exclude each other");
	j = params_search_from_flags(table, &f, NULL, &e);
	assert_false(
	    params_bool(json_object_get(json_object_get(j, "searches"), "s1"),
		"options.all"));
	json_decref(j);
}

static void
test_check(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: good */
	} t[] = {
		{ "{}", NULL },
		{ "{\"names\":null,\"options\":null}", NULL },
		{ "{\"names\":[\"a\",\"!b\",\"!\"],\"count\":10.0}", NULL },
		{ "{\"description\":\"d\",\"options\":{\"all\":false,"
		  "\"max\":0,\"debug\":\"x\"}}",
		    NULL },
		{ "[]", "here: expected an object" },
		{ "{\"nams\":[]}", "here.nams" },
		{ "{\"options\":{\"maxx\":1}}", "here.options.maxx" },
		{ "{\"options\":[]}", "here.options: expected an object" },
		{ "{\"names\":\"a\"}", "here.names: expected an array" },
		{ "{\"names\":[\"a\",7]}", "here.names[1]: expected a string" },
		{ "{\"names\":[\"a\",\"!(\"]}",
		    "here.names[1]: '(' is not a regular expression" },
		{ "{\"names\":[\"\"]}", "here.names[0]: an empty expression" },
		{ "{\"bytes\":[\"aa\",\"a\"]}", "here.bytes[1]: 'a' is odd" },
		{ "{\"destination\":[]}",
		    "here.destination: expected a string" },
		{ "{\"count\":0}",
		    "here.count: expected a whole number from "
		    "1 to 10" },
		{ "{\"count\":11}", "here.count: expected" },
		{ "{\"count\":1.5}", "here.count: expected" },
		{ "{\"count\":\"1\"}", "here.count: expected" },
		{ "{\"options\":{\"max\":-1}}",
		    "here.options.max: expected a whole number from 0 (no "
		    "limit) to 2^50" },
		{ "{\"options\":{\"all\":1}}",
		    "here.options.all: expected true or false" },
		{ "{\"options\":{\"debug\":true}}", "here.options.debug" },
	};
	struct err e;
	json_t *j;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		err_clear(&e);
		j = json_loads(t[i].in, 0, NULL);
		assert_non_null(j);
		assert_int_equal(params_check(table, j, "here", &e),
		    t[i].want != NULL ? ERR_INVALID : 0);
		if (t[i].want != NULL && strstr(e.msg, t[i].want) != e.msg)
			fail_msg("%s: %s", t[i].in, e.msg);
		json_decref(j);
	}
}

static int
each(const char *label, const json_t *search, const char *where, void *arg,
    struct err *e)
{
	struct buf *seen = arg;

	buf_add_fmt(seen, "%s=%s ", label, where);
	return params_check(table, search, where, e);
}

static void
test_searches(void **state)
{
	static const struct {
		const char *in, *want; /* labels, or the error */
	} t[] = {
		{ "{\"searches\":{\"b\":{},\"a\":{}}}",
		    "b=searches.b a=searches.a " },
		{ "{\"searches\":{\"b\":{\"x\":1},\"a\":{}}}", "searches.b.x" },
		{ "{\"searches\":{}}", "searches: expected 1 to 4096" },
		{ "{\"searches\":{\"\":{}}}", "searches: a label must have" },
		{ "{\"searches\":{\"a\":[]}}", "searches.a: expected an" },
		{ "{\"search\":{}}", "search" },
		{ "[]", "expected an object with \"searches\"" },
	};
	struct buf seen;
	struct err e;
	json_t *j;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		err_clear(&e);
		buf_init(&seen, 1024);
		j = json_loads(t[i].in, 0, NULL);
		rc = params_searches(j, each, &seen, &e);
		if (rc == 0)
			assert_string_equal(buf_str(&seen), t[i].want);
		else if (strstr(e.msg, t[i].want) != e.msg)
			fail_msg("%s: %s", t[i].in, e.msg);
		assert_true(rc == 0 || i > 0);
		json_decref(j);
		buf_release(&seen);
	}
}

static void
test_read(void **state)
{
	json_t *j = json_loads("{\"options\":{\"max\":7.0,\"all\":true},"
			       "\"destination\":\"x\",\"count\":null}",
	    0, NULL);

	assert_int_equal(params_num(j, "options.max", 3), 7);
	assert_int_equal(params_num(j, "count", 3), 3);
	assert_int_equal(params_num(j, "none.at.all", 3), 3);
	assert_true(params_bool(j, "options.all"));
	assert_false(params_bool(j, "options.any"));
	assert_string_equal(params_str(j, "destination"), "x");
	assert_null(params_str(j, "options.max"));
	json_decref(j);
}

static void
test_print(void **state)
{
	static const char *const ordinary[] = { "special", NULL };
	static const struct module m = { .ordinary = ordinary };
	json_t *j = json_loads("{\"success\":true,\"errors\":[\"a\\u001bb\"],"
			       "\"statistics\":{\"notexamined\":{"
			       "\"special\":3,\"unreadable\":2}}}",
	    0, NULL);
	struct buf out;
	struct err e;

	buf_init(&out, 1024);
	assert_int_equal(print_end(&m, j, "> ", SHOW_FOUND, &out, &e), 0);
	assert_string_equal(buf_str(&out), "> not examined: 2 unreadable\n");
	buf_clear(&out);
	assert_int_equal(print_end(&m, j, "> ", SHOW_ALL, &out, &e), 0);
	assert_string_equal(buf_str(&out),
	    "> error: a\\x1bb\n> not examined: 3 special, 2 unreadable\n");
	buf_clear(&out);
	json_object_set_new(j, "success", json_false());
	assert_int_equal(print_end(&m, j, "", SHOW_FOUND, &out, &e), 0);
	/* the caller sums it up */
	assert_string_equal(buf_str(&out), "not examined: 2 unreadable\n");
	buf_clear(&out);
	csv_add(&out, "=a\"b\n");
	assert_string_equal(buf_str(&out), "\"'=a\"\"b\\x0a\"");
	assert_int_equal(mask_errors(j), 0);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(j, "errors"), 0)),
	    "masked");
	assert_int_equal(mask_str(j, "nothing"), 0);
	assert_null(json_object_get(j, "nothing"));
	json_decref(j);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_name_flags),
		cmocka_unit_test(test_exclude),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_searches),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
