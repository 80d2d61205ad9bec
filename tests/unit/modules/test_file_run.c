/* SPDX-License-Identifier: MPL-2.0 */
/* The file module over hostile trees: links, loops, FIFOs, depth, names that
 * are no text, files that cannot be read; limits; both engines. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "modules/common/gofmt.h"
#include "modules/file/run.h"
#include "scan/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static volatile sig_atomic_t stop_flag;
static int64_t threads;

static void
put(const char *name, const char *text, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static int
make_tree(void **state)
{
	snprintf(root, sizeof(root), "/tmp/mig-test-XXXXXX");
	assert_non_null(mkdtemp(root));
	return chdir(root);
}

/* By rm: the paths are longer than nftw(3) can name. */
static int
drop_tree(void **state)
{
	char command[80];

	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* Runs one search; %s in fields is the tree. */
static json_t *
search_ctx(
    const char *fields, enum match_engine engine, const struct run_context *ctx)
{
	char body[4096], text[4200];
	struct run_context with = *ctx;
	struct buf out;
	struct err e;
	json_t *params, *v;
	int rc;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof(body), fields, root, root);
#pragma GCC diagnostic pop
	snprintf(text, sizeof(text), "{\"searches\":{\"s1\":{%s}}}", body);
	params = json_loads(text, 0, NULL);
	if (params == NULL)
		fail_msg("bad test: %s", text);
	buf_init(&out, 64 * 1024 * 1024);
	with.threads = threads;
	rc = file_run(params, &with, engine, &out, &e);
	if (rc == ERR_UNSUPPORTED && engine != MATCH_BEST) {
		buf_release(&out);
		json_decref(params);
		return NULL;
	}
	if (rc != 0)
		fail_msg("%s: %s", text, e.msg);
	v = json_loadb((const char *)out.data, out.len, 0, NULL);
	if (v == NULL)
		fail_msg("not JSON: %s", buf_str(&out));
	buf_release(&out);
	json_decref(params);
	return v;
}

static json_t *
search(const char *fields)
{
	struct run_context ctx = { .output_max = 32 * 1024 * 1024 };

	return search_ctx(fields, MATCH_BEST, &ctx);
}

static size_t
hits(const json_t *v)
{
	return (size_t)json_integer_value(
	    json_object_get(json_object_get(v, "statistics"), "totalhits"));
}

static long
skipped(const json_t *v, const char *why)
{
	return (long)json_integer_value(json_object_get(
	    json_object_get(json_object_get(v, "statistics"), "notexamined"),
	    why));
}

static bool
has_file(const json_t *v, const char *name)
{
	json_t *list = json_object_get(json_object_get(v, "elements"), "s1");
	const char *file;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		file = json_string_value(
		    json_object_get(json_array_get(list, i), "file"));
		if (strlen(file) >= strlen(name) &&
		    strcmp(file + strlen(file) - strlen(name), name) == 0)
			return true;
	}
	return false;
}

#define ALL "\"options\":{\"matchall\":true}"
#define HERE "\"paths\":[\"%s\"],"

static void
test_links(void **state)
{
	json_t *v;

	mkdir("in", 0755);
	mkdir("in/d", 0755);
	mkdir("out", 0755);
	put("in/d/target", "needle\n", 7);
	put("out/secret", "needle\n", 7);
	assert_int_equal(symlink("d/target", "in/good"), 0);
	assert_int_equal(symlink("../out/secret", "in/bad"), 0);
	assert_int_equal(symlink("../out", "in/outdir"), 0);
	/* stays inside by its text, leaves by another link */
	assert_int_equal(symlink("outdir/secret", "in/sly"), 0);
	assert_int_equal(symlink("self", "in/self"), 0);
	v = search("\"paths\":[\"%s/in\"],\"contents\":[\"needle\"]," ALL);
	assert_int_equal(hits(v), 2);
	assert_true(has_file(v, "/in/good") && has_file(v, "/in/d/target"));
	assert_int_equal(skipped(v, "symlinkoutside"), 3);
	assert_int_equal(skipped(v, "symlinkbroken"), 1);
	json_decref(v);
	/* both directories asked for: now it may */
	v = search("\"paths\":[\"%s/in\",\"%s/out\"],\"contents\":"
		   "[\"needle\"]," ALL);
	assert_int_equal(hits(v), 5);
	json_decref(v);
}

static uint64_t
bytes_read(const json_t *v)
{
	return (uint64_t)json_integer_value(
	    json_object_get(json_object_get(v, "statistics"), "bytesread"));
}

