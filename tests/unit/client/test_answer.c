/* SPDX-License-Identifier: MPL-2.0 */
/* What an answer means and how it is shown; answers are from outside. */
#include "client/print/answer.h"

#include "base/err.h"
#include "client/print/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOUND                                                              \
	"{\"foundanything\":true,\"success\":true,\"elements\":{\"s1\":["  \
	"{\"file\":\"/etc/passwd\",\"search\":{\"options\":{\"matchall\":" \
	"true}},\"fileinfo\":{\"size\":1,\"mode\":\"-rw-r--r--\","         \
	"\"lastmodified\":\"x\"}}]},\"statistics\":{},\"errors\":[]}"
#define NOTHING                                                            \
	"{\"foundanything\":false,\"success\":true,\"elements\":{\"s1\":[" \
	"{\"file\":\"\",\"search\":{\"options\":{\"matchall\":true}}}]},"  \
	"\"statistics\":{},\"errors\":null}"

#define LACKS(word)                                                            \
	"{\"foundanything\":false,\"success\":true,\"errors\":[\"" word        \
	": /a: No such file or directory\"],\"statistics\":{\"notexamined\":{" \
	"\"" word "\":1}}}"

static const struct {
	const char *text;
	unsigned int status;
	bool found, failed, partial;
	const char *why; /* part of it */
} cases[] = {
	{ FOUND, PART_DONE, true, false, false, "" },
	{ NOTHING, PART_DONE, false, false, false, "" },
	{ "{\"foundanything\":false,\"success\":true,\"errors\":[\"/root: "
	  "denied\"]}",
	    PART_DONE, false, false, true, "/root: denied" },
	{ "{\"foundanything\":false,\"success\":false,\"errors\":[\"boom\\u"
	  "001b[2J\"]}",
	    PART_DONE, false, true, false, "file: boom\\x1b[2J" },
	{ "{\"foundanything\":false,\"success\":true,\"errors\":[\"/a: no\"],"
	  "\"statistics\":{\"notexamined\":{\"special\":3,\"unreadable\":2,"
	  "\"timelimit\":1,\"remotefs\":0}}}",
	    PART_DONE, false, false, true, "unreadable, timelimit" },
	{ "{\"foundanything\":false,\"success\":true,\"statistics\":{"
	  "\"notexamined\":{\"special\":3,\"loop\":1}}}",
	    PART_DONE, false, false, false, "" },
	{ "{\"foundanything\":false,\"success\":true,\"statistics\":{"
	  "\"notexamined\":[1]}}",
	    PART_DONE, false, false, false, "" },
	/* a sentence about what leaves no doubt leaves none either */
	{ "{\"foundanything\":false,\"success\":true,\"errors\":["
	  "\"symlinkoutside: 2 links; the first: /a\"],\"statistics\":{"
	  "\"notexamined\":{\"symlinkoutside\":2}}}",
	    PART_DONE, false, false, false, "" },
	{ "{\"foundanything\":false,\"success\":true,\"errors\":["
	  "\"symlinkoutside: 2 links; the first: /a\",\"no filter\"]}",
	    PART_DONE, false, false, true, "no filter" },
	/* what made it fail, not what happened beside it */
	{ "{\"foundanything\":false,\"success\":false,\"errors\":[\"loop: /a\","
	  "\"boom\"]}",
	    PART_DONE, false, true, false, "file: boom" },
	{ "{\"foundanything\":false,\"success\":false,\"errors\":[\"loop: "
	  "/a\"]}",
	    PART_DONE, false, true, false, "file: loop: /a" },
	/* what is not there hides nothing */
	{ LACKS("missing"), PART_DONE, false, false, false, "" },
	{ "{}", PART_DONE, false, true, false, "did not succeed" },
	{ "{\"foundanything\":1,\"success\":\"yes\"}", PART_DONE, false, true,
	    false, "did not succeed" },
	{ "[]", PART_DONE, false, true, false, "expected an object" },
	{ "{\"a\":1,\"a\":2}", PART_DONE, false, true, false, "cannot be" },
	{ "", PART_DONE, false, true, false, "cannot be read" },
	{ "killed\n\x1b]0;x", PART_FAILED, false, true, false,
	    "failed: killed\\x0a\\x1b]0;x" },
	{ "", PART_TIMEOUT, false, true, false, "time limit" },
	{ FOUND, PART_TIMEOUT, true, true, false, "time limit" },
	/* by which limit, in the worker's own words */
	{ "{\"foundanything\":true,\"success\":true,\"errors\":[\"x\","
	  "\"limit reached: CPU 1 s: what\"]}",
	    PART_LIMIT, true, true, false,
	    "file: stopped: limit reached: CPU 1 s" },
	{ "{\"foundanything\":false,\"success\":true,\"errors\":["
	  "\"unreadable: a: limit reached: no\",\"timelimit: limit reached: "
	  "time 3 s: what\"]}",
	    PART_TIMEOUT, false, true, false,
	    "file: stopped: limit reached: time 3 s: what" },
	{ "limit reached: memory 16 MB", PART_LIMIT, false, true, false,
	    "file: stopped: limit reached: memory 16 MB" },
	/* by whom, and what was found until then */
	{ "cancelled by A\n" FOUND, PART_INTERRUPTED, true, true, false,
	    "stopped: cancelled by A" },
	{ "cancelled by A\x1b; lost", PART_INTERRUPTED, false, true, false,
	    "stopped: cancelled by A\\x1b; lost" },
	{ FOUND, PART_INTERRUPTED, true, true, false, "interrupted" },
	{ "", PART_INTERRUPTED, false, true, false, "interrupted" },
	{ "x", 99, false, true, false, "unknown status" },
};

