/* SPDX-License-Identifier: MPL-2.0 */
/* The server's configuration and what is derived from it. */
#include "server/config.h"

#include "base/clock.h"
#include "base/err.h"
#include "server/cmd/enrolcmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int
parse(const char *text, struct server_conf *c, struct err *e)
{
	int rc;

	memset(c, 0, sizeof(*c));
	conf_defaults(server_conf_table, server_conf_entries, c);
	rc = conf_parse(server_conf_table, server_conf_entries, "t", text,
	    strlen(text), c, e);
	return (rc != 0 ? rc : server_conf_check(c, e));
}

static void
test_check(void **state)
{
	static const struct {
		const char *text, *word; /* NULL: good */
	} table[] = {
		{ "", NULL },
		{ "name a.example,10.0.0.1\nport 1\n", NULL },
		{ "state relative\n", "state" },
		{ "state \"/srv/a b\"\n", "without blanks" },
		{ "state \"/a\\\"b\"\n", "state" },
		{ "name \"\"\n", "name" },
		{ "name \"a, b\"\n", NULL },
		{ "name \"a, ,b\"\n", "name" },
		{ "log_level loud\n", "log_level" },
		{ "relay_listen \"a b\"\n", "relay_listen" },
		{ "port 0\n", "port" },
		{ "keep_results 1s\n", "keep_results" },
		{ "keep_results 40d\nkeep_actions 30d\n", "keep_actions" },
		{ "store_max 2g\ndisk_reserve 1k\n", NULL },
		{ "metrics_open maybe\n", "metrics_open" },
		{ "metrics_token abc\n", "metrics_token" },
		{ "state /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "\n",
		    "too long" },
	};
	struct server_conf c;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		rc = parse(table[i].text, &c, &e);
		assert_int_equal(rc == 0, table[i].word == NULL);
		if (table[i].word != NULL)
			assert_non_null(strstr(e.msg, table[i].word));
		server_conf_release(&c);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char *host;
		bool want;
	} table[] = { { "a.example", true }, { "A.Example", true },
		{ "10.0.0.1", true }, { "[fd00::1]", true },
		{ "fd00::1", true }, { "a.exampl", false }, { "", false },
		{ "example", false }, { "a.example,10.0.0.1", false } };
	struct server_conf c;
	char text[300];
	struct err e;
	size_t i;

	assert_int_equal(parse("name a.example,10.0.0.1,fd00::1\n", &c, &e), 0);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(
		    server_has_name(&c, table[i].host, strlen(table[i].host)),
		    table[i].want);
	server_origin(&c, text, sizeof(text));
	assert_string_equal(text, "https://a.example:8443");
	server_relay_address(&c, text, sizeof(text));
	assert_string_equal(text, "a.example:8883");
	server_conf_release(&c);
	assert_int_equal(parse("name fd00::1\n", &c, &e), 0);
	assert_true(server_relay_is_named(&c));
	server_origin(&c, text, sizeof(text));
	assert_string_equal(text, "https://[fd00::1]:8443");
	server_conf_release(&c);
}

/* What the messages about them say is taken is taken. */
static void
test_ends_of_durations(void **state)
{
	const struct conf_entry *k;
	struct server_conf c;
	char line[128], text[32];
	struct err e;
	size_t i, end;

	for (i = 0; i < server_conf_entries; i++) {
		k = &server_conf_table[i];
		for (end = 0; k->type == CONF_DURATION && end < 2; end++) {
			duration_format(end == 0 ? k->min : k->max, text);
			snprintf(line, sizeof(line), "%s %s\n", k->key, text);
			memset(&c, 0, sizeof(c));
			conf_defaults(
			    server_conf_table, server_conf_entries, &c);
			assert_int_equal(
			    conf_parse(server_conf_table, server_conf_entries,
				"t", line, strlen(line), &c, &e),
			    0);
			server_conf_release(&c);
		}
	}
}

static void
test_tokens(void **state)
{
	char hex[TOKEN_HEX_LEN + 1];
	struct id a, b;

	assert_int_equal(token_new(hex, &a, NULL), 0);
	assert_int_equal(strlen(hex), TOKEN_HEX_LEN);
	assert_int_equal(token_hash(hex, &b), 0);
	assert_true(id_equal(&a, &b));
	hex[5] = 'x';
	assert_int_not_equal(token_hash(hex, &b), 0);
	assert_int_not_equal(token_hash("", &b), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ends_of_durations),
		cmocka_unit_test(test_tokens),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