/* Names of one file: what has nothing is read once, what has is found under
 * every name, and a copy is another file. */
static void
test_names_of_one_file(void **state)
{
	char text[8192];
	json_t *v;

	memset(text, 'x', sizeof(text));
	put("plain", text, sizeof(text));
	assert_int_equal(link("plain", "hard"), 0);
	assert_int_equal(symlink("plain", "soft"), 0);
	v = search(HERE "\"contents\":[\"needle\"]," ALL);
	assert_int_equal(hits(v), 0);
	assert_int_equal(bytes_read(v), sizeof(text));
	json_decref(v);
	/* nothing found is a match of the inverse */
	v = search(HERE "\"contents\":[\"!needle\"],\"options\":{"
			"\"matchall\":true,\"returnsha256\":true}");
	assert_int_equal(hits(v), 3);
	assert_true(has_file(v, "/plain") && has_file(v, "/hard") &&
	    has_file(v, "/soft"));
	json_decref(v);
	memcpy(text + 5000, "needle", 6);
	put("copy", text, sizeof(text));
	assert_int_equal(link("copy", "copy2"), 0);
	v = search(HERE "\"contents\":[\"needle\"]," ALL);
	assert_int_equal(hits(v), 2);
	assert_true(has_file(v, "/copy") && has_file(v, "/copy2"));
	json_decref(v);
	v = search(HERE "\"contents\":[\"needle\"],\"sha2\":[\""
			"0000000000000000000000000000000000000000000000000000"
			"000000000000\"],\"options\":{\"matchall\":false}");
	assert_int_equal(hits(v), 2);
	assert_int_equal(bytes_read(v), 3 * sizeof(text));
	json_decref(v);
}

static void
test_special(void **state)
{
	json_t *v;

	assert_int_equal(mkfifo("fifo", 0644), 0);
	put("plain", "x\n", 2);
	v = search(HERE "\"contents\":[\".\"]," ALL);
	assert_int_equal(hits(v), 1);
	assert_int_equal(skipped(v, "special"), 1);
	json_decref(v);
	v = search("\"paths\":[\"%s/fifo\"],\"contents\":[\".\"]," ALL);
	assert_int_equal(hits(v), 0);
	assert_int_equal(skipped(v, "special"), 1);
	json_decref(v);
}

static void
test_deep(void **state)
{
	json_t *v;
	int i, n = 500, top = open(".", O_RDONLY | O_DIRECTORY);

	for (i = 0; i < n; i++) {
		assert_int_equal(mkdir("dddddddddd", 0755), 0);
		put("side", "x", 1);
		assert_int_equal(mkdir("zz", 0755), 0);
		put("zz/leaf", "x", 1);
		assert_int_equal(chdir("dddddddddd"), 0);
	}
	v = search(HERE "\"names\":[\"^(side|leaf)$\"]," ALL);
	assert_int_equal(hits(v), 2 * n);
	assert_true(json_is_null(json_object_get(v, "errors")));
	json_decref(v);
	v = search(HERE "\"names\":[\"^side$\"],\"options\":{\"matchall\":"
			"true,\"maxdepth\":3}");
	assert_int_equal(hits(v), 3);
	assert_int_equal(skipped(v, "depthlimit"), 2);
	json_decref(v);
	assert_int_equal(fchdir(top), 0);
	close(top);
}

static void
test_names(void **state)
{
	json_t *v, *e;

	put("new\nline", "x", 1);
	put("bad\xff\xfe", "x", 1);
	put("-rf", "x", 1);
	v = search(HERE "\"names\":[\"^new\\nline$\"]," ALL);
	assert_int_equal(hits(v), 1);
	json_decref(v);
	v = search(HERE "\"names\":[\"^bad\\\\xff.$\"]," ALL);
	assert_int_equal(hits(v), 1);
	e = json_array_get(
	    json_object_get(json_object_get(v, "elements"), "s1"), 0);
	assert_non_null(strstr(
	    json_string_value(json_object_get(e, "filehex")), "626164fffe"));
	json_decref(v);
}

