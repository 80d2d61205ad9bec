/* SPDX-License-Identifier: MPL-2.0 */
/* The configuration engine: values, messages, and that a dump parses again. */
#include "conf/conf.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct sample {
	char *relay, *proxy;
	bool once;
	int64_t port, offset, wait;
	uint64_t room;
	struct conf_map *tags;
	struct conf_list *paths;
};

#define AT(f) offsetof(struct sample, f)

static const struct conf_entry table[] = {
	{ "relay", CONF_STR, AT(relay), "relay one", 0, 0, "where" },
	{ "proxy", CONF_STR, AT(proxy), NULL, 0, 0, "through" },
	{ "once", CONF_BOOL, AT(once), "yes", 0, 0, "once" },
	{ "port", CONF_INT, AT(port), "8883", 1, 65535, "port" },
	{ "offset", CONF_INT, AT(offset), NULL, -10, 10, "offset" },
	{ "wait", CONF_DURATION, AT(wait), "90s", 0, 86400, "wait" },
	{ "room", CONF_SIZE, AT(room), "8m", 0, 0, "room" },
	{ "tag", CONF_MAP, AT(tags), NULL, 0, 0, "tags" },
	{ "path", CONF_LIST, AT(paths), "/etc /usr", 0, 0, "paths" },
};
#define N (sizeof(table) / sizeof(table[0]))

static void
test_defaults(void **state)
{
	struct sample s;

	memset(&s, 0xff, sizeof(s));
	conf_defaults(table, N, &s);
	assert_string_equal(s.relay, "relay one");
	assert_null(s.proxy);
	assert_true(s.once);
	assert_int_equal(s.port, 8883);
	assert_int_equal(s.offset, 0);
	assert_int_equal(s.wait, 90);
	assert_int_equal(s.room, 8 << 20);
	assert_int_equal(s.tags->n, 0);
	assert_int_equal(s.paths->n, 2);
	assert_string_equal(s.paths->items[1], "/usr");
	conf_release(table, N, &s);
	assert_null(s.relay);
	assert_null(s.paths);
}

static void
test_values(void **state)
{
	static const char text[] =
	    "# comment\n\n"
	    "relay \"a \\\"b\\\" \\\\ \\x41\\t\" # behind\r\n"
	    "\tproxy\t\thttp://x:1#frag\n"
	    "once off\noffset -7\nwait 0\nroom 3k\n"
	    "tag operator opsec\ntag \"two words\" \"\"\n"
	    "path /a /b\npath \"/c d\"";
	struct sample s;
	struct err e;

	conf_defaults(table, N, &s);
	err_clear(&e);
	if (conf_parse(table, N, "f", text, sizeof(text) - 1, &s, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(s.relay, "a \"b\" \\ A\t");
	assert_string_equal(s.proxy, "http://x:1#frag");
	assert_false(s.once);
	assert_int_equal(s.offset, -7);
	assert_int_equal(s.wait, 0);
	assert_int_equal(s.room, 3072);
	assert_string_equal(conf_map_find(s.tags, "operator"), "opsec");
	assert_string_equal(conf_map_find(s.tags, "two words"), "");
	assert_null(conf_map_find(s.tags, "none"));
	assert_null(conf_map_find(NULL, "none"));
	/* the defaults of a list are replaced, not added to */
	assert_int_equal(s.paths->n, 3);
	assert_string_equal(s.paths->items[2], "/c d");
	conf_release(table, N, &s);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* part of the message */
	} t[] = {
		{ "relai x",
		    "f:1: unknown key 'relai', did you mean 'relay'?" },
		{ "\n\nzzzzzz x", "f:3: unknown key 'zzzzzz'" },
		{ "\x1b[2J x", "f:1: control character 0x1b in column 1" },
		{ "relay", "f:1: relay: a value is missing" },
		{ "relay a b", "double quotes" },
		{ "relay \"a", "missing closing quote" },
		{ "relay a\"b\"", "a quote inside a word" },
		{ "relay \"a\"b", "a space is expected" },
		{ "relay \"\\q\"", "unknown escape" },
		{ "relay \"\\x00\"", "01 to 7f" },
		{ "relay \"\\x80\"", "01 to 7f" },
		{ "relay \"\\x4", "hexadecimal" },
		{ "relay \"\\", "backslash at the end" },
		{ "relay \xff", "not UTF-8" },
		{ "relay a\nrelay b",
		    "f:2: relay is given twice, first in line 1" },
		{ "once maybe", "not yes or no" },
		{ "port 0", "from 1 to 65535" },
		{ "port 65536", "from 1 to 65535" },
		{ "port 12x", "'12x' is not a whole number" },
		{ "port 99999999999999999999", "whole number" },
		{ "offset --1", "whole number" },
		{ "offset -", "whole number" },
		{ "wait 2d", "time span" },
		{ "wait soon", "from 0 to 1d" },
		{ "room 1z", "size in bytes" },
		{ "room 99999999999t", "size in bytes" },
		{ "room k", "size in bytes" },
		{ "tag a", "tag NAME VALUE" },
		{ "tag a b c", "tag NAME VALUE" },
		{ "tag a b\ntag a c", "f:2: tag: 'a' is given twice" },
		{ "path", "a value is missing" },
	};
	struct sample s;
	struct err e;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		conf_defaults(table, N, &s);
		err_clear(&e);
		assert_int_equal(conf_parse(table, N, "f", t[i].text,
				     strlen(t[i].text), &s, &e),
		    ERR_INVALID);
		if (strstr(e.msg, t[i].want) == NULL)
			fail_msg("'%s' gave '%s'", t[i].text, e.msg);
		/* without a place for the message it fails just the same */
		assert_int_not_equal(conf_parse(table, N, "f", t[i].text,
					 strlen(t[i].text), &s, NULL),
		    0);
		conf_release(table, N, &s);
	}
}

