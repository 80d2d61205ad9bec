/* SPDX-License-Identifier: MPL-2.0 */
/* The results stream: good lines, and every kind of bad one. */
#include "client/api/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AGENT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct seen {
	size_t answers, progress, ends, bad;
	int64_t cursor, expected, online;
	uint8_t answer[64];
	size_t answer_len;
	char reason[32], why[256];
	int stop;
};

static int
on_event(const struct stream_event *ev, void *arg)
{
	struct seen *s = arg;

	switch (ev->kind) {
	case STREAM_ANSWER:
		s->answers++;
		s->cursor = ev->cursor;
		s->answer_len = ev->answer_len;
		assert_true(ev->answer_len <= sizeof(s->answer));
		memcpy(s->answer, ev->answer, ev->answer_len);
		break;
	case STREAM_PROGRESS:
		s->progress++;
		s->online = ev->online;
		s->expected = ev->expected;
		break;
	case STREAM_END:
		s->ends++;
		memcpy(s->reason, ev->reason, sizeof(s->reason));
		break;
	}
	return s->stop;
}

static void
on_bad(const char *why, void *arg)
{
	struct seen *s = arg;

	s->bad++;
	strncpy(s->why, why, sizeof(s->why) - 1);
}

/* Feeds text in pieces of n bytes. */
static int
feed(struct stream *st, struct seen *s, const char *text, size_t n)
{
	size_t len = strlen(text), i, m;
	int r = 0;

	memset(s, 0, sizeof(*s));
	stream_init(st, on_event, on_bad, s);
	for (i = 0; r == 0 && i < len; i += m) {
		m = len - i < n ? len - i : n;
		r = stream_feed(st, text + i, m);
	}
	return r;
}

static const char good[] =
    "{\"type\":\"progress\",\"expected\":3,\"sent\":3,\"answered\":0,"
    "\"online\":2,\"reconnecting\":0,\"left\":null}\n"
    "\n"
    "{\"type\":\"answer\",\"cursor\":7,\"agent\":\"" AGENT
    "\",\"received\":1,\"answer\":\"AAEC\"}\n"
    "{\"type\":\"news\",\"what\":\"from a newer server\"}\n"
    "{\"type\":\"end\",\"reason\":\"complete\",\"expected\":3}\n";

static void
test_good(void **state)
{
	size_t pieces[] = { 1, 2, 7, 64, 100000 }, i;
	struct stream st;
	struct seen s;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(feed(&st, &s, good, pieces[i]), 0);
		assert_int_equal(s.answers, 1);
		assert_int_equal(s.progress, 1);
		assert_int_equal(s.ends, 1);
		assert_int_equal(s.bad, 0);
		assert_int_equal(s.cursor, 7);
		assert_int_equal(s.expected, 3);
		assert_int_equal(s.online, 2);
		assert_int_equal(s.answer_len, 3);
		assert_memory_equal(s.answer, "\0\1\2", 3);
		assert_string_equal(s.reason, "complete");
		assert_true(st.ended);
		stream_release(&st);
	}
}

static const char *const bad_lines[] = {
	"x",
	"[]",
	"\"answer\"",
	"null",
	"{}",
	"{\"type\":1}",
	"{\"type\":\"answer\"}",
	"{\"type\":\"answer\",\"type\":\"answer\"}",
	"{\"type\":\"answer\",\"cursor\":1,\"agent\":\"12\",\"answer\":\"\"}",
	"{\"type\":\"answer\",\"cursor\":\"1\",\"agent\":\"" AGENT
	"\",\"answer\":\"\"}",
	"{\"type\":\"answer\",\"cursor\":-1,\"agent\":\"" AGENT
	"\",\"answer\":\"\"}",
	"{\"type\":\"answer\",\"cursor\":1e3,\"agent\":\"" AGENT
	"\",\"answer\":\"\"}",
	"{\"type\":\"answer\",\"cursor\":1,\"agent\":\"" AGENT
	"\",\"answer\":\"A\"}",
	"{\"type\":\"answer\",\"cursor\":1,\"agent\":\"" AGENT
	"\",\"answer\":\"AA==\\n\"}",
	"{\"type\":\"answer\",\"cursor\":1,\"agent\":[],\"answer\":\"\"}",
	"{\"type\":\"progress\",\"expected\":\"many\"}",
	"{\"type\":\"progress\",\"expected\":-5}",
	"{\"type\":\"progress\",\"expected\":9007199254740993}",
	"{\"type\":\"end\",\"reason\":{}}",
	"{\"type\":\"end\"",
	"{\"type\":\"answer\",\"cursor\":1,\"agent\":\"" AGENT "\",\"answ",
	"\x01\xff\xfe",
};

