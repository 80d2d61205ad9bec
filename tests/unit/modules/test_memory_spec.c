/* SPDX-License-Identifier: MPL-2.0 */
/* The memory module's parameters, printer and mask. Looking into processes:
 * tests/integration/test_memory.py. */
#include "modules/memory/param.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct module module_memory;

#define S(fields) "{\"searches\":{\"s1\":{" fields "}}}"

static void
test_check(void **state)
{
	static const struct {
		const char *in, *says; /* NULL: taken */
	} cases[] = {
		{ S("\"names\":[\"^/usr/bin/x$\"],\"libraries\":[\"libc\"],"
		    "\"bytes\":[\"00ffA0\"],\"contents\":[\"pass\"],"
		    "\"description\":\"d\",\"options\":{\"offset\":4096,"
		    "\"maxlength\":0,\"matchall\":true,\"logfailures\":false,"
		    "\"residentonly\":true}"),
		    NULL },
		{ S("\"names\":null"), NULL },
		{ "{}", "searches" },
		{ "{\"searches\":[]}", "searches" },
		{ "{\"searches\":{\"\":{}}}", "searches" },
		{ "{\"searches\":{\"s1\":7}}", "searches.s1" },
		{ S("\"names\":\"x\""), "searches.s1.names: expected an" },
		{ S("\"names\":[7]"), "searches.s1.names[0]: expected a" },
		{ S("\"names\":[\"a\",\"(\"]"), "searches.s1.names[1]: '('" },
		{ S("\"contents\":[\"[\"]"), "searches.s1.contents[0]" },
		{ S("\"libraries\":[\"*\"]"), "searches.s1.libraries[0]" },
		{ S("\"bytes\":[\"\"]"), "searches.s1.bytes[0]: ''" },
		{ S("\"bytes\":[\"0\"]"), "searches.s1.bytes[0]: '0'" },
		{ S("\"bytes\":[\"0g\"]"), "searches.s1.bytes[0]: '0g'" },
		{ S("\"options\":{\"offset\":-1}"), "options.offset" },
		{ S("\"options\":{\"maxlength\":0.5}"), "options.maxlength" },
		{ S("\"options\":{\"matchall\":1}"), "options.matchall" },
		{ S("\"options\":[]"), "searches.s1.options: expected" },
		{ S("\"name\":[]"), "name" },
	};
	struct err e;
	json_t *j;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err_clear(&e);
		j = json_loads(cases[i].in, 0, NULL);
		assert_non_null(j);
		rc = module_memory.check(j, &e);
		if ((rc == 0) != (cases[i].says == NULL) ||
		    (rc != 0 && strstr(e.msg, cases[i].says) == NULL))
			fail_msg(
			    "%s: %d %s", cases[i].in, rc, rc != 0 ? e.msg : "");
		json_decref(j);
	}
}

/* Checks in the order of their kinds; searches that look at the same addresses
 * share a window. */
static void
test_parse(void **state)
{
	static const char in[] =
	    "{\"searches\":{"
	    "\"a\":{\"contents\":[\"c\"],\"names\":[\"n\",\"m\"],"
	    "\"bytes\":[\"00fF\"],\"options\":{\"matchall\":true}},"
	    "\"b\":{\"libraries\":[\"l\"],\"options\":{\"maxlength\":5,"
	    "\"logfailures\":true}},"
	    "\"c\":{\"names\":[\"n\"],\"options\":{\"offset\":0}}}}";
	uint8_t bytes[MEMORY_BYTES_MAX];
	struct memory_params p;
	struct err e;
	json_t *j = json_loads(in, 0, NULL);

	assert_int_equal(memory_params_parse(j, &p, &e), 0);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.searches[0].label, "a");
	assert_int_equal(p.searches[0].nchecks, 4);
	assert_int_equal(p.searches[0].checks[0].kind, MEMORY_NAME);
	assert_string_equal(p.searches[0].checks[1].value, "m");
	assert_int_equal(p.searches[0].checks[2].kind, MEMORY_BYTES);
	assert_int_equal(p.searches[0].checks[3].kind, MEMORY_CONTENT);
	assert_int_equal(
	    memory_check_bytes(&p.searches[0].checks[2], bytes), 2);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[1], 0xff);
	assert_true(p.searches[0].matchall && !p.searches[0].logfailures);
	assert_true(!p.searches[1].matchall && p.searches[1].logfailures);
	assert_int_equal(p.nwindows, 2);
	assert_int_equal(p.searches[0].window, p.searches[2].window);
	assert_int_equal(p.windows[p.searches[1].window].maxlength, 5);
	assert_true(p.windows[0].maxlength == UINT64_MAX);
	memory_params_release(&p);
	json_decref(j);
}

