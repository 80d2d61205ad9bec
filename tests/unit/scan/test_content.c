/* SPDX-License-Identifier: MPL-2.0 */
/* scan/content and scan/decompress: lines, digests, compressed streams whole,
 * cut and damaged, and bombs. */
#include "base/err.h"
#include "scan/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int
memory_file(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct match *
one_pattern(const char *bytes, bool count, struct match_state **st)
{
	struct match_pattern p = { .bytes = bytes, .count = count };
	struct match *m;
	struct err e;
	size_t bad;

	assert_int_equal(
	    match_new(&p, 1, MATCH_LINES, MATCH_BEST, &m, &bad, &e), 0);
	assert_int_equal(match_state_new(m, st, &e), 0);
	return m;
}

static void
test_lines(void **state)
{
	static const struct {
		const char *text;
		uint64_t lines, ends_in_a; /* a$ */
	} table[] = {
		{ "", 0, 0 },
		{ "a", 1, 1 },
		{ "a\n", 1, 1 },
		{ "a\r\nba\r\n", 2, 2 },
		{ "a\r", 1, 1 },
		{ "a\r\r\n", 1, 0 },
		{ "\r", 1, 0 },
		{ "\n\n", 2, 0 },
		{ "a\rb\na", 2, 1 },
		{ "x\r\n\r\na", 3, 1 },
	};
	struct content *c = content_new();
	struct match_state *st;
	struct match *m = one_pattern("\\x61\\x0a", true, &st);
	uint64_t left;
	struct err e;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct content_job job = {
			.match = st, .count_lines = true, .read_left = &left
		};

		left = UINT64_MAX;
		fd = memory_file(table[i].text, strlen(table[i].text));
		assert_int_equal(content_read(c, fd, &job, &e), CONTENT_ALL);
		close(fd);
		assert_int_equal(job.lines, table[i].lines);
		assert_int_equal(st->hits[0], table[i].ends_in_a);
	}
	match_state_free(st);
	match_free(m);
	content_free(c);
}

/* \r\n and matches across the border of the read buffer. */
static void
test_borders(void **state)
{
	struct content *c = content_new();
	struct match_state *st;
	struct match *m =
	    one_pattern("^\\x6e\\x65\\x65\\x64\\x6c\\x65$", false, &st);
	size_t size = 600 * 1024, at;
	char *text = malloc(size);
	uint64_t left = UINT64_MAX;
	struct err e;
	int fd;

	for (at = 256 * 1024 - 10; at < 256 * 1024 + 3; at++) {
		struct content_job job = { .match = st, .read_left = &left };

		memset(text, 'B', size);
		memcpy(text + at, "\r\nneedle\r\n", 10);
		fd = memory_file(text, size);
		assert_int_equal(content_read(c, fd, &job, &e), CONTENT_ALL);
		assert_int_equal(st->hits[0], 1);
		close(fd);
	}
	free(text);
	match_state_free(st);
	match_free(m);
	content_free(c);
}

static void
test_digests(void **state)
{
	static const uint8_t md5_abc[] = { 0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2,
		0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72 };
	struct content *c = content_new();
	struct digests *d;
	uint8_t out[DIGEST_LEN_MAX];
	uint64_t left = UINT64_MAX;
	struct content_job job = { .read_left = &left };
	struct err e;
	int fd = memory_file("abc", 3), i;

	assert_int_equal(digests_new(DIGEST_BIT(DIGEST_MD5), &d, &e), 0);
	job.digests = d;
	for (i = 0; i < 2; i++) {
		assert_int_equal(digests_begin(d, DIGEST_BIT(DIGEST_MD5)), 0);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(content_read(c, fd, &job, &e), CONTENT_ALL);
		assert_int_equal(digests_final(d, DIGEST_MD5, out), 0);
		assert_memory_equal(out, md5_abc, sizeof(md5_abc));
	}
	assert_int_equal(digests_final(d, DIGEST_SHA1, out), ERR_INTERNAL);
	digests_free(d);
	close(fd);
	content_free(c);
}

static void
test_read_limit(void **state)
{
	struct content *c = content_new();
	uint64_t left = 5;
	struct content_job job = { .read_left = &left };
	struct err e;
	int fd = memory_file("0123456789", 10);

	assert_int_equal(content_read(c, fd, &job, &e), CONTENT_READ_LIMIT);
	assert_int_equal(job.bytes, 5);
	close(fd);
	content_free(c);
}

/* Letters that a compressed file begins with are no such file yet. */
static void
test_no_bzip2(void **state)
{
	static const char *const texts[] = { "BZh", "BZhello world\n",
		"BZh9\n1AY&SY\n", "BZh01AY&SY\n" };
	struct content *c = content_new();
	uint64_t left = UINT64_MAX;
	struct err e;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct content_job job = { .read_left = &left,
			.decompress = true,
			.count_lines = true };

		fd = memory_file(texts[i], strlen(texts[i]));
		assert_false(content_is_compressed(fd));
		assert_int_equal(content_read(c, fd, &job, &e), CONTENT_ALL);
		assert_true(job.lines > 0);
		close(fd);
	}
	content_free(c);
}

/* What ends where a limit does was read. */
static void
test_read_limit_at_end(void **state)
{
	static const size_t sizes[] = { 10, 256 * 1024, 512 * 1024 };
	struct content *c = content_new();
	char *data = calloc(1, 512 * 1024);
	uint64_t left;
	struct err e;
	size_t i;
	int fd;

	assert_non_null(data);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct content_job job = { .read_left = &left,
			.size = sizes[i] };

		left = sizes[i];
		fd = memory_file(data, sizes[i]);
		assert_int_equal(content_read(c, fd, &job, &e), CONTENT_ALL);
		assert_int_equal(job.bytes, sizes[i]);
		left = sizes[i] - 1;
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(
		    content_read(c, fd, &job, &e), CONTENT_READ_LIMIT);
		close(fd);
	}
	free(data);
	content_free(c);
}

