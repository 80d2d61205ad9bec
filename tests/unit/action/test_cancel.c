/* SPDX-License-Identifier: MPL-2.0 */
/* Cancel documents: made and read, and everything that is none refused. */
#include "action/cancel.h"

#include "base/err.h"
#include "crypto/purpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define NONCE "\"nonce\":\"000102030405060708090a0b0c0d0e0f\""
#define ACTION "\"action\":\"" ID "\""
#define TIME "\"time\":\"2026-11-23T03:44:11Z\""
#define END "\"expireafter\":\"2026-11-23T04:44:11Z\""
#define HEAD "{\"syntaxversion\":3," NONCE ","
#define GOOD HEAD ACTION "," TIME "," END "}"

static int
parse(const char *text, struct cancel *c, struct err *e)
{
	err_clear(e);
	return cancel_parse(text, strlen(text), c, e);
}

static void
test_good(void **state)
{
	struct cancel c;
	struct err e;

	if (parse(GOOD, &c, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(id_hex(&c.action).s, ID);
	assert_int_equal(c.expire_after - c.time, 3600);
	assert_string_equal(c.reason, "");
	assert_int_equal(
	    parse(HEAD ACTION "," TIME "," END ",\"reason\":\"wrong hosts\"}",
		&c, &e),
	    0);
	assert_string_equal(c.reason, "wrong hosts");
}

static void
test_there_and_back(void **state)
{
	struct cancel c = { .time = 1795448559, .expire_after = 1795452159 };
	struct cancel got;
	struct id one, two;
	struct buf a, b;
	struct err e;

	memset(c.action.b, 0xab, ID_LEN);
	memset(c.reason, 'r', CANCEL_REASON_MAX);
	c.reason[CANCEL_REASON_MAX] = '\0';
	buf_init(&a, CANCEL_DOC_MAX);
	buf_init(&b, CANCEL_DOC_MAX);
	assert_int_equal(cancel_build(&c, &a, &e), 0);
	assert_int_equal(cancel_build(&c, &b, &e), 0);
	assert_int_equal(cancel_parse(a.data, a.len, &got, &e), 0);
	assert_true(id_equal(&got.action, &c.action));
	assert_int_equal(got.time, c.time);
	assert_int_equal(got.expire_after, c.expire_after);
	assert_string_equal(got.reason, c.reason);
	/* each has its own nonce, and is another thing than an action */
	purpose_hash(PURPOSE_CANCEL, a.data, a.len, &one);
	purpose_hash(PURPOSE_CANCEL, b.data, b.len, &two);
	assert_false(id_equal(&one, &two));
	purpose_hash(PURPOSE_ACTION, a.data, a.len, &two);
	assert_false(id_equal(&one, &two));
	/* what it would not read it does not write */
	strcpy(c.reason, "one\nline");
	buf_clear(&a);
	assert_int_equal(cancel_build(&c, &a, &e), ERR_INVALID);
	assert_int_equal(a.len, 0);
	buf_release(&a);
	buf_release(&b);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "cancel" },
		{ "[]", "expected an object" },
		{ "{}", "syntaxversion" },
		{ "{\"syntaxversion\":2," NONCE "," ACTION "," TIME "," END "}",
		    "syntaxversion" },
		{ "{\"syntaxversion\":3.0," NONCE "," ACTION "," TIME "," END
		  "}",
		    "syntaxversion" },
		{ "{\"syntaxversion\":3,\"nonce\":\"00\"," ACTION "," TIME
		  "," END "}",
		    "nonce" },
		{ "{\"syntaxversion\":3," ACTION "," TIME "," END "}",
		    "nonce" },
		{ HEAD TIME "," END "}", "action" },
		{ HEAD "\"action\":\"1111\"," TIME "," END "}", "action" },
		{ HEAD
		    "\"action\":\"AB11111111111111111111111111111111111111111"
		    "111111111111111111111\"," TIME "," END "}",
		    "lower-case" },
		{ HEAD "\"action\":null," TIME "," END "}", "action" },
		{ HEAD ACTION "," END "}", "time" },
		{ HEAD ACTION ",\"time\":1795448559," END "}", "time" },
		{ HEAD ACTION ",\"time\":\"2026-11-23T03:44:11.5Z\"," END "}",
		    "time" },
		{ HEAD ACTION ",\"time\":\"1969-11-23T03:44:11Z\"," END "}",
		    "time" },
		{ HEAD ACTION "," TIME "}", "expireafter" },
		{ HEAD ACTION "," TIME ",\"expireafter\":\"tomorrow\"}",
		    "expireafter" },
		{ HEAD ACTION "," TIME "," END ",\"reason\":\"\"}", "reason" },
		{ HEAD ACTION "," TIME "," END ",\"reason\":null}", "reason" },
		{ HEAD ACTION "," TIME "," END ",\"reason\":7}", "reason" },
		{ HEAD ACTION "," TIME "," END ",\"reason\":\"a\\u001b[31m\"}",
		    "control character" },
		{ HEAD ACTION "," TIME "," END ",\"reason\":\"a\\u0000b\"}",
		    "cancel" },
		/* fields of others, and one twice */
		{ HEAD ACTION "," TIME "," END ",\"target\":\"all\"}",
		    "target" },
		{ HEAD ACTION "," TIME "," END ",\"operations\":[]}",
		    "operations" },
		{ HEAD ACTION "," ACTION "," TIME "," END "}", "duplicate" },
		{ GOOD "x", "cancel" },
		{ GOOD GOOD, "cancel" },
	};
	struct cancel c;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&c, 0x5a, sizeof(c));
		if (parse(rows[i].in, &c, &e) == 0)
			fail_msg("taken: %s", rows[i].in);
		if (strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%s: %s", rows[i].in, e.msg);
		assert_int_equal(((uint8_t *)&c)[0], 0x5a);
	}
}