static void
test_limits(void **state)
{
	struct run_context ctx = { .output_max = 1024 * 1024 };
	char name[32];
	json_t *v;
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%02d", i);
		put(name, "needle\n", 7);
	}
	v = search(HERE "\"names\":[\"f\"],\"options\":{\"matchall\":true,"
			"\"matchlimit\":7}");
	assert_int_equal(hits(v), 7);
	assert_int_equal(skipped(v, "matchlimit"), 1);
	json_decref(v);
	ctx.read_bytes = 70;
	v = search_ctx(HERE "\"contents\":[\"needle\"]," ALL, MATCH_BEST, &ctx);
	assert_int_equal(hits(v), 10);
	assert_true(skipped(v, "readlimit") > 0);
	json_decref(v);
	ctx.read_bytes = 0;
	ctx.output_max = 2000;
	v = search_ctx(HERE "\"names\":[\"f\"]," ALL, MATCH_BEST, &ctx);
	assert_in_range(hits(v), 1, 20);
	assert_true(skipped(v, "outputlimit") > 0);
	json_decref(v);
	ctx.output_max = 1024 * 1024;
	ctx.deadline_ms = clock_mono_ms() - 1;
	v = search_ctx(HERE "\"names\":[\"f\"]," ALL, MATCH_BEST, &ctx);
	assert_true(skipped(v, "timelimit") > 0);
	assert_true(json_is_true(json_object_get(v, "success")));
	json_decref(v);
	ctx.deadline_ms = 0;
	stop_flag = 1;
	ctx.stop = &stop_flag;
	v = search_ctx(HERE "\"names\":[\"f\"]," ALL, MATCH_BEST, &ctx);
	assert_int_equal(hits(v), 0);
	assert_true(skipped(v, "stopped") > 0);
	json_decref(v);
}

static void
test_unreadable(void **state)
{
	json_t *v, *known;

	mkdir("closed", 0755);
	put("closed/f", "x", 1);
	put("secret", "needle\n", 7);
	chmod("closed", 0);
	chmod("secret", 0);
	chmod(".", 0755);
	/* root reads everything: be somebody else for a while */
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	/* what cannot be read is no match of an inverse check either */
	v = search(HERE "\"contents\":[\"!zzz\"]," ALL);
	/* what is known without reading is, also where a digest is wanted */
	known = search(HERE "\"names\":[\"^secret$\"],\"sizes\":[\"7\"],"
			    "\"options\":{\"returnsha256\":true}},\"s2\":{" HERE
			    "\"modes\":[\"^-\"]," ALL);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	chmod("closed", 0755);
	assert_int_equal(hits(v), 0);
	assert_int_equal(skipped(v, "unreadable"), 2);
	json_decref(v);
	assert_int_equal(hits(known), 3);
	assert_int_equal(skipped(known, "unreadable"), 2);
	json_decref(known);
}

static void
test_sparse(void **state)
{
	json_t *v;
	int fd = open("sparse", O_RDWR | O_CREAT, 0644);

	assert_int_equal(ftruncate(fd, 64 * 1024 * 1024), 0);
	assert_int_equal(pwrite(fd, "\nneedle\n", 8, 50 * 1024 * 1024), 8);
	close(fd);
	v = search(HERE "\"contents\":[\"^needle$\"],\"sizes\":[\"64m\"]," ALL);
	assert_int_equal(hits(v), 1);
	json_decref(v);
}

/* One question with everything, by both engines. */
static void
test_engines(void **state)
{
	static const char *const questions[] = {
		HERE "\"contents\":[\"^key[0-9] ok$\"],\"options\":"
		     "{\"matchall\":true,\"macroal\":true}",
		HERE "\"contents\":[\"!rogue\"],\"options\":{\"matchall\":"
		     "true,\"macroal\":true}",
		HERE "\"contents\":[\"!rogue\",\"key1\"]," ALL,
		HERE "\"contents\":[\"^$\",\"key\",\"!key\"],\"names\":"
		     "[\"o\"]",
		HERE "\"contents\":[\"rogue\"],\"options\":{\"matchall\":true,"
		     "\"mismatch\":[\"content\"]}",
	};
	static const size_t want[] = { 1, 2, 1, 9, 3 };
	struct run_context ctx = { .output_max = 1024 * 1024 };
	json_t *v;
	size_t i, k;

	put("ok", "key1 ok\r\nkey2 ok\r\n", 18);
	put("one", "key1 ok\nrogue\n", 14);
	put("empty", "", 0);
	put("blank", "\n", 1);
	put("rogue", "rogue", 5);
	put("noeol", "x\n", 2);
	unlink("blank");
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 3; k++) {
			v = search_ctx(questions[i],
			    (enum match_engine)(k + MATCH_LIGHT), &ctx);
			if (v == NULL)
				continue;
			if (hits(v) != want[i])
				fail_msg("question %zu engine %zu: %zu hits: "
					 "%s",
				    i, k, hits(v), json_dumps(v, 0));
			json_decref(v);
		}
	}
}

