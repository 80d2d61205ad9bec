/* SPDX-License-Identifier: MPL-2.0 */
#include "base/clock.h"

#include "base/err.h"
#include "base/fault.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX (3660LL * 86400)
#define YEAR_0000 (-62167219200LL)
#define YEAR_9999_END 253402300799LL

static int64_t
clock_ms(clockid_t which)
{
	struct timespec ts;

	BUG_ON(clock_gettime(which, &ts) != 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME) + fault_clock_ms();
}

int64_t
clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

void
rfc3339_format(int64_t unix_seconds, char out[RFC3339_LEN + 1])
{
	time_t t;
	struct tm tm;
	int i, year;

	if (unix_seconds < YEAR_0000)
		unix_seconds = YEAR_0000;
	if (unix_seconds > YEAR_9999_END)
		unix_seconds = YEAR_9999_END;
	t = (time_t)unix_seconds;
	BUG_ON(gmtime_r(&t, &tm) == NULL);
	/* not strftime: its %Y does not pad years before 1000 */
	BUG_ON(strftime(out + 4, RFC3339_LEN - 3, "-%m-%dT%H:%M:%SZ", &tm) !=
	    RFC3339_LEN - 4);
	for (i = 3, year = tm.tm_year + 1900; i >= 0; i--, year /= 10)
		out[i] = (char)('0' + year % 10);
}

/* n decimal digits at *s, moved past; -1 when there are fewer. */
static int
digits(const char **s, int n)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+hh:mm"; seconds east of UTC in *ret. */
static int
parse_offset(const char **s, int *ret)
{
	int sign, h, m;

	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		*ret = 0;
		return 0;
	}
	if (**s != '+' && **s != '-')
		return ERR_INVALID;
	sign = **s == '-' ? -1 : 1;
	(*s)++;
	h = digits(s, 2);
	if (h < 0 || h > 23 || *(*s)++ != ':')
		return ERR_INVALID;
	m = digits(s, 2);
	if (m < 0 || m > 59)
		return ERR_INVALID;
	*ret = sign * (h * 3600 + m * 60);
	return 0;
}

int
rfc3339_parse(const char *s, int64_t *ret_unix_seconds)
{
	struct tm tm = { 0 };
	int offset, year, mon, day, hour, min, sec;

	year = digits(&s, 4);
	if (year < 0 || *s++ != '-')
		return ERR_INVALID;
	mon = digits(&s, 2);
	if (mon < 1 || mon > 12 || *s++ != '-')
		return ERR_INVALID;
	day = digits(&s, 2);
	if (day < 1 || day > days_in_month(year, mon) ||
	    (*s != 'T' && *s != 't' && *s != ' '))
		return ERR_INVALID;
	s++;
	hour = digits(&s, 2);
	if (hour < 0 || hour > 23 || *s++ != ':')
		return ERR_INVALID;
	min = digits(&s, 2);
	if (min < 0 || min > 59 || *s++ != ':')
		return ERR_INVALID;
	sec = digits(&s, 2);
	if (sec < 0 || sec > 60)
		return ERR_INVALID;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return ERR_INVALID;
		while (isdigit((unsigned char)*s))
			s++;
	}
	if (parse_offset(&s, &offset) != 0 || *s != '\0')
		return ERR_INVALID;
	tm.tm_year = year - 1900;
	tm.tm_mon = mon - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = min;
	tm.tm_sec = sec == 60 ? 59 : sec;
	*ret_unix_seconds = (int64_t)timegm(&tm) - offset;
	return 0;
}

int
duration_parse(const char *s, int64_t *ret_seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	int64_t total = 0, n;
	size_t i;

	do {
		if (!isdigit((unsigned char)*s))
			return ERR_INVALID;
		for (n = 0; isdigit((unsigned char)*s); s++) {
			n = n * 10 + (*s - '0');
			if (n > DURATION_MAX)
				return ERR_INVALID;
		}
		for (i = 0; i < 4 && *s != units[i].unit; i++)
			;
		if (i < 4)
			s++;
		else if (*s != '\0')
			return ERR_INVALID;
		total += n * units[i < 4 ? i : 0].seconds;
		if (total > DURATION_MAX)
			return ERR_INVALID;
	} while (*s != '\0');
	if (total < 1)
		return ERR_INVALID;
	*ret_seconds = total;
	return 0;
}

int
duration_option(const char *option, const char *s, const char *expected,
    int64_t *ret_seconds, struct err *e)
{
	int64_t seconds;

	if (duration_parse(s, &seconds) != 0)
		return err_set(e, ERR_INVALID, "%s %.64s: expected %s", option,
		    s, expected);
	if (isdigit((unsigned char)s[strlen(s) - 1]))
		return err_set(e, ERR_INVALID,
		    "%s %.64s: give a unit, as in %.64s%c (s, m, h, d)", option,
		    s, s,
		    s[strspn(s, "0123456789")] == '\0'
			? expected[strlen(expected) - 1]
			: 's');
	*ret_seconds = seconds;
	return 0;
}

void
duration_format(int64_t seconds, char out[32])
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t at = 0, i;

	out[0] = '\0';
	if (seconds <= 0) {
		memcpy(out, "0s", 3);
		return;
	}
	for (i = 0; i < 4 && at < 24; i++) {
		int64_t n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (n > 0)
			at += (size_t)snprintf(out + at, 32 - at, "%lld%c",
			    (long long)n, units[i].unit);
	}
}
