/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/gofmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void
go_mode(mode_t mode, char out[static GO_MODE_MAX])
{
	static const char rwx[] = "rwxrwxrwx";
	char *p = out;
	int i;

	if (S_ISDIR(mode))
		*p++ = 'd';
	if (S_ISLNK(mode))
		*p++ = 'L';
	if (S_ISBLK(mode) || S_ISCHR(mode))
		*p++ = 'D';
	if (S_ISFIFO(mode))
		*p++ = 'p';
	if (S_ISSOCK(mode))
		*p++ = 'S';
	if ((mode & S_ISUID) != 0)
		*p++ = 'u';
	if ((mode & S_ISGID) != 0)
		*p++ = 'g';
	if (S_ISCHR(mode))
		*p++ = 'c';
	if ((mode & S_ISVTX) != 0)
		*p++ = 't';
	if (p == out)
		*p++ = '-';
	for (i = 0; i < 9; i++)
		*p++ = (mode & (0400u >> i)) != 0 ? rwx[i] : '-';
	*p = '\0';
}

/* ".5" for half a second; nothing for a whole one. */
static void
fraction(int64_t part, int digits, char out[16])
{
	int n;

	out[0] = '\0';
	if (part == 0)
		return;
	n = snprintf(out, 16, ".%0*" PRId64, digits, part);
	while (n > 0 && out[n - 1] == '0')
		out[--n] = '\0';
}

void
go_time(const struct timespec *t, char out[static GO_TIME_MAX])
{
	time_t s = t->tv_sec;
	char frac[16];
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (gmtime_r(&s, &tm) == NULL) {
		snprintf(out, GO_TIME_MAX, "unix %" PRId64, (int64_t)s);
		return;
	}
	fraction(t->tv_nsec, 9, frac);
	snprintf(out, GO_TIME_MAX,
	    "%04d-%02d-%02d %02d:%02d:%02d%s "
	    "+0000 UTC",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, frac);
}

void
go_duration(int64_t ns, char out[static GO_DURATION_MAX])
{
	char frac[16];
	int64_t s = ns / 1000000000;
	int n = 0;

	if (ns == 0) {
		snprintf(out, GO_DURATION_MAX, "0s");
	} else if (ns < 1000) {
		snprintf(out, GO_DURATION_MAX, "%" PRId64 "ns", ns);
	} else if (ns < 1000000) {
		fraction(ns % 1000, 3, frac);
		snprintf(out, GO_DURATION_MAX, "%" PRId64 "%s\u00b5s",
		    ns / 1000, frac);
	} else if (ns < 1000000000) {
		fraction(ns % 1000000, 6, frac);
		snprintf(out, GO_DURATION_MAX, "%" PRId64 "%sms", ns / 1000000,
		    frac);
	} else {
		fraction(ns % 1000000000, 9, frac);
		if (s >= 3600)
			n += snprintf(
			    out, GO_DURATION_MAX, "%" PRId64 "h", s / 3600);
		if (s >= 60)
			n += snprintf(out + n, GO_DURATION_MAX - (size_t)n,
			    "%" PRId64 "m", s / 60 % 60);
		snprintf(out + n, GO_DURATION_MAX - (size_t)n, "%" PRId64 "%ss",
		    s % 60, frac);
	}
}