static void
test_roots(void **state)
{
	json_t *v;

	mkdir("a", 0755);
	mkdir("a/b", 0755);
	mkdir("a/b/c", 0755);
	mkdir("a/b/c/d", 0755);
	mkdir("ab", 0755);
	put("a/f", "x", 1);
	put("a/b/c/f", "x", 1);
	put("a/b/c/d/f", "x", 1);
	put("ab/f", "x", 1);
	/* nested: once each; depth counts from the nearest root */
	v = search("\"paths\":[\"%s/a\",\"%s/a/b/c\"],\"names\":[\"f\"],"
		   "\"options\":{\"matchall\":true,\"maxdepth\":2}");
	assert_int_equal(hits(v), 3);
	json_decref(v);
	v = search("\"paths\":[\"%s/a\",\"%s/a/f\"],\"names\":[\"f\"]," ALL);
	assert_int_equal(hits(v), 3);
	json_decref(v);
}

static void
test_gofmt(void **state)
{
	static const struct {
		mode_t mode;
		const char *want;
	} modes[] = { { S_IFREG | 0644, "-rw-r--r--" },
		{ S_IFREG | 04755, "urwxr-xr-x" },
		{ S_IFREG | 06755, "ugrwxr-xr-x" },
		{ S_IFDIR | 01777, "dtrwxrwxrwx" },
		{ S_IFCHR | 0620, "Dcrw--w----" },
		{ S_IFLNK | 0777, "Lrwxrwxrwx" } };
	static const struct {
		int64_t ns;
		const char *want;
	} durations[] = { { 0, "0s" }, { 999, "999ns" }, { 1500, "1.5\u00b5s" },
		{ 5640848, "5.640848ms" }, { 1000000000, "1s" },
		{ 62500000000, "1m2.5s" }, { 3600000000000, "1h0m0s" } };
	struct timespec t = { 1000000000, 0 };
	char out[GO_TIME_MAX];
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		go_mode(modes[i].mode, out);
		assert_string_equal(out, modes[i].want);
	}
	for (i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		go_duration(durations[i].ns, out);
		assert_string_equal(out, durations[i].want);
	}
	go_time(&t, out);
	assert_string_equal(out, "2001-09-09 01:46:40 +0000 UTC");
	t.tv_nsec = 500000000;
	go_time(&t, out);
	assert_string_equal(out, "2001-09-09 01:46:40.5 +0000 UTC");
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

/* Entries are kept as something shorter: to the byte as many as would fit as
 * JSON. */
static void
test_output_room(void **state)
{
	struct run_context ctx = { 0 };
	size_t max, used, i, kept = 0;
	json_t *whole, *all, *v;
	char name[32];

	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "f%0*zu", (int)(1 + i * 2), i);
		put(name, "x", i % 2);
	}
	whole = search(HERE "\"names\":[\".\"]," ALL);
	all = json_object_get(json_object_get(whole, "elements"), "s1");
	assert_int_equal(json_array_size(all), 12);
	for (max = 500; kept < 12; max += 7) {
		ctx.output_max = max;
		v = search_ctx(HERE "\"names\":[\".\"]," ALL, MATCH_BEST, &ctx);
		for (i = used = 0; i < 12; i++) {
			used += json_dumpb(json_array_get(all, i), NULL, 0,
				    JSON_COMPACT) +
			    (i > 0);
			if (used > max - max / 8)
				break;
		}
		kept = hits(v);
		assert_int_equal(kept, i);
		assert_int_equal(skipped(v, "outputlimit") > 0, kept < 12);
		json_decref(v);
	}
	json_decref(whole);
}

/* Files of all sizes and kinds: with matches in their first and last pieces and
 * none, compressed, links of both kinds, next to each other. */
static void
make_many(void)
{
	static char text[700000];
	char name[32], other[32];
	size_t i, size;

	for (i = 0; i < 300; i++) {
		size = i % 7 == 0 ? sizeof(text) - i : i * 37 % 9000;
		memset(text, 'x', size);
		if (size > 60)
			text[size / 2] = text[size - 20] = '\n';
		if (i % 5 == 0 && size > 60)
			memcpy(text + size - 19, "needle", 6);
		if (i % 11 == 0 && size > 60)
			memcpy(text, "key1 ok\n", 8);
		snprintf(name, sizeof(name), "f%03zu", i);
		put(name, text, size);
		snprintf(other, sizeof(other), "f%03zu.b", i);
		if (i % 3 == 0)
			assert_int_equal(link(name, other), 0);
		else if (i % 3 == 1)
			assert_int_equal(symlink(name, other), 0);
	}
	assert_int_equal(system("gzip -kf f?[02468]5"), 0);
}

