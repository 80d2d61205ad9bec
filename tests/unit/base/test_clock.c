/* SPDX-License-Identifier: MPL-2.0 */
/* RFC 3339 and durations. */
#include "base/clock.h"

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static void
test_rfc3339_parse(void **state)
{
	static const struct {
		const char *in;
		int rc;
		int64_t want;
	} t[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2026-11-23T03:44:11Z", 0, 1795405451 },
		{ "2026-11-23t03:44:11z", 0, 1795405451 },
		{ "2026-11-23 03:44:11Z", 0, 1795405451 },
		{ "2026-11-23T03:44:11.999Z", 0, 1795405451 },
		{ "2026-11-23T04:44:11+01:00", 0, 1795405451 },
		{ "2026-11-22T22:14:11-05:30", 0, 1795405451 },
		{ "1969-12-31T23:59:59Z", 0, -1 },
		{ "2016-12-31T23:59:60Z", 0, 1483228799 },
		{ "2024-02-29T00:00:00Z", 0, 1709164800 },
		{ "0000-01-01T00:00:00Z", 0, -62167219200 },
		{ "9999-12-31T23:59:59Z", 0, 253402300799 },
		{ "2023-02-29T00:00:00Z", ERR_INVALID, 0 },
		{ "1900-02-29T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-13-01T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-00-01T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-01-00T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-01-01T24:00:00Z", ERR_INVALID, 0 },
		{ "2026-01-01T00:60:00Z", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:61Z", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00.Z", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00+24:00", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00+01:60", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00+0100", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00Z ", ERR_INVALID, 0 },
		{ " 2026-01-01T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-1-01T00:00:00Z", ERR_INVALID, 0 },
		{ "20260101T000000Z", ERR_INVALID, 0 },
		{ "-026-01-01T00:00:00Z", ERR_INVALID, 0 },
		{ "2026-01-01", ERR_INVALID, 0 },
		{ "2026-01-01T00:00:00+", ERR_INVALID, 0 },
		{ "2026", ERR_INVALID, 0 },
		{ "", ERR_INVALID, 0 },
	};
	int64_t got;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		got = 77;
		if (rfc3339_parse(t[i].in, &got) != t[i].rc ||
		    got != (t[i].rc == 0 ? t[i].want : 77))
			fail_msg("%s: got %lld", t[i].in, (long long)got);
	}
}

static void
test_rfc3339_format(void **state)
{
	static const struct {
		int64_t in;
		const char *want;
	} t[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 1795405451, "2026-11-23T03:44:11Z" },
		{ -1, "1969-12-31T23:59:59Z" },
		{ -62167219200, "0000-01-01T00:00:00Z" },
		{ -30641760000, "0999-01-01T00:00:00Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
		{ INT64_MIN, "0000-01-01T00:00:00Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
	};
	char out[RFC3339_LEN + 1];
	int64_t back;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rfc3339_format(t[i].in, out);
		assert_string_equal(out, t[i].want);
		assert_int_equal(rfc3339_parse(out, &back), 0);
	}
}

static void
test_duration_parse(void **state)
{
	static const struct {
		const char *in;
		int rc;
		int64_t want;
	} t[] = {
		{ "90", 0, 90 },
		{ "90s", 0, 90 },
		{ "15m", 0, 900 },
		{ "2h", 0, 7200 },
		{ "7d", 0, 604800 },
		{ "1h30m", 0, 5400 },
		{ "1d2h3m4s", 0, 93784 },
		{ "1", 0, 1 },
		{ "3660d", 0, 316224000 },
		{ "0", ERR_INVALID, 0 },
		{ "0s", ERR_INVALID, 0 },
		{ "3661d", ERR_INVALID, 0 },
		{ "99999999999999999999", ERR_INVALID, 0 },
		{ "9999999999999999999999d", ERR_INVALID, 0 },
		{ "3660d3660d", ERR_INVALID, 0 },
		{ "-5", ERR_INVALID, 0 },
		{ "5 m", ERR_INVALID, 0 },
		{ "5M", ERR_INVALID, 0 },
		{ "5w", ERR_INVALID, 0 },
		{ "m", ERR_INVALID, 0 },
		{ "1.5h", ERR_INVALID, 0 },
		{ " 5", ERR_INVALID, 0 },
		{ "", ERR_INVALID, 0 },
	};
	int64_t got;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		got = 77;
		if (duration_parse(t[i].in, &got) != t[i].rc ||
		    got != (t[i].rc == 0 ? t[i].want : 77))
			fail_msg("%s: got %lld", t[i].in, (long long)got);
	}
}

static void
test_duration_option(void **state)
{
	static const struct {
		const char *in, *says; /* NULL: it is taken */
		int64_t want;
	} t[] = {
		{ "365d", NULL, 31536000 },
		{ "1h30m", NULL, 5400 },
		{ "365", "-x 365: give a unit, as in 365d (s, m, h, d)", 0 },
		{ "1h30", "-x 1h30: give a unit, as in 1h30s (s, m, h, d)", 0 },
		{ "0", "-x 0: expected 12h or 7d", 0 },
		{ "", "-x : expected 12h or 7d", 0 },
		{ "long", "-x long: expected 12h or 7d", 0 },
	};
	struct err e;
	int64_t got;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		got = 0;
		err_clear(&e);
		assert_int_equal(
		    duration_option("-x", t[i].in, "12h or 7d", &got, &e),
		    t[i].says == NULL ? 0 : ERR_INVALID);
		assert_int_equal(got, t[i].want);
		assert_string_equal(e.msg, t[i].says == NULL ? "" : t[i].says);
	}
}

static void
test_duration_format(void **state)
{
	static const struct {
		int64_t in;
		const char *want;
	} t[] = {
		{ 0, "0s" },
		{ -5, "0s" },
		{ 1, "1s" },
		{ 90, "1m30s" },
		{ 3600, "1h" },
		{ 604800, "7d" },
		{ 93784, "1d2h3m4s" },
	};
	char out[32];
	int64_t back;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		duration_format(t[i].in, out);
		assert_string_equal(out, t[i].want);
		if (t[i].in > 0) {
			assert_int_equal(duration_parse(out, &back), 0);
			assert_int_equal(back, t[i].in);
		}
	}
	duration_format(INT64_MAX, out);
	assert_true(strlen(out) < sizeof(out));
}

static void
test_clocks(void **state)
{
	int64_t before = clock_mono_ms();

	assert_true(clock_mono_ms() >= before);
	assert_true(clock_wall_ms() > 1700000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339_parse),
		cmocka_unit_test(test_rfc3339_format),
		cmocka_unit_test(test_duration_parse),
		cmocka_unit_test(test_duration_option),
		cmocka_unit_test(test_duration_format),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
