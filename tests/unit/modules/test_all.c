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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_check_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
