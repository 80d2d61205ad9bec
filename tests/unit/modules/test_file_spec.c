/* SPDX-License-Identifier: MPL-2.0 */
/* The file module's table: parameters, flags, printing, CSV, mask. */
#include "base/err.h"
#include "base/path.h"
#include "modules/file/param.h"
#include "modules/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct module *
file(void)
{
	return module_find("file");
}

static void
test_lookup(void **state)
{
	size_t n;

	assert_non_null(file());
	assert_ptr_equal(module_by_number(MODULE_file), file());
	assert_null(module_find("nope"));
	assert_null(module_by_number(0));
	assert_ptr_equal(module_all(&n)[0], file());
	assert_string_equal(module_name(1), "file");
	assert_null(module_name(99));
	assert_int_equal(module_needs(1), NEED_READ_FILES);
}

static void
test_check(void **state)
{
#define S(fields) "{\"searches\":{\"s1\":{" fields "}}}"
#define P "\"paths\":[\"/a\"]"
	static const struct {
		const char *in, *want; /* NULL: good */
	} table[] = {
		{ S(P), NULL },
		{ S(P ",\"names\":[\"a\",\"!b\",\"!\"]"), NULL },
		{ S(P ",\"sizes\":[\"<1k\",\">0\",\"8t\"],\"mtimes\":[\"<"
		      "9d\"]"),
		    NULL },
		{ S(P ",\"options\":{\"maxdepth\":10.0,\"mismatch\":null}"),
		    NULL },
		{ "[]", "expected an object" },
		{ "{}", "searches" },
		{ "{\"searches\":{}}", "1 to 4096" },
		{ "{\"searches\":{\"\":{" P "}}}", "label" },
		{ "{\"searches\":{\"s1\":3}}", "searches.s1: expected" },
		{ S(""), "searches.s1.paths" },
		{ S("\"paths\":[]"), "at least one path" },
		{ S("\"paths\":[\"\"]"), "searches.s1.paths[0]" },
		{ S("\"paths\":[\"etc\"]"), "not an absolute path" },
		{ S("\"paths\":[\"/a\",1]"), "searches.s1.paths[1]" },
		{ S(P ",\"nmaes\":[]"), "nmaes" },
		{ S(P ",\"names\":[\"(\"]"), "searches.s1.names[0]: '('" },
		{ S(P ",\"names\":[\"(?=a)\"]"), "look-ahead (?=...) is not" },
		{ S(P ",\"names\":[\"\"]"), "empty expression" },
		{ S(P ",\"names\":[1]"), "names[0]: expected a string" },
		{ S(P ",\"sizes\":[\"<\"]"), "sizes[0]: '<' is not a size" },
		{ S(P ",\"sizes\":[\"\"]"), "is not a size" },
		{ S(P ",\"sizes\":[\"9000000000t\"]"), "is not a size" },
		{ S(P ",\"sizes\":[\"1kb\"]"), "is not a size" },
		{ S(P ",\"mtimes\":[\"90d\"]"), "is not an age" },
		{ S(P ",\"mtimes\":[\"<90s\"]"), "is not an age" },
		{ S(P ",\"mtimes\":[\"<d\"]"), "is not an age" },
		{ S(P ",\"md5\":[\"00\"]"), "md5[0]: '00' has 2 digits" },
		{ S(P ",\"sha1\":["
		      "\"zz28babb1ea84fd20da6ff3abcc0791613d38d28\"]"),
		    "is not hexadecimal" },
		{ S(P ",\"sha3\":[\"\"]"), "has 0 digits" },
		{ S(P ",\"modes\":[\"u\",\"^-rws\"]"),
		    "modes[1]: '^-rws' matches no mode: expected an" },
		{ S(P ",\"modes\":[\"!x\"]"), "'!x' matches no mode" },
		{ S(P ",\"options\":{\"maxdepth\":-1}"), "options.maxdepth" },
		{ S(P ",\"options\":{\"maxdepth\":1.5}"), "options.maxdepth" },
		{ S(P ",\"options\":{\"matchall\":1}"), "options.matchall" },
		{ S(P ",\"options\":{\"mismatch\":[\"names\"]}"),
		    "options.mismatch[0]" },
		{ S(P ",\"options\":{\"x\":1}"), "searches.s1.options" },
	};
	struct err e;
	json_t *v;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		v = json_loads(table[i].in, 0, NULL);
		if (v == NULL)
			continue;
		err_clear(&e);
		rc = file()->check(v, &e);
		json_decref(v);
		if (table[i].want == NULL && rc != 0)
			fail_msg("%s: %s", table[i].in, e.msg);
		if (table[i].want != NULL &&
		    (rc == 0 || strstr(e.msg, table[i].want) == NULL))
			fail_msg("%s: rc %d '%s', wanted '%s'", table[i].in, rc,
			    e.msg, table[i].want);
	}
}

