/* SPDX-License-Identifier: MPL-2.0 */
/* Networks and addresses. */
#include "target/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
test_has(void **state)
{
	static const struct {
		const char *net, *addr;
		bool want;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "10.0.0.0/8", "10.1.2.3/24", true },
		{ "10.1.2.3", "10.1.2.3", true },
		{ "10.1.2.3", "10.1.2.2", false },
		{ "10.1.2.128/25", "10.1.2.127", false },
		{ "10.1.2.128/25", "10.1.2.129", true },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "1.2.3.4", true },
		{ "2001:db8::/32", "2001:db8:1::5", true },
		{ "2001:db8::/32", "2001:db9::5", false },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "fe80::/10", "fe80::1%eth0", true },
		{ "fe80::/10", "fe80::1%eth0/64", true },
		{ "10.0.0.0/8", "::ffff:10.1.1.1", true },
		{ "::ffff:10.0.0.0/104", "10.1.1.1", true },
	};
	struct net n;
	uint8_t a[16];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(net_parse(rows[i].net, &n), 0);
		assert_int_equal(net_parse_address(rows[i].addr, a), 0);
		assert_int_equal(net_has(&n, a), rows[i].want);
	}
}

static void
test_bad(void **state)
{
	static const char *const nets[] = { "", "10", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0.0/8/8",
		"x/8", "1.2.3.4.5", "::/129", "2001:db8::1/32", "10.0.0.0/ 8",
		" 10.0.0.0/8", "fe80::1%eth0", "%", "/8", "010.0.0.0/8",
		("1111111111111111111111111111111111111111111111111111111111111"
		 "1111111111111111111111111") };
	struct net n;
	uint8_t a[16];
	size_t i;

	for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		if (net_parse(nets[i], &n) == 0)
			fail_msg("%s", nets[i]);
	}
	assert_int_not_equal(net_parse_address("", a), 0);
	assert_int_not_equal(net_parse_address("fe80::1%", a), 0);
	assert_int_not_equal(net_parse_address("host", a), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
