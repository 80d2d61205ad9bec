/* SPDX-License-Identifier: MPL-2.0 */
/* Hellos: what an agent sends, and what a hostile one might. */
#include "action/hello.h"

#include "../known.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define H64 "0000000000000000000000000000000000000000000000000000000000000001"
#define ENV "\"environment\":{\"os\":\"linux\",\"uid\":0,\"container\":false}"
#define TAGS "\"tags\":{\"a\":\"b\"}"
#define REST REST_REFUSED("")
#define REST_REFUSED(refused)                                         \
	"\"addresses\":[\"10.0.0.1/8\"],\"modules\":[\"file\"],"      \
	"\"policy\":{\"version\":3,\"hash\":\"" H64 "\"" refused "}," \
	"\"record\":{\"position\":9,\"head\":\"" H64 "\"}"
#define UPPER                              \
	"ABABABABABABABABABABABABABABABAB" \
	"ABABABABABABABABABABABABABABABAB"
#define KNOWN "\"known\":[\"" H64 "\"]"
#define TEXTS                                                      \
	"\"name\":\"web1\",\"version\":\"0.1\",\"protocol\":1,"    \
	"\"mode\":\"daemon\",\"os\":\"linux\",\"arch\":\"amd64\"," \
	"\"ident\":\"Debian\",\"time\":1700000000000,\"connection\":4"

static struct identity agent;

static int
setup(void **state)
{
	identity_new(&agent);
	return 0;
}

/* Puts the agent's id before body and parses; the hello is in out. */
static int
parse(const char *body, struct buf *out, struct hello *h, struct err *e)
{
	char json[8192];
	int n;

	n = snprintf(json, sizeof(json), "{\"id\":\"%s\",%s}",
	    id_hex(&agent.id).s, body);
	buf_clear(out);
	err_clear(e);
	assert_int_equal(hello_make(&agent, json, (size_t)n, out, e), 0);
	return hello_parse(out->data, out->len, h, e);
}

static void
test_good(void **state)
{
	struct hello h;
	struct buf out;
	struct err e;

	buf_init(&out, HELLO_MAX);
	if (parse(TEXTS "," ENV "," TAGS "," REST "," KNOWN ",\"interval\":600",
		&out, &h, &e) != 0)
		fail_msg("%s", e.msg);
	assert_true(id_equal(&h.agent, &agent.id));
	assert_string_equal(h.row.name, "web1");
	assert_string_equal(h.row.id, id_hex(&agent.id).s);
	assert_string_equal(h.row.tags, "{\"a\":\"b\"}");
	assert_string_equal(h.row.addresses, "[\"10.0.0.1/8\"]");
	assert_string_equal(h.row.environment,
	    "{\"os\":\"linux\",\"uid\":0,\"container\":false}");
	assert_int_equal(h.policy_version, 3);
	assert_int_equal(h.record_position, 9);
	assert_int_equal(h.interval, 600);
	assert_int_equal(h.nknown, 1);
	assert_int_equal(h.known[0].b[31], 1);
	hello_release(&h);
	buf_release(&out);
}

/* The frame never changes (doc/protocol.md section 8): of the identity of RFC
 * 8032 section 7.1, test 1, by another implementation of Ed25519. */
static void
test_known(void **state)
{
	static const char file[] =
	    "mig-identity 3\n"
	    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	    "\nid "
	    "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
	    "\n";
	struct identity who;
	struct buf out;

	assert_int_equal(identity_parse(file, sizeof(file) - 1, &who, NULL), 0);
	buf_init(&out, HELLO_MAX);
	assert_int_equal(hello_make(&who, "{}", 2, &out, NULL), 0);
	assert_string_equal(hex_of(out.data, out.len),
	    "03"
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
	    "23413611aeb01d7e9248b142e5d998c5e18429e494c85b03f4da196ed008a8e5"
	    "093ecda51a065a2aed4bc7f8ca15e2aa231882fb6bceb530aeb167f8fb471704"
	    "7b7d");
	buf_release(&out);
}