/* What matches none of the 28,672 modes that there can be is refused. */
static void
test_check_modes(void **state)
{
	static const struct {
		const char *expression;
		bool possible;
	} table[] = { { "0777", false }, { "4755", false }, { "^-rws", false },
		{ "rwt$", false }, { "[st]$", false }, { "^ud", false },
		{ "^.{15}$", false }, { "^.{9}$", false },
		{ "^-.*x.*u", false }, { "^(-rw[sS]|-..[sS])", false },
		{ "wr", false }, { "ww", false }, { "(?i)^-RWX$", false },
		{ "x{2}", false }, { "(^-){3}", false },
		{ "[^-dLDpSugctrwx]", false }, { "^s", false },
		{ "a\\b", false }, { "^gu", false }, { "^u", true },
		{ "^ug", true }, { "^dt", true }, { "^d.*t", true },
		{ "^Dc", true }, { "^Dugct", true }, { "^.{14}$", true },
		{ "^.{10}$", true }, { ".", true }, { "(?i)^-RWX", true },
		{ "(((x*)*)*)*", true }, { "\\b", true },
		{ "^(-rw[sS]|-..[xX])", true }, { "([rwx-]{3}){3}$", true },
		{ "^[ug]+", true }, { "-{10}", true }, { "-{11}", false },
		{ "(-|--){4}-{7}", false }, { "^S.*x$", true },
		{ "w..w..w.$", true }, { "\\pL", true },
		{ "(r?w?x?){30}s", false }, { "\\C{14}", true },
		{ "\\C{15}", false } };
	struct err e;
	json_t *v;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		v = json_pack("{s:{s:{s:[s],s:[s]}}}", "searches", "s1",
		    "paths", "/", "modes", table[i].expression);
		assert_non_null(v);
		err_clear(&e);
		rc = file()->check(v, &e);
		json_decref(v);
		if ((rc == 0) != table[i].possible)
			fail_msg("%s: %d %s", table[i].expression, rc, e.msg);
	}
}

#define H1 "0123456789abcdef0123456789abcdef"
#define H2 "0123456789abcdef0123456789abcdee"

