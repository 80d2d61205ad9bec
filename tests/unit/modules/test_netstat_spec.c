/* SPDX-License-Identifier: MPL-2.0 */
/* The netstat module as it is seen from outside: parameters, flags, printed
 * lines, the mask; and what is asked, compared with what is met. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "modules/module.h"
#include "modules/netstat/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *
parse(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	if (v == NULL)
		fail_msg("not JSON: %s", text);
	return v;
}

static void
test_check(void **state)
{
	static const struct {
		const char *json, *error; /* NULL: good */
	} cases[] = {
		{ "{\"localmac\": [\"^02:\"]}", NULL },
		{ "{\"localip\": [\"10.1.2.3/8\", \"fd00::1\"]}", NULL },
		{ "{\"listeningport\": [\"0\", \"65535\"], "
		  "\"namespaces\": true}",
		    NULL },
		{ "{}", "nothing is asked" },
		{ "{\"namespaces\": true}", "nothing is asked" },
		{ "{\"localmac\": []}", "nothing is asked" },
		{ "{\"localmac\": [\"(\"]}", "localmac[0]" },
		{ "{\"neighbormac\": [\".\", \"[\"]}", "neighbormac[1]" },
		{ "{\"localip\": [\"10.0.0\"]}", "localip[0]" },
		{ "{\"connectedip\": [\"10.0.0.0/33\"]}", "connectedip[0]" },
		{ "{\"neighborip\": [\"fe80::1%eth0\"]}", "neighborip[0]" },
		{ "{\"connectedip\": [\"^127\\\\.\"]}", "connectedip[0]" },
		{ "{\"listeningport\": [\"65536\"]}", "listeningport[0]" },
		{ "{\"listeningport\": [\"-1\"]}", "listeningport[0]" },
		{ "{\"listeningport\": [80]}", "listeningport[0]" },
		{ "{\"listeningport\": \"80\"}", "listeningport" },
		{ "{\"listeningport\": [\"80\"], \"namespaces\": 1}",
		    "namespaces" },
		{ "{\"listeningports\": [\"80\"]}", "listeningports" },
		{ "[]", "object" },
	};
	const struct module *m = module_find("netstat");
	struct err e;
	json_t *v;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = parse(cases[i].json);
		err_clear(&e);
		rc = m->check(v, &e);
		json_decref(v);
		if (cases[i].error == NULL
			? rc != 0
			: rc == 0 || strstr(e.msg, cases[i].error) == NULL)
			fail_msg("%s: %d, %s", cases[i].json, rc, e.msg);
	}
}

static void
test_too_many(void **state)
{
	json_t *list = json_array(), *v;
	char text[32];
	struct err e;
	int i;

	for (i = 0; i < NETSTAT_VALUES_MAX; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.%d", i >> 16,
		    i >> 8 & 255, i & 255);
		json_array_append_new(list, json_string(text));
	}
	v = json_pack("{s:o}", "connectedip", list);
	assert_int_equal(netstat_check(v, &e), 0);
	json_array_append_new(list, json_string("10.9.9.9"));
	assert_int_equal(netstat_check(v, &e), ERR_TOOBIG);
	assert_non_null(strstr(e.msg, "at most 16384"));
	json_decref(v);
}

static void
test_flags(void **state)
{
	static const char *const flag[] = { "lm", "ci", "lp", "lp",
		"namespaces" };
	static const char *const value[] = { "^02", "10.0.0.0/8", "22", "80",
		NULL };
	const struct module_flags f = { 5, flag, value };
	json_t *got, *want;
	struct err e;

	err_clear(&e);
	got = module_find("netstat")->from_flags(&f, &e);
	assert_non_null(got);
	want = parse("{\"localmac\": [\"^02\"], \"connectedip\": "
		     "[\"10.0.0.0/8\"], \"listeningport\": [\"22\", \"80\"], "
		     "\"namespaces\": true}");
	assert_true(json_equal(got, want));
	json_decref(got);
	json_decref(want);
}

static char met[256];

static void
on_match(struct ask_value *v, void *arg)
{
	strcat(met, v->text);
	strcat(met, " ");
}