static json_t *
search_with(int64_t n, const char *fields, const struct run_context *ctx)
{
	int64_t was = threads;
	json_t *v;

	threads = n;
	v = search_ctx(fields, MATCH_BEST, ctx);
	threads = was;
	assert_int_equal(
	    json_object_del(json_object_get(v, "statistics"), "exectime"), 0);
	return v;
}

/* Where a limit ends it, the walk has met some more. */
static bool
same_answer(const json_t *one, const json_t *other)
{
	return skipped(one, "readlimit") + skipped(one, "matchlimit") > 0
	    ? json_equal(json_object_get(one, "elements"),
		  json_object_get(other, "elements"))
	    : json_equal(one, other);
}

/* An answer is the same, to its order, by one thread and by several. */
static void
test_threads(void **state)
{
	static const char *const questions[] = {
		HERE "\"contents\":[\"needle\"]," ALL,
		HERE "\"contents\":[\"needle\",\"^key\",\"!x\"],"
		     "\"names\":[\"5\"]",
		HERE "\"contents\":[\"needle\"],\"options\":{\"matchall\":"
		     "true,\"mismatch\":[\"content\"]}",
		HERE "\"contents\":[\"^.*$\"],\"options\":{\"matchall\":"
		     "true,\"macroal\":true,\"matchlimit\":20}",
		HERE "\"contents\":[\"needle\"],\"options\":{\"matchall\":"
		     "true,\"decompress\":true,\"returnsha256\":true}",
		/* of the empty ones, in both ways of reading */
		HERE "\"sha2\":[\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b"
		     "934ca495991b7852b855\"],\"options\":{\"decompress\":"
		     "true}},\"s2\":{" HERE "\"md5\":[\"d41d8cd98f00b204e98"
		     "00998ecf8427e\"],\"contents\":[\"needle\"]",
	};
	struct run_context ctx = { .output_max = 32 * 1024 * 1024 };
	json_t *one, *v;
	size_t i, k;

	make_many();
	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		for (k = 0; k < 3; k++) {
			ctx.read_bytes = k == 0 ? 0 : (int64_t)k * 12000000;
			one = search_with(1, questions[i], &ctx);
			assert_true(hits(one) > 0);
			v = search_with(4, questions[i], &ctx);
			if (!same_answer(one, v))
				fail_msg("question %zu: %s by one, %s", i,
				    json_dumps(one, JSON_COMPACT),
				    json_dumps(v, JSON_COMPACT));
			json_decref(one);
			json_decref(v);
		}
	}
}

int __real_match_new(const struct match_pattern *patterns, size_t n,
    enum match_mode mode, enum match_engine engine, struct match **ret,
    size_t *ret_bad, struct err *e);
int __wrap_match_new(const struct match_pattern *patterns, size_t n,
    enum match_mode mode, enum match_engine engine, struct match **ret,
    size_t *ret_bad, struct err *e);

static int matchers_left = -1; /* until there is no memory; -1: always */

int
__wrap_match_new(const struct match_pattern *patterns, size_t n,
    enum match_mode mode, enum match_engine engine, struct match **ret,
    size_t *ret_bad, struct err *e)
{
	*ret_bad = n;
	if (matchers_left == 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	matchers_left -= matchers_left > 0;
	return __real_match_new(patterns, n, mode, engine, ret, ret_bad, e);
}

/* Much to read, and no memory for the engine that would be worth it: what there
 * is finds the same. */
static void
test_no_engine(void **state)
{
	static char text[700000];
	char name[8];
	json_t *v;
	size_t i;

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 7, "needle", 6);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		put(name, text, sizeof(text));
	}
	matchers_left = 1;
	v = search(HERE "\"contents\":[\"needle\"]," ALL);
	assert_int_equal(matchers_left, 0);
	matchers_left = -1;
	assert_int_equal(hits(v), 4);
	assert_int_equal(skipped(v, "enginelimit"), 0);
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_links),
		IN_TREE(test_names_of_one_file),
		IN_TREE(test_special),
		IN_TREE(test_deep),
		IN_TREE(test_names),
		IN_TREE(test_limits),
		IN_TREE(test_output_room),
		IN_TREE(test_unreadable),
		IN_TREE(test_sparse),
		IN_TREE(test_engines),
		IN_TREE(test_roots),
		IN_TREE(test_threads),
		IN_TREE(test_no_engine),
		cmocka_unit_test(test_gofmt),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	/* and all of it by several threads from the first file on */
	threads = 3;
	file_threads_from = 0;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