static void
test_check_possible(void **state)
{
	static const struct {
		const char *fields, *options, *want; /* NULL: possible */
	} table[] = {
		{ "'sizes':['>1k','<1k']", "", NULL },
		{ "'sizes':['>1k','<1023']", "",
		    "sizes[1]: no file passes both"
		    " '>1k' and '<1023'" },
		{ "'sizes':['<1k','5m','>1']", "",
		    "sizes[1]: no file passes both '<1k' and '5m'" },
		{ "'sizes':['512','513']", "", "'512' and '513'" },
		{ "'sizes':['1k','1024','<1k','>1k']", "", NULL },
		{ "'sizes':['>1m','<1k']", ",'mismatch':['size']", NULL },
		{ "'sizes':['>1m','<1k']", ",'mismatch':['mtime']",
		    "searches.s1.sizes[1]" },
		{ "'mtimes':['<2h','>1h']", "", NULL },
		{ "'mtimes':['<60m','>1h']", "",
		    "mtimes[1]: no file passes both '<60m' and '>1h'" },
		{ "'mtimes':['>3d','<9d','<1h']", "", "'>3d' and '<1h'" },
		{ "'mtimes':['<0m','<1h']", "", NULL },
		{ "'mtimes':['<1h','>2h']", ",'mismatch':['mtime']", NULL },
		{ "'names':['^f$','!^f']", "", NULL },
		{ "'names':['b','a','!b','c']", "",
		    "names[2]: no file passes both 'b' and '!b'" },
		{ "'names':['!b','b','b']", "", "'!b' and 'b'" },
		{ "'names':['b','!b']", ",'mismatch':['name']", NULL },
		{ "'contents':['x','!x']", "", "contents[1]" },
		{ "'contents':['x','!x']", ",'macroal':true", "contents[1]" },
		{ "'contents':['x'],'names':['!x']", "", NULL },
		{ "'modes':['x','r']", "", NULL },
		{ "'md5':['" H1 "','" H1 "']", "", NULL },
		{ "'md5':['" H1 "','" H2 "']", "",
		    "md5[1]: no file passes both '" H1 "' and '" H2
		    "': with matchall it would have to; matchany answers" },
		{ "'md5':['" H1 "','" H2 "']", ",'mismatch':['md5']", NULL },
		{ "'sha2':['" H1 H1 "','" H1 H1 H2 H2 "']", "", NULL },
		{ "'sha2':['" H1 H1 "','" H1 H1 H2 H2 "','" H1 H2 "']", "",
		    "sha2[2]: no file passes both '" H1 H1 "' and" },
		{ "'sha3':['" H1 H1 "'],'sha2':['" H2 H2 "']", "", NULL },
	};
	static const char *const alls[] = { "true", "false" };
	char text[1024];
	struct err e;
	size_t i, any, k;
	json_t *v;
	int rc;

	for (i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
		k = i / 2;
		any = i % 2;
		snprintf(text, sizeof(text),
		    S("'paths':['/a'],%s,'options':"
		      "{'matchall':%s%s}"),
		    table[k].fields, alls[any], table[k].options);
		for (char *q = text; (q = strchr(q, '\'')) != NULL;)
			*q = '"';
		v = json_loads(text, 0, NULL);
		assert_non_null(v);
		err_clear(&e);
		rc = file()->check(v, &e);
		json_decref(v);
		if (table[k].want == NULL || any) {
			if (rc != 0)
				fail_msg("%s: %s", text, e.msg);
		} else if (rc != ERR_INVALID ||
		    strstr(e.msg, table[k].want) == NULL) {
			fail_msg("%s: rc %d '%s', wanted '%s'", text, rc, e.msg,
			    table[k].want);
		}
	}
}

static void
test_path_clean(void **state)
{
	static const char *const table[][2] = { { "/", "/" }, { "//", "/" },
		{ "/a/", "/a" }, { "/a//b/./c", "/a/b/c" }, { "/a/../b", "/b" },
		{ "/../../x", "/x" }, { "/a/..", "/" },
		{ "/a/b/../../..", "/" }, { "/..a/...", "/..a/..." } };
	char buf[64];
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(buf, sizeof(buf), "%s", table[i][0]);
		path_clean(buf);
		assert_string_equal(buf, table[i][1]);
	}
}

static json_t *
flags(const char *const *words, size_t n, struct err *e)
{
	const char *flag[16], *value[16];
	struct module_flags f = { .n = n, .flag = flag, .value = value };
	size_t i;

	for (i = 0; i < n; i++) {
		flag[i] = words[2 * i];
		value[i] = words[2 * i + 1];
	}
	return file()->from_flags(&f, e);
}

static void
test_flags(void **state)
{
	static const char *const good[] = { "path", "/etc", "name", "^a",
		"name", "b", "matchlimit", "5", "matchany", NULL,
		"returnsha256", NULL, "mismatch", "size" };
	static const char *const nopath[] = { "name", "x" };
	static const char *const nocheck[] = { "path", "/", "returnsha256",
		NULL };
	static const char *const badnum[] = { "path", "/", "name", "x",
		"maxdepth", "x" };
	static const char *const both[] = { "path", "/", "size", "1",
		"matchall", NULL, "matchany", NULL };
	static const char *const relative[] = { "path", "etc", "md5", "" };
	json_t *v, *s, *o;
	struct err e;

	v = flags(good, 7, &e);
	if (v == NULL)
		fail_msg("%s", e.msg);
	s = json_object_get(json_object_get(v, "searches"), "s1");
	o = json_object_get(s, "options");
	assert_int_equal(json_array_size(json_object_get(s, "names")), 2);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "matchlimit")), 5);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "maxdepth")), 1000);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "maxerrors")), 30);
	assert_true(json_is_false(json_object_get(o, "matchall")));
	assert_true(json_is_true(json_object_get(o, "returnsha256")));
	json_decref(v);
	assert_null(flags(nopath, 1, &e));
	assert_non_null(strstr(e.msg, "-path is needed"));
	assert_null(flags(nocheck, 2, &e));
	assert_non_null(strstr(e.msg, "is needed: what to look for"));
	assert_null(flags(badnum, 3, &e));
	assert_non_null(strstr(e.msg, "-maxdepth: 'x' is not a number"));
	assert_null(flags(both, 4, &e));
	assert_non_null(strstr(e.msg, "exclude each other"));
	assert_null(flags(relative, 2, &e));
	assert_non_null(strstr(e.msg, "not an absolute path"));
}