static void
test_judge(void **state)
{
	const struct module *m = module_find("file");
	struct answer *a = malloc(sizeof(*a));
	size_t i;

	assert_non_null(m);
	assert_non_null(a);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer_init(a, "ab", "web1", RESULT_DONE);
		answer_add(a, m, cases[i].status, cases[i].text,
		    strlen(cases[i].text));
		if (a->found != cases[i].found ||
		    a->failed != cases[i].failed ||
		    a->partial != cases[i].partial ||
		    strstr(a->why, cases[i].why) == NULL)
			fail_msg("case %zu: found %d failed %d partial %d: %s",
			    i, a->found, a->failed, a->partial, a->why);
		answer_release(a);
	}
	free(a);
}

/* What several agents say is one line, with how many say it. */
static void
test_errors(void **state)
{
	static const char text[] =
	    "{\"success\":false,\"errors\":[\"unusable: n1: no\\u001b\","
	    "\"unusable: n2: no\",\"unusable: n2: no\",\"unchecked: x\",7]}";
	struct answer *a = malloc(sizeof(*a));
	struct output o;
	struct summary s;
	struct buf out;
	int i;

	assert_non_null(a);
	output_init(&o);
	summary_init(&s);
	buf_init(&out, 65536);
	for (i = 0; i < 4; i++) {
		answer_init(a, "ab", "web1", RESULT_DONE);
		answer_add(
		    a, module_find("timedrift"), PART_DONE, text, strlen(text));
		assert_true(a->failed);
		/* the last two: they are in the answer that is shown */
		o.show = i == 2 ? SHOW_ALL : SHOW_FOUND;
		o.format = i == 3 ? OUTPUT_JSON : OUTPUT_TEXT;
		output_errors(&o, a, &s.errors);
		answer_release(a);
	}
	s.expected = s.failed = 2;
	assert_int_equal(summary_text(&s, 0, &out), 0);
	assert_string_equal(strchr(buf_str(&out), '\n') + 1,
	    "  error: unusable: n1: no\\x1b: 2 (web1, web1)\n"
	    "  error: unusable: n2: no: 2 (web1, web1)\n");
	buf_release(&out);
	summary_release(&s);
	output_release(&o);
	free(a);
}

