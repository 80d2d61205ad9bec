/* SPDX-License-Identifier: MPL-2.0 */
/* What each module's answer still says at each level of detail. In the samples
 * what was read out of files or memory is "CONTENT...", a name is "NAME...". */
#include "modules/narrowing.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *module, *elements, *keeps; /* with metadata */
} samples[] = {
	{ "file",
	    "{\"s\":[{\"file\":\"NAME\",\"search\":{\"paths\":[\"/p\"],"
	    "\"options\":{\"matchall\":true}},\"fileinfo\":{\"size\":7,"
	    "\"mode\":\"-rw\",\"sha256\":\"CONTENT\"}}]}",
	    "\"size\":7" },
	{ "memory",
	    "{\"s\":[{\"process\":{\"name\":\"NAME\",\"pid\":7},\"matches\":["
	    "{\"bytes\":\"ff\",\"address\":\"CONTENT1\",\"mapping\":\"NAME2\"},"
	    "{\"library\":\"x\",\"mapping\":\"NAME3\"},"
	    "{\"content\":\"x\",\"end\":\"CONTENT2\",\"mapping\":\"NAME4\"}]}]"
	    "}",
	    "\"pid\":7" },
	{ "netstat",
	    "{\"connectedip\":{\"1.2.3.4\":[{\"remoteaddr\":\"NAME\","
	    "\"remoteport\":7,\"user\":\"NAME2\"}]}}",
	    "\"remoteport\":7" },
	{ "pkg", "{\"packages\":[{\"name\":\"bash\",\"root\":\"NAME\"}]}",
	    "\"bash\"" },
	{ "sshkey",
	    "{\"keys\":[{\"path\":\"NAME\",\"keytype\":\"ssh-rsa\",\"comment\":"
	    "\"CONTENT1\",\"certificate\":{\"keyid\":\"CONTENT2\",\"serial\":"
	    "\"7\"}}]}",
	    "\"serial\":\"7\"" },
	{ "agent",
	    "{\"agent\":{\"version\":\"1.0\",\"relay\":{\"peer\":\"NAME\"}}}",
	    "\"1.0\"" },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static json_t *
sample(size_t i)
{
	return json_pack("{s:b,s:b,s:o,s:{s:s,s:{s:i},s:[s],s:i},s:[s],s:s}",
	    "foundanything", 1, "success", 1, "elements",
	    json_loads(samples[i].elements, 0, NULL), "statistics", "exectime",
	    "1ms", "notexamined", "unreadable", 5, "texts", "NAMEtext", "files",
	    11, "errors", "unreadable: NAMEerror: denied", "more", "NAMEmore");
}

static char *
narrowed(size_t i, enum detail d, bool privacy)
{
	json_t *j = sample(i);
	char *text;

	assert_non_null(j);
	assert_int_equal(
	    narrow_answer(module_find(samples[i].module), d, privacy, j), 0);
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	assert_non_null(text);
	return text;
}

static void
has(size_t i, const char *text, const char *what, bool want)
{
	if ((strstr(text, what) != NULL) != want)
		fail_msg("%s: %s %s: %s", samples[i].module,
		    want ? "lacks" : "still has", what, text);
}

static void
test_levels(void **state)
{
	char *text;
	size_t i;

	for (i = 0; i < SAMPLES; i++) {
		text = narrowed(i, DETAIL_FULL, false);
		has(i, text, "narrowed", false);
		has(i, text, "NAME", true);
		free(text);
		text = narrowed(i, DETAIL_METADATA, false);
		has(i, text, "CONTENT", false);
		has(i, text, "\"NAME\"", true);
		has(i, text, samples[i].keeps, true);
		has(i, text, "[\"detail limited to metadata by the policy\"]",
		    true);
		free(text);
		text = narrowed(i, DETAIL_FOUND_ONLY, false);
		has(i, text, "CONTENT", false);
		has(i, text, "NAME", false);
		has(i, text, "\"elements\":{}", true);
		has(i, text, "\"foundanything\":true", true);
		has(i, text, "\"unreadable\":5", true);
		has(i, text, "\"files\":11", true);
		has(i, text, "\"errors\":[\"masked\"]", true);
		has(i, text, "limited to found-only by the policy", true);
		free(text);
	}
}

/* Neither undoes the other. */
static void
test_with_privacy(void **state)
{
	char *text;
	size_t i;

	for (i = 0; i < SAMPLES; i++) {
		text = narrowed(i, DETAIL_FULL, true);
		has(i, text, "\"NAME\"", false);
		has(i, text, "NAMEerror", false);
		has(i, text,
		    "[\"names masked by the agent's privacy setting\"]", true);
		free(text);
		text = narrowed(i, DETAIL_METADATA, true);
		has(i, text, "CONTENT", false);
		has(i, text, "\"NAME\"", false);
		has(i, text, "limited to metadata", true);
		has(i, text, "names masked", true);
		free(text);
		text = narrowed(i, DETAIL_FOUND_ONLY, true);
		has(i, text, "NAME", false);
		free(text);
	}
}

/* --- in pieces ------------------------------------------------------------*/

#define OUT_MAX 65536

/* What is let through of an answer that comes in pieces; ret_rc: how it ended.
 */
static char *
in_pieces(const struct module *m, enum detail d, bool privacy, const char *text,
    size_t piece, int *ret_rc)
{
	struct narrowing n;
	size_t i, len = strlen(text), k;
	struct buf out;
	struct err e;
	char *copy;

	err_clear(&e);
	buf_init(&out, OUT_MAX);
	narrowing_begin(&n, m, d, privacy, &out, OUT_MAX);
	for (i = 0; i < len; i += k) {
		k = len - i < piece ? len - i : piece;
		buf_add(&n.in, text + i, k);
		buf_hand_on(&n.in);
	}
	*ret_rc = narrowing_end(&n, &e);
	assert_true(*ret_rc == 0 || strstr(e.msg, "narrowing the answer"));
	assert_true(*ret_rc == 0 || e.code == *ret_rc);
	narrowing_release(&n);
	copy = strdup(buf_str(&out));
	buf_release(&out);
	return copy;
}

static void
same_in_pieces(const struct module *m, enum detail d, bool privacy,
    const char *text, size_t piece)
{
	json_t *j = json_loads(text, 0, NULL);
	char *want, *got;
	int rc;

	assert_non_null(j);
	assert_int_equal(narrow_answer(m, d, privacy, j), 0);
	want = json_dumps(j, JSON_COMPACT);
	got = in_pieces(m, d, privacy, text, piece, &rc);
	assert_int_equal(rc, 0);
	assert_string_equal(got, want);
	free(want);
	free(got);
	json_decref(j);
}

/* Elements that are cut wrongly where texts look like their ends. */
static const struct {
	const char *module, *elements;
} odd[] = {
	{ "file", "{}" },
	{ "file", "{\"elements\":[],\"t\":[]}" },
	{ "file",
	    "{\"a]\\\"{\":[{\"file\":\"}],\\\"\\\\\",\"search\":{}},"
	    "{\"file\":\"\",\"search\":{\"x\":[[{}]]}}],\"}\":[]}" },
	{ "memory",
	    "{\"s\":[{\"process\":{\"name\":\"[{\"},\"matches\":[]}]}" },
	{ "netstat",
	    "{\"localmac\":{\"^{\":null,\"b\":[{\"user\":\"x\"}]},"
	    "\"connectedip\":{\"::\":null,\"1\":[{\"remoteaddr\":\"x\"},"
	    "{\"remoteaddr\":\"y\"}],\"2\":[{\"remoteaddr\":\"z\"}]}}" },
	{ "sshkey", "{\"keys\":[]}" },
	{ "ping", "{\"resolvedhost\":\"x\",\"failures\":[\"y\"],\"a\":[{}]}" },
};

static void
all_in_pieces(const char *module, const char *text)
{
	const struct module *m = module_find(module);
	size_t piece, k;

	for (k = 0; k < 2 * DETAILS; k++) {
		if (k == 0)
			continue;
		for (piece = 1; piece < 40; piece += 1 + piece / 4)
			same_in_pieces(m, (enum detail)(k % DETAILS),
			    k >= DETAILS, text, piece);
		same_in_pieces(
		    m, (enum detail)(k % DETAILS), k >= DETAILS, text, OUT_MAX);
	}
}

static void
test_in_pieces(void **state)
{
	char text[4096], *own;
	json_t *j;
	size_t i;

	for (i = 0; i < SAMPLES; i++) {
		j = sample(i);
		own = json_dumps(j, JSON_COMPACT);
		all_in_pieces(samples[i].module, own);
		free(own);
		json_decref(j);
	}
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(text, sizeof(text),
		    "{\"foundanything\":true,\"elements\":%s,\"statistics\":"
		    "{\"elements\":{\"a\":[{}]},\"narrowed\":1},"
		    "\"errors\":[\"\\\"{\"]}",
		    odd[i].elements);
		all_in_pieces(odd[i].module, text);
		snprintf(
		    text, sizeof(text), "{\"elements\":%s}", odd[i].elements);
		all_in_pieces(odd[i].module, text);
	}
	all_in_pieces("file", "{}");
	all_in_pieces("file", "{\"success\":false,\"errors\":[\"x\"]}");
}

