/* SPDX-License-Identifier: MPL-2.0 */
/* The ping module without a network: hosts, parameters, echo messages, and how
 * answers look. On real networks: tests/integration/test_ping.py. */
#include "modules/ping/echo.h"
#include "modules/ping/question.h"

#include "base/err.h"
#include "modules/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct module module_ping;

static void
test_host(void **state)
{
	static const struct {
		const char *in, *name; /* NULL: refused */
		unsigned int port;
		bool address;
	} cases[] = {
		{ "web1.example.net", "web1.example.net", 0, false },
		{ "web1.example.net.", "web1.example.net.", 0, false },
		{ "a", "a", 0, false },
		{ "_ntp._udp.example", "_ntp._udp.example", 0, false },
		{ "xn--bcher-kva.example:8123", "xn--bcher-kva.example", 8123,
		    false },
		{ "192.0.2.7", "192.0.2.7", 0, true },
		{ "192.0.2.7:123", "192.0.2.7", 123, true },
		{ "2001:db8::7", "2001:db8::7", 0, true },
		{ "[2001:db8::7]", "2001:db8::7", 0, true },
		{ "[2001:db8::7]:65535", "2001:db8::7", 65535, true },
		{ "fe80::1%eth0", "fe80::1%eth0", 0, true },
		{ "[fe80::1%3]:9", "fe80::1%3", 9, true },
		{ "fea0::1%eth0", "fea0::1%eth0", 0, true },
		{ "fec0::1", "fec0::1", 0, true },
		{ "fe80.example", "fe80.example", 0, false },
		{ "::ffff:192.0.2.7", "::ffff:192.0.2.7", 0, true },
		{ "" },
		{ "." },
		{ ".a" },
		{ "a..b" },
		{ "-a" },
		{ "a-" },
		{ "a b" },
		{ "a/b" },
		{ "a\n" },
		{ "1" },
		{ "127.1" },
		{ "0x7f.1" },
		{ "a.0x7f" },
		{ "1.2.3.4.5" },
		{ "256.1.1.1" },
		{ "a:0" },
		{ "a:65536" },
		{ "a:" },
		{ ":1" },
		{ "a:1x" },
		{ "[a]:1" },
		{ "[192.0.2.7]:1" },
		{ "[::1" },
		{ "::1]" },
		{ "[]" },
		{ "fe80::1" },
		{ "FE80::1" },
		{ "fe90::1" },
		{ "febf::1" },
		{ "[febf::1]:80" },
		{ "fe80::1%" },
		{ "::1%eth0" },
		{ "fe80::1%a b" },
		{ "fe80::1%0123456789abcdef" },
		{ "224.0.0.1" },
		{ "ff02::1" },
		{ "ff02::1%eth0" },
		{ "0.0.0.0" },
		{ "::" },
		{ "255.255.255.255" },
		{ "::ffff:224.0.0.1" },
		{ "::ffff:0.0.0.0" },
	};
	char longname[300];
	struct host h;
	struct err e;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err_clear(&e);
		rc = host_parse(cases[i].in, &h, &e);
		assert_int_equal(host_parse(cases[i].in, &h, NULL), rc);
		if (cases[i].name == NULL) {
			if (rc == 0 || e.msg[0] == '\0')
				fail_msg("'%s' was taken", cases[i].in);
			continue;
		}
		if (rc != 0)
			fail_msg("'%s': %s", cases[i].in, e.msg);
		assert_string_equal(h.name, cases[i].name);
		assert_int_equal(h.port, cases[i].port);
		assert_int_equal(h.address, cases[i].address);
		rc = host_parse_only(cases[i].in, &h, &e);
		if (h.port == 0 && cases[i].in[0] != '[' &&
		    cases[i].port == 0 && rc != 0)
			fail_msg("'%s': %s", cases[i].in, e.msg);
	}
	/* 63 and 253 characters, and one more of each */
	memset(longname, 'a', sizeof(longname));
	longname[63] = '\0';
	assert_int_equal(host_parse_only(longname, &h, &e), 0);
	longname[63] = 'a';
	longname[64] = '\0';
	assert_true(host_parse_only(longname, &h, &e) < 0);
	longname[64] = 'a';
	for (i = 50; i < 250; i += 50)
		longname[i] = '.';
	longname[253] = '\0';
	assert_int_equal(host_parse_only(longname, &h, &e), 0);
	longname[253] = 'a';
	longname[254] = '\0';
	assert_true(host_parse_only(longname, &h, &e) < 0);
}

