/* SPDX-License-Identifier: MPL-2.0 */
/* What is asked of every module of modules.def, whichever it is. */
#include "base/err.h"
#include "base/str.h"
#include "modules/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers with other shapes than a module's own. Agents send what they like,
 * and a printer or a mask takes it. */
static const char *const hostile[] = {
	"{}",
	"{\"foundanything\":1,\"success\":[],\"elements\":null,"
	"\"statistics\":7,\"errors\":{}}",
	"{\"elements\":[],\"errors\":[1,null,{},[]],\"statistics\":[]}",
	"{\"elements\":{\"a\":1,\"b\":[1,\"x\",null,[],{}],\"c\":{\"d\":[{}]}},"
	"\"statistics\":{\"notexamined\":{\"x\":\"y\",\"z\":{}}}}",
	"{\"elements\":{\"s1\":[{\"file\":7,\"search\":[],\"fileinfo\":1},"
	"{\"process\":{\"name\":[],\"pid\":\"x\"}}]}}",
	"{\"elements\":{\"packages\":[1,{\"name\":{}}],\"keys\":{},"
	"\"localip\":{\"x\":[{},1]},\"latencies\":\"x\",\"drifts\":{}}}",
};

static const struct module *const *
all(size_t *ret_n)
{
	const struct module *const *m = module_all(ret_n);

	assert_true(*ret_n > 0);
	return m;
}

static void
test_table(void **state)
{
	const struct module *const *m;
	const struct param *p, *q;
	size_t n, i;

	m = all(&n);
	for (i = 0; i < n; i++) {
		assert_ptr_equal(module_find(m[i]->name), m[i]);
		assert_ptr_equal(module_by_number(m[i]->number), m[i]);
		assert_string_equal(module_name(m[i]->number), m[i]->name);
		assert_int_equal(module_needs(m[i]->number), m[i]->needs);
		assert_true(m[i]->summary != NULL && m[i]->check != NULL &&
		    m[i]->from_flags != NULL && m[i]->print != NULL);
		assert_int_equal(m[i]->csv == NULL, m[i]->csv_header == NULL);
		assert_true(m[i]->absent == NULL ||
		    module_is_ordinary(m[i], m[i]->absent));
		for (p = m[i]->params; p->help != NULL; p++) {
			assert_non_null(p->field);
			assert_int_equal(p->flag != NULL &&
				param_takes_value(p) && p->arg == NULL,
			    0);
			assert_null(strchr(p->help, '\n'));
			for (q = m[i]->params; q < p; q++)
				assert_false(p->flag != NULL &&
				    q->flag != NULL &&
				    strcmp(p->flag, q->flag) == 0);
		}
	}
}

/* The privacy setting of an agent covers every module: it masks, or says why
 * there is nothing to mask. */
static void
test_mask(void **state)
{
	const struct module *const *m;
	json_t *j, *list;
	size_t n, i, k;

	m = all(&n);
	for (i = 0; i < n; i++) {
		if (m[i]->mask == NULL) {
			assert_true(m[i]->unmasked != NULL &&
			    strlen(m[i]->unmasked) > 20);
			continue;
		}
		assert_null(m[i]->unmasked);
		j = json_pack("{s:{},s:[s,s]}", "elements", "errors",
		    "unreadable: /home/somebody/secret: denied", "x");
		assert_int_equal(m[i]->mask(j), 0);
		list = json_object_get(j, "errors");
		for (k = 0; k < json_array_size(list); k++)
			if (strstr(json_string_value(json_array_get(list, k)),
				"somebody") != NULL)
				fail_msg(
				    "%s: errors are not masked", m[i]->name);
		json_decref(j);
	}
}

static void
test_hostile(void **state)
{
	const struct module *const *m;
	struct buf out;
	struct err e;
	json_t *j;
	size_t n, i, k;
	int show;

	m = all(&n);
	for (i = 0; i < n; i++) {
		for (k = 0; k < sizeof(hostile) / sizeof(hostile[0]); k++) {
			j = json_loads(hostile[k], 0, NULL);
			assert_non_null(j);
			buf_init(&out, 65536);
			for (show = SHOW_FOUND; show <= SHOW_ALL; show++)
				m[i]->print(
				    j, "> ", (enum print_show)show, &out, &e);
			if (m[i]->csv != NULL)
				m[i]->csv(j, "a,b,", &out, &e);
			assert_int_equal(out.error, 0);
			if (m[i]->mask != NULL)
				(void)m[i]->mask(j);
			buf_release(&out);
			json_decref(j);
		}
	}
}