/* What is not as its module's answers are goes nowhere. */
static void
test_let_through(void **state)
{
	static const char *const in[] = {
		"{\"a\":\"NAME\",\"elements\":{\"s\":[]}}",
		"{\"a\":true,\"b\":[\"NAME\"],\"elements\":{}}",
		"{\"elements\":{\"s\":\"NAME\"}}",
		"{\"elements\":{\"s\":[\"NAME\"]}}",
		"{\"elements\":{\"s\":[7]}}",
		"{\"elements\":{\"s\":[[\"NAME\"]]}}",
		"{\"elements\":{\"s\":{\"t\":{\"u\":[\"NAME\"]}}}}",
		"{\"elements\":{\"s\":7}}",
		"{\"elements\":{\"s\":[}}",
		"{\"elements\":{\"s\":[{\"file\":\"NAME\"}",
		"{\"elements\":{\"s\":[{\"file\":\"NAME}]}}",
		"{\"elements\":{\"s\":[{\"file\":NAME}]}}",
		"{\"elements\":{},\"errors\":[\"NAME\"",
		"{\"elements\":{},\"elements\":{\"s\":[{\"file\":\"NAME\"}]}}",
		"{'\"elements\":{}}",
		"{\"a\":true,\"elements\":{}}",
		"{\"elements\":{,}}",
		"{\"elements\":{\"s\"[]}}",
		"{\"elements\":{\"s\":nnnn}}",
		"{\"elements\":{\"s\":nul}}",
		"{\"elements\":{\"s\":null[]}}",
		"{\"elements\":{\"s\":[],}}",
		"{\"elements\":{\"s\":[,]}}",
		"{\"elements\":{\"s\":[]\"t\":[]}}",
		"{\"elements\":{\"\\x\":[]}}",
		"{\"elements\":{\"\xff\":[]}}",
		"NAME",
		"",
	};
	const struct module *m = module_find("file");
	size_t i, piece;
	char *got;
	int rc;

	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		for (piece = 1; piece < 100; piece += 33) {
			got =
			    in_pieces(m, DETAIL_FULL, true, in[i], piece, &rc);
			if (rc == 0 || strstr(got, "\"NAME") != NULL)
				fail_msg("%s gave %s", in[i], got);
			free(got);
		}
	}
}