/* So many that an endpoint could keep us busy with them. */
static void
test_many_errors(void **state)
{
	struct answer *a = malloc(sizeof(*a));
	struct groups g;
	struct buf text;
	int i;

	assert_non_null(a);
	groups_init(&g, 1000, 1 << 20);
	buf_init(&text, 8 << 20);
	buf_add_str(&text, "{\"success\":false,\"errors\":[\"first\"");
	for (i = 0; i < 200000; i++)
		buf_add_fmt(&text, ",\"e%d\"", i);
	buf_add_str(&text, "]}");
	answer_init(a, "ab", "web1", RESULT_DONE);
	answer_add(a, module_find("file"), PART_DONE, text.data, text.len);
	answer_errors(a, &g);
	assert_int_equal(g.n, 64);
	assert_string_equal(g.list[63].text, "more than are counted here");
	answer_release(a);
	groups_release(&g);
	buf_release(&text);
	free(a);
}

/* A place that an agent does not have leaves no doubt but is told; where
 * something is not there that should be is a doubt. */
static void
test_absent(void **state)
{
	static const struct {
		const char *module, *text;
		bool absent, partial;
	} rows[] = {
		{ "file", LACKS("missing"), true, false },
		{ "sshkey", LACKS("missing"), true, false },
		{ "pkg", LACKS("rootmissing"), true, false },
		{ "pkg", LACKS("missing"), false, true },
		{ "memory", LACKS("missing"), false, true },
		{ "file", LACKS("vanished"), false, false },
		{ "file", NOTHING, false, false },
	};
	struct answer *a = malloc(sizeof(*a));
	size_t i;

	assert_non_null(a);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		answer_init(a, "ab", "web1", RESULT_DONE);
		answer_add(a, module_find(rows[i].module), PART_DONE,
		    rows[i].text, strlen(rows[i].text));
		if (a->absent != rows[i].absent ||
		    a->partial != rows[i].partial)
			fail_msg("row %zu: absent %d, partial %d", i, a->absent,
			    a->partial);
		answer_release(a);
	}
	free(a);
}

static void
show(struct output *o, const char *name, const char *text, struct buf *out)
{
	struct answer *a = malloc(sizeof(*a));

	assert_non_null(a);
	answer_init(a, "ab", name, RESULT_DONE);
	answer_add(a, module_find("file"), PART_DONE, text, strlen(text));
	assert_int_equal(output_answer(o, a, out, NULL), 0);
	answer_release(a);
	free(a);
}

static void
test_text(void **state)
{
	struct output o;
	struct buf out;

	output_init(&o);
	buf_init(&out, 1 << 20);
	show(&o, "web1", NOTHING, &out);
	assert_int_equal(out.len, 0);
	show(&o, "we\x1b[31mb", FOUND, &out);
	assert_true(
	    strncmp(buf_str(&out), "we\\x1b[31mb /etc/passwd", 22) == 0);
	buf_clear(&out);
	o.show = SHOW_NOTFOUND;
	show(&o, "web1", FOUND, &out);
	assert_int_equal(out.len, 0);
	show(&o, "web1", NOTHING, &out);
	assert_true(out.len > 0);
	buf_release(&out);
	output_release(&o);
}

static void
test_group(void **state)
{
	struct output o;
	struct buf out;

	output_init(&o);
	o.group = true;
	buf_init(&out, 1 << 20);
	show(&o, "web10", FOUND, &out);
	show(&o, "web9", FOUND, &out);
	show(&o, "db", NOTHING, &out);
	assert_int_equal(out.len, 0);
	assert_int_equal(output_end(&o, &out, NULL), 0);
	assert_ptr_equal(
	    strstr(buf_str(&out), "2 agents: web9, web10\n  /etc/"),
	    buf_str(&out));
	assert_null(strstr(buf_str(&out), "db"));
	buf_release(&out);
	output_release(&o);
}