static void
test_bad(void **state)
{
	struct stream st;
	struct seen s;
	char line[1024];
	size_t i;

	for (i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
		snprintf(line, sizeof(line), "%s\n%s", bad_lines[i], good);
		assert_int_equal(feed(&st, &s, line, 13), 0);
		if (s.bad != 1)
			fail_msg("taken for good: %s", bad_lines[i]);
		/* what follows is read all the same */
		assert_int_equal(s.answers, 1);
		assert_int_equal(s.ends, 1);
		assert_true(s.why[0] != '\0');
		stream_release(&st);
	}
}

/* Every cut of a good stream: never more than is there, never a crash. */
static void
test_truncated(void **state)
{
	char text[sizeof(good)];
	struct stream st;
	struct seen s;
	size_t i;

	for (i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, i);
		text[i] = '\0';
		assert_int_equal(feed(&st, &s, text, 50), 0);
		assert_int_equal(s.ends, 0);
		assert_int_equal(s.bad, 0);
		assert_false(st.ended);
		stream_release(&st);
	}
}

static void
test_huge(void **state)
{
	const size_t size = STREAM_LINE_MAX + 1000;
	char *line = malloc(size + 1);
	struct stream st;
	struct seen s = { 0 };

	assert_non_null(line);
	memset(line, 'a', size);
	line[size] = '\n';
	stream_init(&st, on_event, on_bad, &s);
	assert_int_equal(stream_feed(&st, line, size + 1), 0);
	assert_int_equal(s.bad, 1);
	assert_string_equal(s.why, "a line is too long");
	assert_true(st.lines.line.cap <= STREAM_LINE_MAX);
	assert_int_equal(stream_feed(&st, good, sizeof(good) - 1), 0);
	assert_int_equal(s.answers, 1);
	stream_release(&st);
	free(line);
}

static void
test_gives_up(void **state)
{
	struct stream st;
	struct seen s = { 0 };
	size_t i;
	int r = 0;

	stream_init(&st, on_event, on_bad, &s);
	for (i = 0; r == 0 && i < 10 * STREAM_BAD_MAX; i++)
		r = stream_feed(&st, "junk\n", 5);
	assert_int_equal(r, ERR_INVALID);
	assert_int_equal(s.bad, STREAM_BAD_MAX);
	stream_release(&st);
}

static void
test_stop_and_restart(void **state)
{
	struct stream st;
	struct seen s = { .stop = ERR_CLOSED };

	stream_init(&st, on_event, on_bad, &s);
	assert_int_equal(stream_feed(&st, good, sizeof(good) - 1), ERR_CLOSED);
	assert_int_equal(s.progress, 1);
	assert_int_equal(s.answers, 0);
	s.stop = 0;
	assert_int_equal(stream_feed(&st, "{\"type\":\"pro", 12), 0);
	stream_restart(&st);
	assert_int_equal(stream_feed(&st, good, sizeof(good) - 1), 0);
	assert_int_equal(s.bad, 0);
	assert_int_equal(s.answers, 1);
	stream_release(&st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_stop_and_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