/* Every module has a sample here, and who does not say what content is gives
 * none. */
static void
test_every_module(void **state)
{
	const struct module *const *m;
	struct module silent;
	json_t *j;
	size_t n, i, k;

	m = module_all(&n);
	for (i = 0; i < n; i++) {
		for (k = 0; k < SAMPLES; k++) {
			if (strcmp(samples[k].module, m[i]->name) == 0)
				break;
		}
		/* a module without a sample must at least be a safe one */
		if (k == SAMPLES)
			assert_true(m[i]->reduce == NULL ||
			    m[i]->reduce == narrow_no_content);
	}
	silent = *m[0];
	silent.reduce = NULL;
	j = sample(0);
	assert_int_equal(narrow_answer(&silent, DETAIL_METADATA, false, j), 0);
	assert_int_equal(json_object_size(json_object_get(j, "elements")), 0);
	json_decref(j);
}

static void
test_shown(void **state)
{
	struct buf out;
	struct err e;
	json_t *j;
	size_t i;

	for (i = 0; i < SAMPLES; i++) {
		const struct module *m = module_find(samples[i].module);

		j = sample(i);
		assert_int_equal(
		    narrow_answer(m, DETAIL_FOUND_ONLY, false, j), 0);
		buf_init(&out, 65536);
		assert_int_equal(
		    narrow_print(m, j, "> ", SHOW_FOUND, &out, &e), 0);
		assert_string_equal(buf_str(&out),
		    "> found something\n> not examined: 5 unreadable\n> note: "
		    "detail limited to found-only by the policy\n");
		buf_clear(&out);
		assert_int_equal(narrow_csv(m, j, "a,b,", &out, &e), 0);
		assert_non_null(strstr(buf_str(&out),
		    "a,b,\"found: detail limited to found-only by the "
		    "policy\","));
		buf_release(&out);
		json_decref(j);
	}
}

static void
test_hostile(void **state)
{
	static const char *const in[] = { "{}",
		"{\"elements\":7,\"errors\":{},"
		"\"statistics\":[]}",
		"{\"elements\":{\"s\":[7,{\"fileinfo\":1,\"matches\":[1]}]},"
		"\"statistics\":{\"narrowed\":[1,{}]}}" };
	const struct module *const *m;
	struct buf out;
	struct err e;
	json_t *j;
	size_t n, i, k;
	unsigned int d;

	m = module_all(&n);
	for (i = 0; i < n; i++) {
		for (k = 0; k < 3 * DETAILS; k++) {
			d = (unsigned int)(k % DETAILS);
			j = json_loads(in[k / DETAILS], 0, NULL);
			buf_init(&out, 65536);
			narrow_print(m[i], j, "> ", SHOW_ALL, &out, &e);
			assert_int_equal(
			    narrow_answer(m[i], (enum detail)d, true, j), 0);
			narrow_print(m[i], j, "> ", SHOW_ALL, &out, &e);
			buf_release(&out);
			json_decref(j);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_with_privacy),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_let_through),
		cmocka_unit_test(test_every_module),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
