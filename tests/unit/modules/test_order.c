/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/order.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct order good = { .operation = 63,
	.module = 4,
	.seconds = 300,
	.cpu_seconds = 30,
	.memory_bytes = 1 << 26,
	.read_bytes = INT64_MAX,
	.cpu_percent = 50,
	.output_max = 1 << 20,
	.privacy = true,
	.detail = 2,
	.paths = "/var/log\n/srv",
	.state = "{\"id\":1}",
	.document = (const uint8_t *)"{}",
	.document_len = 2 };

static void
there_and_back(void **state)
{
	struct order o;
	struct buf b;

	buf_init(&b, ORDER_BODY_MAX);
	assert_int_equal(order_write(&good, &b), 0);
	assert_int_equal(order_parse(b.data, b.len, &o), 0);
	assert_int_equal(o.document_len, 2);
	assert_memory_equal(o.document, "{}", 2);
	o.document = good.document;
	assert_memory_equal(&o, &good, sizeof(o));
	buf_release(&b);
}

static void
refused(void **state)
{
	struct order bad[9], untouched = good, o = good;
	struct buf b;
	size_t i;

	for (i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].operation = 64;
	bad[1].seconds = -1;
	bad[2].cpu_seconds = -1;
	bad[3].memory_bytes = INT64_MIN;
	bad[4].read_bytes = -1;
	bad[5].output_max = 0;
	bad[6].output_max = INT64_MAX;
	bad[7].cpu_percent = 100001;
	bad[8].detail = 3;
	buf_init(&b, ORDER_BODY_MAX);
	for (i = 0; i < 9; i++) {
		buf_clear(&b);
		order_write(&bad[i], &b);
		assert_int_equal(order_parse(b.data, b.len, &o), ERR_INVALID);
	}
	buf_clear(&b);
	order_write(&good, &b);
	for (i = 0; i < b.len; i++)
		assert_int_equal(order_parse(b.data, i, &o), ERR_INVALID);
	buf_add_u8(&b, 0);
	assert_int_equal(order_parse(b.data, b.len, &o), ERR_INVALID);
	assert_memory_equal(&o, &untouched, sizeof(o));
	buf_release(&b);
}

static void
threads(void **state)
{
	static const struct {
		int64_t percent;
		uint32_t want;
	} t[] = { { 0, 1 }, { 50, 1 }, { 100, 1 }, { 101, 2 }, { 200, 2 },
		{ 6400, 64 }, { 6401, 64 }, { 10000, 64 }, { INT64_MAX, 64 } };
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(order_threads(t[i].percent), t[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(threads),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests_name("modules/order", tests, NULL, NULL);
}