/* Parameters of any shape get a sentence, never a crash. */
static void
test_check_hostile(void **state)
{
	static const char *const in[] = { "[]", "null", "7", "\"x\"",
		"{\"searches\":7}", "{\"searches\":{\"a\":7}}",
		"{\"searches\":{\"a\":{\"options\":7}}}",
		"{\"nosuchfield\":{}}" };
	const struct module *const *m;
	struct err e;
	json_t *j;
	size_t n, i, k;

	m = all(&n);
	for (i = 0; i < n; i++) {
		for (k = 0; k < sizeof(in) / sizeof(in[0]); k++) {
			err_clear(&e);
			j = json_loads(in[k], JSON_DECODE_ANY, NULL);
			assert_non_null(j);
			assert_true(m[i]->check(j, &e) < 0);
			assert_true(e.msg[0] != '\0');
			json_decref(j);
		}
	}
}

/* --- every field of every table, with every JSON type that is not its own --
 */

static const char *const no_strings[] = { "7", "1.5", "\"x\"", "true", "{}",
	"[7]", "[null]", "[true]", "[[]]", "[{}]", NULL };
static const char *const no_string[] = { "7", "1.5", "true", "[]", "{}",
	"[\"x\"]", NULL };
static const char *const no_number[] = { "\"7\"", "1.5", "true", "[]", "{}",
	"[7]", "4611686018427387904", "-4611686018427387904", NULL };
static const char *const no_bool[] = { "0", "1", "1.5", "\"true\"", "[]", "{}",
	"[true]", NULL };
static const char *const no_object[] = { "7", "1.5", "\"x\"", "true", "[]",
	"[{}]", NULL };

static const char *const *
wrong_for(enum param_type type)
{
	switch (type) {
	case PARAM_STR:
		return no_strings;
	case PARAM_NUM:
		return no_number;
	case PARAM_BOOL:
	case PARAM_NOT:
		return no_bool;
	default:
		return no_string;
	}
}

static int
check_text(const struct module *m, const char *text, struct err *e)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
	int rc;

	if (j == NULL)
		fail_msg("%s", text);
	err_clear(e);
	rc = m->check(j, e);
	json_decref(j);
	return rc;
}

/* Parameters with nothing but this field, in a search where those have them. */
static void
with_field(
    const char *field, const char *value, bool search, char *out, size_t size)
{
	const char *dot = strchr(field, '.');

	if (dot != NULL)
		snprintf(out, size, "%s{\"%.*s\":{\"%s\":%s}}%s",
		    search ? "{\"searches\":{\"s\":" : "", (int)(dot - field),
		    field, dot + 1, value, search ? "}}" : "");
	else
		snprintf(out, size, "%s{\"%s\":%s}%s",
		    search ? "{\"searches\":{\"s\":" : "", field, value,
		    search ? "}}" : "");
}

/* The error begins with the field's path, and says what is wrong behind it. */
static void
refuses(const struct module *m, const char *field, bool search,
    const char *const *values)
{
	char text[256], path[128], group[64];
	const char *behind;
	struct err e;

	snprintf(
	    path, sizeof(path), "%s%s", search ? "searches.s." : "", field);
	for (; *values != NULL; values++) {
		with_field(field, *values, search, text, sizeof(text));
		if (check_text(m, text, &e) != ERR_INVALID)
			fail_msg("%s takes %s", m->name, text);
		behind = e.msg + strlen(path);
		if (!str_starts(e.msg, path) ||
		    (*behind != ':' && !str_starts(behind, "[0]: ")) ||
		    strlen(behind) < 8)
			fail_msg("%s: %s: %s", m->name, text, e.msg);
	}
	/* and the group it is in */
	snprintf(group, sizeof(group), "%.*s", (int)strcspn(field, "."), field);
	if (strcmp(group, field) != 0)
		refuses(m, group, search, no_object);
}

static void
test_wrong_types(void **state)
{
	const struct module *const *m;
	const struct param *p;
	char text[256], number[24];
	const char *beyond[] = { number, NULL };
	struct err e;
	size_t n, i;
	bool search;
	int rc;

	m = all(&n);
	for (i = 0; i < n; i++) {
		(void)check_text(m[i], "{\"searches\":7}", &e);
		search = strstr(e.msg, "expected an object") != NULL;
		rc = check_text(
		    m[i], search ? "{\"searches\":{\"s\":{}}}" : "{}", &e);
		for (p = m[i]->params; p->help != NULL; p++) {
			refuses(m[i], p->field, search, wrong_for(p->type));
			if (p->type == PARAM_NUM && p->max > 0) {
				snprintf(number, sizeof(number), "%lld",
				    (long long)p->max + 1);
				refuses(m[i], p->field, search, beyond);
			}
			/* as if it were missing */
			with_field(
			    p->field, "null", search, text, sizeof(text));
			assert_int_equal(check_text(m[i], text, &e), rc);
		}
		refuses(m[i], "nosuchfield", search, no_strings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_check_hostile),
		cmocka_unit_test(test_wrong_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