struct sample {
	uint8_t *data;
	size_t len;
};

/* By the programs themselves; skipped where one is missing. */
static bool
compressed(const char *command, struct sample *s)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	s->data = malloc(4 * 1024 * 1024);
	s->len = fread(s->data, 1, 4 * 1024 * 1024, f);
	return pclose(f) == 0 && s->len > 0;
}

static enum content_end
read_sample(const struct sample *s, size_t len, uint64_t *lines)
{
	struct content *c = content_new();
	uint64_t left = UINT64_MAX;
	struct content_job job = {
		.read_left = &left, .decompress = true, .count_lines = true
	};
	struct err e;
	int fd = memory_file(s->data, len);
	enum content_end end = content_read(c, fd, &job, &e);

	*lines = job.lines;
	close(fd);
	content_free(c);
	return end;
}

static void
test_decompress(void **state)
{
	static const char *const programs[] = { "gzip", "bzip2", "xz", "zstd" };
	char command[256];
	struct sample s;
	uint64_t lines;
	size_t i, k;

	for (i = 0; i < 4; i++) {
		/* two members, as cat a.gz b.gz makes them */
		snprintf(command, sizeof(command),
		    "(seq 1 60000 | %s -c -q; "
		    "seq 1 10 | %s -c -q) 2>/dev/null",
		    programs[i], programs[i]);
		if (!compressed(command, &s)) {
			print_message("no %s here\n", programs[i]);
			free(s.data);
			continue;
		}
		assert_int_equal(read_sample(&s, s.len, &lines), CONTENT_ALL);
		assert_int_equal(lines, 60010);
		for (k = 7; k < s.len; k += 1 + s.len / 50)
			assert_int_not_equal(read_sample(&s, s.len - k, &lines),
			    CONTENT_UNSUPPORTED);
		assert_int_equal(
		    read_sample(&s, s.len - 1, &lines), CONTENT_CORRUPT);
		s.data[s.len / 2] ^= 0x55;
		assert_int_equal(
		    read_sample(&s, s.len, &lines), CONTENT_CORRUPT);
		free(s.data);
	}
}

/* As xz itself: of gzip nothing comes behind zeros. */
static void
test_padding(void **state)
{
	static const struct {
		const char *program;
		enum content_end end;
		uint64_t lines;
	} table[] = { { "xz", CONTENT_ALL, 14 },
		{ "gzip", CONTENT_CORRUPT, 9 } };
	char command[256];
	struct sample s;
	uint64_t lines;
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(command, sizeof(command),
		    "(seq 1 9 | %s -c; head -c 8 /dev/zero; seq 1 5 | %s -c) "
		    "2>/dev/null",
		    table[i].program, table[i].program);
		if (compressed(command, &s)) {
			assert_int_equal(
			    read_sample(&s, s.len, &lines), table[i].end);
			assert_int_equal(lines, table[i].lines);
		}
		free(s.data);
	}
}

/* It is no damage that more memory is needed than there is to be had. */
static void
test_wide_window(void **state)
{
	struct sample s;
	uint64_t lines;

	if (compressed("seq 1 9 | zstd -c -q --long=27 2>/dev/null", &s))
		assert_int_equal(read_sample(&s, s.len, &lines), CONTENT_BOMB);
	free(s.data);
}

static void
test_bombs(void **state)
{
	static const char *const commands[] = {
		"head -c 300000000 /dev/zero | gzip -c",
		"head -c 300000000 /dev/zero | zstd -c -q 2>/dev/null",
	};
	struct sample s;
	uint64_t lines;
	size_t i;

	for (i = 0; i < 2; i++) {
		/* 300 MB out of next to nothing: the ratio stops it */
		if (compressed(commands[i], &s))
			assert_int_equal(read_sample(&s, s.len, &lines),
			    s.len == 4 * 1024 * 1024 ? CONTENT_CORRUPT
						     : CONTENT_BOMB);
		free(s.data);
	}
}

/* A file is what it was when its size was taken: what it grows by is not
 * counted, and one that was cut is not known. */
static void
test_size_changes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size, lines, bytes;
		enum content_end end;
	} table[] = {
		{ "a\nb\nc\n", 6, 3, 6, CONTENT_ALL },
		{ "a\nb\nc\n", 4, 2, 6, CONTENT_ALL },
		{ "a\nb\nc\n", 3, 2, 6, CONTENT_ALL },
		{ "a\nb\nc\n", 7, 3, 6, CONTENT_SHRUNK },
		{ "", 1, 0, 0, CONTENT_SHRUNK },
		{ "a\n", 0, 1, 2, CONTENT_ALL },
	};
	struct content *c = content_new();
	uint64_t left;
	struct err e;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct content_job job = { .count_lines = true,
			.size = table[i].size,
			.read_left = &left };

		left = UINT64_MAX;
		err_clear(&e);
		fd = memory_file(table[i].text, strlen(table[i].text));
		assert_int_equal(content_read(c, fd, &job, &e), table[i].end);
		close(fd);
		assert_int_equal(job.lines, table[i].lines);
		assert_int_equal(job.bytes, table[i].bytes);
		if (table[i].end == CONTENT_SHRUNK)
			assert_non_null(strstr(e.msg, "shorter"));
	}
	content_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_read_limit),
		cmocka_unit_test(test_read_limit_at_end),
		cmocka_unit_test(test_no_bzip2),
		cmocka_unit_test(test_decompress),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_wide_window),
		cmocka_unit_test(test_size_changes),
		cmocka_unit_test(test_bombs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