static void
test_many_words(void **state)
{
	struct sample s;
	struct err e;
	struct buf b;

	buf_init(&b, 10000);
	buf_add_str(&b, "path");
	for (int i = 0; i < 64; i++)
		buf_add_str(&b, " x");
	conf_defaults(table, N, &s);
	assert_int_equal(
	    conf_parse(table, N, "f", (const char *)b.data, b.len, &s, &e),
	    ERR_TOOBIG);
	conf_release(table, N, &s);
	buf_release(&b);
}

static void
dump(const struct sample *s, struct buf *out)
{
	buf_init(out, 1 << 20);
	assert_int_equal(conf_dump(table, N, s, out), 0);
}

/* Random values, dumped, parsed, dumped: the same text. */
static void
test_round_trip(void **state)
{
	static const char letters[] = "ab \"\\#\t\n\x01\x7f=k0-";
	struct sample a, b;
	struct buf one, two;
	char word[12];
	struct err e;

	srandom(7);
	for (int round = 0; round < 2000; round++) {
		conf_defaults(table, N, &a);
		conf_defaults(table, N, &b);
		for (size_t i = 0; i < sizeof(word) - 1; i++)
			word[i] =
			    letters[(size_t)random() % (sizeof(letters) - 1)];
		word[random() % (long)sizeof(word)] = '\0';
		word[sizeof(word) - 1] = '\0';
		free(a.relay);
		a.relay = strdup(word);
		a.proxy = random() % 2 ? strdup("\xc3\xa4") : NULL;
		a.once = random() % 2;
		a.port = 1 + random() % 65535;
		a.offset = random() % 21 - 10;
		a.wait = random() % 86401;
		a.room = (uint64_t)random() << (random() % 33);
		a.tags->keys = calloc(1, sizeof(char *));
		a.tags->values = calloc(1, sizeof(char *));
		a.tags->keys[0] = strdup(word);
		a.tags->values[0] = strdup(word);
		a.tags->n = 1;
		dump(&a, &one);
		if (conf_parse(table, N, "dump", (const char *)one.data,
			one.len, &b, &e) != 0)
			fail_msg("%s in: %.*s", e.msg, (int)one.len,
			    (const char *)one.data);
		dump(&b, &two);
		assert_int_equal(one.len, two.len);
		assert_memory_equal(one.data, two.data, one.len);
		assert_string_equal(a.relay, b.relay);
		assert_true(a.room == b.room && a.wait == b.wait);
		buf_release(&one);
		buf_release(&two);
		conf_release(table, N, &a);
		conf_release(table, N, &b);
	}
}

static void
test_load(void **state)
{
	char path[] = "/tmp/mig-test-conf.XXXXXX";
	int fd = mkstemp(path);
	struct sample s;
	struct err e;

	assert_int_equal(write(fd, "relay x\nbad y\n", 14), 14);
	close(fd);
	conf_defaults(table, N, &s);
	assert_int_equal(conf_load(table, N, path, &s, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, ":2: "));
	unlink(path);
	assert_int_equal(conf_load(table, N, path, &s, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.msg, path));
	conf_release(table, N, &s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_many_words),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