static void
add_search(json_t *searches, int i, json_t *search)
{
	char label[16];

	snprintf(label, sizeof(label), "s%d", i);
	assert_int_equal(json_object_set_new(searches, label, search), 0);
}

static void
check_says(json_t *root, const char *says)
{
	struct err e;

	err_clear(&e);
	assert_int_equal(module_memory.check(root, &e), ERR_TOOBIG);
	if (strstr(e.msg, says) == NULL)
		fail_msg("%s", e.msg);
	json_decref(root);
}

static void
test_too_much(void **state)
{
	json_t *root = json_pack("{s:{}}", "searches"), *list;
	json_t *searches = json_object_get(root, "searches");
	char hex[2 * MEMORY_BYTES_MAX + 3];
	struct err e;
	int i;

	/* each pair of offset and maxlength is a pass over every process */
	for (i = 0; i < MEMORY_WINDOWS_MAX; i++)
		add_search(searches, i,
		    json_pack("{s:[s],s:{s:i}}", "bytes", "00", "options",
			"offset", i));
	assert_int_equal(module_memory.check(root, &e), 0);
	add_search(searches, i,
	    json_pack(
		"{s:[s],s:{s:i}}", "bytes", "00", "options", "offset", i));
	check_says(root, "more than 16 different pairs");

	/* checks are counted over all searches */
	root = json_pack("{s:{}}", "searches");
	searches = json_object_get(root, "searches");
	for (i = 0; i < 2; i++) {
		list = json_array();
		while (
		    json_array_size(list) < MEMORY_CHECKS_MAX / 2 + (size_t)i)
			json_array_append_new(list, json_string("00"));
		add_search(searches, i, json_pack("{s:o}", "bytes", list));
	}
	check_says(root, "more than 32768 checks");

	/* and what expressions cost as well */
	root = json_pack("{s:{}}", "searches");
	searches = json_object_get(root, "searches");
	list = json_array();
	while (json_array_size(list) < 30000)
		json_array_append_new(
		    list, json_string("(a[b-y]{1,30}c|d[e-w]{1,30}f){1,20}"));
	add_search(searches, 0, json_pack("{s:o}", "contents", list));
	check_says(root, "too much together");

	/* 4096 bytes are the longest */
	memset(hex, 'a', sizeof(hex));
	hex[2 * MEMORY_BYTES_MAX] = '\0';
	root = json_pack("{s:{s:{s:[s]}}}", "searches", "s", "bytes", hex);
	assert_int_equal(module_memory.check(root, &e), 0);
	json_decref(root);
	hex[2 * MEMORY_BYTES_MAX] = 'a';
	hex[2 * MEMORY_BYTES_MAX + 2] = '\0';
	root = json_pack("{s:{s:{s:[s]}}}", "searches", "s", "bytes", hex);
	assert_int_equal(module_memory.check(root, &e), ERR_INVALID);
	json_decref(root);
}

static void
test_flag_offset(void **state)
{
	static const struct {
		const char *in;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "16", 16 },
		{ "0x10", 16 },
		{ "0X5653185ccb58", 0x5653185ccb58 },
		{ "0x4000000000000", INT64_C(1) << 50 },
		{ "0x4000000000001", -1 },
		{ "0x10000000000000000", -1 },
		{ "0x", -1 },
		{ "0x1g", -1 },
		{ "0x-1", -1 },
		{ "-0x10", -1 },
		{ "10h", -1 },
		{ "", -1 },
	};
	const char *flags[] = { "name", "offset" };
	const char *values[] = { "x", NULL };
	struct module_flags f = { 2, flags, values };
	const json_t *searches;
	struct err e;
	json_t *j;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err_clear(&e);
		values[1] = rows[i].in;
		j = module_memory.from_flags(&f, &e);
		assert_int_equal(j == NULL, rows[i].want < 0);
		if (j == NULL) {
			assert_non_null(strstr(e.msg, "-offset"));
			continue;
		}
		searches = json_object_get(j, "searches");
		assert_int_equal(
		    json_integer_value(json_object_get(
			json_object_get(
			    json_object_get(searches, "s1"), "options"),
			"offset")),
		    rows[i].want);
		json_decref(j);
	}
	/* no other number */
	flags[1] = "maxlength";
	values[1] = "0x10";
	assert_null(module_memory.from_flags(&f, &e));
}