static const char *
addresses(struct ask *a, const char *text)
{
	uint8_t addr[16];

	*met = '\0';
	assert_int_equal(net_parse_address(text, addr), 0);
	ask_addr(a, NETSTAT_CONNECTEDIP, addr, on_match, NULL);
	return met;
}

static void
test_ask(void **state)
{
	json_t *v = parse("{\"connectedip\": [\"10.1.2.3\", \"10.9.9.9/8\", "
			  "\"0.0.0.0/0\", \"::/0\", \"fd00::/16\", "
			  "\"::ffff:10.1.2.3\", \"10.1.2.3\"], "
			  "\"listeningport\": [\"80\", \"080\", \"443\"], "
			  "\"neighbormac\": [\"^02:AA\", \"ff$\", \"x\"]}");
	struct ask a;
	struct err e;

	err_clear(&e);
	assert_int_equal(ask_init(&a, v, 4096, &e), 0);
	assert_string_equal(addresses(&a, "10.1.2.3"),
	    "0.0.0.0/0 10.9.9.9/8 10.1.2.3 ::ffff:10.1.2.3 ");
	assert_string_equal(
	    addresses(&a, "10.200.0.1"), "0.0.0.0/0 10.9.9.9/8 ");
	assert_string_equal(addresses(&a, "fd00::5"), "::/0 fd00::/16 ");
	assert_string_equal(addresses(&a, "fe80::5"), "::/0 ");
	*met = '\0';
	ask_port(&a, 80, on_match, NULL);
	assert_string_equal(met, "080 80 ");
	*met = '\0';
	ask_mac(&a, NETSTAT_NEIGHBORMAC, "02:aa:00:00:00:01", on_match, NULL);
	assert_string_equal(met, "^02:AA ");
	*met = '\0';
	ask_mac(&a, NETSTAT_LOCALMAC, "02:aa:00:00:00:01", on_match, NULL);
	assert_string_equal(met, "");
	ask_release(&a);
	json_decref(v);
}

/* What costs too many steps is known behind others as well; what was found
 * counts. */
static void
test_given_up(void **state)
{
	json_t *v = parse("{\"localmac\": [\"^(?:[a:]|[ab:]|[ac:]|[ad:]|[ae:]|"
			  "[a1:]|[a2:]|[a3:])+[xy]\", \"^aa\"]}");
	struct ask a;
	struct err e;

	err_clear(&e);
	assert_int_equal(ask_init(&a, v, 4096, &e), 0);
	*met = '\0';
	ask_mac(&a, NETSTAT_LOCALMAC, "02:aa:00:00:00:01", on_match, NULL);
	assert_string_equal(met, "");
	assert_null(a.searches[NETSTAT_LOCALMAC].gave_up);
	ask_mac(&a, NETSTAT_LOCALMAC, "aa:aa:aa:aa:aa:aa", on_match, NULL);
	assert_string_equal(met, "^aa ");
	ask_mac(&a, NETSTAT_LOCALMAC, "02:aa:00:00:00:01", on_match, NULL);
	assert_non_null(a.searches[NETSTAT_LOCALMAC].gave_up);
	ask_release(&a);
	json_decref(v);
}

static const char answer[] =
    "{\"foundanything\": true, \"success\": true, \"elements\": {"
    "\"connectedip\": {\"10.0.0.9\": [{\"localaddr\": \"10.0.0.1\", "
    "\"localport\": 4000, \"remoteaddr\": \"10.0.0.9\", \"remoteport\": 443, "
    "\"namespace\": \"default\", \"protocol\": \"tcp\", \"state\": "
    "\"established\", \"pid\": 12, \"process\": \"cu\\u001brl\", "
    "\"executable\": \"/home/x/curl\", \"uid\": 1000, \"user\": \"x\"}]}, "
    "\"listeningport\": {\"80\": null}}, \"statistics\": {\"notexamined\": "
    "{\"vanished\": 2, \"changing\": 1}}, \"errors\": [\"a: b\"]}";