static void
test_check(void **state)
{
	static const struct {
		const char *in, *says; /* NULL: taken */
	} cases[] = {
		{ "{\"destination\":\"192.0.2.7\"}", NULL },
		{ "{\"destination\":\"a\",\"protocol\":\"tcp\","
		  "\"destinationport\":443,\"count\":100,\"timeout\":60}",
		    NULL },
		/* what the original's command line sends for icmp */
		{ "{\"destination\":\"a\",\"protocol\":\"icmp\","
		  "\"destinationport\":-1,\"count\":3,\"timeout\":5}",
		    NULL },
		{ "{\"destination\":\"::1\",\"family\":\"ipv6\"}", NULL },
		{ "{}", "destination: expected the host" },
		{ "{\"destination\":\"\"}", "destination: ''" },
		{ "{\"destination\":7}", "destination: expected a string" },
		{ "{\"destination\":[\"a\"]}", "destination: " },
		{ "{\"destination\":\"a;b\"}", "'a;b' is neither" },
		{ "{\"destination\":\"a:80\"}", "'a:80' is neither" },
		{ "{\"destination\":\"224.0.0.1\"}", "a group's address" },
		{ "{\"destination\":\"a\",\"protocol\":\"sctp\"}",
		    "protocol: 'sctp'" },
		{ "{\"destination\":\"a\",\"destinationport\":65536}",
		    "destinationport: expected a whole number from -1" },
		{ "{\"destination\":\"a\",\"destinationport\":\"80\"}",
		    "destinationport: expected" },
		{ "{\"destination\":\"a\",\"destinationport\":-2}",
		    "destinationport: expected" },
		{ "{\"destination\":\"a\",\"count\":101}", "count: expected" },
		{ "{\"destination\":\"a\",\"count\":1.5}", "count: expected" },
		{ "{\"destination\":\"a\",\"timeout\":61}",
		    "timeout: expected" },
		{ "{\"destination\":\"a\",\"family\":\"ipv5\"}",
		    "family: 'ipv5'" },
		{ "{\"destination\":\"::1\",\"family\":\"ipv4\"}",
		    "not an address of the family" },
		{ "{\"destination\":\"192.0.2.7\",\"family\":\"ipv6\"}",
		    "not an address of the family" },
		{ "{\"destination\":\"a\",\"ttl\":1}", "ttl" },
	};
	struct err e;
	json_t *j;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err_clear(&e);
		j = json_loads(cases[i].in, 0, NULL);
		assert_non_null(j);
		rc = ping_check(j, &e);
		if ((rc == 0) != (cases[i].says == NULL) ||
		    (rc != 0 && strstr(e.msg, cases[i].says) == NULL))
			fail_msg(
			    "%s: %d %s", cases[i].in, rc, rc != 0 ? e.msg : "");
		json_decref(j);
	}
}

static void
test_defaults(void **state)
{
	static const struct {
		const char *in;
		enum ping_protocol protocol;
		unsigned int port, count, timeout;
		int family;
	} cases[] = {
		{ "{\"destination\":\"a\"}", PING_ICMP, 0, 3, 5, AF_UNSPEC },
		{ "{\"destination\":\"a\",\"destinationport\":80}", PING_ICMP,
		    0, 3, 5, AF_UNSPEC },
		{ "{\"destination\":\"a\",\"protocol\":\"tcp\","
		  "\"destinationport\":-1,\"count\":0,\"timeout\":0}",
		    PING_TCP, 80, 3, 5, AF_UNSPEC },
		{ "{\"destination\":\"a\",\"protocol\":\"udp\","
		  "\"destinationport\":53,\"count\":1,\"timeout\":2,"
		  "\"family\":\"ipv6\"}",
		    PING_UDP, 53, 1, 2, AF_INET6 },
	};
	struct ping_question q;
	json_t *j;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		j = json_loads(cases[i].in, 0, NULL);
		ping_question(j, &q);
		assert_string_equal(q.host.name, "a");
		assert_int_equal(q.protocol, cases[i].protocol);
		assert_int_equal(q.port, cases[i].port);
		assert_int_equal(q.count, cases[i].count);
		assert_int_equal(q.timeout, cases[i].timeout);
		assert_int_equal(q.family, cases[i].family);
		json_decref(j);
	}
}

/* What a host sends back for a request. */
static size_t
reply_to(const uint8_t request[ECHO_SIZE], bool v6, bool header, uint8_t *out)
{
	static const uint8_t ip[24] = { 0x46, 0, 0, 24 + ECHO_SIZE };
	size_t skip = header && !v6 ? sizeof(ip) : 0;

	memcpy(out, ip, skip);
	memcpy(out + skip, request, ECHO_SIZE);
	out[skip] = v6 ? 129 : 0;
	return skip + ECHO_SIZE;
}

