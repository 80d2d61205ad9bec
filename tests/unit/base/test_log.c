/* SPDX-License-Identifier: MPL-2.0 */
/* Log lines: one line an event, nothing from outside can forge one. */
#include "base/log.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char captured[16384];
static int real_stderr;
static int capture_fd;

static void
capture_begin(void)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	capture_fd = dup(fileno(f));
	fclose(f);
	real_stderr = dup(STDERR_FILENO);
	dup2(capture_fd, STDERR_FILENO);
}

static void
capture_end(void)
{
	ssize_t n;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	n = pread(capture_fd, captured, sizeof(captured) - 1, 0);
	close(capture_fd);
	captured[n > 0 ? n : 0] = '\0';
}

static void
test_line(void **state)
{
	char want[100];

	log_init("judge", LOG_LEVEL_INFO, NULL);
	capture_begin();
	log_info("start version=%d", 3);
	log_debug("not shown");
	capture_end();
	snprintf(want, sizeof(want), "judge[%d] info start version=3\n",
	    (int)getpid());
	assert_string_equal(captured, want);
}

static void
test_levels(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("loud", &level), ERR_INVALID);
	assert_int_equal(level, LOG_LEVEL_WARN);
	log_init("x", LOG_LEVEL_ERROR, NULL);
	capture_begin();
	log_warn("hidden");
	log_error("shown");
	capture_end();
	assert_null(strstr(captured, "hidden"));
	assert_non_null(strstr(captured, "error shown\n"));
}

static void
test_no_forged_line(void **state)
{
	log_init("x", LOG_LEVEL_INFO, NULL);
	capture_begin();
	log_info("host=%s", "a\nx[1] info fake\x1b[2J\xff");
	capture_end();
	assert_non_null(
	    strstr(captured, "host=a\\x0ax[1] info fake\\x1b[2J\\xff\n"));
	assert_ptr_equal(
	    strchr(captured, '\n'), captured + strlen(captured) - 1);
}

static void
test_long_line(void **state)
{
	char *text = malloc(10001);

	assert_non_null(text);
	memset(text, '\n', 10000);
	text[10000] = '\0';
	log_init("x", LOG_LEVEL_INFO, NULL);
	capture_begin();
	log_info("%s", text);
	capture_end();
	assert_true(strlen(captured) < 5000);
	assert_int_equal(captured[strlen(captured) - 1], '\n');
	free(text);
}

static void
test_trace(void **state)
{
	static const struct {
		const char *on;
		const char *category;
		int want;
	} t[] = {
		{ NULL, "ipc", 0 },
		{ "", "ipc", 0 },
		{ "ipc", "ipc", 1 },
		{ "mqtt,ipc", "ipc", 1 },
		{ "all", "ipc", 1 },
		{ "mqtt,all", "ipc", 1 },
		{ "ip", "ipc", 0 },
		{ "ipcx", "ipc", 0 },
		{ "mqtt", "ipc", 0 },
		{ ",,ipc", "ipc", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		log_init("x", LOG_LEVEL_ERROR, t[i].on);
		capture_begin();
		log_trace(t[i].category, "seen");
		capture_end();
		if ((captured[0] != '\0') != t[i].want)
			fail_msg("row %zu", i);
	}
}

static void
test_quote(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} t[] = {
		{ "plain-word_1/2", "plain-word_1/2" },
		{ "", "\"\"" },
		{ NULL, "\"\"" },
		{ "two words", "\"two words\"" },
		{ "a=b", "\"a=b\"" },
		{ "q\"q", "\"q\\\"q\"" },
		{ "b\\", "\"b\\\\\"" },
		{ "x\ny", "\"x\\x0ay\"" },
		{ "\xc3\xa9", "\"\\xc3\\xa9\"" },
	};
	char longer[1000];
	const char *q;
	size_t i, len;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(log_quote(t[i].in), t[i].want);
	for (len = 240; len < sizeof(longer); len++) {
		memset(longer, len % 2 ? '\1' : 'x', len);
		longer[len] = '\0';
		q = log_quote(longer);
		assert_true(strlen(q) <= 263);
		if (len > 256)
			assert_string_equal(q + strlen(q) - 4, "...\"");
	}
}

static void
test_quote_eight_at_once(void **state)
{
	const char *q[8];
	char text[8][16];
	int i;

	for (i = 0; i < 8; i++) {
		snprintf(text[i], sizeof(text[i]), "v%d", i);
		q[i] = log_quote(text[i]);
	}
	for (i = 0; i < 8; i++)
		assert_string_equal(q[i], text[i]);
}

static size_t
lines(const char *with)
{
	const char *p = captured;
	size_t n = 0;

	for (; (p = strstr(p, with)) != NULL; p++)
		n++;
	return n;
}

/* One that comes without end is written LOG_KIND_MAX times a minute; another
 * one, and what people did, is not touched by it. */
static void
test_repeated(void **state)
{
	static const char *const often = "f x=%d";
	static const char *const told = "i x=%d";
	int i;

	log_init("r", LOG_LEVEL_INFO, NULL);
	capture_begin();
	for (i = 0; i < 3 * LOG_KIND_MAX; i++)
		log_warn(often, i);
	log_error("another");
	for (i = 0; i < 2 * LOG_KIND_MAX; i++)
		log_info(told, i);
	capture_end();
	assert_int_equal(lines(" warn f "), LOG_KIND_MAX);
	assert_int_equal(lines(" error another"), 1);
	assert_int_equal(lines(" info i "), 2 * LOG_KIND_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_no_forged_line),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_quote_eight_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