static void
test_print(void **state)
{
	const struct module *m = module_find("netstat");
	json_t *v = parse(answer);
	struct buf out;
	struct err e;

	buf_init(&out, 4096);
	assert_int_equal(m->print(v, "h ", SHOW_FOUND, &out, &e), 0);
	assert_string_equal(buf_str(&out),
	    "h found connected tuple 10.0.0.9:443 with local tuple "
	    "10.0.0.1:4000 [protocol:tcp, state:established, process:cu\\x1brl,"
	    " pid:12, executable:/home/x/curl, user:x, namespace:default] for "
	    "netstat connectedip:'10.0.0.9'\nh not examined: 1 changing\n");
	buf_clear(&out);
	assert_int_equal(m->print(v, "", SHOW_NOTFOUND, &out, &e), 0);
	assert_non_null(strstr(buf_str(&out),
	    "did not find anything for netstat listeningport:'80'\n"));
	buf_clear(&out);
	assert_int_equal(m->csv(v, "h,", &out, &e), 0);
	assert_non_null(strstr(buf_str(&out),
	    "h,\"connectedip\",\"10.0.0.9\",\"\",\"\",\"10.0.0.1\",4000,"
	    "\"10.0.0.9\",443,\"default\""));
	buf_release(&out);
	json_decref(v);
}

/* A line for each of the searches, with what it was found by. */
static void
test_print_each(void **state)
{
	static const struct {
		const char *entry, *says;
	} in[] = {
		{ "\"localmac\":{\"v\":[{\"localmacaddr\":\"02:00\","
		  "\"namespace\":"
		  "\"default\",\"interface\":\"eth0\"}]}",
		    "found local mac 02:00 [interface:eth0, namespace:default] "
		    "for netstat localmac:'v'\n" },
		{ "\"localip\":{\"v\":[{\"localaddr\":\"fd00::1\"}]}",
		    "found local ip fd00::1 for netstat localip:'v'\n" },
		{ "\"neighbormac\":{\"v\":[{\"remotemacaddr\":\"02:00\","
		  "\"remoteaddr\":\"10.0.0.2\"}]}",
		    "found neighbor mac 02:00 10.0.0.2 for netstat "
		    "neighbormac:'v'\n" },
		{ "\"neighborip\":{\"v\":[{\"remotemacaddr\":\"02:00\","
		  "\"remoteaddr\":\"10.0.0.2\",\"interface\":\"eth0\"}]}",
		    "found neighbor ip 10.0.0.2 02:00 [interface:eth0] for "
		    "netstat neighborip:'v'\n" },
		{ "\"connectedip\":{\"v\":[{\"localaddr\":\"fd00::1\","
		  "\"localport\""
		  ":4000,\"remoteaddr\":\"fd00::2\",\"remoteport\":443}]}",
		    "found connected tuple [fd00::2]:443 with local tuple "
		    "[fd00::1]:4000 for netstat connectedip:'v'\n" },
		{ "\"listeningport\":{\"v\":[{\"localaddr\":\"::\","
		  "\"localport\":"
		  "22,\"pid\":7,\"process\":\"sshd\",\"user\":\"root\"}]}",
		    "found listening port 22 on :: [process:sshd, pid:7, "
		    "user:root] for netstat listeningport:'v'\n" },
		{ "\"listeningport\":{\"v\":null}",
		    "did not find anything for netstat listeningport:'v'\n" },
	};
	char text[512];
	struct buf out;
	struct err e;
	json_t *v;
	size_t i;

	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		snprintf(
		    text, sizeof(text), "{\"elements\":{%s}}", in[i].entry);
		v = parse(text);
		buf_init(&out, 4096);
		assert_int_equal(
		    module_find("netstat")->print(v, "", SHOW_ALL, &out, &e),
		    0);
		assert_true(str_starts(buf_str(&out), in[i].says));
		buf_release(&out);
		json_decref(v);
	}
}

static void
test_mask(void **state)
{
	json_t *v = parse(answer), *el;
	char *text;

	assert_int_equal(module_find("netstat")->mask(v), 0);
	el = json_array_get(
	    json_object_get(
		json_object_get(json_object_get(v, "elements"), "connectedip"),
		"10.0.0.9"),
	    0);
	text = json_dumps(el, 0);
	assert_string_equal(
	    json_string_value(json_object_get(el, "remoteaddr")), "masked");
	assert_null(strstr(text, "/home/x"));
	assert_null(strstr(text, "\"x\""));
	assert_null(strstr(text, "1000"));
	assert_non_null(strstr(text, "\"localport\": 4000"));
	free(text);
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_each),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
