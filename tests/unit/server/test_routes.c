/* SPDX-License-Identifier: MPL-2.0 */
/* The api's table of requests. */
#include "server/api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
test_find(void **state)
{
	static const struct {
		const char *method, *url;
		int status; /* 0: found */
		const char *arg, *allow;
	} table[] = {
		{ "GET", "/api/v1/status", 0, "", "" },
		{ "GET", "/api/v1/actions/abcdef", 0, "abcdef", "" },
		{ "GET", "/api/v1/actions/abcdef/results", 0, "abcdef", "" },
		{ "DELETE", "/api/v1/agents/x", 0, "x", "" },
		{ "GET", "/", 404, "", "" },
		{ "GET", "", 404, "", "" },
		{ "GET", "/api/v1", 404, "", "" },
		{ "GET", "/api/v1/", 404, "", "" },
		{ "GET", "/api/v2/status", 404, "", "" },
		{ "GET", "/api/v1/status/", 404, "", "" },
		{ "GET", "/api/v1/statu", 404, "", "" },
		{ "GET", "/api/v1/actions/", 404, "", "" },
		{ "GET", "/api/v1/actions//results", 404, "", "" },
		{ "GET", "/api/v1/actions/a/b/c", 404, "", "" },
		{ "GET", "/api/v1/../status", 404, "", "" },
		{ "POST", "/api/v1/status", 405, "", "GET" },
		{ "HEAD", "/api/v1/agents/a", 405, "", "GET, DELETE" },
		{ "get", "/api/v1/status", 405, "", "GET" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct api api = { 0 };
		struct request q = { .api = &api };

		buf_init(&q.out, 4096);
		assert_int_equal(route_find(&q, table[i].method, table[i].url),
		    table[i].status == 0);
		assert_int_equal(q.status, table[i].status);
		assert_string_equal(q.arg, table[i].arg);
		assert_string_equal(q.allow, table[i].allow);
		assert_int_equal(
		    q.state, table[i].status == 0 ? REQ_READING : REQ_READY);
		buf_release(&q.out);
	}
}

static void
test_long_argument(void **state)
{
	char url[400] = "/api/v1/agents/";
	struct api api = { 0 };
	struct request q = { .api = &api };

	memset(url + strlen(url), 'a', 300);
	buf_init(&q.out, 4096);
	assert_false(route_find(&q, "GET", url));
	assert_int_equal(q.status, 404);
	buf_release(&q.out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_long_argument),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