static void
test_refused_policy(void **state)
{
	static const struct {
		const char *in;
		bool good;
	} rows[] = {
		{ REST_REFUSED(",\"refused\":{\"hash\":\"" H64
			       "\",\"version\":4,\"reason\":8}"),
		    true },
		{ REST_REFUSED(",\"refused\":{\"hash\":\"" H64
			       "\",\"version\":4,\"reason\":0}"),
		    false },
		{ REST_REFUSED(
		      ",\"refused\":{\"hash\":\"" H64 "\",\"version\":4}"),
		    false },
		{ REST_REFUSED(",\"refused\":[]"), false },
		{ REST_REFUSED(",\"other\":1"), false },
	};
	char body[4096];
	struct hello h;
	struct buf out;
	struct err e;
	size_t i;
	int rc;

	buf_init(&out, HELLO_MAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body),
		    TEXTS "," ENV "," TAGS ",%s," KNOWN, rows[i].in);
		rc = parse(body, &out, &h, &e);
		if ((rc == 0) != rows[i].good)
			fail_msg("%s: %d %s", rows[i].in, rc, e.msg);
		if (rc != 0)
			continue;
		assert_true(h.refused.there);
		assert_int_equal(h.refused.version, 4);
		assert_int_equal(h.refused.reason, 8);
		assert_int_equal(h.refused.hash.b[31], 1);
		hello_release(&h);
	}
	buf_release(&out);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} rows[] = {
		{ TEXTS "," ENV "," TAGS "," REST, "known: missing" },
		{ TEXTS "," ENV "," TAGS "," REST "," KNOWN ",\"x\":1",
		    "x: unknown field" },
		{ TEXTS "," ENV ",\"tags\":{\"a\":1}," REST "," KNOWN,
		    "tags: expected strings" },
		{ TEXTS ",\"environment\":{\"a\":{}}," TAGS "," REST "," KNOWN,
		    "environment: expected plain" },
		{ TEXTS ",\"environment\":[]," TAGS "," REST "," KNOWN,
		    "environment: expected an object" },
		{ TEXTS "," ENV "," TAGS "," REST ",\"known\":[\"x\"]",
		    "known[0]: expected 64" },
		{ TEXTS "," ENV "," TAGS "," REST ",\"known\":[\"" UPPER "\"]",
		    "known[0]: expected 64 lower-case" },
		{ TEXTS "," ENV "," TAGS "," REST ",\"known\":[1]",
		    "known[0]: expected a string" },
		{ TEXTS "," ENV "," TAGS "," REST "," KNOWN "," KNOWN,
		    "duplicate" },
		{ TEXTS "," ENV "," TAGS "," REST "," KNOWN ",\"interval\":0",
		    "interval: 0" },
		{ TEXTS ",\"name\":\"y\"", "duplicate" },
		{ "\"name\":1", "name: expected a string" },
	};
	struct hello h;
	struct buf out;
	struct err e;
	size_t i;

	buf_init(&out, HELLO_MAX);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].in, &out, &h, &e) != ERR_INVALID ||
		    strstr(e.msg, rows[i].want) == NULL)
			fail_msg("%s: %s", rows[i].in, e.msg);
	}
	buf_release(&out);
}

/* Another one's id, whole or in other letters, is not believed. */
static void
test_other_id(void **state)
{
	static const char json[] = "{\"id\":\"" H64 "\"," TEXTS "," ENV "," TAGS
				   "," REST "," KNOWN "}";
	struct hello h;
	struct buf out;
	struct err e;

	buf_init(&out, HELLO_MAX);
	assert_int_equal(
	    hello_make(&agent, json, sizeof(json) - 1, &out, &e), 0);
	assert_int_equal(hello_parse(out.data, out.len, &h, &e), ERR_AUTH);
	buf_release(&out);
}

static void
test_mutations(void **state)
{
	struct hello h;
	struct buf out;
	struct err e;
	size_t i;

	buf_init(&out, HELLO_MAX);
	assert_int_equal(
	    parse(TEXTS "," ENV "," TAGS "," REST "," KNOWN, &out, &h, &e), 0);
	hello_release(&h);
	for (i = 0; i < out.len; i++) {
		out.data[i] ^= (uint8_t)(1 << (i % 8));
		assert_int_not_equal(hello_parse(out.data, out.len, &h, &e), 0);
		out.data[i] ^= (uint8_t)(1 << (i % 8));
		assert_int_not_equal(hello_parse(out.data, i, &h, &e), 0);
	}
	assert_int_equal(
	    hello_parse(out.data, HELLO_MAX + 1, &h, &e), ERR_TOOBIG);
	buf_release(&out);
}

static void
test_make_bounds(void **state)
{
	static char big[HELLO_MAX];
	struct buf out;
	struct err e;

	buf_init(&out, 2 * HELLO_MAX);
	assert_int_equal(
	    hello_make(&agent, big, HELLO_MAX - HELLO_PREFIX_LEN + 1, &out, &e),
	    ERR_TOOBIG);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused_policy),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_other_id),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_make_bounds),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