static void
test_json(void **state)
{
	struct output o;
	struct buf out;
	json_t *j;

	output_init(&o);
	o.format = OUTPUT_JSON;
	o.show = SHOW_ALL;
	buf_init(&out, 1 << 20);
	show(&o, "a\"b\n", NOTHING, &out);
	assert_int_equal(out.data[out.len - 1], '\n');
	assert_true(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
	j = json_loadb((char *)out.data, out.len, 0, NULL);
	assert_non_null(j);
	assert_string_equal(
	    json_string_value(json_object_get(j, "name")), "a\"b\\x0a");
	assert_true(json_is_false(json_object_get(j, "found")));
	json_decref(j);
	buf_clear(&out);
	o.show = SHOW_FOUND;
	show(&o, "x", NOTHING, &out);
	assert_int_equal(out.len, 0);
	buf_release(&out);
	output_release(&o);
}

/* Columns are known by their names: those of the host and of the module. */
static void
test_csv_columns(void **state)
{
	const struct module *const *all;
	char line[512], *rest, *a, *seen[32];
	size_t n, i, k, used;

	all = module_all(&n);
	for (i = 0; i < n; i++) {
		snprintf(
		    line, sizeof(line), "agent,name,%s", all[i]->csv_header);
		used = 0;
		for (rest = line; (a = strsep(&rest, ",")) != NULL;) {
			for (k = 0; k < used; k++) {
				if (strcmp(seen[k], a) == 0)
					fail_msg("%s: two columns \"%s\"",
					    all[i]->name, a);
			}
			assert_true(used < 32);
			seen[used++] = a;
		}
	}
}

static void
test_csv(void **state)
{
	struct output o;
	struct buf out;

	output_init(&o);
	o.format = OUTPUT_CSV;
	buf_init(&out, 1 << 20);
	show(&o, "a,\"b", FOUND, &out);
	show(&o, "c", FOUND, &out);
	assert_true(strncmp(buf_str(&out), "agent,name,", 11) == 0);
	assert_non_null(strstr(buf_str(&out), "\nab,\"a,\"\"b\","));
	assert_null(strstr(buf_str(&out) + 1, "agent,name,"));
	/* a name from outside is no formula */
	show(&o, "=cmd|' /C calc'!A0", FOUND, &out);
	assert_non_null(strstr(buf_str(&out), "\nab,\"'=cmd|' /C calc'!A0\","));
	buf_clear(&out);
	show(&o, "@x", FOUND, &out);
	show(&o, "-1+\"2", FOUND, &out);
	assert_non_null(strstr(buf_str(&out), "ab,\"'@x\","));
	assert_non_null(strstr(buf_str(&out), "ab,\"'-1+\"\"2\","));
	buf_release(&out);
	output_release(&o);
}

/* Nor is one that is too large to be kept for the end left out. */
static void
test_group_too_large(void **state)
{
	struct answer a;
	struct output o;
	struct buf text, out;
	struct err e = { 0 };
	size_t i;

	buf_init(&text, RESULT_PLAIN_MAX);
	buf_add_str(&text,
	    "{\"foundanything\":true,\"success\":true,"
	    "\"elements\":{\"s1\":[{\"search\":{},"
	    "\"fileinfo\":{},\"file\":\"/");
	/* three bytes, shown as eight */
	for (i = 0; i < ANSWER_SHOWN_MAX / 8; i++)
		buf_add_str(&text, "\xe2\x80\x8b");
	buf_add_str(&text, "\"}]},\"errors\":null}");
	assert_int_equal(text.error, 0);
	output_init(&o);
	o.group = true;
	answer_init(&a, "ab", "web1", RESULT_DONE);
	answer_add(&a, module_find("file"), PART_DONE, text.data, text.len);
	assert_true(a.found);
	buf_init(&out, ANSWER_SHOWN_MAX);
	assert_int_equal(output_answer(&o, &a, &out, &e), ERR_TOOBIG);
	output_release(&o);
	answer_release(&a);
	buf_release(&text);
	buf_release(&out);
}

static void *
no_malloc(size_t size)
{
	return NULL;
}

/* An answer without its operations would be one that found nothing. */
static void
test_json_without_memory(void **state)
{
	json_malloc_t was_malloc;
	json_free_t was_free;
	struct answer a;
	struct buf out;

	answer_init(&a, "ab", "web1", RESULT_DONE);
	answer_add(&a, module_find("file"), PART_DONE, FOUND, strlen(FOUND));
	buf_init(&out, 65536);
	assert_int_equal(output_object(&a, &out), 0);
	buf_clear(&out);
	json_get_alloc_funcs(&was_malloc, &was_free);
	json_set_alloc_funcs(no_malloc, was_free);
	assert_int_equal(output_object(&a, &out), ERR_NOMEM);
	json_set_alloc_funcs(was_malloc, was_free);
	answer_release(&a);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_without_memory),
		cmocka_unit_test(test_group_too_large),
		cmocka_unit_test(test_csv_columns),
		cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