static const char answer_text[] =
    "{\"foundanything\":true,\"success\":true,"
    "\"elements\":{\"s1\":[{\"file\":\"/etc/a\\u001b[2J\",\"filehex\":\"00\","
    "\"search\":{\"paths\":[\"/etc\"],\"names\":[\"a\"],\"options\":"
    "{\"matchall\":false}},\"fileinfo\":{\"size\":5,\"mode\":\"-rw-r--r--\","
    "\"lastmodified\":\"x\",\"sha256\":\"AB\"}},{\"file\":\"\",\"search\":"
    "{\"paths\":[\"/etc\"],\"names\":[\"b\"],\"options\":{\"matchall\":false}"
    "},\"fileinfo\":{\"size\":0,\"mode\":\"\",\"lastmodified\":\"\"}}]},"
    "\"statistics\":{\"notexamined\":{\"unreadable\":2,\"special\":1}},"
    "\"errors\":[\"bad\"]}";

static void
test_print(void **state)
{
	json_t *v = json_loads(answer_text, 0, NULL);
	struct buf out;

	assert_non_null(v);
	buf_init(&out, 65536);
	assert_int_equal(file()->print(v, "h1 ", SHOW_FOUND, &out, NULL), 0);
	assert_string_equal(buf_str(&out),
	    "h1 /etc/a\\x1b[2J "
	    "[lastmodified:x, mode:-rw-r--r--, size:5, sha256:AB] in search "
	    "'s1' on checks name='a'\nh1 not examined: 2 unreadable\n");
	buf_clear(&out);
	assert_int_equal(file()->print(v, "", SHOW_NOTFOUND, &out, NULL), 0);
	assert_string_equal(buf_str(&out),
	    "0 match found in search 's1' on "
	    "checks name='b'\nnot examined: 2 unreadable\n");
	buf_clear(&out);
	assert_int_equal(file()->print(v, "", SHOW_ALL, &out, NULL), 0);
	assert_non_null(strstr(buf_str(&out),
	    "error: bad\nnot examined: 2 "
	    "unreadable, 1 special\n"));
	buf_clear(&out);
	assert_int_equal(file()->csv(v, "h1,", &out, NULL), 0);
	assert_string_equal(buf_str(&out),
	    "h1,\"s1\",\"/etc/a\\x1b[2J\",5,"
	    "\"'-rw-r--r--\",\"x\",\"AB\",\"name='a'\"\n");
	assert_int_equal(file()->mask(v), 0);
	buf_clear(&out);
	assert_int_equal(file()->print(v, "", SHOW_ALL, &out, NULL), 0);
	assert_null(strstr(buf_str(&out), "/etc"));
	assert_non_null(strstr(buf_str(&out), "error: masked"));
	buf_release(&out);
	json_decref(v);
}

/* Answers come from outside: any JSON must be survived. */
static void
test_print_hostile(void **state)
{
	static const char *const bad[] = { "{}", "{\"elements\":3}",
		"{\"elements\":{\"a\":{\"b\":1}}}",
		"{\"elements\":{\"a\":[1,null,{\"file\":[]}]}}",
		"{\"elements\":{\"a\":[{\"file\":\"x\",\"fileinfo\":[],"
		"\"search\":{\"names\":[1],\"options\":2}}]},\"errors\":{},"
		"\"statistics\":{\"notexamined\":{\"x\":\"y\"}}}" };
	struct buf out;
	json_t *v;
	size_t i;

	buf_init(&out, 65536);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = json_loads(bad[i], 0, NULL);
		assert_non_null(v);
		buf_clear(&out);
		file()->print(v, "", SHOW_ALL, &out, NULL);
		file()->csv(v, "", &out, NULL);
		file()->mask(v);
		json_decref(v);
	}
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_possible),
		cmocka_unit_test(test_check_modes),
		cmocka_unit_test(test_path_clean),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