static void
test_sizes(void **state)
{
	char text[CANCEL_DOC_MAX + 2];
	struct cancel c;
	struct err e;
	int n;

	memset(text, ' ', sizeof(text));
	memcpy(text, GOOD, sizeof(GOOD) - 1);
	assert_int_equal(cancel_parse(text, CANCEL_DOC_MAX, &c, &e), 0);
	assert_int_equal(
	    cancel_parse(text, CANCEL_DOC_MAX + 1, &c, &e), ERR_TOOBIG);
	n = snprintf(text, sizeof(text), "%s,\"reason\":\"%0*d\"}",
	    HEAD ACTION "," TIME "," END, CANCEL_REASON_MAX + 1, 0);
	assert_int_equal(cancel_parse(text, (size_t)n, &c, &e), ERR_INVALID);
}

/* The end cut off is refused; one bit flipped is refused, or in the nonce, or
 * says something else, or is the other case of T and Z (RFC 3339 5.6). */
static void
test_mutations(void **state)
{
	char text[] = GOOD, *nonce = strstr(text, NONCE);
	size_t i, len = sizeof(text) - 1;
	struct cancel c, good;
	struct err e;
	unsigned int bit;
	bool same;

	assert_int_equal(cancel_parse(text, len, &good, &e), 0);
	for (i = 0; i < len; i++) {
		assert_int_not_equal(cancel_parse(text, i, &c, &e), 0);
		if (text + i >= nonce && text + i < nonce + sizeof(NONCE) - 1)
			continue;
		for (bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1u << bit);
			same = cancel_parse(text, len, &c, &e) == 0 &&
			    id_equal(&c.action, &good.action) &&
			    c.time == good.time &&
			    c.expire_after == good.expire_after;
			text[i] ^= (char)(1u << bit);
			if (same && strchr("TZ", text[i]) == NULL)
				fail_msg(
				    "bit %u of byte %zu: the same", bit, i);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