static void
test_flags(void **state)
{
	static const char *const none[] = { "matchall" };
	static const char *const both[] = { "name", "matchall", "matchany" };
	static const char *const some[] = { "name", "name", "content",
		"maxlength", "matchany" };
	static const char *const values[] = { "a", "b", "c", "77", NULL };
	static const char *const none_values[] = { NULL, NULL, NULL };
	struct module_flags f = { 1, none, none_values };
	struct err e;
	json_t *j, *want;

	err_clear(&e);
	assert_null(module_memory.from_flags(&f, &e));
	assert_non_null(strstr(e.msg, "-name, -lib, -bytes or -content"));
	f = (struct module_flags){ 3, both,
		(const char *const[]){ "a", NULL, NULL } };
	assert_null(module_memory.from_flags(&f, &e));
	assert_non_null(strstr(e.msg, "exclude each other"));
	f = (struct module_flags){ 5, some, values };
	j = module_memory.from_flags(&f, &e);
	want = json_pack("{s:{s:{s:[s,s],s:[s],s:{s:i,s:b}}}}", "searches",
	    "s1", "names", "a", "b", "contents", "c", "options", "maxlength",
	    77, "matchall", 0);
	assert_non_null(j);
	assert_true(json_equal(j, want));
	json_decref(j);
	json_decref(want);
}

/* --- answers ----------------------------------------------------------------
 */

static const char answer[] =
    "{\"foundanything\":true,\"success\":true,\"elements\":{\"s1\":["
    "{\"process\":{\"name\":\"/home/ann/x\\u001b[2J\",\"pid\":12,"
    "\"namehex\":\"2f\",\"deleted\":true},"
    "\"search\":{\"contents\":[\"p\"],\"options\":{\"matchall\":false}},"
    "\"matches\":[{\"content\":\"p\",\"address\":\"0x10\",\"mapping\":"
    "\"/home/ann/y\",\"permissions\":\"rw-p\"},{\"bytes\":\"00\",\"end\":"
    "\"0x20\",\"permissions\":\"r--p\"}]},"
    "{\"process\":{\"name\":\"\",\"pid\":0},"
    "\"search\":{\"names\":[\"q\"],\"options\":{\"matchall\":true}}}]},"
    "\"statistics\":{\"failures\":[\"/home/ann/z [pid:3]: denied\"],"
    "\"notexamined\":{\"vanished\":1,\"unreadable\":2}},"
    "\"errors\":[\"unreadable: /home/ann/z\"]}";

static void
check_print(enum print_show show, const char *want)
{
	json_t *j = json_loads(answer, 0, NULL);
	struct buf out;
	struct err e;

	assert_non_null(j);
	buf_init(&out, 4096);
	assert_int_equal(module_memory.print(j, "h ", show, &out, &e), 0);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
	json_decref(j);
}

#define FOUND                                                              \
	"h /home/ann/x\\x1b[2J (deleted) [pid:12, content='p' at 0x10 in " \
	"/home/ann/y rw-p, bytes='00' ending at 0x20 in nameless memory "  \
	"r--p] in search 's1' on checks content='p'\n"

static void
test_print(void **state)
{
	check_print(SHOW_FOUND, FOUND "h not examined: 2 unreadable\n");
	check_print(SHOW_NOTFOUND,
	    "h 0 match found in search 's1'\nh not examined: 2 unreadable\n");
	check_print(SHOW_ALL,
	    FOUND "h 0 match found in search 's1'\n"
		  "h error: unreadable: /home/ann/z\n"
		  "h not examined: 1 vanished, 2 unreadable\n");
}

static void
test_csv(void **state)
{
	json_t *j = json_loads(answer, 0, NULL);
	struct buf out;
	struct err e;

	buf_init(&out, 4096);
	assert_int_equal(module_memory.csv(j, "h,", &out, &e), 0);
	assert_string_equal(buf_str(&out),
	    "h,\"s1\",\"/home/ann/x\\x1b[2J\",12,\"content='p' at 0x10 in "
	    "/home/ann/y rw-p, bytes='00' ending at 0x20 in nameless memory "
	    "r--p\",\"content='p'\"\n");
	buf_release(&out);
	json_decref(j);
}

/* People's names are in paths; numbers and what was asked for stay. */
static void
test_mask(void **state)
{
	json_t *j = json_loads(answer, 0, NULL);
	char *text;

	assert_int_equal(module_memory.mask(j), 0);
	text = json_dumps(j, JSON_COMPACT);
	assert_null(strstr(text, "ann"));
	assert_null(strstr(text, "namehex"));
	assert_non_null(strstr(text, "\"pid\":12"));
	assert_non_null(strstr(text, "\"address\":\"0x10\""));
	assert_non_null(strstr(text, "\"contents\":[\"p\"]"));
	/* an entry without a process stays one */
	assert_non_null(strstr(text, "\"name\":\"\""));
	free(text);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_flag_offset),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests_name("modules/memory", tests, NULL, NULL);
}