static void
test_echo(void **state)
{
	static const uint8_t begin[8] = { 8, 0, 0x61, 0x34, 0x12, 0x34, 0, 7 };
	struct echo q = { .id = 0x1234, .seq = 7 };
	uint8_t request[ECHO_SIZE], reply[ECHO_RECEIVE_MAX + 1], was;
	size_t len, i, bit;
	int kind;

	for (i = 0; i < ECHO_NONCE; i++)
		q.nonce[i] = (uint8_t)i;
	for (kind = 0; kind < 4; kind++) {
		bool header = (kind & 1) != 0;

		q.v6 = (kind & 2) != 0;
		echo_write(&q, request);
		if (!q.v6) /* the checksum was worked out by hand */
			assert_memory_equal(request, begin, sizeof(begin));
		len = reply_to(request, q.v6, header, reply);
		assert_true(echo_is_reply(&q, header, reply, len));
		assert_false(echo_is_reply(&q, header, request, ECHO_SIZE));
		for (i = 0; i < len; i++)
			assert_false(echo_is_reply(&q, header, reply, i));
		assert_false(echo_is_reply(&q, header, reply, len + 1));
		/* every bit of the message but those of its checksum counts,
		 * and of a socket that is not raw those of its id */
		for (bit = (len - ECHO_SIZE) * 8; bit < len * 8; bit++) {
			size_t at = bit / 8 - (len - ECHO_SIZE);
			bool any = at == 2 || at == 3 ||
			    (!header && (at == 4 || at == 5));

			was = reply[bit / 8];
			reply[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
			    echo_is_reply(&q, header, reply, len), any);
			reply[bit / 8] = was;
		}
		/* as an error brings it back, whole or cut */
		assert_true(echo_is_request(&q, true, request, ECHO_SIZE));
		assert_true(echo_is_request(&q, true, request, 8));
		assert_false(echo_is_request(&q, true, request, 7));
		assert_false(echo_is_request(&q, true, reply, len));
		request[7]++;
		assert_false(echo_is_request(&q, false, request, ECHO_SIZE));
	}
}

static void
check_print(const char *answer, enum print_show show, const char *want)
{
	struct buf out;
	struct err e;
	json_t *j = json_loads(answer, 0, NULL);

	assert_non_null(j);
	buf_init(&out, 4096);
	assert_int_equal(module_ping.print(j, "h ", show, &out, &e), 0);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
	json_decref(j);
}

static const char some[] =
    "{\"foundanything\":true,\"success\":true,\"elements\":{\"latencies\":"
    "[0.25,9999999,-1,0],\"protocol\":\"tcp\",\"resolvedhost\":"
    "\"a:80 (192.0.2.7)\",\"failures\":[\"try 2: no \\u001b answer\"]},"
    "\"statistics\":{},\"errors\":null}";

static void
test_print(void **state)
{
	const char *text =
	    "h tcp ping of a:80 (192.0.2.7): 0.250ms, no answer, refused, "
	    "failed\nh failure: try 2: no \\x1b answer\n";

	check_print(some, SHOW_ALL, text);
	check_print(some, SHOW_FOUND, text);
	check_print(some, SHOW_NOTFOUND, "");
	check_print("{\"foundanything\":false,\"success\":false,\"elements\":"
		    "{\"latencies\":[]},\"errors\":[\"unresolved: a: b\"],"
		    "\"statistics\":{\"notexamined\":{\"unresolved\":1}}}",
	    SHOW_ALL,
	    "h error: unresolved: a: b\nh not examined: 1 unresolved\n");
}

static void
test_csv_and_mask(void **state)
{
	json_t *j = json_loads(some, 0, NULL);
	struct buf out;
	struct err e;
	char *text;

	buf_init(&out, 4096);
	assert_int_equal(module_ping.csv(j, "h,", &out, &e), 0);
	assert_string_equal(buf_str(&out),
	    "h,\"tcp\",\"a:80 (192.0.2.7)\",1,0.250000,answered\n"
	    "h,\"tcp\",\"a:80 (192.0.2.7)\",2,,noanswer\n"
	    "h,\"tcp\",\"a:80 (192.0.2.7)\",3,,refused\n"
	    "h,\"tcp\",\"a:80 (192.0.2.7)\",4,,failed\n");
	buf_release(&out);
	assert_int_equal(module_ping.mask(j), 0);
	text = json_dumps(j, 0);
	assert_null(strstr(text, "192.0.2.7"));
	assert_null(strstr(text, "try 2"));
	assert_non_null(strstr(text, "0.25"));
	free(text);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_csv_and_mask),
	};

	return cmocka_run_group_tests_name("modules/ping", tests, NULL, NULL);
}
